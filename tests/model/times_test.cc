// How long things may take: the inequalities are enough, and no less is.
#include "model/times.h"

#include <gtest/gtest.h>

#include "size.h"

namespace ingot::bucket_model {
namespace {

class TheInequality : public testing::TestWithParam<Inequality> {};

TEST_P(TheInequality, DecidesWhetherAnythingGoesWrong) {
  int holds = 0;
  int fails = 0;
  for (const Times& times : GetParam().times_to_try(kSize)) {
    ++(GetParam().suffices(times) ? holds : fails);
    EXPECT_EQ(try_times(GetParam(), times).problem, "");
  }
  EXPECT_GT(holds, 0);
  EXPECT_GT(fails, 0);
}

INSTANTIATE_TEST_SUITE_P(BucketModel, TheInequality, testing::ValuesIn(inequalities()),
                         [](const auto& one) { return std::string(one.param.name); });

// What the code has (boundary.h, bucket_background.cc, bucket_medium.cc, collector.cc), in minutes. How long a server
// may sit on a request that it has accepted is assumed; nobody says.
TEST(TheConstants, LeaveAMarginInEachInequality) {
  constexpr int kHour = 60;
  const Times times{.window = 15,
                    .sitting = 12 * kHour,
                    .grace = 24 * kHour,
                    .half = 12 * kHour - 1,
                    .adopt = 6 * kHour,
                    .payload = 12 * kHour + kHour,
                    .reader = 23 * kHour,
                    .skew = 30};
  for (const Inequality& inequality : inequalities()) EXPECT_TRUE(inequality.suffices(times)) << inequality.says;
}

}  // namespace
}  // namespace ingot::bucket_model
