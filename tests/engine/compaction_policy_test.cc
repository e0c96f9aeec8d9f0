#include "engine/compaction_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/sizes.h"

namespace ingot::engine {
namespace {

constexpr std::uint64_t kUnit = Sizes().segment_bytes;

RunSize run(std::uint64_t bytes, std::uint64_t records = 100'000, std::uint64_t erased = 0) {
  return {bytes, records, erased, false};
}

// Plays flushes of one unit each into the policy; returns bytes written by merges.
std::uint64_t play(int flushes, std::vector<RunSize>& runs, std::size_t& runs_max) {
  std::uint64_t written = 0;
  runs_max = 0;
  for (int i = 0; i < flushes; ++i) {
    runs.insert(runs.begin(), run(kUnit));
    while (const auto window = pick_compaction(runs, Effort::needed, kUnit)) {
      std::uint64_t bytes = 0;
      for (std::size_t k = 0; k < window->count; ++k) bytes += runs[window->first + k].bytes;
      written += bytes;
      runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(window->first),
                 runs.begin() + static_cast<std::ptrdiff_t>(window->first + window->count));
      runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(window->first), run(bytes));
    }
    runs_max = std::max(runs_max, runs.size());
  }
  return written;
}

TEST(CompactionPolicy, NothingToDoForFewRuns) {
  EXPECT_FALSE(pick_compaction({}, Effort::needed, kUnit));
  EXPECT_FALSE(pick_compaction(std::vector{run(kUnit)}, Effort::needed, kUnit));
  EXPECT_FALSE(pick_compaction(std::vector{run(kUnit), run(kUnit * 10)}, Effort::needed, kUnit));
}

TEST(CompactionPolicy, FourOfATierBecomeOne) {
  const auto window = pick_compaction(std::vector{run(kUnit), run(kUnit), run(kUnit), run(kUnit), run(kUnit * 100)},
                                      Effort::needed, kUnit);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->first, 0U);
  EXPECT_EQ(window->count, 4U);
}

TEST(CompactionPolicy, ReadsLookAtFewRunsAndWriteAmplificationIsBounded) {
  for (const int flushes : {10, 100, 1000}) {
    std::vector<RunSize> runs;
    std::size_t runs_max = 0;
    const std::uint64_t written = play(flushes, runs, runs_max);
    EXPECT_LE(runs_max, 14U) << flushes << " flushes";
    EXPECT_LE(written, kUnit * static_cast<std::uint64_t>(flushes) * 9) << flushes << " flushes";
  }
}

TEST(CompactionPolicy, WhatOnlyErasesIsMergedIntoTheOldest) {
  const auto window =
      pick_compaction(std::vector{run(kUnit / 2, 50'000, 40'000), run(kUnit * 4)}, Effort::needed, kUnit);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->count, 2U);
}

TEST(CompactionPolicy, AHealedRunIsRewrittenFirst) {
  std::vector runs{run(kUnit), run(kUnit * 100)};
  runs[1].rewrite = true;
  const auto window = pick_compaction(runs, Effort::needed, kUnit);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->first, 1U);
  EXPECT_EQ(window->count, 1U);
}

TEST(CompactionPolicy, WhatCanNotBeReadIsLeftOutAndStandsInNobodysWay) {
  std::vector runs{run(kUnit), run(kUnit), run(kUnit), run(kUnit)};
  runs[1].barred = true;
  runs[1].rewrite = true;
  const auto window = pick_compaction(runs, Effort::complete, kUnit);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->first, 2U);
  EXPECT_EQ(window->count, 2U);
  // One run above it, with erasures that it can't be rid of there: rewriting it would never end.
  std::vector above{run(kUnit, 10, 10), run(kUnit)};
  above[1].barred = true;
  EXPECT_FALSE(pick_compaction(above, Effort::complete, kUnit));
  above[1].barred = false;
  above[0].barred = true;
  EXPECT_FALSE(pick_compaction(above, Effort::complete, kUnit));
}

TEST(CompactionPolicy, IdleMakesASmallStoreOneRun) {
  const auto window = pick_compaction(std::vector{run(kUnit), run(kUnit)}, Effort::idle, kUnit);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->count, 2U);
  EXPECT_TRUE(pick_compaction(std::vector{run(kUnit / 4), run(kUnit * 10)}, Effort::idle, kUnit));
  EXPECT_FALSE(pick_compaction(std::vector{run(kUnit / 16), run(kUnit * 10)}, Effort::idle, kUnit))
      << "not for so little";
  EXPECT_FALSE(pick_compaction(std::vector{run(kUnit), run(kUnit * 1000)}, Effort::idle, kUnit));
  EXPECT_TRUE(pick_compaction(std::vector{run(kUnit), run(kUnit * 1000)}, Effort::complete, kUnit));
}

}  // namespace
}  // namespace ingot::engine
