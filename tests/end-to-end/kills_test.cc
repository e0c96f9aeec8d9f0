// Several processes read and write one directory at random, while each kind of death and sleep comes over them
// (crew.h). What they saw and were told must be what a strictly serializable store can do.
//   INGOT_TEST_HOURS  how long, and 500 kills at least; if it is not set, each kind once
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <string>

#include "crew.h"

namespace ingot {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(Kills, OfEveryKindLeaveAStrictlySerializableHistory) {
  const char* hours = std::getenv("INGOT_TEST_HOURS");
  const auto duration = std::chrono::seconds(hours == nullptr ? 0 : static_cast<long>(std::atof(hours) * 3600));
  const std::uint64_t kills_min = hours == nullptr ? 0 : 500;
  const int decks = hours == nullptr ? 1 : 3;
  const std::uint64_t stores_max = hours == nullptr ? 3 : 1'000'000;  // each kind has so many chances
  const Clock::time_point begun = Clock::now();
  testing::Tally tally;
  const auto is_enough = [&] {
    return Clock::now() - begun >= duration && tally.missing().empty() && tally.all_kills() >= kills_min;
  };
  const std::uint64_t first_seed = std::random_device{}();
  do {
    testing::Crew crew(first_seed + tally.stores, tally);
    for (int i = 0; i < decks && !HasFailure(); ++i) crew.suffer();
    crew.judge();
  } while (!HasFailure() && !is_enough() && tally.stores < stores_max);
  tally.print();
  for (const std::string& kind : tally.missing()) ADD_FAILURE() << "never happened: " << kind;
  EXPECT_GE(tally.all_kills(), kills_min);
  EXPECT_GT(tally.acknowledged, 0U);
}

}  // namespace
}  // namespace ingot
