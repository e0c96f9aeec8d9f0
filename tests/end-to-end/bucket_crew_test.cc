// Several machines read and write one store in a bucket at random, while each kind of death, sleep and fault of the
// network comes over them (bucket_crew.h). What they saw and were told must be what a strictly serializable store can
// do.
//   INGOT_TEST_HOURS  how long; if it is not set, one store
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
  const int decks = hours == nullptr ? 1 : 3;
  const Clock::time_point begun = Clock::now();
  testing::BucketTally tally;
  const std::uint64_t first_seed = std::random_device{}();
  do {
    testing::BucketCrew crew(first_seed + tally.stores, tally, store("crew" + std::to_string(tally.stores)),
                             endpoint());
    for (int i = 0; i < decks && !HasFailure(); ++i) crew.suffer();
    crew.judge();
  } while (!HasFailure() && Clock::now() - begun < duration);
  tally.print();
  for (const std::string& kind : tally.missing()) {
    if (hours == nullptr) {
      std::printf("never happened this time: %s\n", kind.c_str());
    } else {
      ADD_FAILURE() << "never happened: " << kind;
    }
  }
  EXPECT_GT(tally.acknowledged, 0U);
}

}  // namespace
}  // namespace ingot
