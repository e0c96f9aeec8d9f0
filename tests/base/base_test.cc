#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/bytes.h"
#include "base/epoch.h"
#include "base/function_ref.h"
#include "base/hash.h"
#include "base/machine.h"
#include "base/random.h"
#include "base/testing.h"
#include "base/thread.h"

namespace ingot::base {
namespace {

TEST(Bytes, VarintsReadBackAtEveryLength) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << shift, (std::uint64_t{1} << shift) - 1, ~std::uint64_t{0} >> shift}) {
      std::string bytes;
      append_varint(bytes, value);
      EXPECT_EQ(bytes.size(), static_cast<std::size_t>(varint_bytes(value)));
      ByteReader reader(bytes);
      std::uint64_t back = 0;
      ASSERT_TRUE(reader.take_varint(back));
      EXPECT_EQ(back, value);
      EXPECT_TRUE(reader.empty());
      for (std::size_t length = 0; length < bytes.size(); ++length) {
        ByteReader cut(std::string_view(bytes).substr(0, length));
        EXPECT_FALSE(cut.take_varint(back));
      }
    }
  }
}

TEST(Bytes, AVarintThatDoesNotFitIsRefused) {
  std::uint64_t value = 0;
  ByteReader eleven(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  EXPECT_FALSE(eleven.take_varint(value));
  ByteReader too_high(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
  EXPECT_FALSE(too_high.take_varint(value));
}

TEST(Bytes, ASizeBeyondTheEndTakesNothing) {
  ByteReader reader(
      std::string_view("\x05"
                       "four"));
  std::string_view bytes;
  EXPECT_FALSE(reader.take_sized(bytes));
  EXPECT_EQ(reader.remaining(), 5U);
  std::string huge;
  append_varint(huge, ~std::uint64_t{0});
  ByteReader absurd(huge);
  EXPECT_FALSE(absurd.take_sized(bytes));
}

TEST(Bytes, BigEndianSortsAsNumbersDo) {
  char low[8];
  char high[8];
  store_big64(low, 255);
  store_big64(high, 256);
  EXPECT_LT(std::string_view(low, 8), std::string_view(high, 8));
  EXPECT_EQ(load_big64(high), 256U);
}

TEST(Hash, IsXxh3) {
  // Reference values of XXH3 with seed 0 for no input.
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2ULL);
  EXPECT_EQ(hash128("").low, 0x6001c324468d497fULL);
  EXPECT_EQ(hash128("").high, 0x99aa06d3014798d8ULL);
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
}

TEST(Random, NumbersDoNotMeetAndBoundsHold) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_u64());
  EXPECT_EQ(seen.size(), 1000U);
  Random random(7);
  std::set<std::uint64_t> below;
  for (int i = 0; i < 1000; ++i) below.insert(random.below(10));
  EXPECT_EQ(below.size(), 10U);
  EXPECT_EQ(*below.rbegin(), 9U);
}

TEST(WaitWord, ReturnsAtOnceIfTheWordIsAnotherAndFalseAtTheDeadline) {
  WaitWord word(1);
  EXPECT_TRUE(word.wait_until(0, kNever));
  const Instant begun = now();
  EXPECT_FALSE(word.wait_until(1, begun + std::chrono::milliseconds(20)));
  EXPECT_GE(now() - begun, std::chrono::milliseconds(20));
}

TEST(WaitWord, WakesAll) {
  WaitWord word;
  std::atomic<int> awake{0};
  std::vector<Thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back("waiter", [&] {
      while (word.value().load() == 0) word.wait_until(0, kNever);
      awake.fetch_add(1);
    });
  }
  word.value().store(1);
  word.wake_all();
  threads.clear();
  EXPECT_EQ(awake.load(), 4);
}

TEST(ConditionVariable, WakesAndTimesOut) {
  Mutex mutex;
  ConditionVariable changed;
  bool done = false;
  Thread thread("setter", [&] {
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  while (!done) changed.wait(lock);
  EXPECT_FALSE(changed.wait_until(lock, now() + std::chrono::milliseconds(5)));
}

TEST(Thread, AnExceptionEndsTheThreadAndNothingElse) {
  Thread thread("thrower", [] { throw std::runtime_error("lost"); });
  thread.join();
  EXPECT_FALSE(thread.joinable());
}

TEST(Thread, IndexesAreUniqueAmongTheLiving) {
  const std::uint32_t mine = thread_index();
  EXPECT_EQ(thread_index(), mine);
  std::uint32_t other = mine;
  Thread thread("other", [&] { other = thread_index(); });
  thread.join();
  EXPECT_NE(other, mine);
}

TEST(Fork, TheChildKnowsThatItIsOne) {
  const std::uint32_t before = fork_generation();
  const ProcessIdentity parent = process_identity();
  const pid_t child = fork();
  if (child == 0) ::_exit(fork_generation() != before && !(process_identity() == parent) ? 0 : 1);
  int status = 1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(fork_generation(), before);
  EXPECT_GT(parent.start, 0U);
}

TEST(Machine, HasMemory) {
  EXPECT_GT(machine_memory_bytes(), 64U << 20);
}

TEST(Epoch, NothingIsReclaimedUnderAGuard) {
  EpochDomain domain;
  int reclaimed = 0;
  {
    const EpochDomain::Guard outer(domain);
    {
      const EpochDomain::Guard inner(domain);
      domain.retire([&] { ++reclaimed; });
    }
    domain.collect();
    EXPECT_EQ(reclaimed, 0) << "the outer guard is still there";
  }
  domain.collect();
  EXPECT_EQ(reclaimed, 1);
}

TEST(Epoch, WhatIsLeftIsReclaimedAtTheEndAndMayRetireMore) {
  int reclaimed = 0;
  {
    EpochDomain domain;
    const auto guard = std::make_unique<EpochDomain::Guard>(domain);
    domain.retire([&] {
      ++reclaimed;
      domain.retire([&] { ++reclaimed; });
    });
  }
  EXPECT_EQ(reclaimed, 2);
}

TEST(Epoch, ReadersNeverSeeWhatWasReclaimed) {
  struct Node {
    std::atomic<std::uint64_t> alive{0x11ee};
  };
  EpochDomain domain;
  std::atomic<Node*> current{new Node};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> dead_seen{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        const EpochDomain::Guard guard(domain);
        const Node* node = current.load(std::memory_order_seq_cst);
        for (int k = 0; k < 10; ++k) {
          if (node->alive.load(std::memory_order_relaxed) != 0x11ee) dead_seen.fetch_add(1);
        }
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) {
    Node* old = current.exchange(new Node);
    domain.retire([old] {
      old->alive.store(0xdead);
      delete old;
    });
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(dead_seen.load(), 0U);
  delete current.load();
}

TEST(FunctionRef, CallsWhatItRefersTo) {
  int sum = 0;
  const auto add = [&](int a, int b) { return sum += a + b; };
  const FunctionRef<int(int, int)> reference = add;
  EXPECT_EQ(reference(1, 2), 3);
  EXPECT_EQ(sum, 3);
}

TEST(Testing, BreaksAndProbesAreCounted) {
  EXPECT_FALSE(broken(Break::log_skip_sync));
  set_break(Break::log_skip_sync, true);
  EXPECT_TRUE(broken(Break::log_skip_sync));
  set_break(Break::log_skip_sync, false);
  EXPECT_STREQ(break_name(Break::log_skip_sync), "log_skip_sync");
  const std::uint64_t before = probe_count("test: a probe");
  probe("test: a probe");
  EXPECT_EQ(probe_count("test: a probe"), before + 1);
}

}  // namespace
}  // namespace ingot::base
