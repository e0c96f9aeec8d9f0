#include "engine/transaction_state.h"

#include <algorithm>

#include "base/testing.h"
#include "engine/engine.h"
#include "engine/read.h"
#include "ingot/error.h"
#include "ingot/limits.h"
#include "ingot/space.h"

namespace ingot::engine {

namespace {

bool ends_before(const std::string& end, const std::string& other) {  // an empty end is beyond all
  if (end.empty()) return false;
  return other.empty() || end < other;
}

bool inside(std::string_view key, const ReadSet::Range& range) {
  return key >= range.begin && (range.end.empty() || key < range.end);
}

}  // namespace

void ReadSet::add_key(std::string_view key) {
  keys_.append(key);
  key_ends_.push_back(keys_.size());
  if (bytes() > kReadSetBytesMax) shrink();
}

void ReadSet::add_range(std::string_view begin, std::string_view end) {
  ranges_.push_back({std::string(begin), std::string(end)});
  range_bytes_ += begin.size() + end.size() + sizeof(Range);
}

std::shared_ptr<ReadSet::Range> ReadSet::open_range(std::string_view begin, std::string_view end) {
  constexpr std::size_t kOpenMax = 64;
  if (open_ranges_.size() >= kOpenMax) {
    // Those of scans that have ended move over; nobody changes them any more.
    std::erase_if(open_ranges_, [&](const std::shared_ptr<Range>& range) {
      if (range.use_count() != 1) return false;
      add_range(range->begin, range->end);
      return true;
    });
    if (bytes() > kReadSetBytesMax) shrink();
  }
  return open_ranges_.emplace_back(std::make_shared<Range>(Range{std::string(begin), std::string(end)}));
}

const std::vector<ReadSet::Range>& ReadSet::ranges() {
  for (const std::shared_ptr<Range>& range : open_ranges_) add_range(range->begin, range->end);
  open_ranges_.clear();
  return ranges_;
}

// Sorted keys are cut into stretches of equal count, each of which becomes one range; if that is still too much, so are
// the ranges.
void ReadSet::shrink() {
  base::probe("engine: a read set was shrunk to ranges");
  constexpr std::size_t kStretch = 64;
  std::vector<std::string_view> keys;
  keys.reserve(key_count());
  for (std::size_t i = 0; i < key_count(); ++i) keys.push_back(key_at(i));
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 0; i < keys.size(); i += kStretch) {
    const std::string_view last = keys[std::min(i + kStretch, keys.size()) - 1];
    add_range(keys[i], std::string(last) + '\0');
  }
  keys_.clear();
  key_ends_.clear();
  if (range_bytes_ < kReadSetBytesMax / 2) return;
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<Range> all;
  all.swap(ranges_);
  range_bytes_ = 0;
  for (std::size_t i = 0; i < all.size(); i += kStretch) {
    Range& joined = all[i];
    for (std::size_t k = i + 1; k < std::min(i + kStretch, all.size()); ++k) {
      if (ends_before(joined.end, all[k].end)) joined.end = all[k].end;
    }
    add_range(joined.begin, joined.end);
  }
}

TransactionState::TransactionState(std::shared_ptr<Engine> owner, std::shared_ptr<const State> at, Version snapshot,
                                   std::int64_t time, Durability commit_durability)
    : engine(std::move(owner)),
      state(std::move(at)),
      version(snapshot),
      time_micros(time),
      durability(commit_durability) {}

TransactionState::~TransactionState() = default;

void TransactionState::require_open() const {
  if (state == nullptr) {
    throw Error(ErrorCode::closed, "the transaction has ended: it was committed or rolled back. Begin another one.");
  }
  engine->require_open();
}

void TransactionState::require_room(std::size_t bytes) const {
  const std::size_t total = mutations.bytes().size() + bytes + 32;
  if (total > kTransactionBytesMax) {
    throw Error(ErrorCode::too_large, "the transaction would have " + std::to_string(total) +
                                          " bytes of writes, the limit is " + std::to_string(kTransactionBytesMax) +
                                          ". Split it into several transactions.");
  }
}

void TransactionState::forget_stamp(std::string_view key) {
  if (const auto stamped = stamped_.find(key); stamped != stamped_.end()) stamped_.erase(stamped);
}

void TransactionState::put(std::string_view key, std::string_view value, std::int64_t expires) {
  require_room(key.size() + value.size());
  mutations.put(key, value, expires);
  forget_stamp(key);
}

void TransactionState::erase(std::string_view key) {
  require_room(key.size());
  mutations.erase(key);
  forget_stamp(key);
}

void TransactionState::add(std::string_view key, std::int64_t delta) {
  require_room(key.size());
  mutations.add(key, delta);
}

void TransactionState::put_stamped_key(std::string_view key, std::string_view value, std::int64_t expires) {
  require_room(key.size() + value.size());
  mutations.stamp_key(key, value, expires, kVersionstampBytes);
}

void TransactionState::put_stamped_value(std::string_view key, std::string_view value, std::int64_t expires,
                                         std::size_t offset) {
  require_room(key.size() + value.size());
  mutations.stamp_value(key, value, expires, offset);
  stamped_.emplace(key);
}

// What this transaction has written before it is hidden by the memtable, which gets the mutations in their order.
void TransactionState::erase_range(std::string_view begin, std::string_view end) {
  require_room(begin.size() + end.size());
  mutations.erase_range(begin, end);
}

void TransactionState::index() {
  if (indexed_bytes_ == mutations.bytes().size()) return;
  base::ByteReader reader(mutations.bytes().substr(indexed_bytes_));
  Mutation mutation;
  while (!reader.empty() && take_mutation(reader, mutation)) {
    if (mutation.kind == MutationKind::erase_range) {
      const auto first = own_.lower_bound(mutation.key);
      const auto last = mutation.value.empty() ? own_.end() : own_.lower_bound(mutation.value);
      own_.erase(first, last);
      own_erasures_.push_back({std::string(mutation.key), std::string(mutation.value)});
      continue;
    }
    const auto [place, fresh] = own_.try_emplace(std::string(mutation.key));
    OwnWrite& own = place->second;
    switch (mutation.kind) {
      case MutationKind::put:
      case MutationKind::put_expiring:
        // A time that has passed already: nobody sees the record, and what it replaces is gone.
        if (mutation.expires_micros != 0 && mutation.expires_micros <= time_micros) {
          own = {OwnWrite::Kind::erased, {}, 0, 0};
        } else {
          own = {OwnWrite::Kind::value, std::string(mutation.value), mutation.expires_micros, 0};
        }
        break;
      case MutationKind::erase:
        own = {OwnWrite::Kind::erased, {}, 0, 0};
        break;
      case MutationKind::add:
        if (fresh && !own_erased(mutation.key)) {
          own = {OwnWrite::Kind::add, {}, 0, mutation.delta};
        } else if (own.kind == OwnWrite::Kind::add) {
          own.delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(own.delta) +
                                                static_cast<std::uint64_t>(mutation.delta));
        } else {
          const std::int64_t base = own.kind == OwnWrite::Kind::value ? counter_of(own.value) : 0;
          own.kind = OwnWrite::Kind::value;
          own.value.resize(8);
          base::store_little(own.value.data(),
                             static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(mutation.delta));
        }
        break;
      case MutationKind::erase_range:
        break;
    }
  }
  indexed_bytes_ = mutations.bytes().size();
}

const OwnWrite* TransactionState::own(std::string_view key) {
  if (mutations.empty()) return nullptr;
  index();
  const auto found = own_.find(key);
  return found == own_.end() ? nullptr : &found->second;
}

bool TransactionState::own_erased(std::string_view key) const {
  return std::any_of(own_erasures_.begin(), own_erasures_.end(),
                     [&](const ReadSet::Range& range) { return inside(key, range); });
}

const std::pair<const std::string, OwnWrite>* TransactionState::own_from(std::string_view key) {
  index();
  const auto found = own_.lower_bound(key);
  return found == own_.end() ? nullptr : &*found;
}

const std::pair<const std::string, OwnWrite>* TransactionState::own_before(std::string_view key) {
  index();
  auto found = key.empty() ? own_.end() : own_.lower_bound(key);
  return found == own_.begin() ? nullptr : &*--found;
}

}  // namespace ingot::engine
