// What is fetched of the objects of a bucket: pieces, each brought by one GET at most, shared by all who wait for it,
// and put into the disk cache or, without one, kept in memory for a while. What each call promises: bucket_files.h.
//
// A piece begins and ends at a chunk of the disk cache. Pieces of an object do not overlap. It is *queued* (in the
// pool, and whoever needs it first takes it over), *running*, or *done*; a failed one is taken out, and who waits for
// it tries on its own, as long as its own time lasts.
//
// Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "storage/bucket.h"
#include "storage/bucket_retry.h"
#include "storage/bucket_tasks.h"
#include "storage/directory.h"
#include "storage/disk_cache.h"

namespace ingot::storage {

class BucketPieces {
 public:
  class Object;  // one object, whoever has it open

  BucketPieces(Bucket& bucket, BucketTasks& tasks, StopSign& stop, DiskCache* cache, std::string store_id,
               base::Duration patience);
  ~BucketPieces();
  BucketPieces(const BucketPieces&) = delete;
  BucketPieces& operator=(const BucketPieces&) = delete;

  // The object of this key; makes no request.
  std::shared_ptr<Object> object(std::string_view key);

  IoError read(const std::shared_ptr<Object>& object, std::uint64_t offset, std::span<char> out, std::size_t& got);
  IoError size(Object& object, std::uint64_t& bytes);
  void will_read(const std::shared_ptr<Object>& object, std::uint64_t offset, std::uint64_t bytes, Reading how);
  void wont_read(Object& object, std::uint64_t offset, std::uint64_t bytes);
  void distrust(Object& object, std::uint64_t offset, std::uint64_t bytes);
  // That the stop sign was set.
  void wake();

  struct Counts {
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> reads_fetched{0};
    std::atomic<std::uint64_t> gets{0};
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Piece;
  using PiecePointer = std::shared_ptr<Piece>;
  using Lock = std::unique_lock<base::Mutex>;
  // Bytes of an object.
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  struct Hint {
    Range range;
    Reading how;
  };

  // With the mutex held:
  static PiecePointer find(const Object& object, std::uint64_t at);
  // Those of the range that no piece covers yet; chunks, whole.
  std::vector<PiecePointer> make_pieces(const std::shared_ptr<Object>& object, Range range, Reading how);
  // By letting go of what is kept, the oldest first. False: there is none.
  bool make_room(std::uint64_t bytes);
  void take_out(Piece& piece);
  // Those that touch the range.
  template <class Which>
  void take_out_if(Object& object, Range range, Which which);
  static void forget_hints(Object& object, Range read);

  // Without:
  PiecePointer find_or_make(const std::shared_ptr<Object>& object, std::uint64_t at, std::uint64_t end);
  // Until the piece is done by somebody, or by this thread.
  struct Awaited {
    IoError error;
    bool was_done = false;  // before
    bool by_us = false;
  };
  Awaited await(const PiecePointer& piece, base::Instant deadline);
  void run(const PiecePointer& piece, base::Instant deadline);
  void start(const PiecePointer& piece, Urgency urgency);
  IoError assemble(Piece& piece, base::Instant deadline, bool& is_cached);
  IoError fetch(Object& object, Range range, base::Instant deadline, std::string& bytes);
  static std::size_t copy_cached(Object& object, std::uint64_t offset, std::span<char> out);
  void used(const PiecePointer& piece, std::uint64_t until);

  Bucket& bucket_;
  BucketTasks& tasks_;
  StopSign& stop_;
  DiskCache* const cache_;
  const std::string store_id_;
  const base::Duration patience_;
  Counts counts_;

  base::Mutex mutex_;
  base::ConditionVariable changed_;  // a piece is done
  // Guarded by mutex_:
  std::map<std::string, std::weak_ptr<Object>, std::less<>> objects_;
  std::list<PiecePointer> kept_;  // done: read ahead, or in memory for want of a disk; the oldest first
  std::uint64_t bytes_ = 0;       // of all pieces
};

}  // namespace ingot::storage
