// Stores and snapshots: opening, handles, durability, copies, what a store says of itself.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/expect_error.h"
#include "base/testing.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;
using namespace std::chrono_literals;

const Space kSpace("things");

std::map<std::string, std::string> everything(Reader where) {
  std::map<std::string, std::string> records;
  for (const auto& [key, value] : kSpace.scan(where)) records.emplace(key, value);
  return records;
}

TEST(MemoryStores, AreApartAndEndWithTheirHandle) {
  Store first = open(":memory:");
  Store second = open(":memory:");
  kSpace.put(first, "k", "1");
  EXPECT_FALSE(kSpace.get(second, "k"));
  EXPECT_EQ(first.where(), ":memory:");
  EXPECT_EQ(first.version(), 1U);
  EXPECT_EQ(second.version(), 0U);
  EXPECT_TRUE(second.check().clean());
}

TEST(DirectoryStores, KeepWhatWasCommitted) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  {
    Store store = open(where);
    EXPECT_EQ(store.where(), where);
    EXPECT_TRUE(store.spaces().empty());
    for (int i = 0; i < 100; ++i) kSpace.put(store, std::to_string(i), std::to_string(i * i));
    EXPECT_EQ(store.version(), 100U);
  }
  {
    Store store = open(where);
    EXPECT_EQ(store.version(), 100U);
    EXPECT_EQ(everything(store).size(), 100U);
    store.settle();
    kSpace.erase(store, "7");
  }
  const Store store = open(where, {.create = false});
  EXPECT_EQ(everything(store).size(), 99U);
  EXPECT_EQ(kSpace.get(store, "9")->view(), "81");
  EXPECT_EQ(store.spaces(), std::vector<std::string>{"things"});
}

TEST(DirectoryStores, AnEmptyDirectoryBecomesOne) {
  const TemporaryDirectory directory;
  Store store = open(directory.path());
  kSpace.put(store, "k", "v");
  EXPECT_EQ(kSpace.get(store, "k")->view(), "v");
}

TEST(DirectoryStores, TwoHandlesOfOneProcessAgree) {
  const TemporaryDirectory directory;
  Store first = open(directory.path());
  Store second = open(directory.path());
  for (int i = 0; i < 50; ++i) {
    Store& writer = i % 2 == 0 ? first : second;
    Store& reader = i % 2 == 0 ? second : first;
    kSpace.put(writer, "k", std::to_string(i));
    EXPECT_EQ(kSpace.get(reader, "k")->view(), std::to_string(i)) << "what was acknowledged is seen by all";
    EXPECT_EQ(reader.version(), writer.version());
    if (i == 20) writer.settle();
  }
  Transaction tx = first.begin();
  (void)kSpace.get(tx, "k");
  kSpace.put(second, "k", "changed by the other");
  kSpace.put(tx, "k", "lost");
  EXPECT_FALSE(tx.commit());
  first.close();
  EXPECT_EQ(kSpace.get(second, "k")->view(), "changed by the other");
}

TEST(DirectoryStores, HandlesInThreadsLoseNothing) {
  const TemporaryDirectory directory;
  constexpr int kHandles = 3;
  constexpr int kEach = 60;
  std::vector<std::thread> threads;
  for (int i = 0; i < kHandles; ++i) {
    threads.emplace_back([&] {
      Store store = open(directory.path(), {.durability = Durability::process});
      for (int k = 0; k < kEach; ++k) {
        store.transact([&](Transaction& tx) {
          const std::optional<Value> old = kSpace.get(tx, "sum");
          kSpace.put(tx, "sum", std::to_string((old ? std::stoi(old->str()) : 0) + 1));
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Store store = open(directory.path());
  EXPECT_EQ(kSpace.get(store, "sum")->view(), std::to_string(kHandles * kEach));
}

TEST(DirectoryStores, ACommitSyncsUnlessToldOtherwise) {
  const TemporaryDirectory directory;
  Store store = open(directory.path());
  const std::uint64_t before = store.stats().syncs;
  for (int i = 0; i < 5; ++i) kSpace.put(store, "k", std::to_string(i));
  EXPECT_GE(store.stats().syncs, before + 5) << "one at a time, each synced";

  const TemporaryDirectory fast;
  Store quick = open(fast.path(), {.durability = Durability::process});
  const std::uint64_t quick_before = quick.stats().syncs;
  for (int i = 0; i < 200; ++i) kSpace.put(quick, "k", std::to_string(i));
  EXPECT_LT(quick.stats().syncs, quick_before + 100);
  quick.transact([&](Transaction& tx) { kSpace.put(tx, "k", "safe"); }, {.durability = Durability::disk});
  EXPECT_GT(quick.stats().syncs, quick_before);
  const std::uint64_t raised = quick.stats().syncs;
  kSpace.put(quick, "k", "more");
  quick.sync();
  EXPECT_GT(quick.stats().syncs, raised);
}

TEST(Snapshots, StayAsTheyWere) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.durability = Durability::process, .memory_bytes = 64 << 20});
  std::vector<Snapshot> snapshots;
  std::vector<std::map<std::string, std::string>> expected;
  std::map<std::string, std::string> now;
  for (int round = 0; round < 6; ++round) {
    store.transact([&](Transaction& tx) {
      for (int i = 0; i < 200; ++i) {
        const std::string key = std::to_string((i * 7 + round * 13) % 400);
        now[key] = std::to_string(round) + std::string(200, 'x');
        kSpace.put(tx, key, now[key]);
      }
      if (round % 2 == 1) {
        kSpace.erase_range(tx, prefix("1"));
        for (auto it = now.lower_bound("1"); it != now.end() && it->first < "2";) it = now.erase(it);
      }
    });
    snapshots.push_back(store.snapshot());
    expected.push_back(now);
    EXPECT_EQ(snapshots.back().version(), store.version());
    if (round >= 2) store.settle();
  }
  for (std::size_t i = 0; i < snapshots.size(); ++i) EXPECT_EQ(everything(snapshots[i]), expected[i]) << i;
  snapshots.erase(snapshots.begin(), snapshots.end() - 1);
  store.settle();
  EXPECT_EQ(everything(snapshots.back()), now);
}

TEST(Snapshots, KeepTheirFilesAndGiveThemBack) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.durability = Durability::process});
  const std::string value(1000, 'v');
  store.transact([&](Transaction& tx) {
    for (int i = 0; i < 2000; ++i) kSpace.put(tx, key(i), value + std::to_string(i));
  });
  store.settle();
  {
    const Snapshot then = store.snapshot();
    kSpace.erase_range(store, all());
    store.settle();
    EXPECT_GT(store.stats().pinned_bytes, 0U);
    EXPECT_EQ(everything(then).size(), 2000U);
  }
  store.settle();
  for (int i = 0; i < 100 && store.stats().pinned_bytes != 0; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(store.stats().pinned_bytes, 0U);
}

// A snapshot of one handle, whose files another handle replaces before the first has opened any of them. How many
// records it then has; nothing: they can't be read any more.
std::optional<std::size_t> seen_by_a_snapshot_of_another_handle() {
  const TemporaryDirectory directory;
  Store first = open(directory.path(), {.durability = Durability::process});
  for (int i = 0; i < 100; ++i) kSpace.put(first, key(i), "v");
  first.settle();
  const Store second = open(directory.path(), {.durability = Durability::process});
  const Snapshot then = second.snapshot();
  kSpace.erase_range(first, all());
  first.settle();
  try {
    return everything(then).size();
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(Snapshots, KeepTheirFilesWhateverOtherHandlesDo) {
  EXPECT_EQ(seen_by_a_snapshot_of_another_handle(), 100U);
}

TEST(Snapshots, WouldMissTheirFilesIfTheyWereDeletedEarly) {
  base::set_break(base::Break::engine_delete_early, true);
  const std::optional<std::size_t> seen = seen_by_a_snapshot_of_another_handle();
  base::set_break(base::Break::engine_delete_early, false);
  EXPECT_FALSE(seen.has_value());
}

TEST(Handles, LeaveMaintenanceToTheOneThatDoesIt) {
  const TemporaryDirectory directory;
  Store first = open(directory.path(), {.durability = Durability::process});
  kSpace.put(first, "k", "v");
  first.settle();  // it has the maintenance lock now, and goes on using it
  Store second = open(directory.path(), {.durability = Durability::process});
  const std::string value(1000, 'v');
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; std::chrono::steady_clock::now() - begin < 4s; ++i) {
    for (int k = 0; k < 500; ++k) kSpace.put(first, std::to_string(i * 500 + k), value);
    first.settle();
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(second.stats().bytes_written_runs, 0U) << "what the first had done was done again";
}

TEST(Handles, SettleWhateverTheOthersDo) {
  const TemporaryDirectory directory;
  Store first = open(directory.path());
  kSpace.put(first, "k", "v");
  first.settle();  // it has the maintenance lock now, and goes on using it, without haste
  Store second = open(directory.path());
  for (int i = 0; i < 3; ++i) {
    kSpace.put(second, "k" + std::to_string(i), std::string(1'000'000, 'v'));
    second.settle();
    EXPECT_EQ(second.stats().runs, 1U);
    EXPECT_LT(second.stats().memtable_bytes, 500'000U);
  }
}

TEST(Handles, AreNotOpenedBesideOthersWhoseLiveWasRemoved) {
  const TemporaryDirectory directory;
  {
    Store first = open(directory.path());
    kSpace.put(first, "k", "v");
    std::filesystem::remove(directory.at("live"));
    expect_error(ErrorCode::unavailable, {directory.path(), "\"live\" was removed"}, [&] { open(directory.path()); });
    kSpace.put(first, "k", "w");
  }
  const Store again = open(directory.path());
  EXPECT_EQ(kSpace.get(again, "k")->view(), "w");
}

TEST(Handles, DoNotCountAsPinnedWhatAnotherHasDeleted) {
  const TemporaryDirectory directory;
  Store first = open(directory.path());
  kSpace.put(first, "k", "v");
  first.settle();  // it has the maintenance lock now, so it deletes
  const Store second = open(directory.path());
  const Store reader = open(directory.path(), {.read_only = true});
  for (int i = 0; i < 3; ++i) {
    kSpace.put(first, "k", std::string(10'000, 'v'));
    first.settle();
    (void)second.version();
    (void)reader.version();
  }
  for (const Store* store : {&std::as_const(first), &second, &reader}) {
    for (int i = 0; i < 500 && store->stats().pinned_bytes != 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(store->stats().pinned_bytes, 0U);
  }
}

TEST(ReadOnlyHandles, SeeWhatOthersWriteAndWriteNothing) {
  const TemporaryDirectory directory;
  Store writer = open(directory.path());
  kSpace.put(writer, "k", "1");
  Store reader = open(directory.path(), {.read_only = true});
  EXPECT_EQ(kSpace.get(reader, "k")->view(), "1");
  kSpace.put(writer, "k", "2");
  EXPECT_EQ(kSpace.get(reader, "k")->view(), "2");
  writer.settle();
  for (int i = 0; i < 20; ++i) kSpace.put(writer, std::to_string(i), "v");
  EXPECT_EQ(everything(reader).size(), 21U);
  const Snapshot then = reader.snapshot();
  kSpace.erase_range(writer, all());
  EXPECT_EQ(everything(then).size(), 21U);
  EXPECT_TRUE(everything(reader).empty());
  expect_error(ErrorCode::read_only, {directory.path()}, [&] { kSpace.put(reader, "k", "3"); });
  expect_error(ErrorCode::read_only, {directory.path()},
               [&] { reader.transact([&](Transaction& tx) { kSpace.put(tx, "k", "3"); }); });
  reader.transact([&](Transaction& tx) { EXPECT_FALSE(kSpace.get(tx, "k")); });
}

TEST(ClosedHandles, SaySo) {
  const TemporaryDirectory directory;
  Store store = open(directory.path());
  kSpace.put(store, "k", "v");
  store.close();
  const auto says = {std::string_view("closed")};
  expect_error(ErrorCode::closed, says, [&] { (void)kSpace.get(store, "k"); });
  expect_error(ErrorCode::closed, says, [&] { kSpace.put(store, "k", "v"); });
  expect_error(ErrorCode::closed, says, [&] { (void)kSpace.scan(store); });
  expect_error(ErrorCode::closed, says, [&] { (void)store.begin(); });
  expect_error(ErrorCode::closed, says, [&] { (void)store.snapshot(); });
  expect_error(ErrorCode::closed, says, [&] { (void)store.version(); });
  expect_error(ErrorCode::closed, says, [&] { store.transact([](Transaction&) {}); });
  expect_error(ErrorCode::closed, says, [&] { store.sync(); });
  expect_error(ErrorCode::closed, says, [&] { (void)store.spaces(); });
  expect_error(ErrorCode::closed, says, [&] { store.settle(); });
  expect_error(ErrorCode::closed, says, [&] { (void)store.check(); });
  store.close();  // twice is harmless
}

TEST(ClosedHandles, CanBeClosedWhileOtherThreadsUseThem) {
  const TemporaryDirectory directory;
  for (int round = 0; round < 10; ++round) {
    Store store = open(directory.path(), {.durability = Durability::process});
    kSpace.put(store, "k", "v");
    std::atomic<int> at_work{0};
    std::vector<std::thread> threads;
    const auto until_closed = [&](auto use) {
      threads.emplace_back([&, use] {
        try {
          for (bool first = true;; first = false) {
            use();
            if (first) ++at_work;
          }
        } catch (const Error& error) {
          EXPECT_TRUE(error.code() == ErrorCode::closed || error.code() == ErrorCode::unavailable) << error.what();
        }
      });
    };
    until_closed([&] { (void)kSpace.get(store, "k"); });
    until_closed([&] { (void)store.snapshot(); });
    until_closed([&] { kSpace.put(store, "k", "w"); });
    until_closed([&] { store.sync(); });
    until_closed([&] { (void)store.check(); });
    until_closed([&] { store.settle(); });
    while (at_work < static_cast<int>(threads.size())) std::this_thread::yield();
    store.close();
    for (std::thread& thread : threads) thread.join();
  }
}

// Runs `body` in a fork's child; returns what it says, or what it threw.
template <class Body>
std::string in_child(Body&& body) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    std::string said;
    try {
      said = body();
    } catch (const Error& error) {
      said = std::string(name(error.code())) + ": " + error.what();
    } catch (const std::exception& error) {
      said = std::string("another exception: ") + error.what();
    }
    if (write(ends[1], said.data(), said.size()) < 0) _exit(1);
    _exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? said : "the child died: " + said;
}

TEST(ForkedHandles, SayClosedInTheChildAndWorkInTheParent) {
  const TemporaryDirectory directory;
  Store store = open(directory.path());
  kSpace.put(store, "k", "v");
  auto snapshot = std::make_unique<Snapshot>(store.snapshot());
  auto tx = std::make_unique<Transaction>(store.begin());
  kSpace.put(*tx, "k", "2");
  EXPECT_EQ(in_child([&] { return kSpace.get(store, "k")->str(); }).substr(0, 7), "closed:");
  const std::string said = in_child([&] {
    kSpace.put(store, "k", "from the child");
    return std::string("put");
  });
  EXPECT_EQ(said.substr(0, 7), "closed:");
  EXPECT_NE(said.find("fork"), std::string::npos) << said;
  EXPECT_EQ(in_child([&] { return kSpace.get(*snapshot, "k")->str(); }).substr(0, 7), "closed:");
  EXPECT_EQ(in_child([&] {
              tx->commit();
              return std::string("committed");
            }).substr(0, 7),
            "closed:");
#ifndef __SANITIZE_THREAD__  // its runtime can't start threads in the child of a process that had several
  EXPECT_EQ(in_child([&] {
              Store own = open(directory.path());
              kSpace.put(own, "child", "was here");
              own.close();
              return std::string("opened it again");
            }),
            "opened it again");
#endif
  EXPECT_EQ(in_child([&] {
              store.close();
              return std::string("closed its copy");
            }),
            "closed its copy");
#ifndef __SANITIZE_THREAD__
  EXPECT_EQ(kSpace.get(store, "child")->view(), "was here");
#endif
  EXPECT_TRUE(tx->commit());
  kSpace.put(store, "k", "3");
  snapshot.reset();
  tx.reset();
  EXPECT_EQ(kSpace.get(open(directory.path()), "k")->view(), "3");
}

// The child outlives its parent's handle: it must not keep the parent's locks alive.
TEST(ForkedHandles, DoNotKeepTheParentsLocks) {
  const TemporaryDirectory directory;
  auto store = std::make_unique<Store>(open(directory.path()));
  kSpace.put(*store, "k", "v");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    ::close(ends[1]);
    char byte;
    (void)!read(ends[0], &byte, 1);  // until the parent lets go
    _exit(0);
  }
  ::close(ends[0]);
  store.reset();
  Store again = open(directory.path(), {.deadline = 3s});
  kSpace.put(again, "k", "after");
  EXPECT_EQ(kSpace.get(again, "k")->view(), "after");
  ::close(ends[1]);
  waitpid(child, nullptr, 0);
}

TEST(Copies, AreStoresOfTheirOwn) {
  const TemporaryDirectory directory;
  Store store = open(directory.at("store"));
  for (int i = 0; i < 500; ++i) kSpace.put(store, key(i), std::string(300, static_cast<char>('a' + i % 26)));
  store.settle();
  for (int i = 500; i < 600; ++i) kSpace.put(store, key(i), "in the log only");
  kSpace.put(store, "expiring", "v", {.ttl = 1h});
  const std::map<std::string, std::string> before = everything(store);
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  store.copy(directory.at("copy"), [&](const CopyProgress& progress) {
    EXPECT_GE(progress.bytes_done, done);
    done = progress.bytes_done;
    total = progress.bytes_total;
  });
  EXPECT_GT(total, 0U);
  EXPECT_EQ(done, total);
  kSpace.erase_range(store, all());
  Store copy = open(directory.at("copy"), {.create = false});
  EXPECT_EQ(everything(copy), before);
  EXPECT_GT(kSpace.get_record(copy, "expiring")->expires_micros, 0);
  EXPECT_TRUE(copy.check().clean());
  kSpace.put(copy, "k", "goes on by itself");
  EXPECT_FALSE(kSpace.get(store, "k"));
  EXPECT_GT(copy.version(), 600U) << "versions go on where they were";
}

// Whether what a commit said is there when the store is opened again.
bool is_kept() {
  const TemporaryDirectory directory;
  {
    Store store = open(directory.path());
    kSpace.put(store, "k", "v");
  }
  return kSpace.get(open(directory.path()), "k").has_value();
}

TEST(Commits, AreThereWhenTheStoreIsOpenedAgain) {
  EXPECT_TRUE(is_kept());
  base::set_break(base::Break::engine_ack_before_append, true);
  const bool kept = is_kept();
  base::set_break(base::Break::engine_ack_before_append, false);
  EXPECT_FALSE(kept) << "a commit that is not in the log was not missed";
}

TEST(Upkeep, AStoreAtRestHasItsRecordsInOneRun) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.durability = Durability::process});
  for (int i = 0; i < 3000; ++i) kSpace.put(store, key(i), std::string(1000, 'v'));
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (store.stats().memtable_bytes > 1 << 20 && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_LE(store.stats().memtable_bytes, 1U << 20);
  EXPECT_EQ(store.stats().runs, 1U);
  EXPECT_EQ(kSpace.get(store, key(2999))->size(), 1000U);
}

TEST(Copies, ThatWereKilledAtTheLastStepAreBegunAnewUntilTheyAreOpened) {
  const TemporaryDirectory directory;
  Store store = open(directory.at("store"));
  kSpace.put(store, "k", "1");
  const std::string target = directory.at("copy");
  store.copy(target);
  std::ofstream(target + "/copying").close();  // as if it had been killed before this was removed
  kSpace.put(store, "k", "2");
  store.copy(target);
  std::ofstream(target + "/copying").close();
  {
    Store copy = open(target, {.create = false});
    EXPECT_EQ(kSpace.get(copy, "k")->view(), "2");
    kSpace.put(copy, "k", "3");
  }
  EXPECT_FALSE(std::filesystem::exists(target + "/copying"));
  EXPECT_THROW(store.copy(target), Error) << "it is a store of its own by now";
  EXPECT_EQ(kSpace.get(open(target), "k")->view(), "3");
}

TEST(Copies, AreOfOneMomentWhileWritersGoOn) {
  const TemporaryDirectory directory;
  Store store = open(directory.at("store"), {.durability = Durability::process, .memory_bytes = 64 << 20});
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  // Each transaction writes the same number to all of the keys: a copy that mixes two moments shows.
  std::thread writer([&] {
    while (!stop) {
      store.transact([&](Transaction& tx) {
        for (int i = 0; i < 50; ++i) kSpace.put(tx, key(i), std::to_string(rounds) + std::string(500, '.'));
      });
      ++rounds;
    }
  });
  for (int i = 0; i < 4; ++i) {
    while (rounds < (i + 1) * 20) std::this_thread::sleep_for(1ms);
    const std::string target = directory.at("copy" + std::to_string(i));
    store.copy(target);
    const Store copy = open(target);
    const std::map<std::string, std::string> records = everything(copy);
    EXPECT_EQ(records.size(), 50U);
    for (const auto& [key, value] : records) EXPECT_EQ(value, records.begin()->second);
    if (i == 1) store.settle();
  }
  stop = true;
  writer.join();
}

TEST(Copies, DoNotOverwrite) {
  const TemporaryDirectory directory;
  Store store = open(directory.at("store"));
  kSpace.put(store, "k", "v");
  store.copy(directory.at("copy"));
  expect_error(ErrorCode::invalid_argument, {directory.at("copy")}, [&] { store.copy(directory.at("copy")); });
  std::filesystem::create_directory(directory.at("full"));
  std::ofstream(directory.at("full/letter.txt")) << "dear";
  expect_error(ErrorCode::invalid_argument, {directory.at("full")}, [&] { store.copy(directory.at("full")); });
  EXPECT_EQ(kSpace.get(open(directory.at("copy")), "k")->view(), "v");
  // Where nothing can be made:
  EXPECT_THROW(store.copy(directory.at("full/letter.txt/below")), Error);
}

TEST(Copies, OfAMemoryStoreAreKept) {
  const TemporaryDirectory directory;
  {
    Store store = open(":memory:");
    kSpace.put(store, "k", "v");
    store.copy(directory.at("kept"));
  }
  EXPECT_EQ(kSpace.get(open(directory.at("kept")), "k")->view(), "v");
}

TEST(WhatAStoreSays, AddsUp) {
  const TemporaryDirectory directory;
  Store store = open(directory.path(), {.memory_bytes = 64 << 20});
  EXPECT_TRUE(store.health().good);
  EXPECT_TRUE(store.health().problems.empty());
  for (int i = 0; i < 300; ++i) kSpace.put(store, key(i), std::string(1000, 'v'));
  store.settle();
  for (int i = 0; i < 300; ++i) (void)kSpace.get(store, key(i));
  Transaction tx = store.begin();
  (void)kSpace.get(tx, key(1));
  kSpace.put(store, key(1), "changed");
  kSpace.put(tx, key(1), "lost");
  ASSERT_FALSE(tx.commit());
  const Stats stats = store.stats();
  EXPECT_EQ(stats.version, store.version());
  EXPECT_EQ(stats.commits, 301U);
  EXPECT_GT(stats.groups, 0U);
  EXPECT_LE(stats.groups, stats.commits);
  EXPECT_EQ(stats.conflicts, 1U);
  ASSERT_EQ(stats.conflicts_by_space.size(), 1U);
  EXPECT_EQ(stats.conflicts_by_space[0].space, "things");
  EXPECT_EQ(stats.conflicts_by_space[0].conflicts, 1U);
  EXPECT_GE(stats.syncs, 300U);
  EXPECT_EQ(stats.memory_bytes, stats.memtable_bytes + stats.cache_bytes + stats.index_bytes);
  EXPECT_LE(stats.memory_bytes, stats.memory_budget_bytes);
  EXPECT_EQ(stats.memory_budget_bytes, 64U << 20);
  EXPECT_GT(stats.runs, 0U);
  EXPECT_GT(stats.run_bytes, 0U);
  EXPECT_GT(stats.log_bytes, 0U);
  EXPECT_GT(stats.flushes, 0U);
  EXPECT_GT(stats.bytes_committed, 300'000U);
  EXPECT_GT(stats.bytes_written_log, 300'000U);
  EXPECT_GT(stats.bytes_written_runs, 0U);
  EXPECT_EQ(stats.blocks_healed, 0U);
  EXPECT_GT(stats.cache_hits + stats.cache_misses, 0U);
}

TEST(WhatAStoreSays, CheckReadsEveryByte) {
  const TemporaryDirectory directory;
  Store store = open(directory.path());
  for (int i = 0; i < 200; ++i) kSpace.put(store, key(i), std::string(1000, 'v'));
  store.settle();
  for (int i = 0; i < 20; ++i) kSpace.put(store, key(i), "newer");
  bool asked = false;
  const CheckReport report = store.check([&](const CopyProgress& progress) {
    asked = true;
    EXPECT_LE(progress.bytes_done, progress.bytes_total);
  });
  EXPECT_TRUE(report.clean());
  EXPECT_TRUE(asked);
  EXPECT_GT(report.files, 0U);
  EXPECT_GE(report.records, 200U);
  EXPECT_GT(report.log_entries, 0U);
  EXPECT_GT(report.bytes, 10'000U);
}

// Damage in a run is healed, and said.
TEST(WhatAStoreSays, CheckHealsOneDamagedPlaceAndSaysSo) {
  const TemporaryDirectory directory;
  std::mutex mutex;
  std::vector<std::string> messages;
  Options options;
  options.on_message = [&](const Message& message) {
    const std::lock_guard lock(mutex);
    messages.push_back(message.text);
  };
  Store store = open(directory.path(), options);
  for (int i = 0; i < 300; ++i) kSpace.put(store, key(i), std::string(1000, static_cast<char>('a' + i % 26)));
  store.settle();
  const std::map<std::string, std::string> before = everything(store);
  store.close();
  std::filesystem::path largest;
  for (const auto& entry : std::filesystem::directory_iterator(directory.at("runs"))) {
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) largest = entry.path();
  }
  ASSERT_FALSE(largest.empty());
  {
    std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(largest) / 3));
    file.write("damaged by the test", 19);
  }
  Store again = open(directory.path(), options);
  const CheckReport report = again.check();
  EXPECT_EQ(report.healed, 1U);
  EXPECT_TRUE(report.damage.empty()) << report.damage[0];
  EXPECT_EQ(everything(again), before);
  {
    const std::lock_guard lock(mutex);
    EXPECT_FALSE(messages.empty()) << "healing is told";
  }
  again.settle();
  EXPECT_TRUE(again.check().clean());
}

TEST(DamagedRuns, AreCorruptWhateverTheDirectoryIsCalled) {
  const TemporaryDirectory directory;
  for (const char* called : {"EIO", "ENOENT", "plain"}) {
    const std::string where = directory.at(called);
    {
      Store store = open(where);
      kSpace.put(store, "k", "v");
      store.settle();
    }
    for (const auto& file : std::filesystem::directory_iterator(where + "/runs")) {
      const auto bytes = std::filesystem::file_size(file);
      std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << std::string(bytes, '?');
    }
    Store store = open(where);
    expect_error(ErrorCode::corrupt, {"k"}, [&] { (void)kSpace.get(store, "k"); });
  }
}

}  // namespace
}  // namespace ingot
