// What the fault library is told, in a file that a test and the processes under test all map. Everything may be changed
// while those processes run.
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

enum class Call : std::uint32_t {
  read = 1,
  write = 2,
  sync = 4,
  open = 8,
  rename = 16,
  unlink = 32,
  truncate = 64,
  told = 128,  // not a call: the program says that it has come here, with reached()
};

// A signal that a process sends itself at one exact place: the call with number `countdown`, of these kinds, on a path
// with `path` in it, in a thread of this name. Whoever is there first, of all processes, gets it; nobody else does.
struct Strike {
  enum : std::uint32_t { off, armed, taken };
  std::atomic<std::uint32_t> state{off};  // the rest is changed only while it is off
  std::uint32_t calls = 0;                // of Call
  std::uint32_t after = 0;                // the call was made; else it is not
  std::int32_t signal = 0;
  char path[64] = {};
  char thread[16] = {};  // empty: any
  std::atomic<std::int32_t> countdown{0};
  std::atomic<std::int32_t> pid{0};  // who took it
};

struct FaultControl {
  FaultRule write;        // pwrite
  FaultRule read;         // pread
  FaultRule sync;         // fdatasync, fsync; directories too
  FaultRule open;         // open, openat
  FaultRule rename;       // renameat
  FaultRule unlink;       // unlinkat
  FaultRule truncate;     // ftruncate
  FaultRule map;          // mmap
  FaultRule interrupt;    // any of the calls above but unlink and mmap: EINTR, before anything is done
  FaultRule short_read;   // a pread gets only a part of what was asked
  FaultRule short_write;  // a pwrite takes only a part
  FaultRule slow;         // a call sleeps for slow_micros before it is made
  std::atomic<std::uint32_t> slow_micros{0};
  // After a failed sync what was written since the last good one is as it was before: the page cache forgot it, as
  // Btrfs does and any file system may once the page is evicted.
  std::atomic<std::uint32_t> failed_sync_forgets{0};
  std::atomic<std::uint64_t> forgotten_bytes{0};
  Strike strike;
};

}  // namespace ingot::testing
