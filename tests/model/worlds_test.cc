// All rules on: in no world that can be explored is a promise broken, however requests are late, lost or repeated, and
// processes sleep.
#include "model/worlds.h"

#include <gtest/gtest.h>

#include <numeric>

#include "model/explorer.h"
#include "size.h"

namespace ingot::bucket_model {
namespace {

std::string told(const Explored& explored) {
  return std::accumulate(explored.trace.begin(), explored.trace.end(), explored.violation,
                         [](const std::string& text, const std::string& step) { return text + "\n  " + step; });
}

class EveryWorld : public testing::TestWithParam<World> {};

TEST_P(EveryWorld, KeepsAllPromises) {
  const Explored explored = explore(GetParam(), Effort{});
  EXPECT_EQ(explored.violation, "") << told(explored);
  EXPECT_TRUE(explored.is_whole);
  EXPECT_GT(explored.states, 1000U);
}

INSTANTIATE_TEST_SUITE_P(BucketModel, EveryWorld, testing::ValuesIn(worlds(kSize)),
                         [](const auto& one) { return one.param.name; });

class TinyWorld : public testing::TestWithParam<World> {};

// Whatever has happened, each process that has something open has a way on to where it is decided.
TEST_P(TinyWorld, HasAWayOnFromEachState) {
  const Explored explored = explore(GetParam(), Effort{.checks_progress = true});
  EXPECT_EQ(explored.violation, "") << told(explored);
  EXPECT_TRUE(explored.is_whole);
}

// Uploads grow too old, and a world has only so many.
std::vector<World> worlds_without_uploads() {
  std::vector<World> all = worlds(Size::tiny);
  std::erase_if(all, [](const World& world) { return world.uploads != 0; });
  return all;
}

INSTANTIATE_TEST_SUITE_P(BucketModel, TinyWorld, testing::ValuesIn(worlds_without_uploads()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace ingot::bucket_model
