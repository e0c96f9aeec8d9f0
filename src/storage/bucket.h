// The one seam under the engine for a store in a bucket: objects under one prefix, as S3 and its kind have them, and
// nothing more. Implementations: S3 (src/s3/), and the simulator's bucket (simulator/bucket.h).
//
// 1. Strongly consistent: each request takes effect at one instant, or not at all, and each key has one order of them.
//    Nothing is atomic across keys, and the pages of a listing are no snapshot.
// 2. The only condition is "if absent". It is the one that all servers agree on (If-Match is broken on some, and
//    conditions on deletes and multipart uploads are silently ignored on others); compare-and-swap is a sequence of
//    names, each created if absent. So there are no ETags here: an object that matters is made once and never changed,
//    and whoever reads it verifies it by its own checksums.
// 3. An answer is about one delivery of a request. The wire may have another copy of it, or hold it back, and a server
//    may sit on it: whatever was not `done` can still become so after the call has returned, when the process is dead,
//    or hours later. Only looking decides, and only a name that is taken is final. What bounds a copy on the wire is
//    the date that it is signed with: see `put`.
// 4. Nothing here retries, sends a request twice to be faster, or decides: what to send again, and when, is known by
//    who knows what it means (the log, the runs). An implementation does renew its credentials, and correct the date
//    that it signs with, by itself.
//
// Keys are relative to the store's prefix, use '/', hold only [a-z0-9._-], and are made by the engine, never by a user.
//
// Threads: everything may be called from any thread, at once. A call blocks; who wants several in flight (a window of
// reads, the same put on a second connection) has several threads. Each ends at its deadline, or soon after it if the
// process or the machine stood still, with the answer if there was one by then, however old it is now. What the call
// was given is not used after it has returned. There is always a deadline: kNever is a mistake.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace ingot::storage {

/// S3 allows 1024, the store's prefix included.
inline constexpr std::size_t kObjectKeyBytesMax = 512;

/// The bucket's clock, as the Date of its answers has it: whole seconds since 1970 (UTC). Never a machine's own.
/// Servers of one bucket may differ by some seconds, so it may go back a little.
using BucketDate = std::chrono::sys_seconds;

/// What S3 demands of all parts of an upload but the last.
inline constexpr std::size_t kPartBytesMin = 5ULL << 20;

/// A request counts only if it reaches the bucket this long, at most, before or after the date it is signed with.
inline constexpr std::chrono::minutes kSignatureWindow{15};

/// What a request came to. Each differs from the others in what its sender does next.
enum class Outcome : std::uint8_t {
  done,        ///< 200, 204, 206: it took effect
  absent,      ///< 404, of get: there was no such object. (403 where the bucket may not be listed: `refused`.)
  exists,      ///< 412, of create: the name is taken, maybe by an earlier delivery of this very request. Read it.
  conflict,    ///< 409: another request for this key was under way. Undecided: send it again at once
  throttled,   ///< 429, 503: not now. Send it again after `retry_after`, or slower if it says nothing
  failed,      ///< 500, 502, 504…: may have taken effect or not. Send it again, slower each time
  unanswered,  ///< time-out, reset, body cut short: the same, and it may also take effect later
  unsent,      ///< no connection could be made, or no credentials be had just now: nothing was sent. Again, slower
  too_late,    ///< 403 RequestTimeTooSkewed: signed outside of kSignatureWindow. Confirm again what the date stood for
  refused,     ///< 401, 403, 400, 413…, or there are no credentials at all, or the server is not trusted: sending it
               ///< again won't help until somebody changes something; `why` says what
};

/// As "done", for messages and counts.
const char* outcome_name(Outcome outcome);

/// What all answers say.
struct [[nodiscard]] Answer {
  Outcome outcome = Outcome::unanswered;
  std::optional<BucketDate> date;  ///< when the bucket answered; nothing if it did not, or did not say
  base::Duration retry_after{};    ///< of `throttled`: not before that long from now; zero: it did not say
  std::string why;                 ///< unless `done`: as "503 SlowDown", for messages
};

struct [[nodiscard]] Got : Answer {
  std::string bytes;               ///< if `done`: what was asked for, whole, as far as the object reaches
  std::uint64_t object_bytes = 0;  ///< if `done` with any bytes: the size of the whole object
};

struct ListedObject {
  std::string key;
  std::uint64_t bytes = 0;
  BucketDate modified;  ///< when it was put
};

struct [[nodiscard]] Listing : Answer {
  std::vector<ListedObject> objects;  ///< if `done`: in no order; there may be none on a page, and more on the next
  std::string continuation;           ///< if `done`: what asks for the next page; empty: this was the last
};

/// What begin_upload answers.
struct [[nodiscard]] Upload : Answer {
  std::string id;  ///< if `done`
};

/// What put_part answers.
struct [[nodiscard]] Part : Answer {
  std::string tag;  ///< if `done`: names the part, as it was put, to finish_upload
};

struct OpenUpload {
  std::string key;
  std::string id;
  BucketDate begun;
};

struct [[nodiscard]] OpenUploads : Answer {
  std::vector<OpenUpload> uploads;  ///< if `done`
  std::string continuation;         ///< if `done`: what asks for the next page; empty: this was the last
};

/// Requests since the bucket was opened, by what they cost, and bytes of bodies.
struct BucketCounts {
  std::uint64_t puts = 0;     ///< put, put_part, begin_upload, finish_upload
  std::uint64_t gets = 0;     ///< get, absent ones too
  std::uint64_t lists = 0;    ///< list, list_uploads
  std::uint64_t removes = 0;  ///< remove, abort_upload
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t undecided = 0;  ///< of them: `failed` or `unanswered`
  std::uint64_t throttled = 0;  ///< of them
};

enum class PutMode {
  create,   ///< If-None-Match: *
  replace,  ///< whatever is there
};

/// Part of an object.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = ~0ULL;  ///< at least 1; may reach beyond the end
};

class Bucket {
 public:
  virtual ~Bucket() = default;

  /// Makes an object of `bytes` at once, in a single request (S3: 5 GiB at most).
  ///   create     of any number of these for one key, one is ever done; the others say `exists` once they are decided
  ///   replace    the last one to *finish* stays, which a copy held back on the wire may be
  ///   signed_at  the date it is signed with, so that the bucket itself turns it away when it comes later than
  ///              kSignatureWindow after that: an earlier answer's `date`. Nothing: now, as the implementation knows
  ///              it. Bounds when a delivery is accepted, not when it takes effect
  ///   returns    done; exists (create only); conflict; throttled; failed; unanswered; unsent; too_late; refused
  virtual Answer put(std::string_view key, std::string_view bytes, PutMode mode, std::optional<BucketDate> signed_at,
                     base::Instant deadline) = 0;

  /// Reads an object, or a part of it; from its end on there are no bytes (416 is `done`).
  ///   returns    done; absent; throttled; failed; unanswered (also if the body was cut short: never a part of it);
  ///              unsent; refused
  virtual Got get(std::string_view key, ByteRange range, base::Instant deadline) = 0;

  /// One page of the objects whose keys begin with `prefix`, which is empty or ends in '/'. All pages together have
  /// what was there from the first request to the last; what came or went meanwhile, maybe. Dear: twelve reads.
  ///   continuation  the last page's; empty: from the beginning
  ///   returns       done; throttled; failed; unanswered; unsent; refused
  virtual Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) = 0;

  /// Removes an object; one that is not there is `done`, too.
  ///   returns    done; throttled; failed; unanswered; unsent; refused
  virtual Answer remove(std::string_view key, base::Instant deadline) = 0;

  /// Makes a large object in parts, which may be put at once and again (the last to finish stays). It appears whole,
  /// when the upload is finished, and replaces what is there; until then it costs room. A name that nobody else uses.
  /// `number`: from 1; all parts but the last have at least kPartBytesMin. finish_upload may have been carried out
  /// though its answer says otherwise, and a second one is then `absent`: look for the object.
  ///   returns    done; absent (there is no such upload any more); throttled; failed; unanswered; unsent; refused
  virtual Upload begin_upload(std::string_view key, base::Instant deadline) = 0;
  virtual Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                        base::Instant deadline) = 0;
  virtual Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                               base::Instant deadline) = 0;
  virtual Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) = 0;
  /// One page of the uploads that are neither finished nor aborted, of keys that begin with `prefix`.
  virtual OpenUploads list_uploads(std::string_view prefix, std::string_view continuation, base::Instant deadline) = 0;

  /// Whatever its own deadline is, each request ends at `at` at the latest, those under way included: for who closes.
  /// The earliest of all calls counts.
  virtual void end_by(base::Instant at) = 0;

  [[nodiscard]] virtual BucketCounts counts() const = 0;

  /// For messages: where this is, as the user knows it.
  [[nodiscard]] virtual std::string where() const = 0;
};

}  // namespace ingot::storage
