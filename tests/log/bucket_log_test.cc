// The log in a bucket, step by step, on a bucket that does as it is told.
#include <atomic>
#include <thread>

#include "bucket_fixture.h"

namespace ingot::log {
namespace {

using namespace std::chrono_literals;
using Verb = MemoryBucket::Verb;
using storage::Answer;
using storage::Outcome;

TEST(BucketLog, WhatOneAppendsTheOtherReads) {
  MemoryBucket bucket;
  BucketHandle first;
  BucketHandle second;
  ASSERT_TRUE(first.open(bucket)) << first.why;
  ASSERT_TRUE(second.open(bucket)) << second.why;
  EXPECT_EQ(first.append("a"), Append::kept);
  EXPECT_EQ(first.append("b"), Append::kept);
  EXPECT_EQ(second.append("c"), Append::lost);
  EXPECT_EQ(second.read(), Read::caught_up);
  EXPECT_EQ(second.append("c"), Append::kept);
  EXPECT_EQ(first.look_and_read(), Read::caught_up);
  EXPECT_EQ(first.payloads, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(second.payloads, first.payloads);
  EXPECT_EQ(first.log->position().version, 3U);
  EXPECT_EQ(second.log->position().link, first.log->position().link);
  BucketHandle third;
  ASSERT_TRUE(third.open(bucket)) << third.why;
  EXPECT_EQ(third.payloads, first.payloads);
}

TEST(BucketLog, ManyThreadsOfManyHandlesMakeOneLog) {
  MemoryBucket bucket;
  bucket.put_micros = 300;
  bucket.get_micros = 100;
  std::vector<std::thread> threads;
  std::vector<std::vector<std::string>> seen(4);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] {
      BucketHandle handle;
      ASSERT_TRUE(handle.open(bucket)) << handle.why;
      std::atomic<bool> stop = false;
      std::thread asks([&] {
        while (!stop) {
          (void)handle.log->published();
          (void)handle.log->look(within(1s));
          (void)handle.log->stats();
          (void)handle.log->wait(handle.log->published(), within(2ms));
        }
      });
      for (int n = 0; n < 50; ++n) {
        const std::string payload = std::to_string(i) + "." + std::to_string(n);
        Append appended = Append::lost;
        while ((appended = handle.append(payload)) == Append::lost) EXPECT_EQ(handle.read(), Read::caught_up);
        EXPECT_EQ(appended, Append::kept) << handle.log->why();
      }
      stop = true;
      asks.join();
      EXPECT_EQ(handle.look_and_read(), Read::caught_up);
      seen[i] = handle.payloads;
    });
  }
  for (std::thread& thread : threads) thread.join();
  BucketHandle last;
  ASSERT_TRUE(last.open(bucket)) << last.why;
  EXPECT_EQ(last.payloads.size(), 200U);
  for (const auto& one : seen) {
    ASSERT_LE(one.size(), last.payloads.size());
    EXPECT_TRUE(std::equal(one.begin(), one.end(), last.payloads.begin()));
  }
}

}  // namespace
}  // namespace ingot::log
