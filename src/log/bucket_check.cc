// Reading all of the log once more, for Store::check.
#include <algorithm>

#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

using storage::Outcome;

namespace {

// After so long without an answer that counts, the check says so and ends.
constexpr base::Duration kCheckPatience = std::chrono::minutes(2);

}  // namespace

// Follows the chain from its start, apart from what the handle itself has read.
struct BucketLogHandle::Check {
  std::uint64_t slot = 0;  // the next one
  Version version = 0;
  base::Hash128 link{};
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> damage{};
  bool is_over = false;         // nothing behind this can be verified
  storage::Answer undecided{};  // why it does not go on right now

  void take(const SlotEntry& entry) {
    if (!(entry.link == link) || entry.base_version != version + 1) {
      damage.push_back(slot_key(entry.slot) + " does not follow the entry before it");
    }
    version += entry.transaction_count;
    link = entry.identity;
    ++entries;
    bytes += entry.payload_bytes;
    ++slot;
  }
};

void BucketLogHandle::check(const Start& start, std::uint64_t& entries, std::uint64_t& bytes,
                            std::vector<std::string>& /*healed*/, std::vector<std::string>& damage) {
  if (is_child()) return;
  Lock lock(shared_->mutex);
  const Looker looker(lookers_);
  const std::uint64_t upto = end_.slot;
  Check check{.slot = start.segment, .version = start.version, .link = start.link};
  storage::BackOff back_off;
  base::Instant patience = base::now() + kCheckPatience;
  while (check.slot <= upto && !check.is_over && !closing_) {
    const std::uint64_t before = check.slot;
    check_some(lock, check, std::min(upto, before + kWindow - 1));
    const base::Instant now = base::now();
    if (check.slot != before) {
      patience = now + kCheckPatience;
      back_off.reset();
    } else if (now >= patience) {
      check.damage.push_back("the log could not be read to its end: " +
                             describe("GET", slot_key(check.slot), check.undecided));
      check.is_over = true;
    } else if (!check.is_over) {
      const base::Instant again = now + back_off.next(check.undecided);
      while (!closing_ && base::now() < again) wait_for_change(lock, again);
    }
  }
  entries += check.entries;
  bytes += check.bytes;
  damage.insert(damage.end(), check.damage.begin(), check.damage.end());
}

// The slots up to `last`, as far as their answers count.
void BucketLogHandle::check_some(Lock& lock, Check& check, std::uint64_t last) {
  if (confirmation_.slot >= check.slot) {  // collected while we read
    check.is_over = true;
    return;
  }
  std::vector<CallOf<storage::Got>> calls;
  for (std::uint64_t slot = check.slot; slot <= last; ++slot) {
    calls.push_back(get(lock, slot_key(slot), patience_for(kSlotBytesMax)));
  }
  std::vector<ArrivedEntry> taken;
  std::string misfit;
  for (const CallOf<storage::Got>& call : calls) {
    while (!call->ended && !closing_) wait_for_change(lock, base::kNever);
    const std::uint64_t slot = check.slot + taken.size();
    const Outcome outcome = call->result.outcome;
    check.undecided = call->result;
    if (closing_ || (outcome != Outcome::done && outcome != Outcome::absent) || !counts(slot, *call)) break;
    ArrivedEntry entry;
    if (outcome == Outcome::done) entry = decode(std::move(call->result.bytes), slot, misfit);
    if (outcome == Outcome::absent) misfit = slot_key(slot) + " is missing";
    if (entry == nullptr) break;
    taken.push_back(std::move(entry));
  }
  check_payloads(lock, check, taken);
  if (misfit.empty() || closing_) return;
  check.damage.push_back(misfit);
  check.is_over = true;
}

void BucketLogHandle::check_payloads(Lock& lock, Check& check, const std::vector<ArrivedEntry>& entries) {
  std::vector<CallOf<storage::Got>> calls;
  for (const ArrivedEntry& arrived : entries) {
    const SlotEntry& entry = arrived->entry;
    calls.push_back(entry.bulk.empty() ? nullptr : get(lock, bulk_key(entry.bulk), patience_for(entry.payload_bytes)));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const SlotEntry& entry = entries[i]->entry;
    if (const CallOf<storage::Got>& call = calls[i]; call != nullptr) {
      while (!call->ended && !closing_) wait_for_change(lock, base::kNever);
      check.undecided = call->result;
      const Outcome outcome = call->result.outcome;
      if (closing_ || (outcome != Outcome::done && outcome != Outcome::absent)) return;
      if (call->result.bytes.size() != entry.payload_bytes ||
          !(base::hash128(call->result.bytes) == entry.payload_hash)) {
        check.damage.push_back(bulk_key(entry.bulk) + ", the payload of " + slot_key(entry.slot) +
                               ", is missing or damaged");
      }
    }
    check.take(entry);
  }
}

}  // namespace ingot::log
