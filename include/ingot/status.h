/// What a store says of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

/// Whether anything keeps the store from full service right now.
struct Health {
  /// True when this handle knows of nothing wrong. False: writers may wait or fail; `problems` says why.
  bool good = true;
  /// A sentence each: flushes or compactions that fail, and why (a full disk, a device that fails, another process
  /// that holds the commit lock); a log that can't be written or read; what the handle stopped itself for.
  std::vector<std::string> problems;
};

/// Conflicts of one space since the store was opened by this handle: commits that lost because of a key in it.
struct SpaceConflicts {
  std::string space;
  std::uint64_t conflicts = 0;
};

/// What a store in a bucket asked of it since open(). All zero for a directory.
struct BucketStats {
  std::uint64_t puts = 0;     ///< objects, parts of them, and tries that lost: the dear ones
  std::uint64_t gets = 0;     ///< whole objects or parts, and looks that found nothing
  std::uint64_t lists = 0;    ///< pages; each costs as much as a put
  std::uint64_t removes = 0;  ///< free on most services
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t undecided = 0;      ///< requests whose answer did not say, or did not come; sent again
  std::uint64_t throttled = 0;      ///< turned away for now (429, 503); sent again
  std::uint64_t lost_races = 0;     ///< puts to the log that another writer's came before
  std::uint64_t hedged = 0;         ///< puts to the log that were sent twice, for the first was slow
  std::uint64_t reads_fetched = 0;  ///< reads of runs that neither memory nor the local cache could serve
  double dollars = 0;               ///< what these requests cost, about, at S3's list price (docs/s3.md)
};

/// Figures of one open store, of this handle since open() unless said otherwise. Bytes are bytes. Taken one after the
/// other, so they may not add up exactly.
struct Stats {
  std::uint64_t version = 0;  ///< newest committed version
  // transactions
  std::uint64_t commits = 0;    ///< with writes, by this process
  std::uint64_t groups = 0;     ///< appends to the log that carried them
  std::uint64_t conflicts = 0;  ///< commits that lost
  std::vector<SpaceConflicts> conflicts_by_space;
  std::uint64_t syncs = 0;  ///< fdatasync calls on the log
  // memory
  std::uint64_t memory_budget_bytes = 0;  ///< the bound
  std::uint64_t memory_bytes = 0;         ///< in use: the sum of the next three
  std::uint64_t memtable_bytes = 0;
  std::uint64_t cache_bytes = 0;
  std::uint64_t index_bytes = 0;  ///< indexes and filters of open runs
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  // disk
  std::uint64_t runs = 0;  ///< run files in the newest state
  std::uint64_t run_bytes = 0;
  std::uint64_t log_bytes = 0;     ///< all files of the log: segments, those made ahead, the reserve
  std::uint64_t pinned_bytes = 0;  ///< run files that only old snapshots (of any process) keep
  // maintenance
  std::uint64_t flushes = 0;
  std::uint64_t compactions = 0;
  std::uint64_t bytes_committed = 0;       ///< payload of committed transactions
  std::uint64_t bytes_written_log = 0;     ///< parity and padding included; zeros written ahead are not
  std::uint64_t bytes_written_runs = 0;    ///< by flushes and compactions
  std::uint64_t blocks_healed = 0;         ///< damaged blocks of runs, sectors of the log, and copies of small files
  std::uint64_t delayed_commits = 0;       ///< slowed down, by up to 1 ms each, because maintenance was behind
  std::uint64_t delayed_microseconds = 0;  ///< in all
  BucketStats bucket;
};

/// What Store::check found.
struct CheckReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;  ///< records in runs, superseded ones included
  std::uint64_t log_entries = 0;
  std::uint64_t healed = 0;                ///< damaged places that were rebuilt: as many as there are sentences
  std::vector<std::string> healed_places;  ///< a sentence for each, with file and range; those that opening the store
                                           ///< has healed are told by this handle's first check
  std::vector<std::string> damage;         ///< a sentence for each place that could not be, with its exact range
  [[nodiscard]] bool clean() const { return healed == 0 && damage.empty(); }
};

}  // namespace ingot
