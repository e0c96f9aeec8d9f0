// An open run file: its meta block in memory, its blocks read, verified, healed and cached. What Run and its cursors
// share.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runs/block_cache.h"
#include "runs/open_files.h"
#include "runs/run.h"
#include "runs/run_format.h"

namespace ingot::runs {

class ParityBuilder;

// One partition: up to kPartitionBlocks data blocks, their index and filter.
struct Partition {
  std::string last_key;
  Handle handle;
  std::uint32_t block_count = 0;
  std::atomic<CachedBlock*> block{nullptr};                  // the partition block
  std::unique_ptr<std::atomic<CachedBlock*>[]> data_blocks;  // made with the meta
};

// The meta block, and what hangs on it.
struct Meta {
  std::vector<Partition> partitions;
  std::vector<std::uint64_t> heads;  // of the partitions' last keys, behind the prefix they share
  std::string prefix;
  struct Erasure {
    std::string begin;
    std::string end;
    std::uint64_t version;
  };
  std::vector<Erasure> erasures;
  IndexPlace place;
  std::uint64_t memory_bytes = 0;

  // The partition that could hold `key`, or partitions.size().
  [[nodiscard]] std::size_t partition_for(std::string_view key) const;
};

inline constexpr std::uint32_t kWholePartition = ~0U;  // instead of the index of a data block

struct Run::Implementation {
  Implementation(storage::Directory& where, std::string file_path, RunSummary run_summary,
                 std::shared_ptr<BlockCache> block_cache, std::function<void(const std::string&)> message_hook);
  ~Implementation();

  // The meta, read at first use. Null: not there (io none), or failed.
  const Meta* open(Io io);
  // A block through the cache, pinned for the caller; null if not cached (io none), or failed. Inside or outside of a
  // guard.
  CachedBlock* partition(const Meta& meta, std::size_t index, Io io);
  CachedBlock* data_block(const Meta& meta, std::size_t partition, std::uint32_t index, const Handle& handle, Io io);

  // The decompressed bytes of a block, verified by checksum, healed if need be. False: failed, and why() says why.
  // `which`: the keys that can't be read then.
  bool read_block(const Handle& handle, std::uint32_t raw_max, std::string& raw, base::FunctionRef<Unreadable()> which);
  // The keys of a data block, or of a partition; for what can't be read.
  Unreadable keys_of(const Meta& meta, std::size_t partition, std::uint32_t block);
  [[nodiscard]] Unreadable all_keys() const;
  // The same from stored bytes that were read already; false if they are damaged.
  bool unpack(std::string_view stored, const Handle& handle, std::string& raw) const;
  void fail(const std::string& what);
  // What follows the covered part of the file, all of whose bytes `covered` has seen.
  [[nodiscard]] std::string tail_behind(ParityBuilder& covered, const Meta& opened) const;
  // The offsets of all sectors that are not what they must be, ascending; and which of them can't be rebuilt.
  std::vector<std::uint64_t> damaged_sectors(storage::File& reading, const Meta& opened,
                                             std::vector<std::uint64_t>& lost);

  storage::Directory& directory;
  const std::string path;
  const RunSummary summary;
  const std::shared_ptr<BlockCache> cache;
  const std::function<void(const std::string&)> on_message;
  const std::uint64_t name_hash;

  // The open file. Null: it can't be opened, and why() says why.
  std::shared_ptr<storage::File> file();

  base::Mutex mutex;  // opening, why
  std::unique_ptr<Meta> meta_owner;
  std::atomic<const Meta*> meta{nullptr};
  std::string why;
  std::atomic<bool> rewrite{false};
  std::atomic<bool> is_fetching_index{false};  // or has done so: once is enough

 private:
  OpenFiles::Slot file_slot_;
  CachedBlock* load(std::atomic<CachedBlock*>& slot, const Handle& handle, const Meta& meta, std::size_t partition,
                    std::uint32_t index);
  // Where the index lies, by the summary or a footer. What stands in the way of knowing it; empty: nothing.
  std::string find_index(storage::File& opened, IndexPlace& place);
  std::string read_footers(storage::File& opened, std::uint64_t file_bytes, IndexPlace& place);
  // Reads the stored bytes of a block, whatever they are.
  storage::IoError read_stored(storage::File& opened, const Handle& handle, std::string& stored);
  bool decode_meta(std::string_view raw, Meta& decoded) const;
};

// Where to begin to read when a run is opened.
std::uint64_t index_begin(const IndexPlace& place, const storage::File& file);

// A partition block's parts. False: not a partition block.
bool decode_partition(CachedBlock& block);

std::unique_ptr<Cursor> make_run_cursor(std::shared_ptr<const Run> self, Run::Implementation& run, bool sequential);

}  // namespace ingot::runs
