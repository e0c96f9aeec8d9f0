#include "runs/read_ahead.h"

#include <algorithm>

namespace ingot::runs {

namespace {

// Over a network a request takes as long as about so many bytes. More at once would only take memory: a merge has one
// of these for each of its runs.
constexpr std::uint64_t kPieceBytesMax = 2UL << 20;

}  // namespace

ReadAhead::ReadAhead(Run::Implementation& run, const Meta& meta, storage::Reading how)
    : run_(run), end_(meta.place.begin != 0 ? meta.place.begin : meta.place.covered_bytes), how_(how) {}

ReadAhead::~ReadAhead() {
  const std::uint64_t from = at_ + bytes_.size();
  const std::shared_ptr<storage::File> file = announced_to_.lock();
  if (file != nullptr && from < announced_) file->wont_read(from, announced_ - from);
}

std::string_view ReadAhead::stored(const Handle& handle) {
  if (handle.offset > end_ || handle.stored_bytes > end_ - handle.offset) return {};
  if (!holds(handle)) fill(handle);
  if (!holds(handle)) return {};
  return std::string_view(bytes_).substr(static_cast<std::size_t>(handle.offset - at_), handle.stored_bytes);
}

void ReadAhead::announce(const std::shared_ptr<storage::File>& file, std::uint64_t offset, std::uint64_t bytes) {
  file->will_read(offset, bytes, how_);
  announced_to_ = file;
  announced_ = offset + bytes;
}

void ReadAhead::fill(const Handle& handle) {
  const std::shared_ptr<storage::File> file = run_.file();
  if (file == nullptr) return;  // whoever reads the block itself is told why
  // What is left of the last piece may be the begin of this block.
  const std::uint64_t had_end = at_ + bytes_.size();
  if (at_ <= handle.offset && handle.offset <= had_end) {
    bytes_.erase(0, static_cast<std::size_t>(handle.offset - at_));
  } else {
    if (had_end < announced_) file->wont_read(had_end, announced_ - had_end);
    announced_ = 0;
    bytes_.clear();
  }
  at_ = handle.offset;
  const std::uint64_t from = at_ + bytes_.size();
  const std::uint64_t piece = std::min<std::uint64_t>(file->worthwhile_bytes(), kPieceBytesMax);
  const std::uint64_t wanted = std::max(piece, at_ + handle.stored_bytes - from);
  const std::uint64_t count = std::min(wanted, end_ - from);
  if (announced_ < from + count) announce(file, std::max(from, announced_), from + count - std::max(from, announced_));
  const std::size_t kept = bytes_.size();
  bytes_.resize(kept + static_cast<std::size_t>(count));
  std::size_t got = 0;
  if (file->read_at(from, {bytes_.data() + kept, static_cast<std::size_t>(count)}, got)) got = 0;
  bytes_.resize(kept + got);
  const std::uint64_t next = from + got;
  if (got == count && next < end_) announce(file, next, std::min(piece, end_ - next));
}

}  // namespace ingot::runs
