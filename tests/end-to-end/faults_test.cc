// A process whose disk misbehaves: syncs that fail and forget, writes and reads that fail, calls that do half of what
// they were asked. The process is real, the faults come from a library under it; afterwards it is killed, and what it
// was told is looked for by another, without faults.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "fault_page.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::Child;
using testing::FaultControl;
using testing::FaultRule;
using testing::TemporaryDirectory;
using namespace std::chrono_literals;

const Space kSpace("things");

class Faults : public ::testing::Test {
 protected:
  Child start(const std::string& role, testing::Arguments more = {}) {
    testing::Arguments arguments = {store_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Child child(role, arguments, control_.environment());
    const std::optional<std::string> first = child.line();
    if (first != "open") throw std::runtime_error("the child said " + first.value_or("nothing"));
    return child;
  }
  // Reads what a count_up child says until `numbers` more are acknowledged, or the time is over.
  void count(Child& child, std::uint64_t numbers, std::chrono::milliseconds patience = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const std::uint64_t goal = said_ + numbers;
    while (said_ < goal && std::chrono::steady_clock::now() < deadline) {
      const std::optional<std::string> line = child.line(patience);
      if (!line) break;
      if (line->rfind("error ", 0) == 0) {
        errors_.push_back(*line);
      } else {
        said_ = std::stoull(*line);
      }
    }
  }
  // Kills it, and looks for what it had said.
  void kill_and_look(Child& child) {
    child.kill_and_wait();
    for (const std::string& line : child.last_lines()) {
      if (line.rfind("error ", 0) == 0) {
        errors_.push_back(line);
      } else {
        said_ = std::stoull(line);
      }
    }
    const Store store = ingot::open(store_);
    std::uint64_t there = 0;
    while (kSpace.get(store, "n/" + std::to_string(there + 1))) ++there;
    EXPECT_GE(there, said_) << "acknowledged commits are lost";
    EXPECT_LE(there, said_ + 1);
    if (there != 0) {
      EXPECT_EQ(kSpace.get(store, "n/last")->view(), std::to_string(there)) << "half there";
    }
    const CheckReport report = store.check();
    EXPECT_TRUE(report.damage.empty()) << report.damage[0];
    for (const std::string& error : errors_) EXPECT_EQ(error.find("error unavailable: "), 0U) << error;
  }

  TemporaryDirectory directory_;
  const std::string store_ = directory_.at("store");
  testing::FaultPage control_{directory_.at("control"), store_};
  std::uint64_t said_ = 0;
  std::vector<std::string> errors_;
};

TEST_F(Faults, TheLibraryIsThere) {
  Child child = start("count_up", {"n"});
  count(child, 10);
  EXPECT_GT(control_->write.calls, 0U);
  EXPECT_GE(control_->sync.calls, 10U);
  EXPECT_GT(control_->open.calls, 0U);
  kill_and_look(child);
  EXPECT_TRUE(errors_.empty());
}

// The page cache forgets what a failed fdatasync was to bring to the disk; the next one succeeds and means nothing.
TEST_F(Faults, AFailedSyncThatForgetsLosesNothing) {
  control_->failed_sync_forgets = 1;
  Child child = start("count_up", {"n"});
  count(child, 5);
  for (int round = 0; round < 12; ++round) {
    fail_by_number(control_->sync, EIO, static_cast<std::uint64_t>(round % 4),
                   1 + static_cast<std::uint64_t>(round % 3));
    count(child, 10);
  }
  EXPECT_GE(control_->sync.faults, 6U);  // the child may pass the number of a call before we have set it
  EXPECT_GT(control_->forgotten_bytes, 0U);
  kill_and_look(child);
}

TEST_F(Faults, SyncsThatFailForAWhileAreWaitedOut) {
  control_->failed_sync_forgets = 1;
  Child child = start("count_up", {"n", "deadline=300"});
  Child other = start("obey", {"deadline=300"});
  count(child, 5);
  fail_by_number(control_->sync, EIO, 0, 1'000'000);
  count(child, 1'000'000, 200ms);  // what was on its way
  const std::uint64_t before = said_;
  // What was under way waits: nobody can say yet whether it will be there. Whoever comes later is told in time.
  EXPECT_EQ(other.ask("put later v").substr(0, 19), "error unavailable: ");
  count(child, 1'000'000, 1000ms);
  EXPECT_EQ(said_, before) << "a commit was acknowledged although nothing could be synced";
  stop_failing(control_->sync);
  count(child, 20);
  EXPECT_GE(said_, before + 20) << "it goes on by itself";
  EXPECT_EQ(other.ask_until("put later v", "done"), "done");
  EXPECT_EQ(other.ask("get later"), "is v");
  kill_and_look(child);
}

TEST_F(Faults, WritesThatFailForAWhileAreWaitedOut) {
  for (const int error : {EIO, ENOSPC, EDQUOT}) {
    Child child = start("count_up", {"n", "deadline=300"});
    said_ = 0;
    errors_.clear();
    count(child, 5);
    fail_by_number(control_->write, error, 3, 1'000'000);
    count(child, 1'000'000, 1200ms);
    const std::uint64_t stuck = said_;
    stop_failing(control_->write);
    count(child, 20);
    EXPECT_GE(said_, stuck + 20) << "it goes on by itself after errno " << error;
    kill_and_look(child);
    std::filesystem::remove_all(store_);
  }
}

// Readers never notice that nothing can be written.
TEST_F(Faults, ReadersGoOnWhileNothingCanBeWritten) {
  Child child = start("obey", {"deadline=200"});
  for (int i = 0; i < 50; ++i) ASSERT_EQ(child.ask("put k" + std::to_string(i) + " v"), "done");
  fail_by_number(control_->write, ENOSPC, 0, 1'000'000);
  std::string said;
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 20 && said.find("unavailable") == std::string::npos; ++i) said = child.ask("put more v");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s) << "the deadline was 200 ms";
  EXPECT_NE(said.find("unavailable"), std::string::npos) << said;
  EXPECT_NE(said.find("ENOSPC"), std::string::npos) << said;
  EXPECT_EQ(child.ask("get k7"), "is v");
  EXPECT_EQ(child.ask("count"), "50");
  stop_failing(control_->write);
  EXPECT_EQ(child.ask_until("put more v", "done"), "done");
  EXPECT_EQ(child.ask("count"), "51");
}

TEST_F(Faults, CallsThatDoHalfOfWhatTheyWereAskedAreNoticed) {
  fail_by_chance(control_->short_read, 0, 300'000);
  fail_by_chance(control_->short_write, 0, 300'000);
  Child child = start("count_up", {"n"});
  count(child, 200);
  kill_and_look(child);
  EXPECT_TRUE(errors_.empty());
  EXPECT_GE(said_, 200U);
}

// A read that fails is tried, or healed, or said: never a wrong answer, and no more than that.
TEST_F(Faults, ReadsThatFailAreSaidAndDoNotLast) {
  {
    Store store = ingot::open(store_, {.durability = Durability::process});
    for (int i = 0; i < 3000; ++i)
      kSpace.put(store, "k" + std::to_string(i), std::to_string(i) + std::string(300, 'v'));
    store.settle();
  }
  Child child = start("obey", {"deadline=300"});
  fail_by_chance(control_->read, EIO, 400'000);
  int failed = 0;
  for (int i = 0; i < 3000; i += 7) {
    const std::string said = child.ask("get k" + std::to_string(i));
    if (said.rfind("error ", 0) == 0) {
      EXPECT_EQ(said.find("error unavailable: "), 0U) << said;
      ++failed;
    } else {
      EXPECT_EQ(said, "is " + std::to_string(i) + std::string(300, 'v'));
    }
  }
  EXPECT_GT(control_->read.faults, 0U);
  stop_failing(control_->read);
  for (int i = 0; i < 3000; i += 11) {
    EXPECT_EQ(child.ask("get k" + std::to_string(i)), "is " + std::to_string(i) + std::string(300, 'v'));
  }
  std::cout << failed << " reads failed\n";
}

// Every call that an engine makes on files, and each way in which it may fail. (It never calls ftruncate.)
struct Kind {
  const char* name;
  FaultRule FaultControl::*rule;
  int error;
  std::uint32_t per_million;  // where it is one of many
};
constexpr Kind kKinds[] = {
    {"read EIO", &FaultControl::read, EIO, 3'000},           {"write EIO", &FaultControl::write, EIO, 20'000},
    {"write ENOSPC", &FaultControl::write, ENOSPC, 20'000},  {"write EDQUOT", &FaultControl::write, EDQUOT, 20'000},
    {"sync EIO", &FaultControl::sync, EIO, 30'000},          {"sync ENOSPC", &FaultControl::sync, ENOSPC, 30'000},
    {"open EMFILE", &FaultControl::open, EMFILE, 10'000},    {"open ENFILE", &FaultControl::open, ENFILE, 10'000},
    {"rename EIO", &FaultControl::rename, EIO, 60'000},      {"rename ENOSPC", &FaultControl::rename, ENOSPC, 60'000},
    {"unlink EIO", &FaultControl::unlink, EIO, 60'000},      {"mmap ENOMEM", &FaultControl::map, ENOMEM, 60'000},
    {"EINTR", &FaultControl::interrupt, EINTR, 200'000},     {"short read", &FaultControl::short_read, 0, 200'000},
    {"short write", &FaultControl::short_write, 0, 200'000}, {"slow", &FaultControl::slow, 0, 100'000},
};

// One kind for as long as it takes to happen a few times, in all that a store does: opening, commits, flushes,
// compactions, reading back, closing.
TEST_F(Faults, OfEachKindAloneAreAbsorbedOrSaid) {
  constexpr std::uint64_t kTimes = 5;
  constexpr int kRoundsMax = 300;
  control_->slow_micros = 3000;
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    FaultRule& rule = (*control_).*kind.rule;
    const std::uint64_t before = rule.faults;
    std::filesystem::remove_all(store_);
    std::string value;  // of the key "k": what was acknowledged last
    for (int round = 0; round < kRoundsMax && (rule.faults - before < kTimes || value.empty()); ++round) {
      fail_by_chance(rule, kind.error, 4 * kind.per_million);
      Child child("obey", {store_, "deadline=300"}, control_.environment());
      const std::string first = child.line().value_or("nothing");
      if (first != "open") {
        EXPECT_EQ(first.rfind("error unavailable: ", 0), 0U) << first;
        continue;
      }
      std::string tried;
      for (int i = 0; i < 6; ++i) {
        tried = std::to_string(round) + "." + std::to_string(i);
        const std::string said = child.ask("put k " + tried);
        if (said == "done") value = tried;
        EXPECT_TRUE(said == "done" || said.rfind("error unavailable: ", 0) == 0) << said;
        if (i % 3 != 2) continue;
        const std::string settled = child.ask("settle");
        EXPECT_TRUE(settled == "done" || settled.rfind("error unavailable: ", 0) == 0) << settled;
        const std::string got = child.ask("get k");
        EXPECT_TRUE(got == (value.empty() ? "absent" : "is " + value) || got.rfind("error unavailable: ", 0) == 0)
            << got;
      }
      stop_failing(rule);
      EXPECT_EQ(child.ask_until("put k after", "done"), "done") << "it goes on by itself";
      EXPECT_EQ(child.ask("get k"), "is after");
      value = "after";
    }
    EXPECT_GE(rule.faults - before, kTimes) << "it was never injected";
    stop_failing(rule);
    const Store store = ingot::open(store_);
    EXPECT_EQ(kSpace.get(store, "k")->view(), "after");
    EXPECT_TRUE(store.check().damage.empty());
  }
}

// Anything may fail at any time, and the process is killed as well.
TEST_F(Faults, OfAllKindsAtOnceAndKillsLoseNothing) {
  constexpr int kRounds = 8;
  constexpr int kRoundsMax = 60;
  std::mt19937 random(23);
  control_->slow_micros = 1000;
  const auto never = [&] {
    std::string names;
    for (const Kind& kind : kKinds) {
      if (((*control_).*kind.rule).faults == 0) names += std::string(kind.name) + ". ";
    }
    return names;
  };
  for (int round = 0; round < kRounds || (round < kRoundsMax && !never().empty()); ++round) {
    control_->failed_sync_forgets = 1;
    // Of those that share a rule, one at a time.
    for (const Kind& kind : kKinds) {
      FaultRule& rule = (*control_).*kind.rule;
      if (rule.per_million == 0 || random() % 2 == 0) fail_by_chance(rule, kind.error, kind.per_million);
    }
    std::optional<Child> child;
    said_ = 0;
    errors_.clear();
    std::filesystem::remove_all(store_);
    // Opening may fail, with a clear word; then it is tried again.
    for (int i = 0; i < 200 && !child; ++i) {
      Child candidate("count_up", {store_, "n", "deadline=400"}, control_.environment());
      const std::string first = candidate.line().value_or("nothing");
      if (first == "open") {
        child.emplace(std::move(candidate));
      } else {
        EXPECT_EQ(first.find("error unavailable: "), 0U) << first;
      }
    }
    ASSERT_TRUE(child) << "it could never be opened";
    count(*child, 100 + random() % 200, 4s);
    for (const Kind& kind : kKinds) stop_failing((*control_).*kind.rule);
    if (said_ == 0) count(*child, 1);
    kill_and_look(*child);
    EXPECT_GT(said_, 0U);
  }
  EXPECT_EQ(never(), "");
  for (const Kind& kind : kKinds) std::cout << kind.name << ": " << ((*control_).*kind.rule).faults << "\n";
}

}  // namespace
}  // namespace ingot
