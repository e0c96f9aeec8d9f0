// More run files than a process may have open (ulimit -n).
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <random>
#include <string>

#include "child.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

const Space kSpace("things");
constexpr int kRecords = 2000;

std::string value_of(int i) {
  std::mt19937_64 random(static_cast<std::uint64_t>(i));
  std::string value = std::to_string(i) + "-";
  while (value.size() < 600) value += std::to_string(random());
  return value;
}

// A store of hundreds of runs, read, written and merged by a process that may open few files.
void expect_served(const testing::Arguments& limits) {
  const testing::TemporaryDirectory directory;
  testing::Arguments arguments = {directory.at("store"), "process", "run_bytes=6000"};
  {
    testing::Child maker("obey", arguments);
    ASSERT_EQ(maker.line(), "open");
    for (int i = 0; i < kRecords; ++i) ASSERT_EQ(maker.ask("put k" + std::to_string(i) + " " + value_of(i)), "done");
    ASSERT_EQ(maker.ask("settle"), "done");
  }
  const auto runs = std::distance(std::filesystem::directory_iterator(directory.at("store/runs")), {});
  ASSERT_GT(runs, 150);
  arguments.insert(arguments.end(), limits.begin(), limits.end());
  testing::Child child("obey", arguments);
  ASSERT_EQ(child.line(), "open");
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kRecords; ++i) {
      ASSERT_EQ(child.ask("get k" + std::to_string((i * 7) % kRecords)), "is " + value_of((i * 7) % kRecords));
    }
  }
  EXPECT_EQ(child.ask("count"), std::to_string(kRecords));
  for (int i = 0; i < kRecords; i += 10) ASSERT_EQ(child.ask("put k" + std::to_string(i) + " new"), "done");
  ASSERT_EQ(child.ask("settle"), "done") << "a merge of all";
  for (int i = 0; i < kRecords; i += 7) {
    ASSERT_EQ(child.ask("get k" + std::to_string(i)), "is " + (i % 10 == 0 ? "new" : value_of(i)));
  }
  child.close_input();
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(open(directory.at("store")).check().clean());
}

TEST(OpenFiles, AreFewerThanAProcessMayHave) {
  expect_served({"open_files=120"});
}

// Of 64 that a store may have open at least, not even those are there: the application has the others.
TEST(OpenFiles, AreClosedWhenThereAreNoneLeft) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the undefined-behaviour sanitizer opens pipes to look at objects, and believes what it can't";
#endif
  expect_served({"open_files=40"});
}

}  // namespace
}  // namespace ingot
