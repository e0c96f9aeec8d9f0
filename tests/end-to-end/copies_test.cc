// `ingot copy` as a user runs it, killed and interrupted again and again. (While others write and are killed, too:
// kills_test.cc. On a disk that is full: disk_full_test.cc.)
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "child.h"
#include "copied_store.h"
#include "fault_page.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::Child;
using testing::copied_records;

// The file, and not another of its name.
using Identity = std::pair<ino_t, std::int64_t>;
std::map<std::string, Identity> files_in(const std::string& folder) {
  std::map<std::string, Identity> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    struct stat status {};
    if (::stat(entry.path().c_str(), &status) != 0) continue;
    files[entry.path().filename()] = {status.st_ino, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
  }
  return files;
}

class CopyCommand : public ::testing::Test {
 protected:
  CopyCommand() : faults_(directory_.at("faults"), directory_.path()) { testing::make_copied_store(store_); }

  // Struck by `signal` at its `number`th call on a file of the copy; 0: not at all.
  testing::CopySaid copy(int signal, int number) {
    if (number > 0) testing::arm(faults_->strike, {"copy", "", "/copy", testing::kAnyCall}, signal, number);
    Child child = Child::program({INGOT_COMMAND, "copy", store_, copy_, "--json"}, faults_.environment());
    testing::CopySaid said = testing::end_of_copy(child);
    (void)testing::struck(faults_->strike, std::chrono::milliseconds(0));
    return said;
  }

  testing::TemporaryDirectory directory_;
  const std::string store_ = directory_.at("store");
  const std::string copy_ = directory_.at("copy");
  testing::FaultPage faults_;
};

TEST_F(CopyCommand, GoesOnAfterEachKillAndWritesNoFileTwiceButTheLast) {
  const std::size_t runs = files_in(store_ + "/runs").size();
  ASSERT_GT(runs, 100U);
  std::map<std::string, Identity> before;
  int kills = 0;
  for (;; ++kills) {
    ASSERT_LT(kills, 40) << "it does not come nearer to the end";
    // The first calls look at what is there; the later the attempt, the more of them there are.
    const testing::CopySaid said = copy(SIGKILL, 80 + kills * 100);
    const std::map<std::string, Identity> after = files_in(copy_ + "/runs");
    std::size_t again = 0;
    for (const auto& [name, identity] : before) again += after.contains(name) && after.at(name) == identity ? 0 : 1;
    EXPECT_LE(again, 1U) << "after " << kills << " kills";
    before = after;
    if (said.status == 0) {
      EXPECT_GT(said.found, 0U) << said.line;
      break;
    }
    ASSERT_EQ(said.status, -SIGKILL) << said.line;
    if (!std::filesystem::exists(copy_ + "/copying")) break;  // killed when nothing was left to do
    EXPECT_THROW(open(copy_), Error) << "it is no store yet";
  }
  EXPECT_GT(kills, 3);
  EXPECT_EQ(before.size(), runs);
  EXPECT_EQ(copied_records(copy_).size(), static_cast<std::size_t>(testing::kCopiedRecords));
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
  EXPECT_TRUE(open(copy_).check().clean());
}

TEST_F(CopyCommand, EndsAtASignalAndGoesOnLater) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const testing::CopySaid said = copy(signal, signal == SIGINT ? 150 : 400);
    EXPECT_EQ(said.status, 130) << said.line;
    EXPECT_THROW(open(copy_), Error);
  }
  EXPECT_GT(files_in(copy_ + "/runs").size(), 10U);
  const testing::CopySaid said = copy(0, 0);
  EXPECT_EQ(said.status, 0);
  EXPECT_GT(said.found, 0U) << said.line;
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
  EXPECT_EQ(copy(0, 0).status, 2) << "a store is there";
}

TEST_F(CopyCommand, OneAtATimeGoesToOnePlace) {
  testing::arm(faults_->strike, {"copy", "", "/copy/runs", testing::kAnyCall}, SIGSTOP, 100);
  Child first = Child::program({INGOT_COMMAND, "copy", store_, copy_, "--json"}, faults_.environment());
  ASSERT_TRUE(testing::struck(faults_->strike, std::chrono::seconds(60)));
  ASSERT_TRUE(first.wait_until_stopped());
  EXPECT_EQ(copy(0, 0).status, 2) << "another is under way";
  first.signal(SIGCONT);
  EXPECT_EQ(first.wait(), 0);
  EXPECT_TRUE(copied_records(copy_) == copied_records(store_));
}

}  // namespace
}  // namespace ingot
