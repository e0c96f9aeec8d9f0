// Transactions: what conflicts and what does not, own writes, retries, roll-back.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/expect_error.h"
#include "ingot/ingot.h"

namespace ingot {
namespace {

using testing::expect_error;

std::vector<std::string> keys_of(Scan scan) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : scan) keys.emplace_back(key);
  return keys;
}
std::vector<std::string> list(std::initializer_list<const char*> keys) {
  return {keys.begin(), keys.end()};
}

class Transactions : public ::testing::Test {
 protected:
  Transactions() {
    for (const char* key : {"b", "d", "f"}) space_.put(store_, key, key);
  }
  // What another transaction does meanwhile, and whether `tx` still wins.
  template <class Other>
  bool wins_after(Transaction& tx, Other&& other) {
    space_.put(tx, "own", "x");  // a transaction without writes never loses
    other();
    return tx.commit().has_value();
  }

  Store store_ = open(":memory:");
  Space space_{"space"};
};

TEST_F(Transactions, ALostCommitReturnsNothingAndWritesNothing) {
  Transaction tx = store_.begin();
  (void)space_.get(tx, "b");
  EXPECT_FALSE(wins_after(tx, [&] { space_.put(store_, "b", "other"); }));
  EXPECT_FALSE(space_.get(store_, "own"));
  EXPECT_EQ(space_.get(store_, "b")->view(), "other");
  EXPECT_GE(store_.stats().conflicts, 1U);
}

TEST_F(Transactions, BlindWritesNeverConflict) {
  Transaction first = store_.begin();
  Transaction second = store_.begin();
  space_.put(first, "b", "first");
  space_.put(second, "b", "second");
  space_.erase(second, "d");
  space_.erase_range(first, prefix("f"));
  space_.put(second, "f", "again");
  const std::optional<Version> a = first.commit();
  const std::optional<Version> b = second.commit();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*b, *a + 1);
  EXPECT_EQ(space_.get(store_, "b")->view(), "second");
  EXPECT_EQ(space_.get(store_, "f")->view(), "again");
  EXPECT_FALSE(space_.get(store_, "d"));
}

TEST_F(Transactions, AddsNeverConflictAndNoneIsLost) {
  Transaction first = store_.begin();
  Transaction second = store_.begin();
  space_.add(first, "count", 5);
  space_.add(second, "count", -7);
  EXPECT_TRUE(first.commit());
  EXPECT_TRUE(second.commit());
  EXPECT_EQ(space_.get(store_, "count")->counter(), -2);
}

TEST_F(Transactions, AReadOfAKeyConflictsWithEveryWayOfChangingIt) {
  const std::vector<std::pair<const char*, std::function<void()>>> changes = {
      {"put", [&] { space_.put(store_, "b", "2"); }},
      {"erase", [&] { space_.erase(store_, "b"); }},
      {"erase_range", [&] { space_.erase_range(store_, between("a", "c")); }},
      {"add", [&] { space_.add(store_, "b", 1); }},
      {"expire", [&] { space_.expire(store_, "b", std::chrono::hours(1)); }},
  };
  for (const auto& [what, change] : changes) {
    space_.put(store_, "b", "1");
    Transaction tx = store_.begin();
    EXPECT_TRUE(space_.get(tx, "b"));
    EXPECT_FALSE(wins_after(tx, change)) << what;
    Transaction other = store_.begin();
    (void)space_.get(other, "d");
    space_.put(store_, "b", "1");
    EXPECT_TRUE(wins_after(other, change)) << what << " of another key";
  }
}

TEST_F(Transactions, AReadOfAnAbsentKeyConflictsWithItsAppearance) {
  Transaction tx = store_.begin();
  EXPECT_FALSE(space_.get(tx, "new"));
  EXPECT_FALSE(wins_after(tx, [&] { space_.put(store_, "new", "1"); }));
}

TEST_F(Transactions, AScanConflictsWithAPhantomInsideItAndNotOutside) {
  for (const bool reverse : {false, true}) {
    Transaction inside = store_.begin();
    EXPECT_EQ(keys_of(space_.scan(inside, between("a", "e"), {.reverse = reverse})).size(), 2U);
    EXPECT_FALSE(wins_after(inside, [&] { space_.put(store_, "c", "phantom"); }));
    space_.erase(store_, "c");
    Transaction outside = store_.begin();
    EXPECT_EQ(keys_of(space_.scan(outside, between("a", "e"), {.reverse = reverse})).size(), 2U);
    EXPECT_TRUE(wins_after(outside, [&] { space_.put(store_, "e", "not inside"); }));
    space_.erase(store_, "e");
  }
}

// Its memory is bounded: beyond that, neighbouring keys become ranges. That may make more conflicts, never fewer.
TEST_F(Transactions, AVeryLargeReadSetStillConflictsWithWhatItRead) {
  const auto key_of = [](int i) {
    std::string key = std::to_string(100'000 + i);
    key.resize(8'000, 'k');
    return key;
  };
  for (const bool touched : {true, false}) {
    Transaction tx = store_.begin();
    for (int i = 0; i < 1'200; ++i) EXPECT_FALSE(space_.get(tx, key_of(i)));
    space_.put(store_, touched ? key_of(700) : std::string("z"), "v");
    space_.put(tx, "mine", "v");
    EXPECT_EQ(tx.commit().has_value(), !touched);
    space_.erase(store_, key_of(700));
  }
}

TEST_F(Transactions, AScanOfAnEmptyRangeConflictsWithItsFirstRecord) {
  Transaction tx = store_.begin();
  EXPECT_TRUE(keys_of(space_.scan(tx, prefix("nothing"))).empty());
  EXPECT_FALSE(wins_after(tx, [&] { space_.put(store_, "nothing at all", "1"); }));
}

TEST_F(Transactions, AScanThatWasStoppedRecordsOnlyWhatItPassed) {
  Transaction tx = store_.begin();
  {
    Scan scan = space_.scan(tx);
    ASSERT_TRUE(scan.next());
    EXPECT_EQ(scan.key(), "b");
  }
  EXPECT_TRUE(wins_after(tx, [&] { space_.put(store_, "c", "behind the stop"); }));

  Transaction backwards = store_.begin();
  {
    Scan scan = space_.scan(backwards, {}, {.reverse = true, .limit = 1});
    ASSERT_TRUE(scan.next());
    EXPECT_EQ(scan.key(), "own");
    EXPECT_FALSE(scan.next());
  }
  EXPECT_TRUE(wins_after(backwards, [&] { space_.put(store_, "e", "before the last"); }));

  Transaction passed = store_.begin();
  {
    Scan scan = space_.scan(passed);
    ASSERT_TRUE(scan.next() && scan.next());
  }
  EXPECT_FALSE(wins_after(passed, [&] { space_.put(store_, "a", "before the first"); }));
}

TEST_F(Transactions, PeeksAreNotRecorded) {
  Transaction tx = store_.begin();
  EXPECT_EQ(space_.peek(tx, "b")->view(), "b");
  EXPECT_EQ(keys_of(space_.scan(tx, all(), {.peek = true})).size(), 3U);
  EXPECT_TRUE(wins_after(tx, [&] { space_.put(store_, "b", "changed"); }));
}

TEST_F(Transactions, WithoutWritesOneNeverLosesAndReturnsWhatItRead) {
  Transaction tx = store_.begin();
  (void)space_.get(tx, "b");
  const Version version = store_.version();
  space_.put(store_, "b", "changed");
  EXPECT_EQ(space_.get(tx, "b")->view(), "b") << "reads stay as of the begin";
  EXPECT_EQ(tx.snapshot_version(), version);
  EXPECT_EQ(tx.commit(), version);
}

TEST_F(Transactions, ReadsSeeTheirOwnWrites) {
  Transaction tx = store_.begin();
  space_.put(tx, "a", "1");
  space_.put(tx, "d", "new");
  space_.erase(tx, "f");
  space_.add(tx, "z", 3);
  space_.add(tx, "z", 4);
  EXPECT_EQ(space_.get(tx, "a")->view(), "1");
  EXPECT_EQ(space_.get(tx, "d")->view(), "new");
  EXPECT_FALSE(space_.get(tx, "f"));
  EXPECT_EQ(space_.get(tx, "z")->counter(), 7);
  EXPECT_EQ(space_.get_record(tx, "a")->version, 0U);
  EXPECT_NE(space_.get_record(tx, "b")->version, 0U);
  const std::vector<std::string> wanted = {"a", "missing", "f", "b"};
  const std::vector<std::optional<Value>> many = space_.get_many(tx, wanted);
  EXPECT_TRUE(many[0] && !many[1] && !many[2] && many[3]);
  EXPECT_EQ(keys_of(space_.scan(tx)), list({"a", "b", "d", "z"}));
  EXPECT_EQ(keys_of(space_.scan(tx, all(), {.reverse = true})), list({"z", "d", "b", "a"}));
  EXPECT_EQ(keys_of(space_.scan(tx, between("b", "z"), {.reverse = true})), list({"d", "b"}));
  EXPECT_EQ(keys_of(space_.scan(tx, all(), {.limit = 2})), list({"a", "b"}));
  EXPECT_EQ(keys_of(space_.scan(store_)), list({"b", "d", "f"})) << "nobody else sees them yet";

  space_.erase_range(tx, between("a", "e"));
  EXPECT_EQ(keys_of(space_.scan(tx)), list({"z"})) << "f was erased before";
  space_.put(tx, "c", "after the erasure");
  EXPECT_EQ(keys_of(space_.scan(tx)), list({"c", "z"}));
  EXPECT_EQ(keys_of(space_.scan(tx, all(), {.reverse = true})), list({"z", "c"}));
  EXPECT_FALSE(space_.get(tx, "b"));
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(keys_of(space_.scan(store_)), list({"c", "z"}));
}

TEST_F(Transactions, RollsBackWhenItIsDropped) {
  const Version before = store_.version();
  {
    Transaction tx = store_.begin();
    space_.put(tx, "b", "dropped");
    EXPECT_GT(tx.bytes(), 0U);
  }
  EXPECT_EQ(store_.version(), before);
  EXPECT_EQ(space_.get(store_, "b")->view(), "b");
}

TEST_F(Transactions, AnEndedOneSaysSo) {
  Transaction tx = store_.begin();
  space_.put(tx, "b", "1");
  ASSERT_TRUE(tx.commit());
  expect_error(ErrorCode::closed, {"ended"}, [&] { space_.put(tx, "b", "2"); });
  expect_error(ErrorCode::closed, {"ended"}, [&] { (void)space_.get(tx, "b"); });
  expect_error(ErrorCode::closed, {"ended"}, [&] { (void)space_.scan(tx); });
  expect_error(ErrorCode::closed, {"ended"}, [&] { tx.commit(); });
}

TEST_F(Transactions, TransactReturnsWhatTheFunctionReturns) {
  EXPECT_EQ(store_.transact([&](Transaction& tx) { return space_.get(tx, "b")->str(); }), "b");
  store_.transact([&](Transaction& tx) { space_.put(tx, "void", "1"); });
  EXPECT_TRUE(space_.get(store_, "void"));
  const std::unique_ptr<int> only_moves = store_.transact([](Transaction&) { return std::make_unique<int>(7); });
  EXPECT_EQ(*only_moves, 7);
  int outside = 0;
  int& same = store_.transact([&](Transaction&) -> int& { return outside; });
  EXPECT_EQ(&same, &outside);
}

TEST_F(Transactions, AnExceptionRollsBackAndPassesThrough) {
  EXPECT_THROW(store_.transact([&](Transaction& tx) {
    space_.put(tx, "b", "half");
    throw std::domain_error("the application's own");
  }),
               std::domain_error);
  EXPECT_EQ(space_.get(store_, "b")->view(), "b");
}

TEST_F(Transactions, TransactRunsAgainUntilItWins) {
  int runs = 0;
  store_.transact([&](Transaction& tx) {
    const std::string seen = space_.get(tx, "b")->str();
    if (++runs <= 5) space_.put(store_, "b", seen + "!");
    space_.put(tx, "result", seen);
  });
  EXPECT_EQ(runs, 6);
  EXPECT_EQ(space_.get(store_, "result")->view(), "b!!!!!");
}

TEST_F(Transactions, ConcurrentReadModifyWritesLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k) {
        store_.transact([&](Transaction& tx) {
          const std::optional<Value> old = space_.get(tx, "sum");
          space_.put(tx, "sum", std::to_string((old ? std::stoi(old->str()) : 0) + 1));
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(space_.get(store_, "sum")->view(), std::to_string(kThreads * kEach));
}

// A long transaction against many short ones on the same key: fairness lets it through.
TEST_F(Transactions, ALongOneGetsThroughAgainstShortOnes) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        store_.transact([&](Transaction& tx) { space_.put(tx, "hot", space_.get(tx, "hot") ? "1" : "0"); });
      }
    });
  }
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    store_.transact([&](Transaction& tx) {
      (void)space_.get(tx, "hot");
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      space_.put(tx, "long", "1");
    });
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

// Two transactions that each read what the other writes: one must lose (write skew).
TEST_F(Transactions, WriteSkewIsAConflict) {
  Transaction first = store_.begin();
  Transaction second = store_.begin();
  (void)space_.get(first, "b");
  (void)space_.get(second, "d");
  space_.put(first, "d", "1");
  space_.put(second, "b", "1");
  EXPECT_TRUE(first.commit());
  EXPECT_FALSE(second.commit());
}

TEST_F(Transactions, AnEntryThatExpiresBeforeTheCommitIsAConflict) {
  space_.put(store_, "brief", "1", {.ttl = std::chrono::milliseconds(40)});
  Transaction tx = store_.begin();
  ASSERT_TRUE(space_.get(tx, "brief"));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  EXPECT_TRUE(space_.get(tx, "brief")) << "a transaction sees what it saw at its begin";
  EXPECT_FALSE(wins_after(tx, [] {}));
}

TEST_F(Transactions, MoveLeavesNothingBehind) {
  Transaction tx = store_.begin();
  space_.put(tx, "moved", "1");
  Transaction there = std::move(tx);
  tx = store_.begin();
  space_.put(tx, "second", "2");
  EXPECT_TRUE(there.commit());
  EXPECT_TRUE(tx.commit());
  EXPECT_TRUE(space_.get(store_, "moved") && space_.get(store_, "second"));
}

TEST_F(Transactions, AnOwnWriteThatHasExpiredIsSeenByNobody) {
  // "A time that has passed is allowed: nobody sees the record." Neither does the transaction that wrote it, and what
  // it has not seen can't make it lose: transact would run it again for ever.
  Transaction tx = store_.begin();
  space_.put(tx, "c", "gone", {.expires_micros = 1});
  space_.put(tx, "d", "gone", {.expires_micros = 1});
  space_.put(tx, "n", std::string("\7\0\0\0\0\0\0\0", 8), {.expires_micros = 1});
  space_.add(tx, "n", 5);
  EXPECT_FALSE(space_.get(tx, "c"));
  EXPECT_FALSE(space_.get(tx, "d")) << "nor what it had replaced";
  EXPECT_EQ(space_.get(tx, "n")->counter(), 5) << "an expired base counts as absent";
  EXPECT_EQ(keys_of(space_.scan(tx)), list({"b", "f", "n"}));
  EXPECT_EQ(keys_of(space_.scan(tx, all(), {.reverse = true})), list({"n", "f", "b"}));
  EXPECT_TRUE(tx.commit());
  EXPECT_EQ(keys_of(space_.scan(store_)), list({"b", "f", "n"}));
  EXPECT_EQ(space_.get(store_, "n")->counter(), 5);
}

TEST_F(Transactions, AnOwnWriteThatExpiresBeforeTheCommitIsNoConflict) {
  for (const bool reverse : {false, true}) {
    Transaction tx = store_.begin();
    space_.put(tx, "brief", "1", {.ttl = std::chrono::milliseconds(10)});
    EXPECT_EQ(keys_of(space_.scan(tx, prefix("br"), {.reverse = reverse})), list({"brief"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(tx.commit()) << "it was not read from the store; transact would run it again for ever";
  }
}

TEST_F(Transactions, AnErasureThatDoesNotFitErasesNothing) {
  // Nearly full, with records of its own in the range: those are erased with it, or none is.
  for (std::size_t room = 30; room < 120; room += 4) {
    Transaction tx = store_.begin();
    for (const char* key : {"m1", "m2", "m3", "m4"}) space_.put(tx, key, "own");
    while (kTransactionBytesMax - tx.bytes() > room + 50) {
      space_.put(tx, "filler",
                 std::string(std::min(kTransactionBytesMax - tx.bytes() - room - 50, kValueBytesMax), 'f'));
    }
    while (kTransactionBytesMax - tx.bytes() > room + 20) space_.erase(tx, "");
    bool erased = true;
    try {
      space_.erase_range(tx, prefix("m"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::too_large);
      erased = false;
    }
    ASSERT_EQ(keys_of(space_.scan(tx, prefix("m"))).size(), erased ? 0U : 4U) << room;
  }
}

TEST_F(Transactions, EldersThatNestDoNotWaitForEachOther) {
  // Both lose often enough to be let go first; the inner one can't wait until the outer one has ended.
  int outer = 0;
  int inner = 0;
  store_.transact([&](Transaction& tx) {
    (void)space_.get(tx, "b");
    space_.put(tx, "outer", "x");
    if (++outer < 8) return space_.put(store_, "b", std::to_string(outer));
    store_.transact([&](Transaction& nested) {
      (void)space_.get(nested, "d");
      space_.put(nested, "inner", "x");
      if (++inner < 8) space_.put(store_, "d", std::to_string(inner));
    });
  });
  EXPECT_EQ(outer, 8);
  EXPECT_EQ(inner, 8);
  EXPECT_TRUE(space_.get(store_, "outer") && space_.get(store_, "inner"));
}

TEST_F(Transactions, WhatWasMovedFromSaysSo) {
  Transaction tx = store_.begin();
  const Transaction there = std::move(tx);
  const auto says = {std::string_view("moved from")};
  expect_error(ErrorCode::closed, says, [&] { (void)space_.get(tx, "b"); });
  expect_error(ErrorCode::closed, says, [&] { (void)space_.peek(tx, "b"); });
  expect_error(ErrorCode::closed, says, [&] { tx.commit(); });
  expect_error(ErrorCode::closed, says, [&] { (void)tx.snapshot_version(); });
  expect_error(ErrorCode::closed, says, [&] { (void)tx.bytes(); });
  Snapshot snapshot = store_.snapshot();
  const Snapshot kept = std::move(snapshot);
  expect_error(ErrorCode::closed, says, [&] { (void)snapshot.version(); });
  expect_error(ErrorCode::closed, says, [&] { (void)space_.get(snapshot, "b"); });
}

}  // namespace
}  // namespace ingot
