// The boundary of a bucket's log: "slots up to b may be gone". It is what keeps everybody who slept from taking a
// collected slot for the end of the log, or from winning it again.
//
// Objects boundary/<k>, k from 1, each created if absent, never deleted and never changed, so that "is there a newer
// one" is one GET of boundary/<k+1>. Formats: bucket_format.h.
//
//   1. A boundary is durable for the grace period (by the bucket's Date, since somebody has *read* it) before anything
//      below it is deleted. seen/<k> says since when; who finds no such note makes one, and waits.
//   2. That boundary/<k+1> was absent at Date d therefore means: slots above b are untouched until d + grace. That is a
//      Confirmation. What is learnt from a slot (its bytes, its absence, that it was won) counts only if a confirmation
//      covers it: b lies below it, and less than half the grace lies between the two answers. A confirmation that was
//      sent after the answer had come covers it, too.
//   3. A writer signs its slot's put with the Date of a confirmation, so that the bucket itself refuses it once that is
//      15 minutes old.
//   4. Age is the greater of the Dates' difference and what this machine's monotonic clock says since the confirmation
//      was *sent*: the one stands still for nobody, the other is right when a server's clock is wrong.
//
// All calls that ask the bucket block, send again what was not decided, and end at the deadline. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "log/bucket_clock.h"
#include "storage/bucket.h"

namespace ingot::log {

/// Boundary number `number` was the newest when this was asked. Number 0: there was none yet, and slot is 0.
struct Confirmation {
  std::uint32_t number = 0;
  std::uint64_t slot = 0;      // slots up to this one may be gone
  storage::BucketDate date{};  // of the answer that there is no boundary after it
  base::Instant sent{};        // when that was asked

  /// Whether an answer about slot `about` counts: see 2 and 4 above.
  ///   date      of the answer; nothing: then only a confirmation after it helps
  ///   answered  when it was heard (or later)
  [[nodiscard]] bool covers(std::uint64_t about, const std::optional<storage::BucketDate>& date_of_answer,
                            base::Instant answered, std::chrono::seconds grace) const;
};

/// What boundary/<number> holds.
struct Boundary {
  std::uint32_t number = 0;
  std::uint64_t slot = 0;
  std::string checkpoint;  // the key of one that was read back, with a start above `slot`
  base::Hash128 store_id;
  storage::BucketDate read_at{};  // the Date of the answer that it was read in: not in the object
};

struct Confirmed {
  enum class Outcome : std::uint8_t {
    confirmed,
    unavailable,  // the deadline passed; why
    corrupt,      // of another store, or damaged, or it goes back; why
  };
  Outcome outcome = Outcome::unavailable;
  Confirmation confirmation;         // if `confirmed`
  std::optional<Boundary> boundary;  // the newest, if it was read just now
  std::vector<DateSample> dates;     // of the answers
  storage::Answer last;              // if `unavailable`: what the last one said
  std::string why;
};

/// Asks for boundary/<k+1>, <k+2>, … until one is absent.
///   known     number and slot of the newest that is known; {} for none
///   store_id  what boundaries must say; nothing: not known yet, the caller compares Confirmed::boundary
/// `ask_boundary` asks for each once, and is `unavailable` as soon as an answer decides nothing.
Confirmed ask_boundary(storage::Bucket& bucket, const Confirmation& known, const std::optional<base::Hash128>& store_id,
                       base::Instant deadline);
Confirmed confirm_boundary(storage::Bucket& bucket, const Confirmation& known,
                           const std::optional<base::Hash128>& store_id, base::Instant deadline);

enum class Advanced : std::uint8_t {
  done,         // boundary/<k+1> is there, and says this
  taken,        // somebody else has made boundary/<k+1>: confirm
  unavailable,  // the deadline passed; it may be there, or still come
};

/// Creates the boundary after `confirmation`. The caller has read back `checkpoint`, whose start is above `slot`, and
/// has seen to it that the boundary before it is done with. Read it (confirm_boundary) before noting that it was seen.
Advanced advance_boundary(storage::Bucket& bucket, const Confirmation& confirmation, std::uint64_t slot,
                          std::string_view checkpoint, const base::Hash128& store_id, base::Instant deadline);

struct Seen {
  enum class Outcome : std::uint8_t { known, absent, unavailable, corrupt };
  Outcome outcome = Outcome::unavailable;
  storage::BucketDate date{};  // if known: since then, at the latest, boundary/<number> can be read by everybody
  std::string why;
};

/// Notes that boundary/<number> was there at `date`: the later of Boundary::read_at and the store's clock, so that one
/// wrong server shortens no wait. Returns what the note says, which may be another's.
Seen record_seen(storage::Bucket& bucket, std::uint32_t number, storage::BucketDate date, const base::Hash128& store_id,
                 base::Instant deadline);
Seen read_seen(storage::Bucket& bucket, std::uint32_t number, const base::Hash128& store_id, base::Instant deadline);

/// Whether what the boundary says may be deleted: by the store's clock (Log::clock_micros), never a single answer's.
bool grace_is_over(storage::BucketDate seen, std::int64_t clock_micros, std::chrono::seconds grace);

}  // namespace ingot::log
