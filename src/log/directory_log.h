// The shared log in a directory: zero-filled segment files under log/, the commit lock between processes, and `live`.
// Formats: segment_format.h, live_format.h; prose: docs/formats/log.md.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "log/live.h"
#include "log/log.h"
#include "storage/directory.h"

namespace ingot::log {

// What a directory log is opened with.
struct DirectoryLogOptions {
  bool read_only = false;    // takes no lock, writes nothing, not even `live` (see Live::open_read_only)
  bool pass_damage = false;  // with read_only: what can't be read is told, in problem(), and left out
  base::Hash128 store_id;    // from the store's header: a segment of another store is not ours
  Start start;               // from the newest checkpoint
  std::function<void(const std::string&)> on_message;  // healing, waiting, retries; any thread
  std::uint64_t segment_bytes = 16ULL << 20;           // of new segments; smaller ones are for tests
};

// Opens the log and passes everything after `options.start` to `sink` (recovery): heals, tells torn tail from damage,
// and (unless read_only) syncs what it found before it returns. `live` has been opened by the caller; if
// `live->alone()` its contents were made anew here, from the log. `outcome`: caught_up and a log; or
// gone/corrupt/unavailable, `why` says why, and no log. If there are no segments and `options.start.segment` is 1, they
// begin here, after `options.start` (a new store, or a copy of one).
std::unique_ptr<Log> open_directory_log(storage::Directory& directory, Live& live, const DirectoryLogOptions& options,
                                        const Sink& sink, Read& outcome, std::string& why);

}  // namespace ingot::log
