// What the harness asks of the operating system, the same for every engine.
#pragma once

#include <cstdint>
#include <string>

namespace bench {

struct Memory {
  std::uint64_t anonymous_bytes = 0;  // this process's own
  std::uint64_t mapped_bytes = 0;     // of files it has mapped: the kernel may take them back
};
Memory memory_now();

// Bytes that the files below `directory` occupy on disk (blocks, not lengths).
std::uint64_t disk_bytes(const std::string& directory);

// Bytes that this process has sent towards the disk since it began.
std::uint64_t bytes_written();

// Waits until this process's threads rest, so that background work is not measured as someone else's: 0.2 s with less
// than a twentieth of a core. At most `seconds_max`. Returns how long it took.
double wait_until_quiet(double seconds_max);

struct Machine {
  std::string processor;
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string kernel;
  std::string file_system;  // of the directory
  double load = 0;          // the average over the last minute: what else the machine does
};
Machine describe_machine(const std::string& directory);

}  // namespace bench
