// What the machine, or the control group that this process runs in, has.
#pragma once

#include <cstdint>

namespace ingot::base {

/// Bytes of memory that this process may use at the most: the machine's, or its control group's limit (v1 or v2) if
/// lower.
std::uint64_t machine_memory_bytes();

}  // namespace ingot::base
