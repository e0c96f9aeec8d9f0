// Each rule is needed: without it there is a way to break a promise.
#include <gtest/gtest.h>

#include "model/explorer.h"
#include "model/worlds.h"
#include "size.h"

namespace ingot::bucket_model {
namespace {

class Without : public testing::TestWithParam<Broken> {};

TEST_P(Without, ThereIsACounterexample) {
  World world = broken_world(GetParam());
  // A slow build sees those that are soon found.
  const Explored explored = explore(world, Effort{.states_max = kSize == Size::tiny ? 200'000ULL : ~0ULL});
  if (!explored.is_whole && kSize == Size::tiny) GTEST_SKIP() << "it takes a faster build to find it";
  EXPECT_NE(explored.violation, "") << broken_means(GetParam());
  EXPECT_FALSE(explored.trace.empty());
  for (const std::string& step : explored.trace) EXPECT_NE(step, "?");
}

// So it is the rule that does it. (Not where what is broken are times, and where other tests have seen to it.)
TEST_P(Without, NothingGoesWrongInTheSameWorldWithTheRule) {
  switch (GetParam()) {
    case Broken::grace_too_short:
    case Broken::half_too_long:
    case Broken::adopts_too_long:
    case Broken::payloads_swept_young:
      GTEST_SKIP() << "what is broken are its times";
    case Broken::keeps_session:
      GTEST_SKIP() << "it is one of the large worlds";
    default:
      break;
  }
  if (kSize == Size::tiny) GTEST_SKIP() << "it takes a faster build";
  World world = broken_world(GetParam());
  world.broken.reset();
  const Explored explored = explore(world, Effort{});
  EXPECT_EQ(explored.violation, "");
  EXPECT_TRUE(explored.is_whole);
}

std::vector<Broken> all_breaks() {
  std::vector<Broken> all;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Broken::count); ++i) all.push_back(static_cast<Broken>(i));
  return all;
}

INSTANTIATE_TEST_SUITE_P(BucketModel, Without, testing::ValuesIn(all_breaks()),
                         [](const auto& one) { return std::string(broken_name(one.param)); });

}  // namespace
}  // namespace ingot::bucket_model
