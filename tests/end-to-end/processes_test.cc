// Several processes on one directory: what they see of each other, and what one's death or sleep does to the others.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "counted.h"
#include "fault_page.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::Child;
using testing::expect_counted;
using testing::last_said;
using testing::number_of;
using testing::TemporaryDirectory;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const Space kSpace = testing::kThings;

TEST(Processes, SeeAtOnceWhatAnotherWasTold) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  Child first("obey", {where});
  ASSERT_EQ(first.line(), "open");
  Child second("obey", {where});
  ASSERT_EQ(second.line(), "open");
  Store third = open(where);
  for (int i = 0; i < 200; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(first.ask("put k " + value), "done");
    ASSERT_EQ(second.ask("get k"), "is " + value);
    ASSERT_EQ(kSpace.get(third, "k")->view(), value);
    kSpace.put(third, "back", value);
    ASSERT_EQ(first.ask("get back"), "is " + value);
    if (i == 50) {
      ASSERT_EQ(second.ask("settle"), "done");
    }
    if (i == 100) third.settle();
  }
}

TEST(Processes, ConflictAcrossProcesses) {
  const TemporaryDirectory directory;
  Child other("obey", {directory.path()});
  ASSERT_EQ(other.line(), "open");
  Store store = open(directory.path());
  kSpace.put(store, "k", "1");
  ASSERT_EQ(other.ask("hold k"), "is 1");
  kSpace.put(store, "k", "2");
  EXPECT_EQ(other.ask("win"), "lost");
  EXPECT_EQ(other.ask("get k-written"), "absent");
  ASSERT_EQ(other.ask("hold k"), "is 2");
  kSpace.put(store, "another", "3");
  EXPECT_EQ(other.ask("win"), "won");
  Transaction tx = store.begin();
  (void)kSpace.get(tx, "k");
  ASSERT_EQ(other.ask("put k 4"), "done");
  kSpace.put(tx, "x", "y");
  EXPECT_FALSE(tx.commit());
}

TEST(Processes, AddUpWithoutLosingAny) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  constexpr int kProcesses = 4;
  constexpr int kEach = 150;
  {
    // They race to make the store, too.
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < kProcesses; ++i) {
      children.push_back(std::make_unique<Child>("add_up", testing::Arguments{where, std::to_string(kEach)}));
    }
    for (const auto& child : children) EXPECT_EQ(child->line(120s), "done");
    for (const auto& child : children) EXPECT_EQ(child->wait(), 0);
  }
  const Store store = open(where, {.create = false});
  EXPECT_EQ(kSpace.get(store, "sum")->view(), std::to_string(kProcesses * kEach));
  EXPECT_EQ(kSpace.get(store, "added")->counter(), kProcesses * kEach);
}

TEST(Processes, RaceToMakeAStoreAndAllGetTheSame) {
  for (int round = 0; round < 10; ++round) {
    const TemporaryDirectory directory;
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 5; ++i) {
      children.push_back(std::make_unique<Child>("obey", testing::Arguments{directory.at("store")}));
    }
    for (std::size_t i = 0; i < children.size(); ++i) {
      ASSERT_EQ(children[i]->line(), "open");
      ASSERT_EQ(children[i]->ask("put " + std::to_string(i) + " v"), "done");
    }
    for (const auto& child : children) EXPECT_EQ(child->ask("count"), "5");
  }
}

// The commit had just returned when the process was killed. Nobody else has the store open.
TEST(Kills, RightAfterTheCommitLoseNothing) {
  const TemporaryDirectory directory;
  std::mt19937 random(7);
  for (int round = 0; round < 12; ++round) {
    const std::string name = "alone" + std::to_string(round);
    testing::Arguments arguments = {directory.path(), name};
    if (round % 3 == 2) arguments.push_back("process");  // the death of a process loses nothing then either
    Child child("count_up", arguments);
    ASSERT_EQ(child.line(), "open");
    std::uint64_t said = 0;
    const std::uint64_t enough = 1 + random() % 60;
    while (said < enough) said = std::stoull(number_of(child.line().value_or("0")));
    EXPECT_EQ(child.kill_and_wait(), -SIGKILL);
    said = last_said(child, said);
    expect_counted(open(directory.path()), name, said);
  }
}

// The same with others that have the store open and go on.
TEST(Kills, DoNotHoldUpTheOthers) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.deadline = 5s});
  Child bystander("obey", {directory.path()});
  ASSERT_EQ(bystander.line(), "open");
  std::mt19937 random(11);
  Clock::duration longest{};
  for (int round = 0; round < 25; ++round) {
    const std::string name = "victim" + std::to_string(round);
    Child child("count_up", {directory.path(), name});
    ASSERT_EQ(child.line(), "open");
    std::uint64_t said = 0;
    const std::uint64_t enough = 1 + random() % 40;
    while (said < enough) said = std::stoull(number_of(child.line().value_or("0")));
    child.kill_and_wait();
    const Clock::time_point begun = Clock::now();
    kSpace.put(store, "after", name);
    longest = std::max(longest, Clock::now() - begun);
    said = last_said(child, said);
    expect_counted(store, name, said);
    EXPECT_EQ(bystander.ask("get after"), "is " + name);
    if (round % 8 == 5) store.settle();
  }
  std::cout << "the longest commit after a kill took "
            << std::chrono::duration_cast<std::chrono::microseconds>(longest).count() << " us\n";
  EXPECT_TRUE(store.check().clean());
}

// All of them at once, again and again; each new crowd finds what the old one was told.
TEST(Kills, OfAllAtOnceLoseNothing) {
  const TemporaryDirectory directory;
  std::mt19937 random(13);
  for (int round = 0; round < 6; ++round) {
    std::vector<std::unique_ptr<Child>> children;
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) {
      names.push_back("crowd" + std::to_string(round) + "." + std::to_string(i));
      children.push_back(std::make_unique<Child>("count_up", testing::Arguments{directory.path(), names.back()}));
    }
    for (const auto& child : children) ASSERT_EQ(child->line(), "open");
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 200));
    for (const auto& child : children) child->signal(SIGKILL);
    for (const auto& child : children) child->wait();
    const Store store = open(directory.path());
    for (std::size_t i = 0; i < children.size(); ++i) expect_counted(store, names[i], last_said(*children[i], 0));
  }
  EXPECT_TRUE(open(directory.path()).check().clean());
}

// A process that is stopped while it holds the commit lock, at each step of a commit: the others say who it is, read
// on, and go on when it does.
TEST(StoppedProcesses, AreNamedAndTheOthersGoOnWhenTheyDo) {
  using testing::Call;
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  testing::FaultPage faults(directory.at("faults"), where);
  Store impatient = open(where, {.deadline = 150ms});
  Store patient = open(where);
  kSpace.put(patient, "k", "before");
  Child child("count_up", {where, "sleeper"}, faults.environment());
  ASSERT_EQ(child.line(), "open");
  std::uint64_t said = 0;
  const testing::StrikePlace places[] = {{"before the write", "", "/log/0", only(Call::write)},
                                         {"after the write", "", "/log/0", only(Call::write), true},
                                         {"before the sync", "", "/log/0", only(Call::sync)},
                                         {"after the sync", "", "/log/0", only(Call::sync), true}};
  for (const testing::StrikePlace& place : places) {
    SCOPED_TRACE(place.name);
    while (const auto line = child.line(0ms))
      said = std::stoull(number_of(*line));  // a full pipe would stop it elsewhere
    arm(faults->strike, place, SIGSTOP, 3);
    ASSERT_EQ(struck(faults->strike, 60s), child.pid()) << "it never came there";
    ASSERT_TRUE(child.wait_until_stopped());
    EXPECT_TRUE(kSpace.get(patient, "k")) << "readers never notice";
    const Clock::time_point begun = Clock::now();
    try {
      kSpace.put(impatient, "k", place.name);
      ADD_FAILURE() << "it did not hold the lock";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
      const std::string sentence = error.what();
      EXPECT_NE(sentence.find(std::to_string(child.pid())), std::string::npos) << sentence;
      EXPECT_GE(Clock::now() - begun, 150ms);
    }
    EXPECT_NE(kSpace.get(patient, "k")->view(), place.name) << "what was refused is not there";
    // One that waits long enough gets through as soon as the sleeper wakes.
    std::thread wake([&] {
      std::this_thread::sleep_for(300ms);
      child.signal(SIGCONT);
    });
    kSpace.put(patient, "k", "after");
    wake.join();
    EXPECT_EQ(kSpace.get(impatient, "k")->view(), "after");
    // It goes on as if nothing had happened.
    for (int i = 0; i < 20; ++i) said = std::stoull(number_of(child.line().value_or("0")));
    EXPECT_GT(said, 0U);
  }
  child.kill_and_wait();
  expect_counted(patient, "sleeper", last_said(child, said));
  EXPECT_TRUE(patient.health().good);
}

// One that is stopped with the lock, and then killed, frees the others at once.
TEST(StoppedProcesses, ThatAreKilledHoldUpNobody) {
  using testing::Call;
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  testing::FaultPage faults(directory.at("faults"), where);
  Store store = open(where);
  for (int round = 0; round < 12; ++round) {
    const std::string name = "stopped" + std::to_string(round);
    Child child("count_up", {where, name}, faults.environment());
    ASSERT_EQ(child.line(), "open");
    const testing::StrikePlace place = {"", "", "/log/0", Call::write | Call::sync, round % 2 == 1};
    arm(faults->strike, place, SIGSTOP, 1 + round);
    ASSERT_EQ(struck(faults->strike, 60s), child.pid());
    ASSERT_TRUE(child.wait_until_stopped());
    std::thread killer([&] {
      std::this_thread::sleep_for(30ms);
      child.signal(SIGKILL);
    });
    kSpace.put(store, "k", name);
    killer.join();
    child.wait();
    expect_counted(store, name, last_said(child, 0));
  }
}

// A reader that sleeps for long pins what it reads, and finds it when it wakes.
TEST(StoppedProcesses, KeepWhatTheirSnapshotsRead) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.durability = Durability::process});
  const std::string value(500, 'v');
  for (int i = 0; i < 200; ++i) kSpace.put(store, "k" + std::to_string(i), std::to_string(i) + value);
  store.settle();
  Child child("obey", {directory.path()});
  ASSERT_EQ(child.line(), "open");
  ASSERT_EQ(child.ask("snapshot"), "done");
  std::this_thread::sleep_for(500ms);  // its pin is published
  child.signal(SIGSTOP);
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 200; ++i) kSpace.put(store, "k" + std::to_string(i), "changed");
    store.settle();
  }
  child.signal(SIGCONT);
  for (int i = 0; i < 200; i += 17) {
    EXPECT_EQ(child.ask("then k" + std::to_string(i)), "is " + std::to_string(i) + value);
    EXPECT_EQ(child.ask("get k" + std::to_string(i)), "is changed");
  }
}

// A handle for reading only pins as well, where it may write to `live`: a copy or an export next to writers can end.
TEST(ReadOnlyHandles, KeepWhatTheirSnapshotsRead) {
  const TemporaryDirectory directory;
  Child child("obey", {directory.path(), "process"});
  ASSERT_EQ(child.line(), "open");
  for (int i = 0; i < 50; ++i) ASSERT_EQ(child.ask("put k" + std::to_string(i) + " old"), "done");
  ASSERT_EQ(child.ask("settle"), "done");
  const Store reader = open(directory.path(), {.read_only = true});
  const Snapshot then = reader.snapshot();  // nothing is read yet, so no file is open
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50; ++i) ASSERT_EQ(child.ask("put k" + std::to_string(i) + " new"), "done");
    ASSERT_EQ(child.ask("settle"), "done");
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(kSpace.get(then, "k" + std::to_string(i))->view(), "old");
  EXPECT_EQ(kSpace.get(reader, "k7")->view(), "new");
}

// Writers that sleep while much happens: the log they knew is gone when they wake.
TEST(StoppedProcesses, CatchUpFromACheckpointWhenTheLogIsGone) {
  const TemporaryDirectory directory;
  Child child("obey", {directory.path()});
  ASSERT_EQ(child.line(), "open");
  ASSERT_EQ(child.ask("put before 1"), "done");
  std::this_thread::sleep_for(500ms);  // it lets go of the commit lock
  child.signal(SIGSTOP);
  {
    Store store = open(directory.path(), {.durability = Durability::process});
    const std::string value(1 << 20, 'v');
    for (int i = 0; i < 120; ++i) kSpace.put(store, "large" + std::to_string(i % 10), value + std::to_string(i));
    store.settle();
    for (int i = 0; i < 60; ++i) kSpace.put(store, "large" + std::to_string(i % 10), value + std::to_string(i));
    kSpace.put(store, "last", "word");
  }
  child.signal(SIGCONT);
  EXPECT_EQ(child.ask("get last"), "is word");
  EXPECT_EQ(child.ask("get before"), "is 1");
  EXPECT_EQ(child.ask("put after 2"), "done");
  const Store store = open(directory.path());
  EXPECT_EQ(kSpace.get(store, "after")->view(), "2");
  EXPECT_TRUE(store.check().clean());
}

}  // namespace
}  // namespace ingot
