/// How a store is opened. All of it has defaults that need no change.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ingot {

/// What a commit has survived when it returns.
enum class Durability {
  disk,     ///< A power cut: it was synced. The default.
  process,  ///< The death of this process, not of the machine. A sync begins within 100 ms, in the background.
            ///< What is lost in a power cut before that is the newest, without gaps.
};

/// What a log would hold: what was healed, degraded service and its end. For people; not an error channel: what
/// concerns a call is thrown by that call.
struct Message {
  enum class Severity { info, warning };
  Severity severity = Severity::info;
  std::string text;
};

struct Options {
  /// Reads only: works on read-only media, and next to writers, without locks or pins. Writes throw read_only. Its
  /// snapshots and scans may end with `expired` if writers remove the files that they read.
  bool read_only = false;
  /// For a store that open() refuses as `corrupt`: opens it as read_only does, and serves what can be read. Commits
  /// that are damaged beyond healing are left out, so what is read may be older than what was acknowledged, or lack it;
  /// health() says which versions, and where. Forward scans and copy() pass over stretches of keys that can't be read
  /// (with all that was said of them), which health() then names, too; all else that needs them throws `corrupt`.
  bool salvage = false;
  /// Makes the store if the directory does not exist (its parent must) or is empty. false: not_a_store then.
  bool create = true;
  /// The durability of commits that do not say another.
  Durability durability = Durability::disk;
  /// The bound for this store's memory in bytes: memtables, block cache, indexes. At least 64 MiB (less:
  /// invalid_argument). 0: a quarter of what the machine or its control group has, between 64 MiB and 8 GiB.
  std::size_t memory_bytes = 0;
  /// How long a call waits for the world (a full disk, a stopped process that holds the commit lock) before
  /// `unavailable`. For transact: each attempt's commit. 0: does not wait; negative: invalid_argument.
  std::chrono::milliseconds deadline{30'000};
  /// In a bucket: where pieces of what is read are kept on the local disk, for all processes of this user. Empty:
  /// $XDG_CACHE_HOME/ingot, or ~/.cache/ingot. "none": nowhere. It may be deleted at any time.
  std::string cache_directory = {};
  /// The most that it takes there, all stores together, in bytes. 0: 10 GiB, or half of what is free if that is less.
  std::uint64_t cache_bytes = 0;
  /// Called with what a log would hold, from any thread, one at a time, also during open(). Must return soon, and not
  /// call the store. What it throws is swallowed.
  std::function<void(const Message&)> on_message = {};
};

}  // namespace ingot
