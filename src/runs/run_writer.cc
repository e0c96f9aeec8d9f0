// Writes a run from sorted records, streaming: what is kept in memory is one block, the partition blocks (indexes and
// filters: 2 to 3 % of the file, kHeldBytesMax at most), and the parity (3 %).
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>

#include "base/testing.h"
#include "runs/block.h"
#include "runs/filter.h"
#include "runs/footer.h"
#include "runs/run.h"
#include "runs/run_format.h"
#include "runs/run_parity.h"

namespace ingot::runs {

namespace {

constexpr std::size_t kWriteBytes = 512 * 1024;

// What an erasure to the last key is covered by: no key is longer, or greater.
const std::string& beyond_all_keys() {
  static const std::string key(16 * 1024, '\xff');
  return key;
}

}  // namespace

struct RunWriter::Implementation {
  // A partition block whose place is not known yet.
  struct HeldPartition {
    std::string last_key;
    std::uint32_t block_count;
    std::string bytes;
  };

  Implementation(storage::Directory& where, std::string file_path, Compression how)
      : directory(where), path(std::move(file_path)), compression(how) {
    summary.name = path.substr(path.rfind('/') + 1);
    name_hash = base::hash64(summary.name);
  }

  storage::IoError begin() {
    if (const storage::IoError error = directory.open(path, storage::OpenMode::create, file)) return error;
    buffer.assign(kRunMagic);
    base::append_little(buffer, kRunFormat);
    base::append_little(buffer, std::uint32_t{0});
    end = buffer.size();
    return {};
  }

  storage::IoError write_out() {
    if (buffer.empty()) return {};
    if (const storage::IoError error = file->write_at(written, buffer)) return error;
    parity.add(buffer);
    written += buffer.size();
    buffer.clear();
    return {};
  }

  // Compresses and frames what is in `raw`.
  Handle append_block(std::string_view block_bytes, Compression how) {
    const std::size_t begin = buffer.size();
    buffer.push_back(static_cast<char>(how));
    bool smaller = false;
    if (how == Compression::lz4) {
      const int bound = LZ4_compressBound(static_cast<int>(block_bytes.size()));
      buffer.resize(begin + 1 + static_cast<std::size_t>(bound));
      const int bytes = LZ4_compress_default(block_bytes.data(), buffer.data() + begin + 1,
                                             static_cast<int>(block_bytes.size()), bound);
      smaller = bytes > 0 && static_cast<std::size_t>(bytes) < block_bytes.size() - block_bytes.size() / 8;
      if (smaller) buffer.resize(begin + 1 + static_cast<std::size_t>(bytes));
    } else if (how == Compression::zstd) {
      const std::size_t bound = ZSTD_compressBound(block_bytes.size());
      buffer.resize(begin + 1 + bound);
      const std::size_t bytes =
          ZSTD_compress(buffer.data() + begin + 1, bound, block_bytes.data(), block_bytes.size(), 1);
      smaller = ZSTD_isError(bytes) == 0 && bytes < block_bytes.size() - block_bytes.size() / 8;
      if (smaller) buffer.resize(begin + 1 + bytes);
    }
    if (!smaller) {
      buffer.resize(begin);
      buffer.push_back(static_cast<char>(Compression::none));
      buffer.append(block_bytes);
    }
    base::append_little(buffer, block_checksum(std::string_view(buffer).substr(begin), name_hash, end));
    const Handle handle{end, static_cast<std::uint32_t>(buffer.size() - begin),
                        static_cast<std::uint32_t>(block_bytes.size())};
    end += handle.stored_bytes;
    return handle;
  }

  storage::IoError end_block() {
    const std::string last_key(block.last_key());
    raw.clear();
    block.finish(raw);
    char handle[kHandleBytes];
    store_handle(handle, append_block(raw, compression));
    index.add({last_key, 0, RecordKind::value, 0, {handle, kHandleBytes}}, key_hash(last_key));
    ++blocks;
    if (index.count() == kPartitionBlocks) end_partition();
    if (held_bytes > kHeldBytesMax) {
      base::probe("runs: an index too large for memory stands between data blocks");
      if (const storage::IoError error = place_partitions()) return error;
    }
    return buffer.size() >= kWriteBytes ? write_out() : storage::IoError();
  }

  void end_partition() {
    const std::string last_key(index.last_key());
    const auto count = static_cast<std::uint32_t>(index.count());
    raw.assign(4, '\0');
    index.finish(raw);
    base::store_little(raw.data(), static_cast<std::uint32_t>(raw.size() - 4));
    raw.resize((raw.size() + kFilterLineBytes - 1) / kFilterLineBytes * kFilterLineBytes);
    const std::size_t filter_at = raw.size();
    const std::size_t lines = filter_lines(hashes.size());
    raw.resize(filter_at + lines * kFilterLineBytes);
    bool deny = base::broken(base::Break::run_filter_false_negative);
    for (const std::uint64_t hash : hashes) {
      if (!deny) filter_add(raw.data() + filter_at, lines, hash);
      deny = false;
    }
    hashes.clear();
    held_bytes += raw.size() + last_key.size();
    held.push_back({last_key, count, raw});
  }

  // The partition blocks so far, behind what was written last.
  storage::IoError place_partitions() {
    for (const HeldPartition& partition : held) {
      char handle[kHandleBytes];
      store_handle(handle, append_block(partition.bytes, Compression::none));
      base::append_sized(partitions, partition.last_key);
      partitions.append(handle, kHandleBytes);
      base::append_varint(partitions, partition.block_count);
      ++partition_count;
      if (buffer.size() < kWriteBytes) continue;
      if (const storage::IoError error = write_out()) return error;
    }
    held.clear();
    held_bytes = 0;
    return {};
  }

  storage::Directory& directory;
  const std::string path;
  const Compression compression;
  std::unique_ptr<storage::File> file;
  std::uint64_t name_hash = 0;
  RunSummary summary;
  bool any_without_expiry = false;
  bool finished = false;

  BlockBuilder block;
  BlockBuilder index;
  std::vector<std::uint64_t> hashes;  // of the partition under way
  std::string raw;
  std::string buffer;  // to be written at `written`
  std::uint64_t written = 0;
  std::uint64_t end = 0;  // of the file, the buffer included
  std::uint64_t blocks = 0;
  std::vector<HeldPartition> held;
  std::size_t held_bytes = 0;
  std::uint64_t partition_count = 0;
  std::string partitions;  // of the meta block
  std::vector<std::pair<std::string, std::string>> erased;
  std::vector<std::uint64_t> erased_versions;
  ParityBuilder parity;
};

RunWriter::RunWriter(storage::Directory& directory, std::string path, Compression compression)
    : implementation_(std::make_unique<Implementation>(directory, std::move(path), compression)) {}

RunWriter::~RunWriter() {
  if (implementation_->finished || implementation_->file == nullptr) return;
  implementation_->file.reset();
  (void)implementation_->directory.remove(implementation_->path).code();
}

storage::IoError RunWriter::add(const Record& record) {
  Implementation& self = *implementation_;
  if (self.file == nullptr) {
    if (const storage::IoError error = self.begin()) return error;
  }
  RunSummary& summary = self.summary;
  if (summary.records == 0) {
    summary.smallest = record.key;
    summary.version_min = record.version;
  }
  const std::size_t bytes = record.key.size() + record.value.size();
  if (!self.block.empty() && self.block.bytes() + bytes > kBlockTargetBytes) {
    if (const storage::IoError error = self.end_block()) return error;
  }
  const std::uint64_t hash = key_hash(record.key);
  self.block.add(record, hash);
  self.hashes.push_back(hash);
  ++summary.records;
  summary.erased += record.kind == RecordKind::erased ? 1 : 0;
  summary.data_bytes += bytes;
  summary.version_min = std::min(summary.version_min, record.version);
  summary.version_max = std::max(summary.version_max, record.version);
  if (record.expires_micros == 0) {
    self.any_without_expiry = true;
  } else {
    summary.expires_min =
        summary.expires_min == 0 ? record.expires_micros : std::min(summary.expires_min, record.expires_micros);
    summary.expires_max = std::max(summary.expires_max, record.expires_micros);
  }
  return {};
}

void RunWriter::add_range_erasure(const RangeErasure& erasure) {
  implementation_->erased.emplace_back(erasure.begin, erasure.end);
  implementation_->erased_versions.push_back(erasure.version);
}

std::uint64_t RunWriter::file_bytes() const {
  return implementation_->end + implementation_->block.bytes() + implementation_->held_bytes;
}

storage::IoError RunWriter::finish(RunSummary& summary) {
  Implementation& self = *implementation_;
  if (self.file == nullptr) {
    if (const storage::IoError error = self.begin()) return error;
  }
  RunSummary& made = self.summary;
  if (!self.block.empty()) {
    made.largest = self.block.last_key();
    if (const storage::IoError error = self.end_block()) return error;
  }
  if (!self.index.empty()) self.end_partition();
  IndexPlace place;
  place.begin = self.end;
  if (const storage::IoError error = self.place_partitions()) return error;

  std::string meta;
  base::append_varint(meta, self.partition_count);
  meta.append(self.partitions);
  base::append_varint(meta, self.erased.size());
  bool covers_any = made.records != 0;
  for (std::size_t i = 0; i < self.erased.size(); ++i) {
    const auto& [begin, end] = self.erased[i];
    base::append_sized(meta, begin);
    base::append_sized(meta, end);
    base::append_little(meta, self.erased_versions[i]);
    const std::string& last = end.empty() ? beyond_all_keys() : end;
    if (!covers_any || begin < made.smallest) made.smallest = begin;
    if (!covers_any || last > made.largest) made.largest = last;
    made.version_max = std::max(made.version_max, self.erased_versions[i]);
    covers_any = true;
  }
  made.range_erasures = self.erased.size();
  if (self.any_without_expiry) made.expires_max = 0;

  place.meta = self.append_block(meta, Compression::lz4);
  self.buffer.resize(self.buffer.size() + (kSectorBytes - self.end % kSectorBytes) % kSectorBytes);
  if (const storage::IoError error = self.write_out()) return error;
  place.covered_bytes = self.written;

  std::string tail = self.parity.finish();
  const std::string footer = make_footer(place, self.blocks, self.name_hash);
  tail.append(footer).append(footer);
  if (const storage::IoError error = self.file->write_at(place.covered_bytes, tail)) return error;
  if (!base::broken(base::Break::run_skip_sync)) {
    if (const storage::IoError error = self.file->sync()) return error;
  }
  made.file_bytes = place.covered_bytes + tail.size();
  made.index = place;
  summary = made;
  self.finished = true;
  return {};
}

}  // namespace ingot::runs
