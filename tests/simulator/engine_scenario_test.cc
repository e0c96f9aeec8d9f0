// The engine scenario: the engine as it is passes every seed, a seed does the same each time, every kind of fault is
// injected and every rare branch runs, and each deliberate break is caught.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/testing.h"
#include "fiber.h"
#include "scenario.h"

namespace ingot::simulator {
namespace {

using base::Break;

#ifdef INGOT_SIMULATOR_ASAN
constexpr std::uint64_t kSeeds = 40;
#else
constexpr std::uint64_t kSeeds = 600;
#endif

SeedResult run(std::uint64_t seed, Report& report) {
  return run_seed(*find_scenario("engine"), seed, nullptr, report);
}

TEST(EngineScenario, TheEnginePassesEverySeed) {
  Report report;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const SeedResult result = run(seed, report);
    ASSERT_EQ(result.failure, "") << "again: ingot-simulator --scenario engine --first-seed " << seed
                                  << " --seeds 1 --trace\n"
                                  << result.last_steps;
  }
  // It is no test if nothing happened.
  EXPECT_GT(report.operations, kSeeds * 500);
  EXPECT_GT(report.outcomes["commit: done"], kSeeds * 50);
  EXPECT_GT(report.outcomes["commit: lost"], kSeeds / 10);
  EXPECT_GT(report.outcomes["commits in flight at kills"], kSeeds / 10);
  EXPECT_GT(report.outcomes["read everything"], kSeeds);
#ifndef INGOT_SIMULATOR_ASAN
  for (std::size_t i = 0; i < kDiskFaultCount; ++i) {
    EXPECT_GT(report.faults[i], 0U) << fault_name(static_cast<Fault>(i));
  }
  for (const char* where : {"log", "runs", "checkpoints", "store", "live"}) {
    EXPECT_GT(report.outcomes[std::string("damage: ") + where], 0U) << where;
  }
  for (const char* outcome :
       {"commit: unavailable", "open: unavailable", "open: read-only", "check: clean", "message: warning"}) {
    EXPECT_GT(report.outcomes[outcome], 0U) << outcome;
  }
  // Nor if the branches that hardly ever run did not.
  for (const char* probe :
       {"engine: a memtable was sealed early, for room", "engine: a merge was given up for want of room",
        "engine: a transaction became the elder", "engine: a twin file healed from its other copy",
        "engine: an old transaction read again", "engine: another process appended first",
        "engine: another process had flushed the same segments",
        "engine: fell behind the log and reloaded from a checkpoint", "engine: maintenance without the role",
        "engine: swept a run that nothing names", "engine: waited for another process to make the store",
        "live: the last holder died in a sync, and all the others with it",
        "log: a reader that followed nobody fell behind", "log: a segment of its own for a large entry",
        "log: the commit lock was not got by the deadline", "log: used the reserve",
        "runs: a block was healed from parity"}) {
    EXPECT_GT(report.probes[probe], 0U) << probe;
  }
#endif
}

TEST(EngineScenario, ASeedDoesTheSameEachTime) {
  Report report;
  for (std::uint64_t seed = 1000; seed < 1020; ++seed) {
    const SeedResult first = run(seed, report);
    const SeedResult second = run(seed, report);
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
  }
}

// What once failed.
TEST(EngineScenario, SeedsThatFoundSomethingPass) {
  Report report;
  for (const std::uint64_t seed : {16,   21,   37,   52,   98,   107,  453,  557,  945,  976,  1019,
                                   1137, 1232, 1527, 1575, 2161, 2791, 3208, 3245, 3516, 7011, 12494}) {
    const SeedResult result = run(seed, report);
    EXPECT_EQ(result.failure, "") << seed << "\n" << result.last_steps;
  }
}

class EngineBreakOfScenario : public testing::TestWithParam<Break> {};

TEST_P(EngineBreakOfScenario, IsCaught) {
#ifdef INGOT_SIMULATOR_ASAN
  GTEST_SKIP() << "what is broken on purpose is looked for in the release build";
#endif
  constexpr std::uint64_t kSeedsMax = 600;
  base::set_break(GetParam(), true);
  Report report;
  std::uint64_t seed = 0;
  std::string failure;
  for (; seed < kSeedsMax && failure.empty(); ++seed) failure = run(seed, report).failure;
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << kSeedsMax << " seeds";
  std::cout << base::break_name(GetParam()) << " after " << seed << " seeds: " << failure.substr(0, 150) << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Each, EngineBreakOfScenario,
    testing::Values(Break::log_skip_sync, Break::log_ignore_entry_hash, Break::log_ignore_link,
                    Break::log_skip_directory_sync, Break::log_retry_failed_sync, Break::log_skip_takeover_scan,
                    Break::log_skip_parity, Break::log_rewrite_synced_sector, Break::engine_skip_validation,
                    Break::engine_skip_range_validation, Break::engine_delete_early, Break::engine_ack_before_append,
                    Break::engine_flush_skip_record, Break::engine_stale_snapshot, Break::engine_ignore_expiry,
                    Break::engine_checkpoint_unsynced, Break::run_ignore_checksum, Break::run_stale_parity,
                    Break::run_filter_false_negative, Break::run_skip_sync),
    [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
