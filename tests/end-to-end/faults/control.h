// What the fault library is told, in a file that a test and the process under test both map. Everything may be changed
// while that process runs.
#pragma once

#include <atomic>
#include <cstdint>

namespace ingot::testing {

// One kind of call. A fault hits calls number first … first + count - 1 (from 1), or each with a probability.
struct FaultRule {
  std::atomic<std::uint64_t> calls{0};   // so far, on files of the store
  std::atomic<std::uint64_t> faults{0};  // that were made to fail
  std::atomic<std::uint64_t> first{0};   // 0: none by number
  std::atomic<std::uint64_t> count{0};
  std::atomic<std::uint32_t> per_million{0};  // chance
  std::atomic<std::int32_t> error{0};         // the errno
};

struct FaultControl {
  FaultRule write;  // pwrite
  FaultRule read;   // pread
  FaultRule sync;   // fdatasync, fsync; directories too
  FaultRule open;   // open, openat
  FaultRule make;   // rename, unlink, ftruncate
  // Chance, in a million, that a read or write does only a part of what was asked.
  std::atomic<std::uint32_t> short_per_million{0};
  // After a failed sync what was written since the last good one is as it was before: the page cache forgot it, as
  // Btrfs does and any file system may once the page is evicted.
  std::atomic<std::uint32_t> failed_sync_forgets{0};
  std::atomic<std::uint64_t> forgotten_bytes{0};
};

}  // namespace ingot::testing
