// The follower: the thread that reads slots, and confirms the boundary, for whoever looks, waits, or appends. It asks
// while somebody wants to know, and some time after that; when nobody does, it asks for nothing.
#include <algorithm>
#include <new>

#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

using storage::Outcome;
using storage::Urgency;

struct BucketLogHandle::Round {
  std::uint64_t number = 0;
  base::Instant begun{};
  std::uint64_t first = 0;
  std::vector<CallOf<storage::Got>> slots;
};

void BucketLogHandle::follow() {
  Lock lock(shared_->mutex);
  while (!closing_) {
    try {
      say(lock);
      background_work(lock);
      work_on_confirmation(lock);
      if (base::now() >= slots_due()) {
        fetch_once(lock);
        continue;
      }
      if (has_answers()) continue;  // they came while something else was begun
      const base::Instant due = next_due();
      if (due == base::kNever) {
        poll_pause_ = kPollMin;
        is_asleep_.store(true);
        // Whoever came meanwhile has not seen that we sleep.
        if (next_due() == base::kNever && !closing_) wait_for_change(lock, base::kNever);
        is_asleep_.store(false);
      } else {
        wait_for_change(lock, due);
      }
    } catch (const std::bad_alloc&) {
      if (!lock.owns_lock()) lock.lock();
      retry_at_ = base::now() + kPollMax;
    }
  }
  try {
    say(lock);
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it was said by why(), too
  }
}

// When the next round is to begin. The mutex is held.
base::Instant BucketLogHandle::slots_due() const {
  if (is_stopped()) return base::kNever;
  if (round_wanted_ > rounds_done_) return retry_at_;
  const base::Instant interest_ends = base::Instant(base::Duration(interest_at_.load())) + kInterest;
  return waiters_ != 0 || base::now() < interest_ends ? std::max(poll_at_, retry_at_) : base::kNever;
}

bool BucketLogHandle::wants_confirmation() const {
  return !is_stopped() && confirming_ == nullptr && confirm_wanted_ > confirms_done_;
}

base::Instant BucketLogHandle::next_due() const {
  return std::min(slots_due(), wants_confirmation() ? retry_at_ : base::kNever);
}

// Whether something that was begun in the background has ended: to begin a request lets go of the mutex.
bool BucketLogHandle::has_answers() const {
  if (confirming_ != nullptr && confirming_->ended) return true;
  return !corrupt_ && ((recheck_ != nullptr && recheck_->ended) || (tail_ != nullptr && tail_->ended));
}

// A look that begins after now. The mutex is held.
void BucketLogHandle::want_look() {
  round_wanted_ = rounds_begun_ + 1;
  shared_->changed.notify_all();
}

// The number of a confirmation that begins after now.
std::uint64_t BucketLogHandle::want_confirmation() {
  confirm_wanted_ = confirms_begun_ + 1;
  shared_->changed.notify_all();
  return confirm_wanted_;
}

// The boundary is asked for beside the slots, whose answers need not wait for it if the last one still covers them.
void BucketLogHandle::work_on_confirmation(Lock& lock) {
  if (confirming_ != nullptr && confirming_->ended) {
    const CallOf<Confirmed> ended = std::move(confirming_);
    confirming_.reset();
    digest_confirmation(*ended, confirms_begun_);
    shared_->changed.notify_all();
  }
  if (!wants_confirmation() || base::now() < retry_at_) return;
  ++confirms_begun_;
  ++stats_.confirmations;
  confirming_ =
      call<Confirmed>(lock, Urgency::prompt, [&bucket = bucket_, known = confirmation_, store_id = options_.store_id] {
        return ask_boundary(bucket, known, store_id, base::now() + 2 * kRequestPatience);
      });
}

void BucketLogHandle::start_round(Lock& lock, Round& round) {
  round.number = ++rounds_begun_;
  round.begun = base::now();
  round.first = end_.slot + 1;
  const std::uint64_t width = width_;
  const bool confirms =
      !knows_boundary() || confirmation_age() > base::Duration(options_.grace) / 8 || confirmation_.slot >= round.first;
  if (confirms && confirming_ == nullptr) (void)want_confirmation();
  work_on_confirmation(lock);
  for (std::uint64_t i = 0; i < width; ++i) {
    round.slots.push_back(get(lock, slot_key(round.first + i), get_patience_));
  }
}

// Whether all is there that can be told from: what lies behind the first slot that is not there tells nothing, and what
// no confirmation covers may be covered by the one that is under way.
bool BucketLogHandle::is_decided(const Round& round) const {
  bool is_one_missing = false;
  for (std::size_t i = 0; i < round.slots.size() && !is_one_missing; ++i) {
    const Call<storage::Got>& call = *round.slots[i];
    if (!call.ended) return false;
    const Outcome outcome = call.result.outcome;
    const bool tells = outcome == Outcome::done || outcome == Outcome::absent;
    if (tells && confirming_ != nullptr && !is_covered(round.first + i, call)) return false;
    is_one_missing = outcome != Outcome::done;
  }
  return true;
}

void BucketLogHandle::fetch_once(Lock& lock) {
  Round round;
  is_looking_ = true;
  start_round(lock, round);
  for (;;) {
    work_on_confirmation(lock);
    if (closing_ || is_decided(round) || base::now() >= asks_until_) break;
    if (confirming_ != nullptr && confirming_->ended) continue;  // it came while it was begun
    wait_for_change(lock, asks_until_);
  }
  for (const auto& slot : round.slots) slot->cancelled = true;  // those that have not begun
  if (closing_) return;
  for (const auto& slot : round.slots) {
    if (slot->ended) note_date_of(*slot);
  }
  if (!is_stopped()) digest_slots(lock, round);
  is_looking_ = false;
  shared_->changed.notify_all();
}

void BucketLogHandle::digest_confirmation(const Call<Confirmed>& call, std::uint64_t number) {
  const Confirmed& confirmed = call.result;
  for (const DateSample& date : confirmed.dates) note_date(date);
  if (confirmed.outcome == Confirmed::Outcome::corrupt) {
    set_corrupt(confirmed.why);
    return;
  }
  if (confirmed.boundary.has_value()) boundary_ = confirmed.boundary;
  const Confirmation& newest = confirmed.confirmation;
  if (confirmed.outcome != Confirmed::Outcome::confirmed) {
    follow_failed(confirmed.last, confirmed.why);
  } else if (!clock_.is_plausible({newest.date, newest.sent, call.answered})) {
    base::probe("bucket: a confirmation with a date that can't be");
    follow_failed({}, "the bucket's answers disagree about the time");
  } else {
    confirmation_.date = newest.date;
    confirmation_.sent = newest.sent;
    is_outdated_ = false;
    confirms_done_ = number;
    if (round_wanted_ <= rounds_done_) {
      follow_back_off_.reset();
      set_trouble({});
    }
  }
  // What was read of newer boundaries holds all the same: with the date before, it only says less.
  confirmation_.number = newest.number;
  confirmation_.slot = newest.slot;
  while (!bulk_.empty() && bulk_.front().first <= confirmation_.slot) bulk_.pop_front();
  const bool looks = !base::broken(base::Break::bucket_skip_reader_boundary) &&
                     !(deciding_ != nullptr && base::broken(base::Break::bucket_skip_writer_boundary));
  if (confirmation_.slot > end_.slot && looks) set_gone();
}

// As Confirmation::covers; and a Date that disagrees with those before it tells nothing, since a machine whose clock
// stood still has only the Dates to go by.
bool BucketLogHandle::is_covered(std::uint64_t slot, const std::optional<storage::BucketDate>& date, base::Instant sent,
                                 base::Instant answered) const {
  if (!knows_boundary() || !confirmation_.covers(slot, date, answered, options_.grace)) return false;
  if (answered <= confirmation_.sent || base::broken(base::Break::bucket_skip_reader_boundary)) return true;
  return !is_outdated_ && clock_.is_plausible({*date, sent, answered});
}

// Whether an answer about this slot may be believed; if not, the boundary is asked for again.
bool BucketLogHandle::counts(std::uint64_t slot, const Call<storage::Got>& call) {
  const bool covered = is_covered(slot, call);
  if (!covered) {
    base::probe("bucket: an answer about a slot came too long after the boundary was confirmed");
    (void)want_confirmation();
    retry_at_ = base::now() + follow_back_off_.next({});
  }
  return covered;
}

void BucketLogHandle::digest_slots(Lock& lock, Round& round) {
  std::vector<ArrivedEntry> taken;
  bool is_end = false;
  bool is_open = false;  // something is not decided: ask again
  for (std::size_t i = 0; i < round.slots.size() && !is_end && !is_open; ++i) {
    Call<storage::Got>& call = *round.slots[i];
    const std::uint64_t slot = round.first + i;
    const Outcome outcome = call.result.outcome;
    if (outcome != Outcome::done && outcome != Outcome::absent) {
      if (outcome == Outcome::unanswered) get_patience_ = std::min(2 * get_patience_, patience_for(4 * kSlotBytesMax));
      follow_failed(call.result, describe("GET", slot_key(slot), call.result));
      is_open = true;
    } else if (!counts(slot, call)) {
      is_open = true;
    } else if (outcome == Outcome::absent) {
      ++stats_.slots_absent;
      get_patience_ = kRequestPatience;
      is_end = true;
    } else {
      ++stats_.slots_read;
      get_patience_ = kRequestPatience;
      ArrivedEntry entry = take_slot(std::move(call.result.bytes), slot);
      is_open = entry == nullptr;
      if (entry != nullptr) taken.push_back(std::move(entry));
    }
  }
  if (!is_stopped() && !fetch_payloads(lock, taken)) is_open = true;
  for (const ArrivedEntry& entry : taken) {
    if (is_stopped() || !accept_or_compare(entry)) return;
  }
  if (arrived_bytes_ > options_.unread_bytes_max && has_follower_) {
    base::probe("bucket: fell too far behind to catch up by reading");
    set_gone();
    return;
  }
  if (!taken.empty() && !is_open) {
    follow_back_off_.reset();
    set_trouble({});
    poll_pause_ = kPollMin;
    poll_at_ = base::now();
    // One entry is no sign of more; several are.
    if (++full_rounds_ > 1) width_ = std::min(kWindow, 4 * width_);
  }
  if (is_end && !is_open && !is_stopped()) caught_up(round);
}

// Nothing was appended behind end_ when the round began.
void BucketLogHandle::caught_up(const Round& round) {
  width_ = 1;
  full_rounds_ = 0;
  rounds_done_ = round.number;
  looked_at_.store(round.begun.time_since_epoch().count());
  follow_back_off_.reset();
  set_trouble({});
  const base::Instant now = base::now();
  if (poll_at_ <= now) poll_at_ = now + poll_pause_;
  poll_pause_ = std::min<base::Duration>(2 * poll_pause_, kPollMax);
}

// Null: it can't be used, now or (then the handle stops) ever.
BucketLogHandle::ArrivedEntry BucketLogHandle::take_slot(std::string bytes, std::uint64_t slot) {
  std::string misfit;
  ArrivedEntry entry = decode(std::move(bytes), slot, misfit);
  if (entry != nullptr) {
    damaged_slot_ = 0;
    // We have its payload, wherever it is.
    const bool is_ours = deciding_ != nullptr && deciding_->entry.identity == entry->entry.identity;
    return is_ours ? deciding_ : entry;
  }
  // What was damaged on its way is whole the next time.
  if (damaged_slot_ == slot) {
    set_corrupt(misfit);
  } else {
    damaged_slot_ = slot;
    base::probe("bucket: a slot was damaged on its way");
    follow_failed({}, misfit);
  }
  return nullptr;
}

// Those that are objects of their own. False: one is missing, and `entries` ends before it.
bool BucketLogHandle::fetch_payloads(Lock& lock, std::vector<ArrivedEntry>& entries) {
  std::vector<CallOf<storage::Got>> calls(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const SlotEntry& entry = entries[i]->entry;
    if (!entry.bulk.empty() && entries[i]->payload == nullptr)
      calls[i] = get(lock, bulk_key(entry.bulk), patience_for(entry.payload_bytes));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (calls[i] == nullptr) continue;
    while (!calls[i]->ended && !closing_ && base::now() < asks_until_) wait_for_change(lock, asks_until_);
    if (calls[i]->ended && !closing_ && take_payload(*entries[i], *calls[i])) continue;
    for (const auto& other : calls) {
      if (other != nullptr) other->cancelled = true;
    }
    entries.resize(i);
    return false;
  }
  return true;
}

bool BucketLogHandle::take_payload(Arrived& arrived, Call<storage::Got>& call) {
  const SlotEntry& entry = arrived.entry;
  const std::string key = bulk_key(entry.bulk);
  note_date_of(call);
  if (call.result.outcome == Outcome::absent) {
    // It is collected together with the slot, so the boundary knows.
    if (absent_payload_ == entry.bulk && confirms_done_ > absent_confirm_) {
      set_corrupt(key + " is missing, which " + slot_key(entry.slot) + " names");
    } else if (absent_payload_ != entry.bulk) {
      absent_payload_ = entry.bulk;
      absent_confirm_ = confirms_begun_;
      (void)want_confirmation();
    } else if (confirm_wanted_ <= absent_confirm_) {  // it was given up meanwhile
      (void)want_confirmation();
    }
    retry_at_ = base::now() + follow_back_off_.next(call.result);
    return false;
  }
  if (call.result.outcome != Outcome::done) {
    follow_failed(call.result, describe("GET", key, call.result));
    return false;
  }
  const std::string& bytes = call.result.bytes;
  if (bytes.size() == entry.payload_bytes && base::hash128(bytes) == entry.payload_hash) {
    arrived.payload = std::make_shared<const std::string>(std::move(call.result.bytes));
    return true;
  }
  if (damaged_payload_ == entry.bulk) {
    set_corrupt(key + " is damaged: its checksum, as " + slot_key(entry.slot) + " has it, does not fit");
  } else {
    damaged_payload_ = entry.bulk;
    follow_failed({}, key + " is damaged");
  }
  return false;
}

void BucketLogHandle::follow_failed(const storage::Answer& answer, const std::string& what) {
  const base::Instant now = base::now();
  retry_at_ = now + follow_back_off_.next(answer);
  look_failed_at_.store(now.time_since_epoch().count());
  set_trouble(what);
  set_why(what);
  if (lookers_ == 0) {  // nobody waits for it: next time
    round_wanted_ = rounds_done_;
    confirm_wanted_ = confirms_done_;
  }
}

}  // namespace ingot::log
