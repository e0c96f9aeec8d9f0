// Whole reads and writes out of system calls that may do only a part of what they were asked, or be interrupted. Shared
// by the real directory and by the simulated disk, which cuts and interrupts its own calls below these loops.
//
// A call answers as POSIX has it: a count, zero or more; or -1, and errno says why. It is given what is left to do.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>

#include "storage/directory.h"

namespace ingot::storage {

/// How often one call may be interrupted without doing anything. No storm of signals comes near it; a file system that
/// says EINTR forever does, and then is told so.
inline constexpr int kInterruptionsMax = 10'000;

/// call() again while it is -1 with EINTR. For any system call but close.
template <class Call>
auto retried(Call&& call) {
  auto result = call();
  for (int again = 0; result == -1 && errno == EINTR && again < kInterruptionsMax; ++again) result = call();
  return result;
}

/// The error of a call that says 0 or -1.
template <class Call>
IoError error_of(Call&& call) {
  return retried(call) == -1 ? IoError(errno) : IoError();
}

/// Reads until `out` is full or the file ends (the call says 0). `got` is right after an error as well.
///   call  ssize_t(std::uint64_t offset, std::span<char> rest), as pread
template <class Call>
IoError read_whole(std::uint64_t offset, std::span<char> out, std::size_t& got, Call&& call) {
  got = 0;
  while (got < out.size()) {
    const ssize_t count = retried([&] { return static_cast<ssize_t>(call(offset + got, out.subspan(got))); });
    if (count < 0) return IoError(errno);
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  return {};
}

/// Writes all of `bytes`, or fails, having written any part of them. A call that writes nothing and gives no reason has
/// no room (ENOSPC).
///   call  ssize_t(std::uint64_t offset, std::string_view rest), as pwrite
template <class Call>
IoError write_whole(std::uint64_t offset, std::string_view bytes, Call&& call) {
  while (!bytes.empty()) {
    const ssize_t count = retried([&] { return static_cast<ssize_t>(call(offset, bytes)); });
    if (count < 0) return IoError(errno);
    if (count == 0) return IoError(ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

}  // namespace ingot::storage
