// The engine scenario on a bucket: every seed passes, a seed does the same each time, every kind of fault is injected
// and the branches that hardly ever run do, and each deliberate break is caught. What a seed meets too rarely is in
// engine_bucket_directed_test.cc, what is the log's alone in bucket_log_scenario_test.cc.
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "base/testing.h"
#include "fiber.h"
#include "scenario.h"

namespace ingot::simulator {
namespace {

using base::Break;

#ifdef INGOT_SIMULATOR_ASAN
constexpr std::uint64_t kBucketSeeds = 30;
#else
constexpr std::uint64_t kBucketSeeds = 400;
#endif

SeedResult run_in_bucket(std::uint64_t seed, Report& report) {
  return run_seed(*find_scenario("engine-bucket"), seed, nullptr, report);
}

TEST(EngineBucketScenario, TheEnginePassesEverySeed) {
  Report report;
  for (std::uint64_t seed = 0; seed < kBucketSeeds; ++seed) {
    const SeedResult result = run_in_bucket(seed, report);
    ASSERT_EQ(result.failure, "") << "again: ingot-simulator --scenario engine-bucket --first-seed " << seed
                                  << " --seeds 1 --trace\n"
                                  << result.last_steps;
  }
  // It is no test if nothing happened.
  EXPECT_GT(report.outcomes["commit: done"], kBucketSeeds * 20);
  EXPECT_GT(report.outcomes["read everything"], kBucketSeeds);
#ifndef INGOT_SIMULATOR_ASAN
  for (std::size_t i = kDiskFaultCount; i < kFaultCount; ++i) {
    EXPECT_GT(report.faults[i], 0U) << fault_name(static_cast<Fault>(i));
  }
  for (const char* outcome : {"commit: lost", "commit: undecided", "commit: unavailable", "undecided: there",
                              "undecided: not there", "open: read-only", "check: clean", "message: warning"}) {
    EXPECT_GT(report.outcomes[outcome], 0U) << outcome;
  }
  for (const char* probe :
       {"engine: a boundary was begun", "engine: a commit was left undecided",
        "engine: a slot was filled to settle what might still come", "engine: another process appended first",
        "engine: another process made the store in the bucket",
        "engine: fell behind the log and reloaded from a checkpoint", "engine: maintenance without the role",
        "engine: swept below a boundary"}) {
    EXPECT_GT(report.probes[probe], 0U) << probe;
  }
#endif
}

TEST(EngineBucketScenario, ASeedDoesTheSameEachTime) {
  Report report;
  for (std::uint64_t seed = 1000; seed < 1010; ++seed) {
    const SeedResult first = run_in_bucket(seed, report);
    const SeedResult second = run_in_bucket(seed, report);
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
  }
}

class BreakInBucket : public testing::TestWithParam<Break> {};

TEST_P(BreakInBucket, IsCaught) {
#ifdef INGOT_SIMULATOR_ASAN
  GTEST_SKIP() << "what is broken on purpose is looked for in the release build";
#endif
  constexpr std::uint64_t kSeedsMax = 1500;
  base::set_break(GetParam(), true);
  Report report;
  std::uint64_t seed = 0;
  std::string failure;
  for (; seed < kSeedsMax && failure.empty(); ++seed) failure = run_in_bucket(seed, report).failure;
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << kSeedsMax << " seeds";
  std::cout << base::break_name(GetParam()) << " after " << seed << " seeds: " << failure.substr(0, 150) << "\n";
}

INSTANTIATE_TEST_SUITE_P(Each, BreakInBucket,
                         testing::Values(Break::engine_skip_validation, Break::engine_skip_range_validation,
                                         Break::bucket_ignore_nonce, Break::bucket_trust_timeout,
                                         Break::bucket_delete_failed_upload, Break::bucket_collect_early,
                                         Break::bucket_second_collector_no_wait),
                         [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
