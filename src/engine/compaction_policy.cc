#include "engine/compaction_policy.h"

#include <vector>

namespace ingot::engine {

namespace {

int tier_of(std::uint64_t bytes, std::uint64_t tier_bytes) {
  int tier = 0;
  for (std::uint64_t bound = tier_bytes * 2; bytes > bound; bound *= kTierRuns) ++tier;
  return tier;
}

std::optional<Window> pick_among(std::span<const RunSize> newest_first, Effort effort, std::uint64_t tier_bytes) {
  const std::size_t count = newest_first.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (newest_first[i].rewrite) return Window{i, 1};
  }
  if (count < 2) {
    const bool hollow = effort != Effort::needed && count == 1 && newest_first[0].erased > 0;
    return hollow ? std::optional(Window{0, 1}) : std::nullopt;
  }
  std::uint64_t above = 0;  // all but the oldest
  std::uint64_t erased_above = 0;
  std::uint64_t records_above = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    above += newest_first[i].bytes;
    erased_above += newest_first[i].erased;
    records_above += newest_first[i].records;
  }
  const std::uint64_t oldest = newest_first[count - 1].bytes;
  const Window everything{0, count};
  if (effort == Effort::complete) return everything;
  // Small enough to be merged in a blink, or worth it: one run is what reads like best. But not all of it for a little.
  const bool small = oldest + above <= 16 * tier_bytes && above * 50 >= oldest;
  if (effort == Effort::idle && (small || above * 10 >= oldest)) return everything;

  // Tiers: the longest stretch of newest runs that is due, so that a merge takes whatever is smaller along.
  std::size_t in_tier = 0;
  int tier = -1;
  std::optional<Window> due;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    const int t = tier_of(newest_first[i].bytes, tier_bytes);
    if (t > tier) {
      tier = t;
      in_tier = 0;
    }
    ++in_tier;  // smaller ones behind larger ones count with them
    if (in_tier >= kTierRuns) due = Window{0, i + 1};
  }
  // The oldest: when a third of its size has gathered above it, or most of what lies above only erases.
  const bool heavy = above >= 4 * tier_bytes && above * 3 >= oldest;
  const bool hollow = records_above >= 10'000 && erased_above * 2 >= records_above && above * 10 >= oldest;
  if (heavy || hollow) return everything;
  if (due) return due;
  if (count - 1 >= kTierRuns && tier_of(oldest, tier_bytes) <= tier) return everything;
  return std::nullopt;
}

}  // namespace

std::optional<Window> pick_compaction(std::span<const RunSize> newest_first, Effort effort, std::uint64_t tier_bytes) {
  for (std::size_t first = 0; first < newest_first.size();) {
    std::size_t end = first;
    while (end < newest_first.size() && !newest_first[end].barred) ++end;
    std::vector<RunSize> stretch(newest_first.begin() + static_cast<std::ptrdiff_t>(first),
                                 newest_first.begin() + static_cast<std::ptrdiff_t>(end));
    // Above what is barred a merge rids nobody of what was erased.
    for (RunSize& run : stretch) run.erased = end == newest_first.size() ? run.erased : 0;
    const std::optional<Window> window = pick_among(stretch, effort, tier_bytes);
    if (window) return Window{first + window->first, window->count};
    first = end + 1;
  }
  return std::nullopt;
}

}  // namespace ingot::engine
