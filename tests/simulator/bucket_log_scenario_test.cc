// The bucket-log scenario: the log in a bucket as it is passes every seed, a seed does the same each time, every kind
// of fault is injected and every rare branch runs, and each deliberate break is caught.
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
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 1500;
#endif

SeedResult run(std::uint64_t seed, Report& report) {
  return run_seed(*find_scenario("bucket-log"), seed, nullptr, report);
}

TEST(BucketLogScenario, TheLogPassesEverySeed) {
  Report report;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const SeedResult result = run(seed, report);
    ASSERT_EQ(result.failure, "") << "again: ingot-simulator --scenario bucket-log --first-seed " << seed
                                  << " --seeds 1 --trace\n"
                                  << result.last_steps;
  }
  // It is no test if nothing happened.
  EXPECT_GT(report.operations, kSeeds * 30);
  EXPECT_GT(report.outcomes["append: kept"], kSeeds * 10);
  EXPECT_GT(report.outcomes["append: lost"], kSeeds);
  EXPECT_GT(report.outcomes["append: undecided"], kSeeds / 2);
  EXPECT_GT(report.outcomes["collect: removed"], kSeeds);
  EXPECT_GT(report.outcomes["reopened from a checkpoint"], kSeeds / 10);
#ifndef INGOT_SIMULATOR_ASAN
  for (std::size_t i = kDiskFaultCount; i < kFaultCount; ++i) {
    EXPECT_GT(report.faults[i], 0U) << fault_name(static_cast<Fault>(i));
  }
  for (const Fault fault : {Fault::kill, Fault::pause, Fault::wall_jump}) {
    EXPECT_GT(report.counted(fault), 0U) << fault_name(fault);
  }
  for (const char* outcome : {"append: collected", "append: unavailable", "collect: a payload that nothing names",
                              "lingered", "open: gone", "open: with a tail", "paused: its clock stood still",
                              "published: must look", "read: gone", "settled", "undecided: a session's row says kept",
                              "undecided: was kept", "undecided: was not kept", "wait: deadline", "wait: news"}) {
    EXPECT_GT(report.outcomes[outcome], 0U) << outcome;
  }
  // Nor if the branches that hardly ever run did not.
  for (const char* probe :
       {"bucket: a confirmation with a date that can't be", "bucket: a put was signed too long ago",
        "bucket: a slow put was sent a second time", "bucket: a writer stood back for others",
        "bucket: an answer about a slot came too long after the boundary was confirmed",
        "bucket: an append sent again was already there", "bucket: an append was found to be kept",
        "bucket: an append was given up undecided", "bucket: an undecided attempt was displaced by nothing",
        "bucket: the boundary has passed a handle", "bucket: the boundary passed an append",
        "bucket: the date of a payload can't be, or the clock stood still",
        "bucket: what an opening had listed was gone"}) {
    EXPECT_GT(report.probes[probe], 0U) << probe;
  }
#endif
}

TEST(BucketLogScenario, ASeedDoesTheSameEachTime) {
  Report report;
  for (std::uint64_t seed = 1000; seed < 1040; ++seed) {
    const SeedResult first = run(seed, report);
    const SeedResult second = run(seed, report);
    EXPECT_EQ(first.hash, second.hash) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
  }
}

// What once failed: a slot that was put again after it was collected, an answer that was waited for for ever, a writer
// that stood back for half an hour.
TEST(BucketLogScenario, SeedsThatFoundSomethingPass) {
  Report report;
  for (const std::uint64_t seed : {17406, 2685, 4051}) {
    const SeedResult result = run(seed, report);
    EXPECT_EQ(result.failure, "") << seed << "\n" << result.last_steps;
  }
}

class BucketBreak : public testing::TestWithParam<Break> {};

TEST_P(BucketBreak, IsCaught) {
#ifdef INGOT_SIMULATOR_ASAN
  GTEST_SKIP() << "what is broken on purpose is looked for in the release build";
#endif
  constexpr std::uint64_t kSeedsMax = 3000;  // the rarest is caught by one seed in three hundred
  base::set_break(GetParam(), true);
  Report report;
  std::uint64_t seed = 0;
  std::string failure;
  for (; seed < kSeedsMax && failure.empty(); ++seed) failure = run(seed, report).failure;
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << kSeedsMax << " seeds";
  std::cout << base::break_name(GetParam()) << " after " << seed << " seeds: " << failure.substr(0, 150) << "\n";
}

INSTANTIATE_TEST_SUITE_P(Each, BucketBreak,
                         testing::Values(Break::bucket_sign_now, Break::bucket_skip_reader_boundary,
                                         Break::bucket_skip_writer_boundary, Break::bucket_trust_timeout,
                                         Break::bucket_trust_absence, Break::bucket_ignore_nonce,
                                         Break::bucket_ignore_session_row, Break::bucket_collect_early,
                                         Break::bucket_second_collector_no_wait, Break::bucket_clock_of_one,
                                         Break::bucket_reuse_nonce),
                         [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
