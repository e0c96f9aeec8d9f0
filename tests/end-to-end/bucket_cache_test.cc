// The local cache of what was read of a bucket's runs: shared by the processes of a machine, and worth nothing to those
// who have to be right: whatever becomes of its files, reads are as if it were not there.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "bucket_place.h"
#include "child.h"
#include "counted.h"
#include "ingot/ingot.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::Child;
using testing::kThings;

constexpr int kKeys = 60;

std::string key_of(int i) {
  return "k" + std::to_string(i);
}
std::string value_of(int i) {
  std::mt19937_64 random(static_cast<std::uint64_t>(i));
  std::string value = std::to_string(i) + ":";
  while (value.size() < 20'000) value += std::to_string(random());
  return value;
}

class BucketCache : public testing::BucketTest {
 protected:
  // A store whose data is all in runs, and nothing of it cached.
  void make_runs() {
    Store maker = open(store(), {.cache_directory = "none"});
    maker.transact([](Transaction& tx) {
      for (int i = 0; i < kKeys; ++i) kThings.put(tx, key_of(i), value_of(i));
    });
    maker.settle();
  }
  // Everything, by a handle that has it neither in memory nor in its log. Returns how many reads went to the bucket.
  std::uint64_t read_all(const std::string& machine) {
    const Store reader = open(store(), {.read_only = true, .cache_directory = cache_directory(machine)});
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(kThings.get(reader, key_of(i)), value_of(i)) << i;
    EXPECT_TRUE(reader.health().good);
    return reader.stats().bucket.reads_fetched;
  }
  [[nodiscard]] std::vector<fs::path> files(const std::string& machine) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(cache_directory(machine))) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    return found;
  }
};

TEST_F(BucketCache, WhatOneProcessHasReadCostsTheNextNothing) {
  make_runs();
  Child first("obey", {store()}, cache_of("shared"));
  ASSERT_EQ(first.line(), "open");
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(first.ask("get " + key_of(i)), "is " + value_of(i));
  EXPECT_GT(std::stoull(first.ask("reads")), 0U);
  Child second("obey", {store()}, cache_of("shared"));
  ASSERT_EQ(second.line(), "open");
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(second.ask("get " + key_of(i)), "is " + value_of(i));
  EXPECT_EQ(second.ask("reads"), "0");
  first.kill_and_wait();
  EXPECT_EQ(read_all("shared"), 0U) << "who filled it is dead";
  Child elsewhere("obey", {store()}, cache_of("elsewhere"));
  ASSERT_EQ(elsewhere.line(), "open");
  ASSERT_EQ(elsewhere.ask("get " + key_of(0)), "is " + value_of(0));
  EXPECT_GT(std::stoull(elsewhere.ask("reads")), 0U);
}

// Two processes fill it at once, and one of them is killed while it does.
TEST_F(BucketCache, MayBeFilledByManyAtOnceAndByTheDying) {
  make_runs();
  for (int round = 0; round < 3; ++round) {
    const std::string machine = "machine" + std::to_string(round);
    std::vector<Child> children;
    for (int i = 0; i < 2; ++i) {
      children.emplace_back("obey", testing::Arguments{store()}, cache_of(machine));
      ASSERT_EQ(children.back().line(), "open");
    }
    for (int i = 0; i < kKeys; ++i) {
      for (Child& child : children) child.tell("get " + key_of(i));
    }
    for (int i = 0; i < 5 + 10 * round; ++i) ASSERT_EQ(children[1].line(), "is " + value_of(i));
    children[1].kill_and_wait();
    for (int i = 0; i < kKeys; ++i) ASSERT_EQ(children[0].line(), "is " + value_of(i));
    (void)read_all(machine);
    EXPECT_EQ(read_all(machine), 0U);
  }
}

TEST_F(BucketCache, IsNeverBelievedBlindly) {
  make_runs();
  ASSERT_GT(read_all("m"), 0U);
  ASSERT_EQ(read_all("m"), 0U);
  std::mt19937_64 random(1);
  const auto each = [&](const std::function<void(const fs::path&)>& harm) {
    const std::vector<fs::path> all = files("m");
    EXPECT_FALSE(all.empty());
    for (const fs::path& file : all) harm(file);
  };
  const auto overwrite = [&](const fs::path& path, std::uint64_t from, std::uint64_t bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(from));
    for (std::uint64_t i = 0; i < bytes; ++i) file.put(static_cast<char>(random()));
  };
  const std::vector<std::pair<const char*, std::function<void()>>> harms = {
      {"wiped", [&] { fs::remove_all(cache_directory("m")); }},
      {"emptied", [&] { each([](const fs::path& file) { fs::resize_file(file, 0); }); }},
      {"cut in half", [&] { each([](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }); }},
      {"cut by a byte", [&] { each([](const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 1); }); }},
      {"noise", [&] { each([&](const fs::path& file) { overwrite(file, 0, fs::file_size(file)); }); }},
      {"a flipped byte", [&] { each([&](const fs::path& file) { overwrite(file, fs::file_size(file) / 3, 1); }); }},
      {"directories instead",
       [&] { each([](const fs::path& file) { fs::remove(file), fs::create_directory(file); }); }},
      {"a file instead",
       [&] {
         fs::remove_all(cache_directory("m"));
         std::ofstream(cache_directory("m")) << "no directory";
       }},
      {"others may write",
       [&] {
         fs::remove_all(cache_directory("m"));
         fs::create_directory(cache_directory("m"));
         ::chmod(cache_directory("m").c_str(), 0777);
       }},
  };
  for (const auto& [name, harm] : harms) {
    SCOPED_TRACE(name);
    harm();
    EXPECT_GT(read_all("m"), 0U);
  }
  fs::remove_all(cache_directory("m"));
  EXPECT_GT(read_all("m"), 0U);
  EXPECT_EQ(read_all("m"), 0U) << "and it is as good as new";
  each([&](const fs::path& file) { overwrite(file, fs::file_size(file), 50'000); });
  EXPECT_EQ(read_all("m"), 0U) << "what lies behind its end is nobody's";
}

// While a process has it open.
TEST_F(BucketCache, MayGoWhileItIsUsed) {
  make_runs();
  const Store reader = open(store(), {.read_only = true, .cache_directory = cache_directory("m")});
  for (int i = 0; i < kKeys; ++i) {
    if (i == kKeys / 4) {
      for (const fs::path& file : files("m")) fs::resize_file(file, 0);
    }
    if (i == kKeys / 2) fs::remove_all(cache_directory("m"));
    EXPECT_EQ(kThings.get(reader, key_of(i)), value_of(i)) << i;
  }
}

TEST_F(BucketCache, ThatCannotBeWrittenIsDoneWithout) {
  if (::geteuid() == 0) {
    // Nothing is read-only for root: what can't be made will do.
    make_runs();
    const Store reader = open(store(), {.read_only = true, .cache_directory = "/proc/ingot-cache"});
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(kThings.get(reader, key_of(i)), value_of(i)) << i;
    return;
  }
  make_runs();
  ASSERT_GT(read_all("m"), 0U);
  for (const auto& entry : fs::recursive_directory_iterator(cache_directory("m"))) {
    ::chmod(entry.path().c_str(), entry.is_directory() ? 0500 : 0400);
  }
  ::chmod(cache_directory("m").c_str(), 0500);
  EXPECT_EQ(read_all("m"), 0U) << "what is there can be read";
  for (const auto& entry : fs::recursive_directory_iterator(cache_directory("m"))) {
    ::chmod(entry.path().c_str(), entry.is_directory() ? 0700 : 0600);
  }
  ::chmod(cache_directory("m").c_str(), 0700);
}

}  // namespace
}  // namespace ingot
