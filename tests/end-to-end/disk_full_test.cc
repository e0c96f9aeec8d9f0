// A disk that is really full: a small file system of the test's own. Writers wait, then are told; readers never notice;
// when there is room again everybody goes on, without a restart.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include "child.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::TemporaryDirectory;
using namespace std::chrono_literals;

const Space kSpace("things");

// A file system of so many bytes, in memory or on a device that is a file; gone with this object.
class SmallFileSystem {
 public:
  SmallFileSystem(const std::string& kind, const std::string& path, std::uint64_t bytes) : path_(path) {
    std::filesystem::create_directory(path);
    const std::string size = std::to_string(bytes);
    if (kind == "tmpfs") {
      mounted_ = mount("none", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    } else {
      const std::string image = path + ".image";
      mounted_ = run("truncate -s " + size + " " + image) &&
                 run("mkfs." + kind + " -q -F -m 0 -E lazy_itable_init=1 " + image) &&
                 run("mount -o loop " + image + " " + path);
    }
    if (!mounted_) std::cerr << "NOT RUN: no " << kind << " can be mounted here\n";
  }
  ~SmallFileSystem() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::uint64_t free_bytes() const {
    struct statvfs status = {};
    statvfs(path_.c_str(), &status);
    return status.f_bavail * status.f_bsize;
  }
  // Takes all that is free but `left`, as another program would.
  void fill(std::uint64_t left) {
    std::ofstream file(path_ + "/of-another-program", std::ios::binary);
    const std::string megabyte(1 << 20, 'f');
    while (free_bytes() > left + megabyte.size() && file.write(megabyte.data(), 1 << 20)) file.flush();
    while (free_bytes() > left + 4096 && file.write(megabyte.data(), 4096)) file.flush();
  }
  void make_room() { std::filesystem::remove(path_ + "/of-another-program"); }

 private:
  static bool run(const std::string& command) {
    return std::system(("PATH=$PATH:/usr/sbin:/sbin; " + command + " > /dev/null").c_str()) == 0;
  }
  std::string path_;
  bool mounted_ = false;
};

std::string noise(std::mt19937_64& random, std::size_t bytes) {
  std::string value(bytes, '\0');
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    const std::uint64_t number = random();
    std::memcpy(value.data() + i, &number, 8);
  }
  return value;
}

class FullDisk : public ::testing::TestWithParam<const char*> {
 protected:
  // Writes until the store says that it can't; returns how many were acknowledged.
  int write_until_refused(Store& store, int limit) {
    int written = 0;
    try {
      for (; written < limit; ++written) {
        kSpace.put(store, "k" + std::to_string(next_), noise(random_, 50'000) + std::to_string(next_));
        ++next_;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
      EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
    }
    return written;
  }
  void expect_all(const Store& store, int first = 0) {
    for (int i = first; i < next_; ++i) {
      const std::optional<Value> value = kSpace.get(store, "k" + std::to_string(i));
      ASSERT_TRUE(value) << i;
      ASSERT_EQ(value->size(), 50'000 + std::to_string(i).size());
      ASSERT_EQ(value->view().substr(50'000), std::to_string(i));
    }
  }
  std::mt19937_64 random_{29};
  int next_ = 0;
  TemporaryDirectory directory_;
};

TEST_P(FullDisk, EndsACopyWhichGoesOnWhenThereIsRoom) {
  SmallFileSystem disk(GetParam(), directory_.at("disk"), 300 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "may not mount";
  Store store = open(directory_.at("store"), {.durability = Durability::process});
  for (int rounds = 0; rounds < 3; ++rounds) {  // several runs
    ASSERT_EQ(write_until_refused(store, 400), 400);
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (store.stats().memtable_bytes > 20 << 20 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(20ms);
  }
  disk.fill(40 << 20);
  const std::string target = directory_.at("disk/copy");
  try {
    store.copy(target);
    FAIL() << "there was room";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
    const std::string said = error.what();
    EXPECT_NE(said.find("No space left"), std::string::npos) << said;
    EXPECT_NE(said.find("run it again"), std::string::npos) << said;
  }
  disk.make_room();
  std::uint64_t found = 0;
  store.copy(target, [&](const CopyProgress& progress) { found = progress.bytes_found; });
  EXPECT_GT(found, 0U);
  expect_all(open(target));
}

TEST_P(FullDisk, IsWaitedOutWhenAnotherProgramMakesRoom) {
  SmallFileSystem disk(GetParam(), directory_.at("disk"), 400 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "may not mount";
  Store store = open(directory_.at("disk/store"), {.deadline = 400ms});
  ASSERT_EQ(write_until_refused(store, 200), 200) << "there is room at first";
  disk.fill(2 << 20);
  write_until_refused(store, 10'000);
  EXPECT_LT(next_, 10'000) << "it was never full";
  expect_all(store);
  const Health health = store.health();
  EXPECT_FALSE(health.good);
  for (const std::string& problem : health.problems) std::cout << "health: " << problem << "\n";
  EXPECT_THROW(kSpace.put(store, "refused", noise(random_, 1 << 20)), Error);
  EXPECT_FALSE(kSpace.get(store, "refused")) << "what was refused is not there";
  {
    // Somebody who opens it now can read, at least.
    const Store reader = open(directory_.at("disk/store"), {.read_only = true});
    expect_all(reader);
  }
  // Room comes while a patient writer waits.
  Store patient = open(directory_.at("disk/store"), {.deadline = 20s});
  std::thread other([&] {
    std::this_thread::sleep_for(500ms);
    disk.make_room();
  });
  kSpace.put(patient, "waited", noise(random_, 1 << 20));
  other.join();
  EXPECT_EQ(write_until_refused(store, 100), 100) << "and everybody goes on, without a restart";
  expect_all(patient);
  for (int i = 0; i < 100 && !store.health().good; ++i) std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(store.health().good);
  patient.close();
  store.close();
  Store again = open(directory_.at("disk/store"));
  expect_all(again);
  EXPECT_TRUE(again.check().clean());
}

TEST_P(FullDisk, IsMadeRoomOnByErasing) {
  SmallFileSystem disk(GetParam(), directory_.at("disk"), 260 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "may not mount";
  Store store = open(directory_.at("disk/store"), {.deadline = 2s});
  write_until_refused(store, 100'000);
  ASSERT_GT(next_, 500);
  expect_all(store);
  // The reserve lets it delete, and compact.
  const int kept = next_ - 20;
  Store patient = open(directory_.at("disk/store"), {.deadline = 60s});
  for (int i = 0; i < kept; i += 500) {
    patient.transact([&](Transaction& tx) {
      for (int k = i; k < std::min(kept, i + 500); ++k) kSpace.erase(tx, "k" + std::to_string(k));
    });
  }
  EXPECT_FALSE(kSpace.get(store, "k0"));
  expect_all(store, kept);
  const int before = next_;
  kSpace.put(patient, "again", noise(random_, 1 << 20));
  for (int i = 0; i < 40 && next_ < before + 1000; ++i) {
    write_until_refused(store, before + 1000 - next_);
    if (next_ < before + 1000) std::this_thread::sleep_for(250ms);
  }
  EXPECT_EQ(next_, before + 1000) << "the space that was erased did not come back";
  expect_all(store, kept);
  EXPECT_TRUE(store.check().clean());
}

TEST_P(FullDisk, KilledOnItLosesNothing) {
  SmallFileSystem disk(GetParam(), directory_.at("disk"), 300 << 20);
  if (!disk.mounted()) GTEST_SKIP() << "may not mount";
  testing::Child child("count_up", {directory_.at("disk/store"), "n", "deadline=300"});
  ASSERT_EQ(child.line(), "open");
  std::uint64_t said = 0;
  while (said < 20) said = std::stoull(child.line().value_or("20"));
  disk.fill(0);
  // It may have enough room made ahead to go on for long; it is killed either way.
  std::this_thread::sleep_for(1s);
  child.kill_and_wait();
  for (const std::string& line : child.last_lines()) {
    if (line.rfind("error ", 0) == 0) {
      EXPECT_EQ(line.find("error unavailable: "), 0U) << line;
    } else {
      said = std::stoull(line);
    }
  }
  const auto look = [&](const Store& store) {
    std::uint64_t there = 0;
    while (kSpace.get(store, "n/" + std::to_string(there + 1))) ++there;
    EXPECT_GE(there, said);
    EXPECT_LE(there, said + 1);
  };
  look(open(directory_.at("disk/store"), {.read_only = true}));
  disk.make_room();
  Store store = open(directory_.at("disk/store"));
  look(store);
  kSpace.put(store, "goes", "on");
  EXPECT_TRUE(store.check().clean());
}

INSTANTIATE_TEST_SUITE_P(Kinds, FullDisk, ::testing::Values("tmpfs", "ext4"),
                         [](const auto& parameter) { return std::string(parameter.param); });

// A process that may make no large files (ulimit -f): the kernel would end it with SIGXFSZ.
class FileSizeLimit : public ::testing::Test {
 protected:
  static void allow(const testing::Child& child, rlim_t bytes) {
    rlimit limit = {};
    ASSERT_EQ(prlimit(child.pid(), RLIMIT_FSIZE, nullptr, &limit), 0);
    limit.rlim_cur = std::min(bytes, limit.rlim_max);
    ASSERT_EQ(prlimit(child.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  }
  static bool is_refused(const std::string& line) {
    return line.rfind("error unavailable: ", 0) == 0 && line.find("ulimit -f") != std::string::npos;
  }
  TemporaryDirectory directory_;
  const std::string store_ = directory_.at("store");
};

TEST_F(FileSizeLimit, OfLessThanALogMakesNoStoreAndSaysWhy) {
  testing::Child child("obey", {store_, "deadline=300", "file_bytes=1000000"});
  const std::string line = child.line().value_or("(silence)");
  EXPECT_TRUE(is_refused(line)) << line;
  EXPECT_EQ(child.wait(), 3) << "no signal";
  Store store = open(store_);
  kSpace.put(store, "k", "v");
}

TEST_F(FileSizeLimit, InTheMiddleIsWaitedOutAndHoldsUpNobodyElse) {
  Store other = open(store_, {.deadline = 20s});
  kSpace.put(other, "before", "v");
  testing::Child child("obey", {store_, "deadline=300"});
  ASSERT_EQ(child.line(), "open");
  ASSERT_EQ(child.ask("put k 1"), "done");
  allow(child, 1000);
  const std::string said = child.ask("put k 2");
  EXPECT_TRUE(is_refused(said)) << said;
  EXPECT_EQ(child.ask("get k"), "is 1");
  kSpace.put(other, "meanwhile", "v");
  EXPECT_EQ(child.ask("get meanwhile"), "is v");
  allow(child, RLIM_INFINITY);
  EXPECT_EQ(child.ask_until("put k 3", "done"), "done") << "it goes on by itself";
  EXPECT_EQ(kSpace.get(other, "k")->view(), "3");
  child.close_input();
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(other.check().clean());
}

}  // namespace
}  // namespace ingot
