// `ingot copy` to a bucket and back, as a user runs it: killed again and again, and while the server is away.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include "bucket_place.h"
#include "child.h"
#include "copied_store.h"
#include "ingot/ingot.h"
#include "support/fake_s3.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::Child;
using testing::copied_records;
using testing::copy_by_command;
using namespace std::chrono_literals;

std::size_t files_in(const std::string& folder) {
  std::error_code absent;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder, absent), {}));
}

class BucketCopyCommand : public ::testing::Test {
 protected:
  BucketCopyCommand() {
    const fake_s3::Options& options = server_.options();
    testing::lead_to({server_.endpoint(), options.access_key, options.secret_key, options.region}, directory_);
    testing::make_copied_store(store_);
  }

  [[nodiscard]] std::size_t uploaded() const {
    const std::vector<std::string> keys = server_.keys_in();
    return static_cast<std::size_t>(
        std::count_if(keys.begin(), keys.end(), [](const std::string& key) { return key.starts_with("copy/runs/"); }));
  }

  fake_s3::Server server_;
  testing::TemporaryDirectory directory_;
  const std::string store_ = directory_.at("store");
  const std::string copy_ = "s3://bucket/copy";
};

TEST_F(BucketCopyCommand, GoesOnAfterEachKillThereAndBack) {
  const std::size_t runs = files_in(store_ + "/runs");
  ASSERT_GT(runs, 100U);
  std::size_t kills = 0;
  for (const std::size_t part : {runs / 5, runs / 2, runs * 4 / 5}) {
    const testing::CopySaid said = copy_by_command(store_, copy_, [&] { return uploaded() >= part; });
    if (said.status == 0) break;  // it was faster
    ++kills;
    EXPECT_EQ(said.status, -SIGKILL) << said.line;
    EXPECT_THROW(open(copy_), Error) << "it is no store yet";
  }
  EXPECT_GT(kills, 0U);
  const testing::CopySaid said = copy_by_command(store_, copy_);
  ASSERT_EQ(said.status, 0) << said.line;
  EXPECT_GT(said.found, 0U) << said.line;
  EXPECT_EQ(uploaded(), runs);
  // What was under way at a kill goes again; and there are a mark, probes, checkpoints and headers.
  EXPECT_LE(server_.journal().count(fake_s3::Verb::put), runs + kills * 4 + 20) << server_.journal().log();
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
  EXPECT_TRUE(open(copy_).check().clean());

  const std::string back = directory_.at("back");
  EXPECT_EQ(copy_by_command(copy_, back, [&] { return files_in(back + "/runs") >= runs / 2; }).status, -SIGKILL);
  const testing::CopySaid there = copy_by_command(copy_, back);
  ASSERT_EQ(there.status, 0) << there.line;
  EXPECT_GT(there.found, 0U) << there.line;
  EXPECT_TRUE(copied_records(back) == copied_records(store_));
  EXPECT_TRUE(open(back).check().clean());
}

TEST_F(BucketCopyCommand, WaitsForAServerThatIsAway) {
  Child child = Child::program({INGOT_COMMAND, "copy", store_, copy_, "--json"});
  ASSERT_TRUE(testing::eventually([&] { return uploaded() >= 20; }));
  server_.set_outage(fake_s3::Outage::refused);
  std::this_thread::sleep_for(1s);
  server_.set_outage(fake_s3::Outage::none);
  const testing::CopySaid said = testing::end_of_copy(child);
  EXPECT_EQ(said.status, 0) << said.line;
  EXPECT_EQ(said.found, 0U);
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
  EXPECT_EQ(copy_by_command(store_, copy_).status, 2) << "a store is there";
}

// Whatever it waits for: the request is never answered.
TEST_F(BucketCopyCommand, EndsAtASignalWhereverTheServerLeavesIt) {
  using fake_s3::Verb;
  struct Wait {
    Verb verb;
    const char* key_prefix;
  };
  const auto interrupt = [&](const std::string& from, const std::string& to, const Wait& wait) {
    SCOPED_TRACE(wait.key_prefix);
    server_.inject({.fault = fake_s3::Fault::slow,
                    .verb = wait.verb,
                    .key_prefix = wait.key_prefix,
                    .count = 1'000'000,
                    .held = true});
    Child child = Child::program({INGOT_COMMAND, "copy", from, to, "--json"});
    EXPECT_TRUE(server_.wait_for_held(1, 60s));
    child.signal(SIGINT);
    const testing::CopySaid said = testing::end_of_copy(child);
    EXPECT_EQ(said.status, 130) << said.line;
    server_.faults().clear();
    server_.hang_up();
    server_.release();
  };
  for (const Wait& wait : {Wait{Verb::get, "copy/store"}, Wait{Verb::put, "copy/copying"},
                           Wait{Verb::put, "copy/runs/"}, Wait{Verb::put, "copy/checkpoints/"}}) {
    interrupt(store_, copy_, wait);
    EXPECT_THROW(open(copy_, {.create = false}), Error) << "it is no store yet";
  }
  ASSERT_EQ(copy_by_command(store_, copy_).status, 0);
  const std::string back = directory_.at("back");
  interrupt(copy_, back, {Verb::get, "copy/runs/"});  // nothing of which is in a cache
  ASSERT_EQ(copy_by_command(copy_, back).status, 0);
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
  EXPECT_TRUE(copied_records(back) == copied_records(store_));
}

class CephCopyCommand : public testing::BucketTest {};

TEST_F(CephCopyCommand, GoesOnAfterAKillThereAndBack) {
  const std::string source = directory_.at("store");
  testing::make_copied_store(source);
  const std::size_t runs = files_in(source + "/runs");
  const std::string copy = store("copy");
  const auto half_of_it = [&] { return objects(copy, "runs/").size() >= runs / 2; };
  ASSERT_EQ(copy_by_command(source, copy, half_of_it).status, -SIGKILL);
  EXPECT_THROW(open(copy), Error) << "it is no store yet";
  const testing::CopySaid said = copy_by_command(source, copy);
  ASSERT_EQ(said.status, 0) << said.line;
  EXPECT_GT(said.found, 0U);
  EXPECT_EQ(objects(copy, "runs/").size(), runs);
  EXPECT_EQ(objects(copy, "checkpoints/").size(), 1U);
  const std::string second = store("second");
  const std::string back = directory_.at("back");
  ASSERT_EQ(copy_by_command(copy, second).status, 0);
  ASSERT_EQ(copy_by_command(second, back).status, 0);
  const std::map<std::string, std::string> records = copied_records(source);
  for (const std::string& where : {copy, second, back}) {
    EXPECT_TRUE(copied_records(where) == records) << where;
    EXPECT_TRUE(open(where).check().clean()) << where;
  }
}

}  // namespace
}  // namespace ingot
