// What is put beside the slots: payloads that are too large for one, tails, and the check that conditions are heeded.
#include <algorithm>

#include "base/random.h"
#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

using storage::Outcome;
using storage::Urgency;

// An object that no entry names yet is swept when it is older than the grace period. A put of a slot may take effect
// half of that after it was signed, so what it names must be younger than a quarter when it is.
bool BucketLogHandle::is_fresh(storage::BucketDate payload) const {
  return confirmation_.date - payload < options_.grace / 4;
}

// Puts it, unless the last one had the same. False: the deadline passed; why.
bool BucketLogHandle::put_payload(Lock& lock, const std::shared_ptr<const std::string>& payload,
                                  const base::Hash128& hash, base::Instant deadline) {
  if (payload_.has_value() && payload_->hash == hash && payload_->bytes == payload->size() &&
      is_fresh(payload_->date)) {
    base::probe("bucket: a payload was put once for several appends");
    return true;
  }
  PutPayload put{.name = {}, .hash = hash, .bytes = payload->size()};
  if (!send_payload(lock, put, payload, deadline)) return false;
  stats_.bytes_written += payload->size();
  payload_ = std::move(put);
  return true;
}

// Until a put of it is `done`, and it is known when.
bool BucketLogHandle::send_payload(Lock& lock, PutPayload& to, const std::shared_ptr<const std::string>& payload,
                                   base::Instant deadline) {
  storage::BackOff back_off;
  for (;;) {
    if (to.name.empty()) {
      char bits[16];
      base::random_bytes(bits);
      to.name = hex_name(base::load_hash(bits));
    }
    const std::string key = bulk_key(to.name);
    const base::Instant until = std::min(deadline, base::now() + patience_for(payload->size()));
    const auto put = call<storage::Answer>(lock, Urgency::prompt, [&bucket = bucket_, key, payload, until] {
      return bucket.put(key, *payload, storage::PutMode::create, {}, until);
    });
    while (!put->ended && !closing_ && base::now() < deadline) wait_for_change(lock, deadline);
    put->cancelled = true;
    if (!put->ended) {
      set_why(closing_ ? "the store was closed" : "no answer to PUT " + key + " by the deadline");
      return false;
    }
    note_date_of(*put);
    const storage::Answer& answer = put->result;
    if (answer.outcome == Outcome::done && answer.date.has_value()) {
      to.date = *answer.date;
      if (is_plausible_at_last(lock, {to.date, put->sent, put->answered}, deadline)) return true;
    }
    // Of a name that exists already an earlier delivery was carried out, at a time that nobody knows.
    if (answer.outcome == Outcome::done || answer.outcome == Outcome::exists) to.name.clear();
    set_why(describe("PUT", key, answer));
    const base::Instant again = base::now() + back_off.next(answer);
    while (!closing_ && base::now() < std::min(again, deadline)) wait_for_change(lock, std::min(again, deadline));
    if (closing_ || base::now() >= deadline) return false;
  }
}

// Whether a Date can be right: if it disagrees with those before it, some more are asked for.
bool BucketLogHandle::is_plausible_at_last(Lock& lock, const DateSample& sample, base::Instant deadline) {
  if (clock_.is_plausible(sample)) return true;
  base::probe("bucket: the date of a payload can't be, or the clock stood still");
  const std::uint64_t wanted = want_confirmation();
  while (confirms_done_ < wanted && !is_stopped() && !closing_ && base::now() < deadline) {
    wait_for_change(lock, deadline);
  }
  return clock_.is_plausible(sample);
}

void BucketLogHandle::background_work(Lock& lock) {
  if (options_.read_only || corrupt_) return;
  recheck_conditions(lock);
  work_on_tail(lock);
}

// The first entry that we appended is put once more: the name is taken, so a bucket that heeds conditions says so. One
// that does not must not be used for a second.
void BucketLogHandle::recheck_conditions(Lock& lock) {
  if (!recheck_due_) return;
  if (recheck_ != nullptr && !recheck_->ended) return;
  if (recheck_ != nullptr) {
    const Outcome outcome = recheck_->result.outcome;
    note_date_of(*recheck_);
    if (outcome == Outcome::done) {
      set_corrupt(
          "the bucket has overwritten " + slot_key(recheck_entry_->entry.slot) +
          ", although it was asked to create it only if absent: it can't hold a store. Nothing more is written");
    }
    recheck_due_ = outcome != Outcome::exists && outcome != Outcome::done && rechecks_ < kRechecksMax;
    recheck_.reset();
  }
  // Signed with a confirmation that the slot lies below, it would win it again once it is collected.
  if (gone_ || confirmation_.slot >= recheck_entry_->entry.slot) recheck_due_ = false;
  if (!recheck_due_) return;
  ++rechecks_;
  recheck_ = call<storage::Answer>(lock, Urgency::bulk,
                                   [&bucket = bucket_, key = slot_key(recheck_entry_->entry.slot),
                                    bytes = recheck_entry_->bytes, date = confirmation_.date] {
                                     return bucket.put(key, *bytes, storage::PutMode::create, date,
                                                       base::now() + 4 * kRequestPatience);
                                   });
}

void BucketLogHandle::work_on_tail(Lock& lock) {
  if (tail_ != nullptr && tail_->ended) {
    note_date_of(*tail_);
    if (tail_->result.outcome == Outcome::done) {
      ++stats_.tails;
      for (std::string& old : old_tails_) {
        (void)pool_.start(Urgency::bulk, [&bucket = bucket_, key = std::move(old)] {
          (void)bucket.remove(key, base::now() + kRequestPatience);
        });
      }
      old_tails_.clear();
    }
    // One that may be there all the same is removed with the next.
    old_tails_.push_back(std::move(tail_key_));
    tail_.reset();
  }
  if (!tail_due_ || tail_ != nullptr) return;
  tail_due_ = false;
  const bool is_whole = !raw_.empty() && raw_.front().slot == replay_from_ && raw_.back().slot == end_.slot &&
                        raw_.size() <= kTailEntriesMax;
  if (is_whole && !gone_) start_tail(lock);
}

void BucketLogHandle::start_tail(Lock& lock) {
  const TailName name{.upto = end_.slot, .boundary = confirmation_.number, .random = base::random_u64()};
  tail_key_ = tail_key(name);
  std::vector<std::shared_ptr<const std::string>> entries;
  for (const Raw& raw : raw_) entries.push_back(raw.bytes);
  tail_ = call<storage::Answer>(lock, Urgency::bulk,
                                [&bucket = bucket_, key = tail_key_, from = raw_.front().slot, upto = name.upto,
                                 store = options_.store_id, entries = std::move(entries)] {
                                  Tail tail{.from = from, .upto = upto, .entries = {}};
                                  for (const auto& entry : entries) tail.entries.emplace_back(*entry);
                                  const std::string bytes = encode_tail(tail, store);
                                  return bucket.put(key, bytes, storage::PutMode::create, {},
                                                    base::now() + patience_for(bytes.size()));
                                });
}

}  // namespace ingot::log
