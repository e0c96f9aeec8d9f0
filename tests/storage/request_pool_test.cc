// The threads for requests: as many at once as there is to do, up to a bound; none stands behind an upload; and how
// long a request waits before it is sent again.
#include "storage/request_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "storage/back_off.h"

namespace ingot::storage {
namespace {

using namespace std::chrono_literals;

// So many requests that all wait for each other: they end only if all are called at once.
class Meeting {
 public:
  explicit Meeting(std::size_t wanted) : wanted_(wanted) {}
  bool join(base::Duration patience = 10s) {
    std::unique_lock lock(mutex_);
    ++here_;
    changed_.notify_all();
    const base::Instant until = base::now() + patience;
    while (here_ < wanted_) {
      if (!changed_.wait_until(lock, until) && base::now() >= until) return false;
    }
    return true;
  }
  std::size_t here() {
    const std::lock_guard lock(mutex_);
    return here_;
  }

 private:
  const std::size_t wanted_;
  base::Mutex mutex_;
  base::ConditionVariable changed_;
  std::size_t here_ = 0;
};

TEST(RequestPool, AsManyAreUnderWayAtOnceAsTheBoundAllows) {
  RequestPool pool(8);
  Meeting meeting(8);
  std::atomic<int> met = 0;
  RequestGroup group(pool, Urgency::prompt);
  for (int i = 0; i < 8; ++i) group.start([&] { met += meeting.join() ? 1 : 0; });
  group.wait();
  EXPECT_EQ(met, 8);
  EXPECT_EQ(pool.threads(), 8U);
  std::atomic<int> more = 0;
  for (int i = 0; i < 100; ++i) group.start([&] { ++more; });
  group.wait();
  EXPECT_EQ(more, 100);
  EXPECT_EQ(pool.threads(), 8U);
}

TEST(RequestPool, WhatIsPromptNeverStandsBehindWhatIsNot) {
  RequestPool pool(8);
  Meeting release(7);
  RequestGroup uploads(pool, Urgency::bulk);
  for (int i = 0; i < 20; ++i) uploads.start([&] { (void)release.join(); });
  Meeting prompt(2);
  RequestGroup group(pool, Urgency::prompt);
  std::atomic<int> met = 0;
  for (int i = 0; i < 2; ++i) group.start([&] { met += prompt.join() ? 1 : 0; });
  group.wait();
  EXPECT_EQ(met, 2);
  EXPECT_LE(release.here(), 6U) << "three quarters";
  EXPECT_TRUE(release.join()) << "as the seventh";
  uploads.wait();
}

TEST(RequestPool, ARequestThatThrowsEndsAndNothingElse) {
  RequestPool pool(2);
  RequestGroup group(pool, Urgency::prompt);
  std::atomic<int> called = 0;
  for (int i = 0; i < 10; ++i) {
    group.start([&] {
      ++called;
      throw std::runtime_error("of no interest");
    });
  }
  group.wait();
  EXPECT_EQ(called, 10);
}

TEST(RequestPool, ItsEndWaitsForWhatHasBegunAndForgetsTheRest) {
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  {
    RequestPool pool(2);
    for (int i = 0; i < 10; ++i) {
      pool.start(Urgency::prompt, [&] {
        ++begun;
        base::sleep_for(20ms);
        ++ended;
      });
    }
    while (begun == 0) base::sleep_for(1ms);
  }
  EXPECT_EQ(begun, ended);
  EXPECT_LT(begun, 10);
}

TEST(RequestPool, AForksChildHasNone) {
  RequestPool pool(2);
  RequestGroup before(pool, Urgency::prompt);
  before.start([] {});
  before.wait();
  const pid_t child = ::fork();
  if (child == 0) {
    bool called = false;
    {
      RequestGroup group(pool, Urgency::prompt);
      group.start([&] { called = true; });
      group.wait();
    }
    ::_exit(called ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(RequestPool, WithoutAnyThreadItIsTheCallersOwn) {
  const pid_t child = ::fork();
  if (child == 0) {
    // No room for another stack.
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages;
    const rlimit limit{(pages + 512) * 4096, (pages + 512) * 4096};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
    try {  // until the stacks that the C library has kept are used up
      for (int i = 0; i < 1000; ++i) std::thread([] { ::pause(); }).detach();
      ::_exit(3);
    } catch (const std::exception&) {
    }
    RequestPool pool(2);
    int called = 0;
    pool.start(Urgency::prompt, [&] { ++called; });
    pool.start(Urgency::bulk, [&] { ++called; });
    ::_exit(called == 2 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(BackOff, GrowsToItsBoundAndIsNeverTheSame) {
  BackOff back_off(100ms, 2s);
  std::set<base::Duration> seen;
  base::Duration low = 50ms;
  for (int i = 0; i < 20; ++i) {
    const base::Duration pause = back_off.next({});
    EXPECT_GE(pause, low);
    EXPECT_LE(pause, 2 * low);
    seen.insert(pause);
    low = std::min<base::Duration>(2 * low, 1s);
  }
  EXPECT_GT(seen.size(), 10U);
  back_off.reset();
  EXPECT_LE(back_off.next({}), 100ms);
}

TEST(BackOff, HonoursWhatTheBucketAsksForWithinReason) {
  BackOff back_off;
  Answer answer;
  answer.outcome = Outcome::throttled;
  answer.retry_after = 7s;
  EXPECT_EQ(back_off.next(answer), 7s);
  answer.retry_after = 24h;
  EXPECT_EQ(back_off.next(answer), BackOff::kRetryAfterMax);
}

TEST(BackOff, AConflictIsSentAgainAtOnceUnlessItStays) {
  BackOff back_off(1s, 10s);
  Answer conflict;
  conflict.outcome = Outcome::conflict;
  for (int i = 0; i < 3; ++i) EXPECT_LE(back_off.next(conflict), 4ms);
  EXPECT_GE(back_off.next(conflict), 500ms);
}

}  // namespace
}  // namespace ingot::storage
