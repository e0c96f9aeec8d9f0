// Immutable files that are objects in a bucket, as a storage::Directory: "runs/<name>" is the object of that key. Made
// for runs: written once from the beginning to the end, then read in pieces, and never changed. Names are random and
// unique, so nothing here is conditional, and an object of the name is the file, whichever delivery made it.
//
// Reading. open(read) makes no request. read_at brings what is missing, and takes the rest from the disk cache:
//   - whole units of kUnitBytes are brought, so that neighbours come along; into the cache, too, if there is one;
//   - what one call misses is one GET, or several at once if it is more than kGetBytesMax;
//   - who misses what another is already fetching waits for that;
//   - will_read(again) makes no request: the first miss in the range brings all of it. will_read(soon) brings what is
//     missing of it at once, in the pool, and who reads meanwhile waits for that. will_read(once) does so, too, and
//     what it brings is handed to the next who reads it and kept nowhere else.
// Without a disk cache, what was brought lately is kept in memory (kKeptBytesMax).
//
// Writing. open(create) gives a file that only grows: write_at at its end, else EINVAL; it can't be read. Up to
// kPartBytes stay in memory; a file that is larger is uploaded in parts meanwhile, kPartsAtOnce at a time. sync() makes
// the object, whole and durable; then the file takes no more. A file that is destroyed before has left no object; its
// upload is aborted as well as can be, and if not, whoever sweeps uploads finds it by its key. An error stays: every
// later call says it again.
//
// Errors, after the retries that make sense, with back-off, as long as the call may take (see Options):
//   ENOENT       there is no such object
//   ETIMEDOUT    the bucket did not answer, or was too busy, all the time
//   ENETUNREACH  the same, and nothing could be sent (no connection, no credentials)
//   EACCES       the bucket refused; sending it again won't help
//   ECANCELED    stop() was called, and this needs a request
//   EIO          an answer makes no sense: an object of another size than before, an upload that is gone
//   ENOTSUP      not for objects: rename, locks, map, truncate
// Whether the bytes are right is for the reader to say: distrust() drops cached copies.
//
// Threads: everything from any thread, at once; a file that is being written, one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "storage/bucket.h"
#include "storage/directory.h"

namespace ingot::storage {

class DiskCache;
class RequestPool;

class BucketFiles : public Directory {
 public:
  /// A GET brings whole units: its latency is worth about so many bytes.
  static constexpr std::size_t kUnitBytes = 64UL * 1024;
  /// What more than this is read in several GETs at once.
  static constexpr std::size_t kGetBytesMax = 4UL << 20;
  /// Read ahead or kept in memory, by all files together.
  static constexpr std::size_t kKeptBytesMax = 64UL << 20;
  /// Twice kPartBytesMin: a file of 64 MiB has eight parts, and no file here needs the 10,000 that S3 allows.
  static constexpr std::size_t kPartBytes = 8UL << 20;
  /// Parts under way for one file. Its memory is kPartBytes times one more.
  static constexpr std::size_t kPartsAtOnce = 3;

  struct Options {
    /// 32 hexadecimal digits: the store's folder in the disk cache. The same files have the same bytes in all places
    /// with this id.
    std::string store_id;
    /// How long one read, list or remove may take, retries included.
    base::Duration patience = std::chrono::seconds(30);
    /// How long one part, or the end of an upload, may take: nobody waits for a flush or a merge at the keyboard.
    base::Duration upload_patience = std::chrono::minutes(5);
    /// The time that the store goes by: what a file is begun at. May be null, or say nothing: then the Date of an
    /// answer has to do, less what passed on this machine since it was asked for.
    std::function<std::optional<BucketDate>()> clock{};
  };

  struct Counts {
    std::uint64_t reads = 0;          ///< calls of read_at
    std::uint64_t reads_fetched = 0;  ///< of them: needed bytes that neither the disk nor memory had
    std::uint64_t gets = 0;           ///< requests for them, and for what was read ahead, retries included
    std::uint64_t uploads = 0;        ///< files finished
  };

  /// A date of the bucket at or before the one that the object of `path` bears (for an upload in parts that is when it
  /// began): for the rule that nothing is adopted which a sweeper may take for abandoned. Of files that were finished
  /// through this directory since it was made, and not removed; nothing: it can't be said, so don't adopt it.
  [[nodiscard]] virtual std::optional<BucketDate> begun(std::string_view path) const = 0;
  /// That it was adopted, or won't be: `begun` need not be remembered.
  virtual void forget_begun(std::string_view path) = 0;

  /// Ends all waiting: calls that need a request say ECANCELED from now on, those under way after the one that they are
  /// in. For closing a store while the bucket is away.
  virtual void stop() = 0;

  [[nodiscard]] virtual Counts counts() const = 0;
};

/// `cache` may be null, and what it refers to must live as long. The destructor waits for requests that are under way
/// in the pool.
std::unique_ptr<BucketFiles> make_bucket_files(Bucket& bucket, RequestPool& pool, DiskCache* cache,
                                               BucketFiles::Options options);

}  // namespace ingot::storage
