#include "log/bucket_opening.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/testing.h"
#include "log/bucket_requests.h"

namespace ingot::log {

using storage::Outcome;
using storage::RequestGroup;
using storage::Urgency;

namespace {

// A checkpoint or a tail has megabytes.
constexpr base::Duration kObjectPatience = std::chrono::minutes(2);

// All that one round of asking finds. Each request has a place of its own to write to, and dates of its own.
struct Names {
  storage::Answer answer;
  std::vector<std::string> keys;
  std::vector<DateSample> dates;
};

struct Asked {
  storage::Got got;
  std::vector<DateSample> dates;
};

void join_dates(std::vector<DateSample>& all, const std::vector<DateSample>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

Names list_names(storage::Bucket& bucket, base::Instant deadline) {
  Names names;
  std::string continuation;
  do {
    storage::Listing listing = send_until(
        kRequestPatience, deadline, names.dates,
        [&](base::Instant until) { return bucket.list(kCheckpointPrefix, continuation, until); },
        [](const storage::Listing& page) { return page.outcome == Outcome::done; });
    names.answer = listing;
    if (listing.outcome != Outcome::done) return names;
    for (storage::ListedObject& object : listing.objects) names.keys.push_back(std::move(object.key));
    continuation = std::move(listing.continuation);
  } while (!continuation.empty());
  return names;
}

// What the names say: the newest checkpoint, the newest tail, the newest boundary that anybody knew of.
struct Newest {
  std::optional<CheckpointName> checkpoint;
  std::optional<TailName> tail;
  std::uint32_t boundary = 0;

  // The first slot that has to be read for itself.
  [[nodiscard]] std::uint64_t first_slot() const {
    const std::uint64_t start = checkpoint.has_value() ? checkpoint->start : 1;
    return tail.has_value() ? std::max(start, tail->upto + 1) : start;
  }
};

Newest newest_of(const std::vector<std::string>& keys, const std::set<std::string>& unreadable) {
  Newest newest;
  for (const std::string& key : keys) {
    if (const auto name = parse_checkpoint_key(key); name.has_value()) {
      newest.boundary = std::max(newest.boundary, name->boundary);
      const bool is_wanted = !unreadable.contains(key);
      if (is_wanted && (!newest.checkpoint.has_value() || is_newer(*name, *newest.checkpoint)))
        newest.checkpoint = name;
    } else if (const auto tail = parse_tail_key(key); tail.has_value()) {
      newest.boundary = std::max(newest.boundary, tail->boundary);
      if (!newest.tail.has_value() || tail->upto > newest.tail->upto) newest.tail = tail;
    }
  }
  const std::uint64_t start = newest.checkpoint.has_value() ? newest.checkpoint->start : 1;
  if (newest.tail.has_value() && newest.tail->upto < start) newest.tail.reset();
  return newest;
}

class Opener {
 public:
  Opener(storage::Bucket& bucket, storage::RequestPool& pool, const std::set<std::string>& unreadable,
         base::Instant deadline)
      : bucket_(bucket), pool_(pool), unreadable_(unreadable), deadline_(deadline) {}

  BucketOpening run() {
    storage::BackOff back_off(std::chrono::milliseconds(20), std::chrono::seconds(1));
    for (;;) {
      opening_ = {};
      if (!ask_names()) return std::move(opening_);
      switch (ask_objects()) {
        case Step::done:
          opening_.outcome = BucketOpening::Outcome::opened;
          return std::move(opening_);
        case Step::failed:
          return std::move(opening_);
        case Step::list_again:
          base::probe("bucket: what an opening had listed was gone");
          break;
      }
      if (!pause_before_next(back_off, {}, deadline_)) {
        opening_.why = "each time it was opened, others had replaced what it was to be opened from";
        return std::move(opening_);
      }
    }
  }

 private:
  enum class Step { done, failed, list_again };

  bool failed(std::string why, BucketOpening::Outcome outcome = BucketOpening::Outcome::unavailable) {
    opening_.outcome = outcome;
    opening_.why = std::move(why);
    return false;
  }

  // The first round trip.
  bool ask_names() {
    Names names;
    Asked store;
    {
      RequestGroup group(pool_, Urgency::prompt);
      group.start([&] { names = list_names(bucket_, deadline_); });
      group.start([&] { store.got = get_decided(bucket_, kStoreKey, kRequestPatience, deadline_, store.dates); });
    }
    join_dates(opening_.dates, names.dates);
    join_dates(opening_.dates, store.dates);
    opening_.is_refused = names.answer.outcome == Outcome::refused || store.got.outcome == Outcome::refused;
    if (names.answer.outcome != Outcome::done) return failed(describe("LIST", kCheckpointPrefix, names.answer));
    if (store.got.outcome != Outcome::done && store.got.outcome != Outcome::absent) {
      return failed(describe("GET", kStoreKey, store.got));
    }
    opening_.objects = names.keys.size();
    if (store.got.outcome == Outcome::absent) return failed({}, BucketOpening::Outcome::no_store);
    opening_.store = std::move(store.got.bytes);
    newest_ = newest_of(names.keys, unreadable_);
    for (std::string& key : names.keys) {
      if (parse_tail_key(key).has_value()) opening_.tails.push_back(std::move(key));
    }
    return true;
  }

  // The second.
  Step ask_objects() {
    const std::uint64_t first = newest_.first_slot();
    Asked checkpoint;
    Asked tail;
    Asked known;
    Confirmed confirmed;
    std::vector<std::vector<DateSample>> dates(kOpeningSlots);
    opening_.slots.resize(kOpeningSlots);
    opening_.asked = base::now();
    {
      const auto get = [this](const std::string& key, Asked& into) {
        into.got = get_decided(bucket_, key, kObjectPatience, deadline_, into.dates);
      };
      RequestGroup group(pool_, Urgency::prompt);  // ends first: its requests use what is above
      if (newest_.checkpoint.has_value()) {
        group.start([&, key = checkpoint_key(*newest_.checkpoint)] { get(key, checkpoint); });
      }
      if (newest_.tail.has_value()) group.start([&, key = tail_key(*newest_.tail)] { get(key, tail); });
      // The names tell the newest boundary's number, not its slot: a listing's pages are no snapshot, and the
      // checkpoint that it stands on may have come too late for this one.
      if (newest_.boundary != 0) group.start([&] { get(boundary_key(newest_.boundary), known); });
      group.start([&] { confirmed = confirm_boundary(bucket_, {.number = newest_.boundary}, {}, deadline_); });
      for (std::uint64_t i = 0; i < kOpeningSlots; ++i) {
        group.start([&, i, first] {
          BucketOpening::Slot& slot = opening_.slots[i];
          slot.slot = first + i;
          const base::Instant sent = base::now();
          slot.got = bucket_.get(slot_key(slot.slot), {}, std::min(deadline_, sent + kRequestPatience));
          slot.answered = base::now();
          note_date(dates[i], slot.got, sent);
        });
      }
    }
    for (const Asked* asked : {&checkpoint, &tail, &known}) join_dates(opening_.dates, asked->dates);
    join_dates(opening_.dates, confirmed.dates);
    for (const auto& some : dates) join_dates(opening_.dates, some);
    return judge(first, checkpoint.got, tail.got, known.got, confirmed);
  }

  // What was asked for and not got. `what` is for messages.
  Step got_or(const storage::Got& got, const std::string& key) {
    if (got.outcome == Outcome::done) return Step::done;
    if (got.outcome == Outcome::absent) return Step::list_again;
    failed(describe("GET", key, got));
    return Step::failed;
  }

  Step judge(std::uint64_t first, storage::Got& checkpoint, storage::Got& tail, storage::Got& known,
             Confirmed& confirmed) {
    if (newest_.checkpoint.has_value()) {
      opening_.checkpoint = newest_.checkpoint;
      opening_.checkpoint_key = checkpoint_key(*newest_.checkpoint);
      if (const Step step = got_or(checkpoint, opening_.checkpoint_key); step != Step::done) return step;
      opening_.checkpoint_bytes = std::move(checkpoint.bytes);
    }
    if (newest_.tail.has_value()) {
      if (const Step step = got_or(tail, tail_key(*newest_.tail)); step != Step::done) return step;
      opening_.tail = std::move(tail.bytes);
    }
    if (confirmed.outcome != Confirmed::Outcome::confirmed) {
      failed(std::move(confirmed.why), confirmed.outcome == Confirmed::Outcome::corrupt
                                           ? BucketOpening::Outcome::corrupt
                                           : BucketOpening::Outcome::unavailable);
      return Step::failed;
    }
    opening_.boundary = std::move(confirmed.boundary);
    if (newest_.boundary != 0 && !take_known(known, confirmed)) return Step::failed;
    opening_.confirmation = confirmed.confirmation;
    // Something newer than what was listed stands on the other side of the boundary.
    return opening_.confirmation->slot >= first ? Step::list_again : Step::done;
  }

  // The boundary that the names know of; `confirmed` may know a later one. A boundary is never deleted.
  bool take_known(const storage::Got& known, Confirmed& confirmed) {
    const std::string key = boundary_key(newest_.boundary);
    if (known.outcome == Outcome::absent) {
      return failed(key + " is missing: checkpoints were made after it", BucketOpening::Outcome::corrupt);
    }
    if (known.outcome != Outcome::done) return failed(describe("GET", key, known));
    BoundaryObject object;
    if (decode_boundary(known.bytes, object) != Decoded::good || object.number != newest_.boundary) {
      return failed(key + " is damaged, or was written by a newer release", BucketOpening::Outcome::corrupt);
    }
    confirmed.confirmation.slot = std::max(confirmed.confirmation.slot, object.slot);
    if (opening_.boundary.has_value()) return true;
    opening_.boundary = Boundary{.number = object.number,
                                 .slot = object.slot,
                                 .checkpoint = std::move(object.checkpoint),
                                 .store_id = object.store_id,
                                 .read_at = known.date.value_or(confirmed.confirmation.date)};
    return true;
  }

  storage::Bucket& bucket_;
  storage::RequestPool& pool_;
  const std::set<std::string>& unreadable_;
  const base::Instant deadline_;
  BucketOpening opening_;
  Newest newest_;
};

}  // namespace

BucketOpening open_bucket(storage::Bucket& bucket, storage::RequestPool& pool, const std::set<std::string>& unreadable,
                          base::Instant deadline) {
  return Opener(bucket, pool, unreadable, deadline).run();
}

}  // namespace ingot::log
