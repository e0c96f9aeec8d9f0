#include "runs/run_file.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/testing.h"
#include "runs/filter.h"
#include "runs/footer.h"
#include "runs/run_parity.h"

namespace ingot::runs {

namespace {

// Of what one read may as well bring: 256 KiB over a network.
constexpr std::uint64_t kSmallRunPart = 16;

std::uint64_t key_head(std::string_view rest) {
  char bytes[8] = {};
  std::memcpy(bytes, rest.data(), std::min<std::size_t>(rest.size(), sizeof bytes));
  return base::load_big64(bytes);
}

std::string newer_text(const IndexPlace& place) {
  return "it was written by a newer release, in format " + std::to_string(place.format);
}

}  // namespace

std::string shown_key(std::string_view key) {
  constexpr std::size_t kShownMax = 48;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : key.substr(0, kShownMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      out.push_back(c);
    } else {
      out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return key.size() > kShownMax ? out + "…" : out;
}

std::size_t Meta::partition_for(std::string_view key) const {
  const int order = key.substr(0, prefix.size()).compare(prefix);
  if (order < 0) return 0;
  if (order > 0) return partitions.size();
  const std::uint64_t head = key_head(key.substr(prefix.size()));
  auto first = static_cast<std::size_t>(std::lower_bound(heads.begin(), heads.end(), head) - heads.begin());
  while (first < partitions.size() && heads[first] == head && partitions[first].last_key < key) ++first;
  return first;
}

Run::Implementation::Implementation(storage::Directory& where, std::string file_path, RunSummary run_summary,
                                    std::shared_ptr<BlockCache> block_cache,
                                    std::function<void(const std::string&)> message_hook)
    : directory(where),
      path(std::move(file_path)),
      summary(std::move(run_summary)),
      cache(std::move(block_cache)),
      on_message(std::move(message_hook)),
      name_hash(base::hash64(std::string_view(path).substr(path.rfind('/') + 1))) {}

Run::Implementation::~Implementation() {
  cache->implementation().files.forget(file_slot_);
  if (meta_owner == nullptr) return;
  BlockCache::Implementation& blocks = cache->implementation();
  std::vector<std::atomic<CachedBlock*>*> slots;
  for (Partition& partition : meta_owner->partitions) {
    slots.push_back(&partition.block);
    for (std::uint32_t i = 0; i < partition.block_count; ++i) slots.push_back(&partition.data_blocks[i]);
  }
  blocks.remove(slots);
  blocks.index_bytes.fetch_sub(meta_owner->memory_bytes, std::memory_order_relaxed);
}

std::shared_ptr<storage::File> Run::Implementation::file() {
  std::shared_ptr<storage::File> opened;
  if (const storage::IoError error = cache->implementation().files.get(file_slot_, directory, path, opened)) {
    const std::lock_guard lock(mutex);
    why = directory.where() + "/" + path + ": can't be opened: " + error.text();
  }
  return opened;
}

void Run::Implementation::fail(const std::string& what) {
  const std::string sentence = directory.where() + "/" + path + ": " + what;
  {
    const std::lock_guard lock(mutex);
    why = sentence;
  }
  if (on_message) on_message(sentence);
}

std::string Run::Implementation::find_index(storage::File& opened, IndexPlace& place) {
  if (summary.index.has_value()) {
    place = *summary.index;
    return place.format > kRunFormat ? newer_text(place) : "";
  }
  std::uint64_t file_bytes = 0;
  if (const storage::IoError error = opened.size(file_bytes)) return error.text();
  return read_footers(opened, file_bytes, place);
}

std::string Run::Implementation::read_footers(storage::File& opened, std::uint64_t file_bytes, IndexPlace& place) {
  std::string trouble = "both footers are damaged";
  std::string copies[2];
  bool any = false;
  for (const std::size_t copy : {std::size_t{0}, std::size_t{1}}) {
    const std::uint64_t behind = (copy + 1) * kSectorBytes;
    if (file_bytes < behind) break;
    std::string& bytes = copies[copy];
    bytes.resize(kSectorBytes);
    std::size_t got = 0;
    if (const auto failed = opened.read_at(file_bytes - behind, bytes, got))
      trouble = "the footer can't be read: " + failed.text();
    bytes.resize(got);
    IndexPlace said;
    const FooterRead read = decode_footer(bytes, name_hash, file_bytes, said);
    if (read == FooterRead::newer) return newer_text(said);
    if (read == FooterRead::damaged) continue;
    place = said;
    any = true;
  }
  if (!any) return trouble;
  if (copies[0] != copies[1]) {
    base::probe("runs: one footer was needed");
    if (!rewrite.exchange(true)) cache->implementation().healed.fetch_add(1, std::memory_order_relaxed);
    if (on_message) {
      on_message(directory.where() + "/" + path + ": one of its footers, in its last two sectors, was damaged; the " +
                 "other is used, and the file will be rewritten");
    }
  }
  return {};
}

// The whole index region if one read brings it, else its partitions are read when they are needed; and all of a run
// that is small.
std::uint64_t index_begin(const IndexPlace& place, const storage::File& file) {
  const std::uint64_t index_end = place.meta.offset + place.meta.stored_bytes;
  const std::uint64_t at_once = file.worthwhile_bytes();
  if (index_end <= at_once / kSmallRunPart) return 0;
  return place.begin != 0 && index_end - place.begin <= at_once ? place.begin : place.meta.offset;
}

const Meta* Run::Implementation::open(Io io) {
  if (const Meta* opened = meta.load(std::memory_order_acquire)) return opened;
  if (io == Io::none) return nullptr;
  auto decoded = std::make_unique<Meta>();
  IndexPlace& place = decoded->place;
  const std::shared_ptr<storage::File> reading = file();
  if (reading == nullptr) return nullptr;
  if (const std::string trouble = find_index(*reading, place); !trouble.empty()) {
    fail(trouble + "; all of its keys, \"" + shown_key(summary.smallest) + "\" to \"" + shown_key(summary.largest) +
         "\", can't be read");
    return nullptr;
  }
  const std::uint64_t begin = index_begin(place, *reading);
  reading->will_read(begin, place.meta.offset + place.meta.stored_bytes - begin, storage::Reading::again);
  std::string raw;
  if (!read_block(place.meta, kMetaBytesMax, raw, [&] { return all_keys(); })) return nullptr;
  if (!decode_meta(raw, *decoded)) {
    fail("its meta block is not one, though its checksum is right");
    return nullptr;
  }
  const std::lock_guard lock(mutex);
  if (meta_owner == nullptr) {
    meta_owner = std::move(decoded);
    cache->implementation().index_bytes.fetch_add(meta_owner->memory_bytes, std::memory_order_relaxed);
    meta.store(meta_owner.get(), std::memory_order_release);
  }
  return meta_owner.get();
}

bool Run::Implementation::decode_meta(std::string_view raw, Meta& decoded) const {
  base::ByteReader reader(raw);
  std::uint64_t count = 0;
  if (!reader.take_varint(count) || count > reader.remaining()) return false;
  decoded.partitions = std::vector<Partition>(count);
  decoded.memory_bytes = sizeof(Meta) + count * (sizeof(Partition) + 8);
  for (Partition& partition : decoded.partitions) {
    std::string_view key;
    std::string_view handle;
    std::uint64_t blocks = 0;
    if (!reader.take_sized(key) || !reader.take_bytes(kHandleBytes, handle) || !reader.take_varint(blocks) ||
        blocks == 0 || blocks > kPartitionBlocks) {
      return false;
    }
    partition.last_key = key;
    partition.handle = load_handle(handle.data());
    partition.block_count = static_cast<std::uint32_t>(blocks);
    partition.data_blocks = std::make_unique<std::atomic<CachedBlock*>[]>(blocks);
    decoded.memory_bytes += key.size() + blocks * sizeof(void*);
  }
  if (!decoded.partitions.empty()) {
    const std::string_view first = decoded.partitions.front().last_key;
    const std::string_view last = decoded.partitions.back().last_key;
    const auto shared = std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin();
    decoded.prefix = first.substr(0, static_cast<std::size_t>(shared));
    for (const Partition& partition : decoded.partitions) {
      decoded.heads.push_back(key_head(std::string_view(partition.last_key).substr(decoded.prefix.size())));
    }
  }
  if (!reader.take_varint(count) || count > reader.remaining()) return false;
  for (; count > 0; --count) {
    std::string_view begin;
    std::string_view end;
    std::uint64_t version = 0;
    if (!reader.take_sized(begin) || !reader.take_sized(end) || !reader.take_little(version)) return false;
    decoded.memory_bytes += sizeof(Meta::Erasure) + begin.size() + end.size();
    decoded.erasures.push_back({std::string(begin), std::string(end), version});
  }
  return true;
}

bool Run::Implementation::unpack(std::string_view stored, const Handle& handle, std::string& raw) const {
  if (stored.size() != handle.stored_bytes || stored.size() < kBlockFrameBytes) return false;
  const std::string_view checked = stored.substr(0, stored.size() - 8);
  if (block_checksum(checked, name_hash, handle.offset) !=
          base::load_little<std::uint64_t>(checked.data() + checked.size()) &&
      !base::broken(base::Break::run_ignore_checksum)) {
    return false;
  }
  const std::string_view packed = checked.substr(1);
  switch (static_cast<Compression>(checked.front())) {
    case Compression::none:
      if (packed.size() != handle.raw_bytes) return false;
      raw.assign(packed);
      return true;
    case Compression::lz4:
      raw.resize(handle.raw_bytes);
      return LZ4_decompress_safe(packed.data(), raw.data(), static_cast<int>(packed.size()),
                                 static_cast<int>(raw.size())) == static_cast<int>(raw.size());
    case Compression::zstd:
      raw.resize(handle.raw_bytes);
      return ZSTD_decompress(raw.data(), raw.size(), packed.data(), packed.size()) == raw.size();
  }
  return false;
}

Unreadable Run::Implementation::keys_of(const Meta& opened, std::size_t part, std::uint32_t block) {
  Unreadable keys;
  keys.after = part == 0 ? summary.smallest : opened.partitions[part - 1].last_key;
  keys.last = opened.partitions[part].last_key;
  keys.whole = part == 0;
  if (block == kWholePartition) return keys;
  const PinnedBlock pinned(partition(opened, part, Io::allowed));
  if (pinned.get() == nullptr || block >= pinned.get()->view.count()) return keys;
  Record entry;
  pinned.get()->view.read(block, entry, keys.last, false);
  if (block == 0) return keys;
  keys.whole = false;
  pinned.get()->view.read(block - 1, entry, keys.after, false);
  return keys;
}

Unreadable Run::Implementation::all_keys() const {
  return {summary.smallest, summary.largest, true, {}};
}

storage::IoError Run::Implementation::read_stored(storage::File& opened, const Handle& handle, std::string& stored) {
  stored.resize(handle.stored_bytes);
  std::size_t got = 0;
  const storage::IoError error = opened.read_at(handle.offset, stored, got);
  stored.resize(got);
  return error;
}

bool Run::Implementation::read_block(const Handle& handle, std::uint32_t raw_max, std::string& raw,
                                     base::FunctionRef<Unreadable()> which) {
  const auto keys = [&] {
    const Unreadable range = which();
    return "the keys " + std::string(range.whole ? "from \"" : "after \"") + shown_key(range.after) + "\" up to \"" +
           shown_key(range.last) + "\"";
  };
  if (handle.raw_bytes > raw_max || handle.stored_bytes > handle.raw_bytes + kBlockFrameBytes + 64 ||
      handle.stored_bytes < kBlockFrameBytes) {
    fail("an index entry makes no sense; " + keys() + " can't be read");
    return false;
  }
  const std::shared_ptr<storage::File> reading = file();
  if (reading == nullptr) return false;
  std::string stored;
  storage::IoError error = read_stored(*reading, handle, stored);
  if (!error && unpack(stored, handle, raw)) return true;
  if (!error && reading->distrust(handle.offset, handle.stored_bytes)) {
    error = read_stored(*reading, handle, stored);
    if (!error && unpack(stored, handle, raw)) {
      base::probe("runs: only a copy of a block was damaged");
      return true;
    }
  }
  if (error && error.code() != EIO) {
    fail("block at " + std::to_string(handle.offset) + ": " + error.text());
    return false;
  }

  const Meta* opened = meta.load(std::memory_order_acquire);
  IndexPlace place;
  if (opened != nullptr) {
    place = opened->place;
  } else if (!find_index(*reading, place).empty()) {
    place = {};
  }
  const std::uint64_t covered = place.covered_bytes;
  ParityReader parity(*reading, covered);
  std::vector<std::uint64_t> healed;
  std::vector<std::uint64_t> lost;
  if (covered != 0) (void)parity.read(handle.offset, handle.stored_bytes, stored, healed, lost);
  if (covered != 0 && unpack(stored, handle, raw)) {
    base::probe("runs: a block was healed from parity");
    rewrite.store(true);
    cache->implementation().healed.fetch_add(1, std::memory_order_relaxed);
    if (on_message) {
      on_message(directory.where() + "/" + path + ": the block at " + std::to_string(handle.offset) + " was damaged (" +
                 sectors_text(healed) + ") and has been rebuilt from parity; the file will be rewritten");
    }
    return true;
  }
  const storage::IoError device = error ? error : parity.error();
  fail("the block at " + std::to_string(handle.offset) + " (" + std::to_string(handle.stored_bytes) +
       (device ? " bytes) can't be read, nor rebuilt (" + device.text() + ")" : " bytes) is damaged beyond healing") +
       "; " + keys() + " can't be read");
  return false;
}

CachedBlock* Run::Implementation::load(std::atomic<CachedBlock*>& slot, const Handle& handle, const Meta& opened,
                                       std::size_t part, std::uint32_t index) {
  const bool is_partition = index == kWholePartition;
  BlockCache::Implementation& blocks = cache->implementation();
  blocks.misses.fetch_add(1, std::memory_order_relaxed);
  std::string raw;
  if (!read_block(handle, is_partition ? kMetaBytesMax : kBlockBytesMax, raw,
                  [&] { return keys_of(opened, part, index); }))
    return nullptr;
  auto block = std::make_unique<CachedBlock>(std::move(raw));
  if (is_partition ? !decode_partition(*block) : !BlockView::verify(block->bytes)) {
    fail("the block at " + std::to_string(handle.offset) + " is not one, though its checksum is right; keys up to \"" +
         shown_key(opened.partitions[part].last_key) + "\" can't be read");
    return nullptr;
  }
  if (!is_partition) block->view = BlockView(block->bytes.data());
  return blocks.insert(slot, std::move(block));
}

std::string Run::Implementation::tail_behind(ParityBuilder& covered, const Meta& opened) const {
  std::string tail = covered.finish();
  std::uint64_t blocks = 0;
  for (const Partition& partition : opened.partitions) blocks += partition.block_count;
  const std::string footer = make_footer(opened.place, blocks, name_hash);
  return tail.append(footer).append(footer);
}

std::vector<std::uint64_t> Run::Implementation::damaged_sectors(storage::File& reading, const Meta& opened,
                                                                std::vector<std::uint64_t>& lost) {
  constexpr std::uint64_t kStep = kChunkSectors * kSectorBytes;
  std::vector<std::uint64_t> damaged;
  const std::uint64_t tail = opened.place.covered_bytes;
  ParityBuilder builder;
  ParityReader parity(reading, tail);
  std::string covered;
  for (std::uint64_t at = 0; at < tail; at += kStep) {
    const std::uint64_t bytes = std::min(kStep, tail - at);
    reading.will_read(at, bytes, storage::Reading::original);
    (void)parity.read(at, static_cast<std::size_t>(bytes), covered, damaged, lost);
    builder.add(covered);
  }
  const std::size_t rebuilt = damaged.size();
  damaged.insert(damaged.end(), lost.begin(), lost.end());
  std::inplace_merge(damaged.begin(), damaged.begin() + static_cast<std::ptrdiff_t>(rebuilt), damaged.end());
  // What follows is compared with what it must be by the sectors before it, if all of these are known.
  const std::string wanted = tail_behind(builder, opened);
  const std::uint64_t footers = tail + wanted.size() - 2 * kSectorBytes;
  reading.will_read(tail, wanted.size(), storage::Reading::original);
  char found[kSectorBytes];
  for (std::size_t at = 0; at < wanted.size(); at += kSectorBytes) {
    std::size_t got = 0;
    const bool readable = !reading.read_at(tail + at, found, got) && got == kSectorBytes;
    const bool known = lost.empty() || tail + at >= footers;
    if (!readable || (known && std::memcmp(found, wanted.data() + at, kSectorBytes) != 0)) damaged.push_back(tail + at);
  }
  return damaged;
}

namespace {

// A pinned block from its slot, if it is there.
CachedBlock* pin_cached(BlockCache::Implementation& blocks, std::atomic<CachedBlock*>& slot) {
  const base::EpochDomain::Guard guard(blocks.epochs);
  CachedBlock* block = slot.load(std::memory_order_seq_cst);
  if (block == nullptr) return nullptr;
  block->pins.fetch_add(1, std::memory_order_relaxed);
  if (!block->used.load(std::memory_order_relaxed)) block->used.store(true, std::memory_order_relaxed);
  return block;
}

}  // namespace

CachedBlock* Run::Implementation::partition(const Meta& opened, std::size_t index, Io io) {
  auto& part = const_cast<Partition&>(opened.partitions[index]);
  if (CachedBlock* block = pin_cached(cache->implementation(), part.block)) return block;
  return io == Io::none ? nullptr : load(part.block, part.handle, opened, index, kWholePartition);
}

CachedBlock* Run::Implementation::data_block(const Meta& opened, std::size_t part, std::uint32_t index,
                                             const Handle& handle, Io io) {
  std::atomic<CachedBlock*>& slot = opened.partitions[part].data_blocks[index];
  if (CachedBlock* block = pin_cached(cache->implementation(), slot)) return block;
  return io == Io::none ? nullptr : load(slot, handle, opened, part, index);
}

bool decode_partition(CachedBlock& block) {
  const std::string_view bytes = block.bytes;
  if (bytes.size() < 4) return false;
  const auto index_bytes = base::load_little<std::uint32_t>(bytes.data());
  if (index_bytes > bytes.size() - 4 || !BlockView::verify(bytes.substr(4, index_bytes))) return false;
  block.view = BlockView(bytes.data() + 4);
  if (block.view.count() > kPartitionBlocks) return false;
  for (std::uint32_t i = 0; i < block.view.count(); ++i) {
    Record record;
    block.view.read_value(i, record);
    if (record.value.size() != kHandleBytes) return false;
  }
  const std::size_t filter_at = (4UL + index_bytes + kFilterLineBytes - 1) / kFilterLineBytes * kFilterLineBytes;
  if (filter_at + kFilterLineBytes > bytes.size() || (bytes.size() - filter_at) % kFilterLineBytes != 0) return false;
  block.filter = bytes.data() + filter_at;
  block.filter_line_count = (bytes.size() - filter_at) / kFilterLineBytes;
  return true;
}

}  // namespace ingot::runs
