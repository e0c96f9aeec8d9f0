/// How a store is opened. All of it has defaults that need no change.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace ingot {

/// What a commit has survived when it returns.
enum class Durability {
  disk,     ///< A power cut: it was synced. The default.
  process,  ///< The death of this process, not of the machine. Synced within 100 ms in the background.
};

/// What a log would hold: healing, waiting, retries, degraded service. For people; not an error channel.
struct Message {
  enum class Severity { info, warning };
  Severity severity = Severity::info;
  std::string text;
};

struct Options {
  /// Reads only: works on read-only media, and next to writers. Writes throw read_only.
  bool read_only = false;
  /// Makes the store if the directory does not exist or is empty. false: not_a_store then.
  bool create = true;
  /// The durability of commits that do not say another.
  Durability durability = Durability::disk;
  /// The bound for this store's memory: memtables, block cache, indexes; at least 64 MiB. 0: a quarter of what the
  /// machine or its control group has, between 64 MiB and 8 GiB.
  std::size_t memory_bytes = 0;
  /// How long a call waits for the world (a full disk, a stopped process that holds the commit lock) before
  /// `unavailable`.
  std::chrono::milliseconds deadline{30'000};
  /// Called with what a log would hold, from any thread, one at a time. Must not call the store.
  std::function<void(const Message&)> on_message = {};
};

}  // namespace ingot
