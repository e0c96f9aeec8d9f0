// Reading all of the log once more, for Store::check.
#include <algorithm>

#include "base/testing.h"
#include "log/bucket_log_internal.h"

namespace ingot::log {

using storage::Outcome;

namespace {

// After so long without an answer that counts, the check says so and ends.
constexpr base::Duration kCheckPatience = std::chrono::minutes(2);

// Follows the chain from its start, apart from the handle's own state.
struct Verified {
  Version version = 0;
  base::Hash128 link;

  bool follows(const SlotEntry& entry) {
    const bool fits = entry.link == link && entry.base_version == version + 1;
    version += entry.transaction_count;
    link = entry.identity;
    return fits;
  }
};

}  // namespace

void BucketLogHandle::check(const Start& start, std::uint64_t& entries, std::uint64_t& bytes,
                            std::vector<std::string>& /*healed*/, std::vector<std::string>& damage) {
  if (is_child()) return;
  Lock lock(shared_->mutex);
  const Looker looker(lookers_);
  const std::uint64_t upto = end_.slot;
  Verified chain{.version = start.version, .link = start.link};
  storage::BackOff back_off;
  base::Instant patience = base::now() + kCheckPatience;
  for (std::uint64_t slot = start.segment; slot <= upto && !closing_;) {
    if (confirmation_.slot >= slot) return;  // collected while we read
    std::vector<CallOf<storage::Got>> calls;
    const std::uint64_t count = std::min(kWindow, upto - slot + 1);
    for (std::uint64_t i = 0; i < count; ++i)
      calls.push_back(get(lock, slot_key(slot + i), patience_for(kSlotBytesMax)));
    std::vector<ArrivedEntry> taken;
    storage::Answer undecided;
    for (std::uint64_t i = 0; i < count; ++i) {
      while (!calls[i]->ended && !closing_) wait_for_change(lock, base::kNever);
      if (closing_) return;
      Call<storage::Got>& call = *calls[i];
      const bool is_told = call.result.outcome == Outcome::done || call.result.outcome == Outcome::absent;
      undecided = call.result;
      if (!is_told || !counts(slot + i, call)) break;
      std::string misfit;
      ArrivedEntry entry;
      if (call.result.outcome == Outcome::absent) {
        misfit = slot_key(slot + i) + " is missing";
      } else {
        entry = decode(std::move(call.result.bytes), slot + i, misfit);
      }
      if (entry == nullptr) {
        damage.push_back(misfit);
        return;  // nothing behind it can be verified
      }
      taken.push_back(std::move(entry));
    }
    std::size_t payloads = 0;
    std::vector<CallOf<storage::Got>> bulk;
    for (const ArrivedEntry& entry : taken) {
      const std::string& name = entry->entry.bulk;
      bulk.push_back(name.empty() ? nullptr : get(lock, bulk_key(name), patience_for(entry->entry.payload_bytes)));
    }
    for (const ArrivedEntry& arrived : taken) {
      const SlotEntry& entry = arrived->entry;
      if (const CallOf<storage::Got>& call = bulk[payloads]; call != nullptr) {
        while (!call->ended && !closing_) wait_for_change(lock, base::kNever);
        if (closing_) return;
        undecided = call->result;
        if (undecided.outcome != Outcome::done && undecided.outcome != Outcome::absent) break;
        if (base::hash128(call->result.bytes) != entry.payload_hash) {
          damage.push_back(bulk_key(entry.bulk) + ", the payload of " + slot_key(entry.slot) +
                           ", is missing or damaged");
        }
      }
      if (!chain.follows(entry)) damage.push_back(slot_key(entry.slot) + " does not follow the entry before it");
      ++entries;
      bytes += entry.payload_bytes;
      ++payloads;
    }
    slot += payloads;
    const base::Instant now = base::now();
    if (payloads == count) {
      patience = now + kCheckPatience;
      back_off.reset();
      continue;
    }
    if (now >= patience) {
      damage.push_back(describe("the log could not be read to its end: GET", slot_key(slot), undecided));
      return;
    }
    const base::Instant again = now + back_off.next(undecided);
    while (!closing_ && base::now() < again) wait_for_change(lock, again);
  }
}

}  // namespace ingot::log
