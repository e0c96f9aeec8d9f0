#include "runs/run.h"

#include <algorithm>

#include "base/hash.h"
#include "runs/block_cache.h"
#include "runs/filter.h"
#include "runs/read_ahead.h"
#include "runs/run_file.h"
#include "runs/run_parity.h"

namespace ingot::runs {

std::uint64_t key_hash(std::string_view key) {
  return base::hash64(key);
}

Run::Run(storage::Directory& directory, std::string path, RunSummary summary, std::shared_ptr<BlockCache> cache,
         std::function<void(const std::string&)> on_message)
    : implementation_(std::make_unique<Implementation>(directory, std::move(path), std::move(summary), std::move(cache),
                                                       std::move(on_message))),
      summary_has_erasures_(implementation_->summary.range_erasures != 0) {}

Run::~Run() = default;

const RunSummary& Run::summary() const {
  return implementation_->summary;
}

void Run::prefetch(std::string_view key, std::uint64_t hash) const {
  const Meta* meta = implementation_->meta.load(std::memory_order_acquire);
  if (meta == nullptr) return;
  const std::size_t index = meta->partition_for(key);
  if (index == meta->partitions.size()) return;
  const base::EpochDomain::Guard guard(implementation_->cache->implementation().epochs);
  const CachedBlock* part = meta->partitions[index].block.load(std::memory_order_seq_cst);
  if (part != nullptr) __builtin_prefetch(part->filter + filter_line(hash, part->filter_line_count) * kFilterLineBytes);
}

void Run::fetch_index() const {
  Implementation& self = *implementation_;
  if (!self.directory.is_remote() || self.meta.load(std::memory_order_acquire) != nullptr) return;
  if (!self.summary.index.has_value() || self.is_fetching_index.exchange(true, std::memory_order_relaxed)) return;
  const std::shared_ptr<storage::File> reading = self.file();
  if (reading == nullptr) return;
  const IndexPlace& place = *self.summary.index;
  const std::uint64_t begin = index_begin(place, *reading);
  reading->will_read(begin, place.meta.offset + place.meta.stored_bytes - begin, storage::Reading::soon);
}

Lookup Run::get(std::string_view key, std::uint64_t hash, Io io, base::FunctionRef<void(const Record&)> use) const {
  Implementation& self = *implementation_;
  BlockCache::Implementation& blocks = self.cache->implementation();
  const Meta* meta = self.open(io);
  if (meta == nullptr) return io == Io::none ? Lookup::not_cached : Lookup::failed;
  const std::size_t index = meta->partition_for(key);
  if (index == meta->partitions.size()) return Lookup::absent;
  const Partition& part = meta->partitions[index];
  // Blocks may be evicted between a load and the next look: then it is loaded again. Pinned when loaded, the loop ends.
  PinnedBlock pinned_part;
  PinnedBlock pinned_data;
  for (;;) {
    Handle handle;
    std::uint32_t place = 0;
    bool need_part = false;
    {
      const base::EpochDomain::Guard guard(blocks.epochs);
      CachedBlock* block =
          pinned_part.get() != nullptr ? pinned_part.get() : part.block.load(std::memory_order_seq_cst);
      if (block == nullptr) {
        need_part = true;
      } else {
        if (!block->used.load(std::memory_order_relaxed)) block->used.store(true, std::memory_order_relaxed);
        if (!filter_may_hold(block->filter, block->filter_line_count, hash)) return Lookup::absent;
        place = block->view.lower_bound(key);
        if (place == block->view.count()) return Lookup::absent;
        if (place >= part.block_count) {
          self.fail("an index has more blocks than the meta block says");
          return Lookup::failed;
        }
        CachedBlock* data =
            pinned_data.get() != nullptr ? pinned_data.get() : part.data_blocks[place].load(std::memory_order_seq_cst);
        if (data != nullptr) {
          if (!data->used.load(std::memory_order_relaxed)) data->used.store(true, std::memory_order_relaxed);
          blocks.hits[base::thread_index() % BlockCache::Implementation::kHitCounters].count.fetch_add(
              1, std::memory_order_relaxed);
          const std::uint32_t found = data->view.find(key, hash);
          if (found == data->view.count()) return Lookup::absent;
          Record record;
          record.key = key;
          data->view.read_value(found, record);
          use(record);
          return Lookup::found;
        }
        Record entry;
        block->view.read_value(place, entry);
        handle = load_handle(entry.value.data());
      }
    }
    if (io == Io::none) return Lookup::not_cached;
    if (need_part) {
      pinned_part = PinnedBlock(self.partition(*meta, index, io));
      if (pinned_part.get() == nullptr) return Lookup::failed;
    } else {
      pinned_data = PinnedBlock(self.data_block(*meta, index, place, handle, io));
      if (pinned_data.get() == nullptr) return Lookup::failed;
    }
  }
}

std::uint64_t Run::erased_version(std::string_view key) const {
  const Meta* meta = implementation_->open(Io::allowed);
  if (meta == nullptr) return 0;
  auto after =
      std::upper_bound(meta->erasures.begin(), meta->erasures.end(), key,
                       [](std::string_view wanted, const Meta::Erasure& erasure) { return wanted < erasure.begin; });
  if (after == meta->erasures.begin()) return 0;
  --after;
  return after->end.empty() || key < after->end ? after->version : 0;
}

std::vector<RangeErasure> Run::range_erasures() const {
  std::vector<RangeErasure> erasures;
  if (!summary_has_erasures_) return erasures;
  const Meta* meta = implementation_->open(Io::allowed);
  if (meta == nullptr) return erasures;
  for (const Meta::Erasure& erasure : meta->erasures) erasures.push_back({erasure.begin, erasure.end, erasure.version});
  return erasures;
}

bool Run::readable() const {
  return implementation_->open(Io::allowed) != nullptr;
}

std::unique_ptr<Cursor> Run::cursor(std::shared_ptr<const Run> self, bool sequential) const {
  return make_run_cursor(std::move(self), *implementation_, sequential);
}

RunCheck Run::check() const {
  Implementation& self = *implementation_;
  RunCheck checked;
  checked.bytes = self.summary.file_bytes;
  const Meta* meta = self.open(Io::allowed);
  if (meta == nullptr) {
    checked.damage.push_back(why());
    return checked;
  }
  ReadAhead ahead(self, *meta, storage::Reading::original);
  // All blocks first, so that what is lost is named by its keys; then every sector, parity included.
  for (std::size_t p = 0; p < meta->partitions.size(); ++p) {
    const PinnedBlock part(self.partition(*meta, p, Io::allowed));
    if (part.get() == nullptr) {
      checked.damage.push_back(why());
      continue;
    }
    for (std::uint32_t i = 0; i < part.get()->view.count(); ++i) {
      Record entry;
      part.get()->view.read_value(i, entry);
      const Handle handle = load_handle(entry.value.data());
      std::string raw;
      const std::string_view stored = ahead.stored(handle);
      const bool good = handle.raw_bytes <= kBlockBytesMax && !stored.empty() && self.unpack(stored, handle, raw);
      if ((!good && !self.read_block(handle, kBlockBytesMax, raw, [&] { return self.keys_of(*meta, p, i); })) ||
          !BlockView::verify(raw)) {
        checked.damage.push_back(why());
        continue;
      }
      checked.records += BlockView(raw.data()).count();
    }
  }
  const std::shared_ptr<storage::File> file = self.file();
  if (file == nullptr) {
    checked.damage.push_back(why());
    return checked;
  }
  std::vector<std::uint64_t> lost;
  const std::vector<std::uint64_t> damaged = self.damaged_sectors(*file, *meta, lost);
  const std::string where = self.directory.where() + "/" + self.path + ": ";
  if (damaged.empty()) return checked;
  self.rewrite.store(true);
  if (checked.damage.empty()) lost.clear();  // no record lies there
  if (!lost.empty()) checked.damage.push_back(where + sectors_text(lost) + " are damaged beyond healing");
  std::vector<std::uint64_t> range;
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    if (!std::binary_search(lost.begin(), lost.end(), damaged[i])) range.push_back(damaged[i]);
    const bool goes_on = i + 1 < damaged.size() && damaged[i + 1] == damaged[i] + kSectorBytes;
    if (goes_on || range.empty()) continue;
    checked.healed.push_back(where + sectors_text(range) + " were damaged");
    if (self.on_message) self.on_message(checked.healed.back() + "; the file will be rewritten");
    range.clear();
  }
  return checked;
}

bool Run::wants_rewrite() const {
  return implementation_->rewrite.load(std::memory_order_relaxed);
}

std::string Run::why() const {
  const std::lock_guard lock(implementation_->mutex);
  return implementation_->why;
}

std::uint64_t Run::index_bytes() const {
  const Meta* meta = implementation_->meta.load(std::memory_order_acquire);
  return meta == nullptr ? 0 : meta->memory_bytes;
}

}  // namespace ingot::runs
