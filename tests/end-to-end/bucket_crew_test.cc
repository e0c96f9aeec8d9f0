// Several machines read and write one store in a bucket at random, while each kind of death, sleep and fault of the
// network comes over them (bucket_crew.h). What they saw and were told must be what a strictly serializable store can
// do.
//   INGOT_TEST_HOURS  how long, and each kind; if it is not set, one store and some kinds
#include "bucket_crew.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <string>

#include "bucket_place.h"

namespace ingot {
namespace {

using Clock = std::chrono::steady_clock;
using BucketKills = testing::BucketTest;

TEST_F(BucketKills, OfEveryKindLeaveAStrictlySerializableHistory) {
  const char* hours = std::getenv("INGOT_TEST_HOURS");
  const auto duration = std::chrono::seconds(hours == nullptr ? 0 : static_cast<long>(std::atof(hours) * 3600));
  constexpr std::size_t kHarmsInAHurry = 14;  // of those that there are, another choice each time
  const Clock::time_point begun = Clock::now();
  testing::BucketTally tally;
  const std::uint64_t first_seed = std::random_device{}();
  do {
    // When there is time, every second store has days that are over soon.
    const std::chrono::seconds day = tally.stores % 2 == 1 ? std::chrono::seconds(20) : std::chrono::hours(24);
    const std::string where = store("crew" + std::to_string(tally.stores));
    testing::BucketCrew crew(first_seed + tally.stores, tally, where, endpoint(), day);
    if (hours == nullptr) {
      crew.suffer(kHarmsInAHurry);
    } else {
      for (int i = 0; i < 3 && !HasFailure(); ++i) crew.suffer();
    }
    crew.judge();
  } while (!HasFailure() && Clock::now() - begun < duration);
  tally.print();
  EXPECT_GT(tally.acknowledged, 0U);
  if (hours == nullptr) return;
  for (const std::string& kind : tally.missing()) ADD_FAILURE() << "never happened: " << kind;
  EXPECT_GT(tally.swept, 0U) << "nothing was ever collected";
}

}  // namespace
}  // namespace ingot
