#include "storage/bucket_pieces.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/testing.h"
#include "storage/bucket_files.h"

namespace ingot::storage {

namespace {

constexpr std::uint64_t kChunk = DiskCache::kChunkBytes;
constexpr std::uint64_t kUnknown = ~0ULL;
constexpr std::uint64_t kOffsetMax = 1ULL << 50;  // no object is that large, and sums of two do not overflow
// Of one object. A run has one reader in order for each merge or export, and each announces one piece.
constexpr std::size_t kHintsMax = 16;
// Whoever announced a piece and has not read it by now won't.
constexpr base::Duration kUnreadAfter = std::chrono::minutes(1);
constexpr std::size_t kObjectsBetweenSweeps = 256;

static_assert(BucketFiles::kUnitBytes % DiskCache::kChunkBytes == 0);
static_assert(BucketFiles::kGetBytesMax % BucketFiles::kUnitBytes == 0);

std::uint64_t round_down(std::uint64_t offset, std::uint64_t to) {
  return offset / to * to;
}
std::uint64_t round_up(std::uint64_t offset, std::uint64_t to) {
  return (offset + to - 1) / to * to;
}

// Whether another try, by somebody else, may come to something else.
bool may_pass(const IoError& error) {
  return error.code() == ETIMEDOUT || error.code() == ENETUNREACH;
}

}  // namespace

class BucketPieces::Object {
 public:
  Object(std::string its_key, std::unique_ptr<DiskCache::Object> on_disk)
      : key(std::move(its_key)), cached(std::move(on_disk)) {}

  const std::string key;
  const std::unique_ptr<DiskCache::Object> cached;  // null: there is no disk cache for it
  std::atomic<std::uint64_t> bytes{kUnknown};

 private:
  friend class BucketPieces;
  // Guarded by its mutex:
  std::map<std::uint64_t, PiecePointer> pieces;  // by their begins
  std::vector<Hint> hints;
};

struct BucketPieces::Piece {
  enum class State : std::uint8_t { queued, running, done };

  Piece(std::shared_ptr<Object> of, Range where, Reading reading) : object(std::move(of)), range(where), how(reading) {}

  const std::shared_ptr<Object> object;
  const Range range;
  const Reading how;
  // Guarded by the mutex; once it is done, `error` and `bytes` never change.
  State state = State::queued;
  bool is_in = true;      // among the object's pieces
  bool is_wanted = true;  // by who announced it
  base::Instant done_at{};
  IoError error;
  std::string bytes;  // from range.begin; fewer than the range: here the object ends
};

BucketPieces::BucketPieces(Bucket& bucket, BucketTasks& tasks, StopSign& stop, DiskCache* cache, std::string store_id,
                           base::Duration patience)
    : bucket_(bucket), tasks_(tasks), stop_(stop), cache_(cache), store_id_(std::move(store_id)), patience_(patience) {}

BucketPieces::~BucketPieces() {
  // Pieces and objects hold each other.
  for (const auto& [key, weak] : objects_) {
    if (const std::shared_ptr<Object> object = weak.lock()) object->pieces.clear();
  }
}

std::shared_ptr<BucketPieces::Object> BucketPieces::object(std::string_view key) {
  const Lock lock(mutex_);
  const auto found = objects_.find(key);
  if (found != objects_.end()) {
    if (std::shared_ptr<Object> object = found->second.lock()) return object;
    objects_.erase(found);
  }
  if (objects_.size() % kObjectsBetweenSweeps == kObjectsBetweenSweeps - 1)
    std::erase_if(objects_, [](const auto& entry) { return entry.second.expired(); });
  auto made = std::make_shared<Object>(std::string(key), cache_ == nullptr ? nullptr : cache_->object(store_id_, key));
  objects_.emplace(key, made);
  return made;
}

void BucketPieces::wake() {
  const Lock lock(mutex_);
  changed_.notify_all();
}

// Reading.

IoError BucketPieces::read(const std::shared_ptr<Object>& object, std::uint64_t offset, std::span<char> out,
                           std::size_t& got) {
  got = 0;
  bool fetched = false;
  const base::Instant deadline = base::deadline_after(base::now(), patience_);
  IoError error;
  while (got < out.size() && offset < kOffsetMax) {
    const std::uint64_t at = offset + got;
    if (at >= object->bytes.load(std::memory_order_relaxed)) break;
    PiecePointer piece;
    {
      const Lock lock(mutex_);
      piece = find(*object, at);
    }
    if (piece == nullptr) {
      const std::size_t copied = copy_cached(*object, at, out.subspan(got));
      got += copied;
      if (copied != 0) continue;
      piece = find_or_make(object, at, offset + out.size());
    }
    const Awaited awaited = await(piece, deadline);
    fetched = fetched || !awaited.was_done;
    if (awaited.error) {
      if (!awaited.by_us && may_pass(awaited.error) && base::now() < deadline) continue;
      error = awaited.error;
      break;
    }
    const std::uint64_t within = at - piece->range.begin;
    if (within >= piece->bytes.size()) break;  // beyond the object's end
    const std::size_t count = std::min<std::size_t>(out.size() - got, piece->bytes.size() - within);
    std::memcpy(out.data() + got, piece->bytes.data() + within, count);
    got += count;
    used(piece, at + count);
  }
  {
    const Lock lock(mutex_);
    forget_hints(*object, {offset, offset + got});
  }
  counts_.reads.fetch_add(1, std::memory_order_relaxed);
  if (fetched) counts_.reads_fetched.fetch_add(1, std::memory_order_relaxed);
  return error;
}

std::size_t BucketPieces::copy_cached(Object& object, std::uint64_t offset, std::span<char> out) {
  if (object.cached == nullptr) return 0;
  std::size_t copied = 0;
  std::string slot;
  while (copied < out.size()) {
    const std::uint64_t at = offset + copied;
    const std::optional<std::string_view> chunk = object.cached->read(at / kChunk, slot);
    if (!chunk.has_value()) break;
    if (chunk->size() < kChunk) object.bytes.store(at / kChunk * kChunk + chunk->size(), std::memory_order_relaxed);
    const std::size_t within = static_cast<std::size_t>(at % kChunk);
    if (within >= chunk->size()) break;
    const std::size_t count = std::min(out.size() - copied, chunk->size() - within);
    std::memcpy(out.data() + copied, chunk->data() + within, count);
    copied += count;
  }
  return copied;
}

// That a reader has had all of a piece up to there.
void BucketPieces::used(const PiecePointer& piece, std::uint64_t until) {
  const Lock lock(mutex_);
  if (piece->how != Reading::again && until >= piece->range.begin + piece->bytes.size()) take_out(*piece);
}

// Reading in order has come so far.
void BucketPieces::forget_hints(Object& object, Range read) {
  std::erase_if(object.hints, [read](const Hint& hint) {
    return hint.how != Reading::again && read.begin < hint.range.end && hint.range.end <= read.end;
  });
}

IoError BucketPieces::size(Object& object, std::uint64_t& bytes) {
  Retry retry(stop_, base::deadline_after(base::now(), patience_));
  while (object.bytes.load(std::memory_order_relaxed) == kUnknown) {
    if (stop_.stopped()) return IoError(ECANCELED);
    counts_.gets.fetch_add(1, std::memory_order_relaxed);
    const Got got = bucket_.get(object.key, {0, 1}, retry.try_until(1));
    if (got.outcome == Outcome::done) {
      object.bytes.store(got.object_bytes, std::memory_order_relaxed);
    } else if (!retry.again(got)) {
      return retry.error();
    }
  }
  bytes = object.bytes.load(std::memory_order_relaxed);
  return {};
}

// What readers say.

void BucketPieces::will_read(const std::shared_ptr<Object>& object, std::uint64_t offset, std::uint64_t bytes,
                             Reading how) {
  if (bytes == 0 || bytes > kOffsetMax || offset > kOffsetMax) return;
  std::vector<PiecePointer> made;
  {
    const Lock lock(mutex_);
    const Range range{offset, offset + bytes};
    if (how != Reading::soon) {
      std::vector<Hint>& hints = object->hints;
      if (hints.size() == kHintsMax) hints.erase(hints.begin());
      hints.push_back({range, how});
    }
    if (how == Reading::again) return;
    const Range chunks{round_down(range.begin, kChunk), round_up(range.end, kChunk)};
    if (how == Reading::original) {
      take_out_if(*object, chunks, [](const Piece& piece) { return piece.how != Reading::original; });
    }
    if (!make_room(chunks.end - chunks.begin)) {
      base::probe("bucket files: no room to read ahead");
      return;
    }
    made = make_pieces(object, chunks, how == Reading::soon ? Reading::again : how);
  }
  for (const PiecePointer& piece : made) start(piece, how == Reading::soon ? Urgency::prompt : Urgency::bulk);
}

void BucketPieces::wont_read(Object& object, std::uint64_t offset, std::uint64_t bytes) {
  const Lock lock(mutex_);
  const std::uint64_t end = offset + bytes;
  std::erase_if(object.hints, [&](const Hint& hint) { return hint.range.begin < end && offset < hint.range.end; });
  // One that is under way serves whoever waits for it, and is not kept then.
  take_out_if(object, {offset, end}, [](Piece& piece) {
    if (piece.how == Reading::again) return false;
    piece.is_wanted = false;
    return piece.state != Piece::State::running;
  });
}

void BucketPieces::distrust(Object& object, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t end = offset + bytes;
  {
    const Lock lock(mutex_);
    take_out_if(object, {offset, end}, [](const Piece&) { return true; });
  }
  if (object.cached == nullptr) return;
  for (std::uint64_t chunk = offset / kChunk; chunk * kChunk < end; ++chunk) object.cached->drop(chunk);
}

// Pieces.

BucketPieces::PiecePointer BucketPieces::find(const Object& object, std::uint64_t at) {
  auto after = object.pieces.upper_bound(at);
  if (after == object.pieces.begin()) return nullptr;
  const PiecePointer& piece = (--after)->second;
  return at < piece->range.end ? piece : nullptr;
}

std::vector<BucketPieces::PiecePointer> BucketPieces::make_pieces(const std::shared_ptr<Object>& object, Range range,
                                                                  Reading how) {
  std::vector<PiecePointer> made;
  for (std::uint64_t at = range.begin; at < range.end;) {
    if (const PiecePointer there = find(*object, at)) {
      at = there->range.end;
      continue;
    }
    std::uint64_t end = std::min<std::uint64_t>(range.end, at + BucketFiles::kGetBytesMax);
    const auto next = object->pieces.upper_bound(at);
    if (next != object->pieces.end()) end = std::min(end, next->first);
    made.push_back(std::make_shared<Piece>(object, Range{at, end}, how));
    object->pieces.emplace(at, made.back());
    bytes_ += end - at;
    at = end;
  }
  return made;
}

bool BucketPieces::make_room(std::uint64_t bytes) {
  const base::Instant now = base::now();
  for (auto at = kept_.begin(); bytes_ + bytes > BucketFiles::kKeptBytesMax && at != kept_.end();) {
    const PiecePointer piece = *at++;
    if (piece->how == Reading::again || now - piece->done_at > kUnreadAfter) take_out(*piece);
  }
  return bytes_ + bytes <= BucketFiles::kKeptBytesMax;
}

void BucketPieces::take_out(Piece& piece) {
  if (!std::exchange(piece.is_in, false)) return;
  bytes_ -= piece.range.end - piece.range.begin;
  std::map<std::uint64_t, PiecePointer>& pieces = piece.object->pieces;
  const auto found = pieces.find(piece.range.begin);
  if (piece.state == Piece::State::done) kept_.remove(found->second);
  pieces.erase(found);
}

template <class Which>
void BucketPieces::take_out_if(Object& object, Range range, Which which) {
  std::vector<PiecePointer> gone;
  for (const auto& [begin, piece] : object.pieces) {
    if (begin < range.end && range.begin < piece->range.end && which(*piece)) gone.push_back(piece);
  }
  for (const PiecePointer& piece : gone) take_out(*piece);
}

BucketPieces::PiecePointer BucketPieces::find_or_make(const std::shared_ptr<Object>& object, std::uint64_t at,
                                                      std::uint64_t end) {
  PiecePointer ours;
  std::vector<PiecePointer> made;
  {
    const Lock lock(mutex_);
    ours = find(*object, at);
    if (ours != nullptr) return ours;
    Reading how = Reading::again;
    Range range{round_down(at, BucketFiles::kUnitBytes), round_up(end, BucketFiles::kUnitBytes)};
    const auto hint = std::find_if(object->hints.begin(), object->hints.end(),
                                   [at](const Hint& each) { return each.range.begin <= at && at < each.range.end; });
    if (hint != object->hints.end()) {
      how = hint->how;
      range = {round_down(at, kChunk), round_up(end, kChunk)};
      if (how == Reading::again) {
        range = {std::min(range.begin, round_down(hint->range.begin, kChunk)),
                 std::max(range.end, round_up(hint->range.end, kChunk))};
        object->hints.erase(hint);
      }
    }
    const std::uint64_t known = object->bytes.load(std::memory_order_relaxed);
    if (known != kUnknown) range.end = std::min(range.end, round_up(known, kChunk));
    range.end = std::max(range.end, round_down(at, kChunk) + kChunk);  // it may have become known just now
    made = make_pieces(object, range, how);
    ours = find(*object, at);
    assert(ours != nullptr);
  }
  for (const PiecePointer& piece : made) {
    if (piece != ours) start(piece, Urgency::prompt);
  }
  return ours;
}

BucketPieces::Awaited BucketPieces::await(const PiecePointer& piece, base::Instant deadline) {
  Awaited awaited;
  Lock lock(mutex_);
  awaited.was_done = piece->state == Piece::State::done;
  while (piece->state != Piece::State::done) {
    if (piece->state == Piece::State::queued) {
      piece->state = Piece::State::running;
      awaited.by_us = true;
      lock.unlock();
      run(piece, deadline);
      lock.lock();
    } else if (stop_.stopped() || base::now() >= deadline) {
      awaited.error = IoError(stop_.stopped() ? ECANCELED : ETIMEDOUT);
      return awaited;
    } else {
      changed_.wait_until(lock, deadline);
    }
  }
  awaited.error = piece->error;
  return awaited;
}

void BucketPieces::start(const PiecePointer& piece, Urgency urgency) {
  tasks_.start(urgency, [this, piece] {
    {
      const Lock lock(mutex_);
      if (piece->state != Piece::State::queued || !piece->is_in) return;
      piece->state = Piece::State::running;
    }
    run(piece, base::deadline_after(base::now(), patience_));
  });
}

void BucketPieces::run(const PiecePointer& piece, base::Instant deadline) {
  IoError error;
  bool is_cached = false;
  try {
    error = assemble(*piece, deadline, is_cached);
  } catch (const std::exception&) {
    error = IoError(ENOMEM);
  }
  const Lock lock(mutex_);
  piece->error = error;
  const bool is_kept = !error && piece->is_in && piece->is_wanted && (piece->how != Reading::again || !is_cached);
  if (!is_kept) take_out(*piece);
  piece->state = Piece::State::done;
  piece->done_at = base::now();
  if (is_kept) {
    kept_.push_back(piece);
    (void)make_room(0);
  }
  changed_.notify_all();
}

// From the disk cache, and what is missing there from the bucket, by one GET.
IoError BucketPieces::assemble(Piece& piece, base::Instant deadline, bool& is_cached) {
  Object& object = *piece.object;
  DiskCache::Object* const cached = object.cached.get();
  const std::uint64_t first_chunk = piece.range.begin / kChunk;
  const auto count = static_cast<std::size_t>((piece.range.end - piece.range.begin) / kChunk);
  std::string& bytes = piece.bytes;
  bytes.resize(count * kChunk);
  std::size_t bytes_end = bytes.size();
  std::vector<std::size_t> missing;
  std::string slot;
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<std::string_view> chunk;
    if (cached != nullptr && piece.how != Reading::original) chunk = cached->read(first_chunk + i, slot);
    if (!chunk.has_value()) {
      missing.push_back(i);
      continue;
    }
    std::memcpy(bytes.data() + i * kChunk, chunk->data(), chunk->size());
    if (chunk->size() == kChunk) continue;
    bytes_end = i * kChunk + chunk->size();
    object.bytes.store(piece.range.begin + bytes_end, std::memory_order_relaxed);
    break;
  }
  if (!missing.empty()) {
    const Range range{piece.range.begin + missing.front() * kChunk, piece.range.begin + (missing.back() + 1) * kChunk};
    std::string fetched;
    if (const IoError error = fetch(object, range, deadline, fetched)) return error;
    const std::size_t at = missing.front() * kChunk;
    std::memcpy(bytes.data() + at, fetched.data(), fetched.size());
    if (fetched.size() < range.end - range.begin) bytes_end = at + fetched.size();
  }
  bytes.resize(bytes_end);
  is_cached = cached != nullptr && piece.how == Reading::again;
  for (const std::size_t i : missing) {
    if (!is_cached || i * kChunk >= bytes_end) break;
    is_cached = cached->write(first_chunk + i, std::string_view(bytes).substr(i * kChunk, kChunk));
  }
  return {};
}

IoError BucketPieces::fetch(Object& object, Range range, base::Instant deadline, std::string& bytes) {
  Retry retry(stop_, deadline);
  const std::uint64_t wanted = range.end - range.begin;
  for (;;) {
    if (stop_.stopped()) return IoError(ECANCELED);
    counts_.gets.fetch_add(1, std::memory_order_relaxed);
    Got got = bucket_.get(object.key, {range.begin, wanted}, retry.try_until(wanted));
    if (got.outcome == Outcome::done) {
      const std::uint64_t known = object.bytes.load(std::memory_order_relaxed);
      const std::uint64_t said = got.bytes.empty() ? known : got.object_bytes;
      // It never changes: who answers so is not the bucket that we know.
      if (known != kUnknown && (said != known || (got.bytes.empty() && range.begin < known))) {
        base::probe("bucket files: an object has another size than before");
        return IoError(EIO);
      }
      if (got.bytes.empty() || got.bytes.size() == std::min(wanted, said - std::min(said, range.begin))) {
        object.bytes.store(said, std::memory_order_relaxed);
        bytes = std::move(got.bytes);
        return {};
      }
      base::probe("bucket files: a body has not the bytes that its headers say");
    }
    if (!retry.again(got)) return retry.error();
  }
}

}  // namespace ingot::storage
