// Appending: an attempt for the slot behind the newest entry. Its puts are sent until one is `done`, or until what is
// in the slot is known; nothing else decides. All deliveries of an attempt have the same bytes, and a nonce of its own
// tells it from every other attempt, so to send it twice does no harm.
#include <algorithm>
#include <cassert>

#include "base/random.h"
#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

using storage::Outcome;
using storage::Urgency;

namespace {

// Before anything is known about the bucket.
constexpr base::Duration kUsualLatency = std::chrono::milliseconds(100);
constexpr base::Duration kPutPatience = std::chrono::seconds(20);
// A put that took longer says nothing about the next one; and nobody stands back for longer, whatever the rank.
constexpr base::Duration kLatencyMax = std::chrono::seconds(2);
constexpr int kTurn = 2;
constexpr base::Duration kTurnMax = std::chrono::seconds(3);
// The puts of an attempt that was taken, and then not there: a bucket that says so often is none.
constexpr int kDenialsMax = 3;

base::Hash128 draw_nonce() {
  if (base::broken(base::Break::bucket_reuse_nonce)) return {1, 1};
  char bytes[16];
  base::random_bytes(bytes);
  return base::load_hash(bytes);
}

std::uint64_t bytes_of(std::span<const std::string_view> parts) {
  std::uint64_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  return bytes;
}

}  // namespace

bool BucketLogHandle::prepare(base::Instant deadline) {
  if (is_child()) return false;
  Lock lock(shared_->mutex);
  if (!options_.read_only && !is_stopped() && !closing_) wait_for_turn(lock, deadline);
  return true;
}

// Whoever has won lately stands back, and looks whether another has won meanwhile.
void BucketLogHandle::wait_for_turn(Lock& lock, base::Instant deadline) {
  const std::uint64_t slot = end_.slot + 1;
  if (turn_taken_ == slot) return;
  const std::size_t rank = turns_.rank(session_, clock_micros());
  turn_taken_ = slot;
  const base::Duration latency = put_latencies_.percentile(50).value_or(kUsualLatency);
  if (rank == 0) {
    // Between two puts that are further apart another finds room by itself.
    if (turns_.is_row_full(session_) && base::now() < kept_at_ + latency) {
      wait_for_strangers(lock, std::min(deadline, base::now() + std::min(latency * 9 / 8, kTurnMax)));
    }
    return;
  }
  base::probe("bucket: a writer stood back for others");
  const base::Duration turn = std::min(static_cast<std::int64_t>(rank) * kTurn * latency, kTurnMax);
  const base::Instant until = std::min(deadline, base::now() + turn);
  // A look that is under way at the end is about to tell whether the put would be in vain.
  const base::Instant until_told = std::min(deadline, until + turn);
  // Whoever comes next looks often; the others have time.
  const base::Duration pause = static_cast<std::int64_t>(rank) * latency / 2;
  base::Instant look_at = base::now() + pause;
  const Looker looker(lookers_);
  const auto goes_on = [&] { return end_.slot < slot && !is_stopped() && !closing_; };
  while (goes_on() && base::now() < until) {
    if (base::now() >= look_at) {
      want_look();
      look_at = base::now() + pause;
    }
    wait_for_change(lock, std::min(until, look_at));
  }
  const std::uint64_t round = rounds_begun_;
  while (goes_on() && is_looking_ && rounds_begun_ == round && base::now() < until_told)
    wait_for_change(lock, until_told);
}

// Whoever is always late reads a slot within the time of a request, and is the first then. No look: it would only tell
// later what the put tells.
void BucketLogHandle::wait_for_strangers(Lock& lock, base::Instant until) {
  base::probe("bucket: a writer stood back for others whom it does not know");
  const std::uint64_t slot = end_.slot + 1;
  while (end_.slot < slot && !is_stopped() && !closing_ && base::now() < until) wait_for_change(lock, until);
}

Append BucketLogHandle::append(const Draft& draft, base::Instant deadline) {
  if (is_child()) return Append::unavailable;
  Lock lock(shared_->mutex);
  if (options_.read_only) set_why("the store was opened read-only");
  if (options_.read_only || corrupt_) return Append::unavailable;
  if (closing_) {
    set_why("the store was closed");
    return Append::unavailable;
  }
  if (gone_ || !arrived_.empty()) return Append::lost;
  const Looker looker(lookers_);
  const Append outcome = begin_append(lock, draft, deadline);
  if (outcome == Append::kept) ++stats_.appends_kept;
  if (outcome == Append::undecided) ++stats_.appends_undecided;
  say(lock);
  return outcome;
}

Append BucketLogHandle::begin_append(Lock& lock, const Draft& draft, base::Instant deadline) {
  const std::uint64_t bytes = bytes_of(draft.parts);
  if (bytes > kEntryPayloadBytesMax) {
    set_why("an entry of " + std::to_string(bytes) + " bytes: the limit is " + std::to_string(kEntryPayloadBytesMax));
    return Append::unavailable;
  }
  wait_for_turn(lock, deadline);
  if (is_stopped() || !arrived_.empty()) return corrupt_ ? Append::unavailable : Append::lost;
  const base::Instant begun = base::now();
  Append outcome = Append::unavailable;
  if (kSlotFrameBytes + bytes <= options_.slot_bytes_max) {
    Tried tried;
    tried.sign_until = draft.sign_until;
    tried.entry = make_entry(static_cast<SlotKind>(draft.kind), draft, {.name = {}, .hash = {}, .bytes = bytes});
    outcome = decide(lock, tried, deadline);
  } else {
    outcome = append_in_bulk(lock, draft, bytes, deadline);
  }
  if (outcome == Append::kept) looked_at_.store(begun.time_since_epoch().count());
  return outcome;
}

// The payload first, and then the slot that names it.
Append BucketLogHandle::append_in_bulk(Lock& lock, const Draft& draft, std::uint64_t bytes, base::Instant deadline) {
  auto payload = std::make_shared<std::string>();
  payload->reserve(bytes);
  for (const std::string_view part : draft.parts) payload->append(part);
  const base::Hash128 hash = base::hash128(*payload);
  for (;;) {
    if (!put_payload(lock, payload, hash, deadline)) return Append::unavailable;
    if (is_stopped() || !arrived_.empty()) return corrupt_ ? Append::unavailable : Append::lost;
    Tried tried;
    tried.entry = make_entry(static_cast<SlotKind>(draft.kind), draft, *payload_);
    tried.entry->payload = payload;
    tried.payload_date = payload_->date;
    tried.sign_until = draft.sign_until;
    const Append outcome = decide(lock, tried, deadline);
    // Nothing of it was sent: whoever slept meanwhile puts the payload once more.
    if (outcome != Append::unavailable || !tried.is_stale || is_too_late(tried) || base::now() >= deadline)
      return outcome;
  }
}

// In case an attempt was left undecided: the slot after the newest entry is filled, with that attempt or with nothing.
Read BucketLogHandle::settle(base::Instant deadline) {
  if (is_child()) return Read::unavailable;
  Lock lock(shared_->mutex);
  const Looker looker(lookers_);
  while (undecided_slot_ == end_.slot + 1) {
    if (is_stopped()) return stopped_as();
    if (closing_ || options_.read_only) return Read::unavailable;
    Draft draft;
    draft.time_micros = end_.time_micros;
    Tried tried;
    tried.entry = make_entry(SlotKind::nothing, draft, {});
    switch (decide(lock, tried, deadline)) {
      case Append::kept:
        base::probe("bucket: an undecided attempt was displaced by nothing");
        break;
      case Append::lost:
        break;
      default:
        return is_stopped() ? stopped_as() : Read::unavailable;
    }
  }
  return Read::caught_up;
}

BucketLogHandle::ArrivedEntry BucketLogHandle::make_entry(SlotKind kind, const Draft& draft,
                                                          const PutPayload& payload) {
  auto arrived = std::make_shared<Arrived>();
  SlotEntry& entry = arrived->entry;
  entry.kind = kind;
  entry.slot = end_.slot + 1;
  const bool begins_segment = end_.segment == 0 || draft.new_segment || end_.segment_bytes >= options_.segment_bytes ||
                              end_.segment_slots >= options_.segment_slots;
  entry.segment = begins_segment ? entry.slot : end_.segment;
  entry.base_version = end_.version + 1;
  entry.transaction_count = draft.transaction_count;
  entry.time_micros = std::max(draft.time_micros, end_.time_micros);
  entry.nonce = draw_nonce();
  entry.link = end_.link;
  if (kind != SlotKind::nothing) {
    entry.session = session_;
    // A copied machine's session goes on twice: the bits of the two differ, and the counter is above all that was read.
    const std::uint64_t counter = std::max(sequence_, sequence_read_) >> 32;
    sequence_ = (counter + 1) << 32 | (entry.nonce.low & 0xffff'ffffULL);
    attempt_micros_ = entry.time_micros;
    entry.sequence = sequence_;
  }
  entry.replay_from = replay_from_;
  entry.payload_bytes = payload.bytes;
  entry.bulk = payload.name;
  entry.payload_hash = payload.hash;
  arrived->bytes = std::make_shared<const std::string>(encode_slot(entry, draft.parts, options_.store_id));
  assert(arrived->bytes->size() <= kSlotBytesMax);
  return arrived;
}

Append BucketLogHandle::decide(Lock& lock, Tried& tried, base::Instant deadline) {
  deciding_ = tried.entry;
  const Append outcome = [&] {
    for (;;) {
      digest_answers(tried);
      if (const std::optional<Append> known = decided(tried); known.has_value()) return *known;
      if (closing_ || base::now() >= deadline) return give_up(tried);
      tried.is_stale = (tried.payload_date.has_value() && !is_fresh(*tried.payload_date)) || is_too_late(tried);
      if (tried.is_stale) return give_up(tried);
      if (send_what_is_due(lock, tried, deadline)) continue;  // the mutex was free meanwhile
      wait_for_change(lock, std::min(deadline, next_step(tried)));
    }
  }();
  deciding_.reset();
  for (const Delivery& delivery : tried.deliveries) delivery.call->cancelled = true;  // if it has not begun
  if (outcome == Append::undecided) undecided_slot_ = tried.entry->entry.slot;
  if (outcome == Append::lost && !tried.deliveries.empty()) ++stats_.appends_lost;
  return outcome;
}

std::size_t BucketLogHandle::under_way(const Tried& tried) {
  return static_cast<std::size_t>(std::count_if(tried.deliveries.begin(), tried.deliveries.end(),
                                                [](const Delivery& delivery) { return !delivery.call->ended; }));
}

// Only what was never sent, and what the bucket refuses whenever it comes, is certainly not there: of everything else
// the wire may have had a second copy, or a proxy have sent one.
bool BucketLogHandle::may_be_there(const Tried& tried) {
  return tried.may_be_there || std::any_of(tried.deliveries.begin(), tried.deliveries.end(),
                                           [](const Delivery& each) { return each.call->begun && !each.is_digested; });
}

std::optional<Append> BucketLogHandle::decided(Tried& tried) {
  const SlotEntry& ours = tried.entry->entry;
  if (end_.slot >= ours.slot) {
    const SlotEntry& there = arrived_.front()->entry;
    assert(there.slot == ours.slot);
    if (!(there.nonce == ours.nonce) || base::broken(base::Break::bucket_ignore_nonce)) return Append::lost;
    if (there.identity == ours.identity) {
      base::probe("bucket: an append was found to be kept");
      return keep(arrived_.front());
    }
    set_corrupt(slot_key(ours.slot) + " has the nonce of an attempt of ours, and another content");
  }
  if (corrupt_) return may_be_there(tried) ? Append::undecided : Append::unavailable;
  if (base::broken(base::Break::bucket_trust_absence) && tried.denials > 0) return give_up(tried);
  const bool looks_at_boundary = !base::broken(base::Break::bucket_skip_writer_boundary);
  if (gone_ && looks_at_boundary) {
    base::probe("bucket: the boundary passed an append");
    return may_be_there(tried) ? Append::collected : Append::lost;
  }
  if (tried.won.has_value()) {
    const DateSample& won = *tried.won;
    if (!looks_at_boundary || is_covered(ours.slot, won.date, won.sent, won.answered)) return keep(tried.entry);
    if (confirm_wanted_ <= confirms_done_) (void)want_confirmation();
  }
  return std::nullopt;
}

// Whether what it names may be collected by the time that a put which is signed now comes true.
bool BucketLogHandle::is_too_late(const Tried& tried) const {
  return tried.sign_until.has_value() && confirmation_.date > *tried.sign_until;
}

// It is in its slot, and it is known by the rules. The mutex is held.
Append BucketLogHandle::keep(const ArrivedEntry& entry) {
  if (end_.slot < entry->entry.slot) accept(entry);
  const ArrivedEntry kept = std::move(arrived_.front());  // which `entry` may be
  arrived_.pop_front();
  arrived_bytes_ -= kept->entry.payload_bytes;
  consume(*kept);
  kept_at_ = base::now();
  poll_at_ = std::max(poll_at_, kept_at_ + poll_pause_);
  if (recheck_entry_ == nullptr) {
    recheck_entry_ = kept;
    recheck_due_ = true;
  }
  if (kept->entry.slot % kTailEvery == 0) tail_due_ = true;
  shared_->changed.notify_all();
  return Append::kept;
}

Append BucketLogHandle::give_up(Tried& tried) {
  if (closing_) {
    set_why("the store was closed");
  } else if (tried.is_stale) {
    set_why("what is to be appended was uploaded so long ago that it may be swept");
  } else if (problem().empty()) {
    const std::string silence = "no answer to PUT " + slot_key(tried.entry->entry.slot) + " by the deadline";
    set_why(silence);
    set_trouble(silence);  // until something answers
  }
  if (base::broken(base::Break::bucket_trust_timeout)) return Append::unavailable;
  if (base::broken(base::Break::bucket_trust_absence) && tried.denials > 0) return Append::unavailable;
  if (may_be_there(tried)) {
    base::probe("bucket: an append was given up undecided");
    return Append::undecided;
  }
  return Append::unavailable;
}

void BucketLogHandle::digest_answers(Tried& tried) {
  for (Delivery& delivery : tried.deliveries) {
    if (!delivery.call->ended || delivery.is_digested) continue;
    delivery.is_digested = true;
    note_date_of(*delivery.call);
    digest_answer(tried, *delivery.call);
  }
  // Taken, as the bucket said, and yet the follower found nothing there.
  if (tried.is_taken && rounds_done_ >= tried.taken_round && end_.slot < tried.entry->entry.slot && !is_stopped()) {
    tried.is_taken = false;
    ++tried.denials;
    if (base::broken(base::Break::bucket_trust_absence)) return;
    if (tried.denials >= kDenialsMax) {
      set_corrupt("the bucket says that " + slot_key(tried.entry->entry.slot) + " exists, and that it is absent");
    }
  }
}

void BucketLogHandle::digest_answer(Tried& tried, const Call<storage::Answer>& call) {
  const storage::Answer& answer = call.result;
  const std::string key = slot_key(tried.entry->entry.slot);
  const bool was_there = tried.may_be_there;
  tried.may_be_there |= answer.outcome != Outcome::unsent && answer.outcome != Outcome::refused;
  switch (answer.outcome) {
    case Outcome::done:
      if (tried.won.has_value() && !closing_) {
        set_corrupt("the bucket has carried out two conditional puts of " + key +
                    ": it ignores conditional requests, and can't hold a store");
      }
      if (answer.date.has_value()) tried.won = DateSample{*answer.date, call.sent, call.answered};
      [[fallthrough]];
    case Outcome::exists:
      if (tried.entry->bytes->size() <= kHedgeBytesMax && call.answered - call.sent <= kLatencyMax) {
        put_latencies_.add(call.answered - call.sent);
      }
      set_trouble({});
      if (answer.outcome == Outcome::exists && was_there) base::probe("bucket: an append sent again was already there");
      if (tried.won.has_value()) return;
      // The follower reads it, and what has come behind it.
      tried.is_taken = true;
      tried.taken_round = rounds_begun_ + 1;
      width_ = std::max<std::uint64_t>(width_, 2);
      want_look();
      return;
    case Outcome::too_late:
      base::probe("bucket: a put was signed too long ago");
      tried.confirm_needed = want_confirmation();
      break;
    default:
      set_trouble(describe("PUT", key, answer));
      set_why(describe("PUT", key, answer));
      break;
  }
  tried.send_at = base::now() + tried.back_off.next(answer);
  if (base::broken(base::Break::bucket_trust_absence) && tried.may_be_there) {
    tried.is_taken = true;
    tried.taken_round = rounds_begun_ + 1;
    want_look();
  }
}

// Whether there is a confirmation to sign with that the bucket still takes.
bool BucketLogHandle::may_send(Tried& tried) {
  if (tried.won.has_value() || tried.is_taken) return false;
  if (!knows_boundary() || confirms_done_ < tried.confirm_needed) return false;
  const base::Duration age = confirmation_age();
  const bool is_outdated = tried.payload_date.has_value() && *tried.payload_date - confirmation_.date > kSignedMax;
  if (age > kSignedMax || is_outdated) {
    tried.confirm_needed = want_confirmation();
    return false;
  }
  if (age > kRenewAfter && confirm_wanted_ <= confirms_done_) (void)want_confirmation();
  return true;
}

// True: something was sent.
bool BucketLogHandle::send_what_is_due(Lock& lock, Tried& tried, base::Instant deadline) {
  const base::Instant now = base::now();
  const std::size_t flying = under_way(tried);
  const bool is_first = flying == 0 && now >= tried.send_at;
  const bool is_hedge = flying == 1 && now >= tried.hedge_at && tried.hedges == 0;
  const bool is_again = flying != 0 && flying < kDeliveriesMax && now >= tried.again_at;
  if ((!is_first && !is_hedge && !is_again) || !may_send(tried)) return false;
  if (is_first) {
    const std::optional<base::Duration> usual = put_latencies_.percentile(95);
    const bool hedges = usual.has_value() && tried.entry->bytes->size() <= kHedgeBytesMax;
    // Where all take about as long, the second one would not be sooner.
    const base::Duration median = put_latencies_.percentile(50).value_or(kUsualLatency);
    tried.hedge_at = hedges ? now + std::max({*usual, median * 5 / 4, kHedgeMin}) : base::kNever;
    tried.hedges = 0;
  } else if (is_hedge) {
    ++tried.hedges;
    ++stats_.puts_hedged;
    base::probe("bucket: a slow put was sent a second time");
  }
  tried.again_at = now + kSendAgainAfter + patience_for(tried.entry->bytes->size()) - kRequestPatience;
  send(lock, tried, deadline);
  return true;
}

void BucketLogHandle::send(Lock& lock, Tried& tried, base::Instant deadline) {
  const auto& bytes = tried.entry->bytes;
  ++stats_.puts;
  stats_.bytes_written += bytes->size();
  std::optional<storage::BucketDate> date = confirmation_.date;
  if (base::broken(base::Break::bucket_sign_now)) date.reset();
  const base::Instant until =
      std::min(deadline, base::now() + kPutPatience + patience_for(bytes->size()) - kRequestPatience);
  const std::size_t place = tried.deliveries.size();
  tried.deliveries.emplace_back();
  tried.deliveries[place].call = std::make_shared<Call<storage::Answer>>();
  auto put = [&bucket = bucket_, key = slot_key(tried.entry->entry.slot), bytes, date, until] {
    return bucket.put(key, *bytes, storage::PutMode::create, date, until);
  };
  tried.deliveries[place].call = call<storage::Answer>(lock, Urgency::prompt, std::move(put));
}

base::Instant BucketLogHandle::next_step(const Tried& tried) const {
  if (tried.won.has_value() || tried.is_taken || !knows_boundary() || confirms_done_ < tried.confirm_needed) {
    return base::kNever;  // others wake us
  }
  const std::size_t flying = under_way(tried);
  if (flying == 0) return tried.send_at;
  base::Instant next = flying < kDeliveriesMax ? tried.again_at : base::kNever;
  if (flying == 1 && tried.hedges == 0) next = std::min(next, tried.hedge_at);
  return next;
}

}  // namespace ingot::log
