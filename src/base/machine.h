// What the machine, or what this process is limited to, has.
#pragma once

#include <cstdint>

namespace ingot::base {

/// Bytes of memory that this process may use at the most: the machine's, or its control group's limit (v1 or v2) if
/// lower.
std::uint64_t machine_memory_bytes();

/// How many files this process may have open (RLIMIT_NOFILE).
std::uint64_t process_open_files_max();

}  // namespace ingot::base
