// Which sorted runs are merged next. A pure function of their sizes, so that it can be tested and reasoned about alone.
//
// Lazy leveling (Dayan & Idreos, "Dostoevsky", SIGMOD 2018): newer runs are tiered, four of about one size become one
// of the next; the oldest run, which holds most of the data, is merged into only when what lies above it has grown to a
// good part of it. Reads see few runs, writing costs about (tiers + 3) times the data, space at most about a third
// more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ingot::engine {

struct RunSize {
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t erased = 0;
  bool rewrite = false;  // a block of it had to be healed
  bool barred = false;   // it can't be read: whatever is merged lies on one side of it
};

// Neighbours [first, first + count) of the sorted runs, newest first.
struct Window {
  std::size_t first = 0;
  std::size_t count = 0;
};

enum class Effort : std::uint8_t {
  needed,    // only what keeps reads and space bounded
  idle,      // also what makes reads cheaper, when there is nothing else to do
  complete,  // everything into one
};

inline constexpr std::size_t kTierRuns = 4;

// `tier_bytes`: what a flush makes, at the most.
std::optional<Window> pick_compaction(std::span<const RunSize> newest_first, Effort effort, std::uint64_t tier_bytes);

}  // namespace ingot::engine
