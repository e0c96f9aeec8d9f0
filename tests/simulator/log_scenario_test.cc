// The log scenario: the log as it is passes every seed, a seed does the same each time, and each deliberate break of
// the log is caught.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/testing.h"
#include "fiber.h"
#include "scenario.h"

namespace ingot::simulator {
namespace {

using base::Break;

// What a sanitizer makes ten times slower still meets every kind of fault.
#ifdef INGOT_SIMULATOR_ASAN
constexpr std::uint64_t kSeeds = 150;
#else
constexpr std::uint64_t kSeeds = 1000;
#endif

TEST(LogScenario, TheLogPassesEverySeed) {
  const Scenario* scenario = find_scenario("log");
  ASSERT_NE(scenario, nullptr);
  Report report;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const SeedResult result = run_seed(*scenario, seed, nullptr, report);
    ASSERT_EQ(result.failure, "") << "again: ingot-simulator --scenario log --first-seed " << seed
                                  << " --seeds 1 --trace\n"
                                  << result.last_steps;
  }
  // It is no test if nothing happened.
  EXPECT_GT(report.operations, 1000u);
  for (const Fault fault : {Fault::kill, Fault::power_loss, Fault::pause, Fault::lost_sector, Fault::torn_page,
                            Fault::lost_name, Fault::sync_error, Fault::read_error, Fault::write_error, Fault::no_space,
                            Fault::garbage_page, Fault::open_error, Fault::slow}) {
    EXPECT_GT(report.counted(fault), 0u) << fault_name(fault);
  }
  EXPECT_GT(report.outcomes["append: kept, durable"], 0u);
  EXPECT_GT(report.outcomes["append: kept"], 0u);
  EXPECT_GT(report.outcomes["append: lost"], 0u);
  EXPECT_GT(report.outcomes["release"], 0u);
  EXPECT_GT(report.outcomes["entries that a power loss took"], 0u);
  EXPECT_GT(report.outcomes["ruin: of an earlier segment"], 0u);
  EXPECT_GT(report.outcomes["ruin: of the last segment"], 0u);
  EXPECT_GT(report.outcomes["open: corrupt"], 0u);
#ifndef INGOT_SIMULATOR_ASAN
  // Nor if the branches that hardly ever run did not.
  for (const char* probe :
       {"live: the last holder died in a sync, and all the others with it",
        "log: a segment of its own for a large entry", "log: a segment went away under a reader",
        "log: a segment's name could not be made durable", "log: a sync failed", "log: a write failed",
        "log: entries are carried over to a new segment", "log: entries were carried over to a new segment",
        "log: found an entry that its writer did not publish", "log: healed a group", "log: healed a segment header",
        "log: no room for a new segment", "log: the last holder died in a sync",
        "log: the tail was found anew, in the newest segment", "log: used the reserve",
        "log: walked over damaged parity"}) {
    EXPECT_GT(report.probes[probe], 0u) << probe;
  }
#endif
}

TEST(LogScenario, ASeedDoesTheSameEachTime) {
  const Scenario* scenario = find_scenario("log");
  Report report;
  for (std::uint64_t seed = 1000; seed < 1040; ++seed) {
    const SeedResult first = run_seed(*scenario, seed, nullptr, report);
    const SeedResult second = run_seed(*scenario, seed, nullptr, report);
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
  }
}

class LogBreak : public testing::TestWithParam<Break> {};

TEST_P(LogBreak, IsCaught) {
#ifdef INGOT_SIMULATOR_ASAN
  GTEST_SKIP() << "what is broken on purpose is looked for in the release build";
#endif
  constexpr std::uint64_t kSeedsMax = 1500;  // the rarest is caught by one seed in a hundred
  base::set_break(GetParam(), true);
  Report report;
  std::uint64_t seed = 0;
  std::string failure;
  for (; seed < kSeedsMax && failure.empty(); ++seed) {
    failure = run_seed(*find_scenario("log"), seed, nullptr, report).failure;
  }
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << kSeedsMax << " seeds";
  RecordProperty("seeds", static_cast<int>(seed));
}

INSTANTIATE_TEST_SUITE_P(Each, LogBreak,
                         testing::Values(Break::log_skip_sync, Break::log_skip_recovery_sync,
                                         Break::log_ignore_entry_hash, Break::log_ignore_link, Break::log_cut_damage,
                                         Break::log_publish_before_sync, Break::log_skip_directory_sync,
                                         Break::log_retry_failed_sync, Break::log_skip_takeover_scan,
                                         Break::log_skip_parity, Break::log_rewrite_synced_sector),
                         [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
