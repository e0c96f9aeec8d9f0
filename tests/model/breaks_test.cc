// Each rule is needed: without it there is a way to break a promise.
#include <gtest/gtest.h>

#include "model/explorer.h"
#include "model/worlds.h"
#include "size.h"

namespace ingot::bucket_model {
namespace {

class Without : public testing::TestWithParam<Broken> {};

TEST_P(Without, ThereIsACounterexample) {
  const Explored explored = explore(broken_world(GetParam()), Effort{});
  EXPECT_NE(explored.violation, "") << broken_means(GetParam());
  EXPECT_FALSE(explored.trace.empty());
  for (const std::string& step : explored.trace) EXPECT_NE(step, "?");
}

INSTANTIATE_TEST_SUITE_P(BucketModel, Without, testing::ValuesIn(all_breaks()),
                         [](const auto& one) { return std::string(broken_name(one.param)); });

class With : public testing::TestWithParam<Broken> {};

// So it is the rule that does it. (A slow build looks only so far.)
TEST_P(With, NothingGoesWrongInTheSameWorld) {
  World world = broken_world(GetParam());
  world.broken.reset();
  const Explored explored = explore(world, Effort{.states_max = kSize == Size::tiny ? 200'000ULL : ~0ULL});
  EXPECT_EQ(explored.violation, "");
  EXPECT_TRUE(explored.is_whole || kSize == Size::tiny);
}

// Not where what is broken are times, for these stay; nor where it would be one of the large worlds.
std::vector<Broken> breaks_of_rules() {
  std::vector<Broken> rules = all_breaks();
  std::erase_if(rules, [](Broken broken) {
    return broken == Broken::grace_too_short || broken == Broken::half_too_long || broken == Broken::adopts_too_long ||
           broken == Broken::payloads_swept_young || broken == Broken::counts_alone;
  });
  return rules;
}

INSTANTIATE_TEST_SUITE_P(BucketModel, With, testing::ValuesIn(breaks_of_rules()),
                         [](const auto& one) { return std::string(broken_name(one.param)); });

}  // namespace
}  // namespace ingot::bucket_model
