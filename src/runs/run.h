// Runs: immutable sorted files. One version of a key each. Format: run_format.h, docs/formats/run.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/epoch.h"
#include "base/function_ref.h"
#include "runs/record.h"
#include "runs/run_format.h"
#include "storage/directory.h"

namespace ingot::runs {

class BlockCache;

// What the engine keeps of a run in edits and checkpoints.
struct RunSummary {
  std::string name;  // the file's name in runs/: 32 hex digits, random
  std::uint64_t file_bytes = 0;
  std::uint64_t records = 0;  // tombstones included
  std::uint64_t erased = 0;   // tombstones
  std::uint64_t range_erasures = 0;
  std::uint64_t data_bytes = 0;  // keys and values before compression
  std::uint64_t version_min = 0;
  std::uint64_t version_max = 0;
  std::int64_t expires_min = 0;     // 0: no record expires
  std::int64_t expires_max = 0;     // the latest expiry; 0 if some record never expires
  std::string smallest;             // keys; they cover range erasures too
  std::string largest;              // inclusive; for an erasure to the end: a string of 0xff longer than any key
  std::optional<IndexPlace> index;  // nothing: an older release wrote the summary, so its footers are read
};

enum class Compression : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };

// Writes one run. Records in ascending key order, each key once. One thread.
class RunWriter {
 public:
  RunWriter(storage::Directory& directory, std::string path, Compression compression);
  ~RunWriter();  // an unfinished file is removed
  storage::IoError add(const Record& record);
  void add_range_erasure(const RangeErasure& erasure);
  // About the size that the file has so far.
  [[nodiscard]] std::uint64_t file_bytes() const;
  // Writes indexes, filter, parity and footer, and syncs the file (not the directory).
  storage::IoError finish(RunSummary& summary);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// How a look-up in a run ended.
enum class Lookup : std::uint8_t {
  absent,
  found,
  not_cached,  // with Io::none only: the answer needs bytes that are not in memory
  failed,      // why() says why
};

// Whether a look-up may read from storage. With `none` it never waits, so it may run inside an epoch guard.
enum class Io : std::uint8_t { none, allowed };

// What a look at every byte of a run came to.
struct RunCheck {
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::vector<std::string> healed;  // a sentence for each damaged stretch that does not matter any more
  std::vector<std::string> damage;  // a sentence for each that does, with the keys that can't be read
};

// How all bytes of a run were passed on.
enum class Passed : std::uint8_t {
  all,      // as they were written
  damaged,  // some can't be had as they were written, though its records may be readable. why() says why
  failed,   // it can't be opened, or the world did not let it be read. why() says why
  stopped,  // whoever got them said so
};

// An open run. Thread-safe. Costs memory for its index and filter only when first used, counted in the cache's budget.
class Run {
 public:
  // `path` in `directory`. Does no I/O until the first use.
  Run(storage::Directory& directory, std::string path, RunSummary summary, std::shared_ptr<BlockCache> cache,
      std::function<void(const std::string&)> on_message);
  ~Run();

  [[nodiscard]] const RunSummary& summary() const;

  // Tells the processor to fetch the filter line of `key` (`hash`: its key_hash), so that the misses of several runs
  // overlap.
  void prefetch(std::string_view key, std::uint64_t hash) const;

  // Where a read is a request over a network: begins to fetch the index, unless it is known. Does not wait, and what
  // goes wrong shows when it is read.
  void fetch_index() const;

  // The record of `key`. `use` is called with it, once, if it is found, while its bytes are pinned; it must not wait or
  // throw. Range erasures are not looked at.
  Lookup get(std::string_view key, std::uint64_t hash, Io io, base::FunctionRef<void(const Record&)> use) const;

  // Whether range erasures exist, and the version of the newest that covers `key` (0: none).
  [[nodiscard]] bool has_range_erasures() const { return summary_has_erasures_; }
  [[nodiscard]] std::uint64_t erased_version(std::string_view key) const;
  [[nodiscard]] std::vector<RangeErasure> range_erasures() const;  // sorted by begin; views live as long as the run

  // A cursor; keeps this run alive through `self`. `sequential` reads ahead and does not fill the caches (merges,
  // exports).
  [[nodiscard]] std::unique_ptr<Cursor> cursor(std::shared_ptr<const Run> self, bool sequential) const;

  // Whether it can be opened; false: why() says why. Needed before range_erasures and erased_version are believed.
  [[nodiscard]] bool readable() const;

  // Verifies every byte, heals what it can.
  [[nodiscard]] RunCheck check() const;

  // Passes all bytes of the file to `use`, in order, about a MiB at a time, as they were written: verified, and rebuilt
  // where they were damaged. `use` returns whether to go on.
  [[nodiscard]] Passed pass_bytes(base::FunctionRef<bool(std::string_view)> use) const;
  // Whether the file is what was written, to the last byte. Heals nothing.
  [[nodiscard]] bool is_intact() const;

  // Whether a block had to be healed: the run should be rewritten.
  [[nodiscard]] bool wants_rewrite() const;
  // What could not be read, for a person; empty if nothing.
  [[nodiscard]] std::string why() const;

  // Index and filter in memory.
  [[nodiscard]] std::uint64_t index_bytes() const;

  struct Implementation;  // run_file.h

 private:
  std::unique_ptr<Implementation> implementation_;
  bool summary_has_erasures_ = false;
};

// A key as messages show it: printable, and not too long.
std::string shown_key(std::string_view key);

// The hash that filters use.
std::uint64_t key_hash(std::string_view key);

// Verified, decompressed blocks, bounded by bytes, shared by all runs of a store; and their open files, bounded by
// their number. Thread-safe; a hit takes no lock.
class BlockCache {
 public:
  static constexpr std::size_t kFilesMaxDefault = 256;
  // `epochs`: readers of blocks are inside its guards.
  BlockCache(std::uint64_t bytes_max, base::EpochDomain& epochs, std::size_t files_max = kFilesMaxDefault);
  ~BlockCache();
  void set_bytes_max(std::uint64_t bytes_max);
  [[nodiscard]] std::uint64_t bytes() const;        // blocks in memory
  [[nodiscard]] std::uint64_t index_bytes() const;  // indexes and filters of open runs
  [[nodiscard]] std::uint64_t hits() const;
  [[nodiscard]] std::uint64_t misses() const;
  [[nodiscard]] std::uint64_t healed() const;
  [[nodiscard]] std::size_t open_files() const;

  struct Implementation;
  [[nodiscard]] Implementation& implementation() const { return *implementation_; }

 private:
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ingot::runs
