#include "log/boundary.h"

#include <algorithm>

#include "base/testing.h"
#include "log/bucket_format.h"
#include "log/bucket_requests.h"

namespace ingot::log {

using storage::Outcome;

bool Confirmation::covers(std::uint64_t about, const std::optional<storage::BucketDate>& date_of_answer,
                          base::Instant answered, std::chrono::seconds grace) const {
  if (base::broken(base::Break::bucket_skip_reader_boundary)) return true;
  if (about <= slot) return false;
  if (answered <= sent) return true;  // it was confirmed afterwards
  if (!date_of_answer.has_value()) return false;
  const base::Duration age = std::max<base::Duration>(answered - sent, *date_of_answer - date);
  return age < base::Duration(grace) / 2;
}

namespace {

// boundary/<number> as it was read. Empty: it is as it must be.
std::string misfit_of(const storage::Got& got, std::uint32_t number, const Confirmation& known,
                      const std::optional<base::Hash128>& store_id, BoundaryObject& object) {
  const std::string key = boundary_key(number);
  switch (decode_boundary(got.bytes, object)) {
    case Decoded::newer_format:
      return key + " was written by a newer release";
    case Decoded::bad:
      return key + " is damaged: its checksum or its fields do not fit";
    case Decoded::good:
      break;
  }
  if (object.number != number) return key + " says that it is number " + std::to_string(object.number);
  if (store_id.has_value() && !(object.store_id == *store_id)) return key + " belongs to another store";
  if (object.slot < known.slot) {
    return key + " says slot " + std::to_string(object.slot) + ", the one before it " + std::to_string(known.slot) +
           ": a boundary never goes back";
  }
  return {};
}

}  // namespace

Confirmed ask_boundary(storage::Bucket& bucket, const Confirmation& known, const std::optional<base::Hash128>& store_id,
                       base::Instant deadline) {
  Confirmed confirmed;
  Confirmation& newest = confirmed.confirmation;
  newest.number = known.number;
  newest.slot = known.slot;
  for (;;) {
    const std::string key = boundary_key(newest.number + 1);
    const base::Instant sent = base::now();
    const storage::Got got = bucket.get(key, {}, std::min(deadline, sent + kRequestPatience));
    note_date(confirmed.dates, got, sent);
    if (got.outcome == Outcome::done && got.date.has_value()) {
      BoundaryObject object;
      confirmed.why = misfit_of(got, newest.number + 1, newest, store_id, object);
      if (!confirmed.why.empty()) {
        confirmed.outcome = Confirmed::Outcome::corrupt;
        return confirmed;
      }
      newest.number = object.number;
      newest.slot = object.slot;
      confirmed.boundary = Boundary{.number = object.number,
                                    .slot = object.slot,
                                    .checkpoint = std::move(object.checkpoint),
                                    .store_id = object.store_id,
                                    .read_at = *got.date};
      continue;
    }
    if (got.outcome == Outcome::absent && got.date.has_value()) {
      newest.date = *got.date;
      newest.sent = sent;
      confirmed.outcome = Confirmed::Outcome::confirmed;
      return confirmed;
    }
    confirmed.last = got;
    const bool is_undated = got.outcome == Outcome::absent || got.outcome == Outcome::done;
    confirmed.why = is_undated ? "the bucket's answers have no Date" : describe("GET", key, got);
    return confirmed;
  }
}

Confirmed confirm_boundary(storage::Bucket& bucket, const Confirmation& known,
                           const std::optional<base::Hash128>& store_id, base::Instant deadline) {
  storage::BackOff back_off;
  Confirmation from = known;
  std::optional<Boundary> newest;
  std::vector<DateSample> dates;
  for (;;) {
    Confirmed confirmed = ask_boundary(bucket, from, store_id, deadline);
    dates.insert(dates.end(), confirmed.dates.begin(), confirmed.dates.end());
    if (confirmed.boundary.has_value()) newest = std::move(confirmed.boundary);
    from = confirmed.confirmation;
    if (confirmed.outcome != Confirmed::Outcome::unavailable ||
        !pause_before_next(back_off, confirmed.last, deadline)) {
      confirmed.boundary = std::move(newest);
      confirmed.dates = std::move(dates);
      return confirmed;
    }
  }
}

Advanced advance_boundary(storage::Bucket& bucket, const Confirmation& confirmation, std::uint64_t slot,
                          std::string_view checkpoint, const base::Hash128& store_id, base::Instant deadline) {
  const BoundaryObject object{
      .store_id = store_id, .number = confirmation.number + 1, .slot = slot, .checkpoint = std::string(checkpoint)};
  const std::string bytes = encode_boundary(object);
  const std::string key = boundary_key(object.number);
  std::vector<DateSample> dates;
  const storage::Answer made = create_decided(bucket, key, bytes, deadline, dates);
  if (made.outcome == Outcome::done) return Advanced::done;
  if (made.outcome != Outcome::exists) return Advanced::unavailable;
  const storage::Got got = get_decided(bucket, key, kRequestPatience, deadline, dates);
  if (got.outcome != Outcome::done) return Advanced::unavailable;
  return got.bytes == bytes ? Advanced::done : Advanced::taken;
}

Seen record_seen(storage::Bucket& bucket, std::uint32_t number, storage::BucketDate date, const base::Hash128& store_id,
                 base::Instant deadline) {
  std::vector<DateSample> dates;
  const std::string bytes = encode_seen({.store_id = store_id, .number = number, .date = date});
  const std::string key = seen_key(number);
  const storage::Answer made = create_decided(bucket, key, bytes, deadline, dates);
  if (made.outcome == Outcome::done) return {.outcome = Seen::Outcome::known, .date = date, .why = {}};
  if (made.outcome == Outcome::exists) {
    Seen seen = read_seen(bucket, number, store_id, deadline);
    if (base::broken(base::Break::bucket_second_collector_no_wait)) seen.date = {};
    return seen;
  }
  return {.outcome = Seen::Outcome::unavailable, .date = {}, .why = describe("PUT", key, made)};
}

Seen read_seen(storage::Bucket& bucket, std::uint32_t number, const base::Hash128& store_id, base::Instant deadline) {
  std::vector<DateSample> dates;
  const std::string key = seen_key(number);
  const storage::Got got = get_decided(bucket, key, kRequestPatience, deadline, dates);
  if (got.outcome == Outcome::absent) return {.outcome = Seen::Outcome::absent, .date = {}, .why = {}};
  if (got.outcome != Outcome::done) {
    return {.outcome = Seen::Outcome::unavailable, .date = {}, .why = describe("GET", key, got)};
  }
  SeenObject object;
  const Decoded decoded = decode_seen(got.bytes, object);
  if (decoded == Decoded::newer_format) {
    return {.outcome = Seen::Outcome::corrupt, .date = {}, .why = key + " was written by a newer release"};
  }
  if (decoded != Decoded::good || object.number != number || !(object.store_id == store_id)) {
    return {.outcome = Seen::Outcome::corrupt, .date = {}, .why = key + " is damaged, or belongs to another store"};
  }
  return {.outcome = Seen::Outcome::known, .date = object.date, .why = {}};
}

bool grace_is_over(storage::BucketDate seen, std::int64_t clock_micros, std::chrono::seconds grace) {
  if (base::broken(base::Break::bucket_collect_early)) return true;
  const std::chrono::sys_time<std::chrono::microseconds> now{std::chrono::microseconds(clock_micros)};
  return now >= seen + grace;
}

}  // namespace ingot::log
