// What an entry must fit to be the next one, and what is remembered of it.
#include <algorithm>
#include <new>

#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

namespace {
// What follows from it is the same whatever it was: conditions were ignored, or somebody wrote to the bucket.
constexpr const char* kNotOurs =
    ". Either the bucket ignores conditional requests, or something else than this store has written to it. Nothing "
    "more is written";
}  // namespace

// Null: `misfit` says what is wrong with the bytes themselves.
BucketLogHandle::ArrivedEntry BucketLogHandle::decode(std::string bytes, std::uint64_t slot,
                                                      std::string& misfit) const {
  auto arrived = std::make_shared<Arrived>();
  arrived->bytes = std::make_shared<const std::string>(std::move(bytes));
  switch (decode_slot(*arrived->bytes, options_.store_id, arrived->entry)) {
    case Decoded::newer_format:
      misfit = slot_key(slot) + " was written by a newer release";
      return nullptr;
    case Decoded::bad:
      misfit = slot_key(slot) + " is damaged, or belongs to another store: its checksum does not fit";
      return nullptr;
    case Decoded::good:
      break;
  }
  if (arrived->entry.slot == slot) return arrived;
  misfit = slot_key(slot) + " holds the entry of slot " + std::to_string(arrived->entry.slot) + kNotOurs;
  return nullptr;
}

// Whether it can be the one behind end_. Empty: yes.
std::string BucketLogHandle::misfit_of(const SlotEntry& entry) const {
  const std::string name = slot_key(entry.slot);
  if (!(entry.link == end_.link) && !base::broken(base::Break::bucket_ignore_link)) {
    return name + " does not follow the entry before it, as this handle has read it" + kNotOurs;
  }
  if (entry.base_version != end_.version + 1) {
    return name + " begins with version " + std::to_string(entry.base_version) + ", the one before it ended with " +
           std::to_string(end_.version) + kNotOurs;
  }
  if (entry.time_micros < end_.time_micros) return name + " is older than the entry before it" + kNotOurs;
  if (entry.segment != entry.slot && entry.segment != end_.segment) {
    return name + " says that it is of segment " + std::to_string(entry.segment) + ", which is not the last one" +
           kNotOurs;
  }
  return {};
}

void BucketLogHandle::begin_segment(const SlotEntry& entry) {
  starts_[entry.segment] = {
      .segment = entry.segment, .version = end_.version, .link = end_.link, .time_micros = end_.time_micros};
  while (starts_.size() > kStartsMax) starts_.erase(starts_.begin());
  end_.segment = entry.segment;
  end_.segment_bytes = 0;
  end_.segment_slots = 0;
  leads_ = entry.session == session_;
}

// It is the next one, and its payload is here. The mutex is held. What throws has changed nothing: `end_` never says
// more than what has arrived.
void BucketLogHandle::accept(const ArrivedEntry& arrived) {
  const SlotEntry& entry = arrived->entry;
  arrived_.push_back(arrived);
  try {
    if (entry.segment != end_.segment) begin_segment(entry);
  } catch (...) {
    arrived_.pop_back();
    throw;
  }
  arrived_bytes_ += entry.payload_bytes;
  end_.slot = entry.slot;
  end_.version += entry.transaction_count;
  end_.link = entry.identity;
  end_.time_micros = entry.time_micros;
  end_.segment_bytes += entry.payload_bytes;
  ++end_.segment_slots;
  try {
    remember(*arrived);
  } catch (const std::bad_alloc&) {
    base::probe("bucket: no memory for what is remembered of an entry");
    raw_.clear();  // no tail, then, until the next checkpoint
    raw_bytes_ = 0;
    bulk_from_ = entry.slot + 1;
  }
  end_version_.store(end_.version, std::memory_order_release);
  shared_->changed.notify_all();
}

void BucketLogHandle::remember(const Arrived& arrived) {
  const SlotEntry& entry = arrived.entry;
  if (entry.kind != SlotKind::nothing) turns_.won(entry.session, entry.time_micros);
  identities_.push_back({entry.slot, entry.identity});
  if (identities_.size() > kIdentitiesMax) identities_.pop_front();
  if (!entry.bulk.empty()) bulk_.emplace_back(entry.slot, entry.bulk);
  replay_from_ = std::max(replay_from_, entry.replay_from);
  if (!options_.read_only) {
    raw_.push_back({entry.slot, arrived.bytes});
    raw_bytes_ += arrived.bytes->size();
  }
  forget_raw();
}

// A tail starts where the newest durable checkpoint does, or is none.
void BucketLogHandle::forget_raw() {
  while (!raw_.empty() && (raw_.front().slot < replay_from_ || raw_bytes_ > kTailBytesMax)) {
    raw_bytes_ -= raw_.front().bytes->size();
    raw_.pop_front();
  }
}

// An entry that was read: the next one, or one that is known already (we have appended it meanwhile, or it was read
// twice). False: it is neither.
bool BucketLogHandle::accept_or_compare(const ArrivedEntry& arrived) {
  const SlotEntry& entry = arrived->entry;
  if (entry.slot > end_.slot) {
    const std::string misfit = misfit_of(entry);
    if (misfit.empty()) {
      accept(arrived);
    } else {
      set_corrupt(misfit);
    }
    return misfit.empty();
  }
  for (const Identified& known : identities_) {
    if (known.slot == entry.slot && !(known.identity == entry.identity)) {
      set_corrupt(slot_key(entry.slot) + " was read twice, and had another entry the second time" + kNotOurs);
      base::probe("bucket: a slot had another entry the second time");
      return false;
    }
  }
  return true;
}

}  // namespace ingot::log
