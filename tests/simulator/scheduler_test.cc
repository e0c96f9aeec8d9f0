// The scheduler: a seed means one run; threads, locks, waits and time behave; what goes wrong is noticed.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "base/thread.h"
#include "base/time.h"
#include "in_world.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;

// Threads of several processes that take locks, wait and sleep.
void busy(World& world) {
  std::vector<Process*> processes;
  for (int i = 0; i < 3; ++i) {
    processes.push_back(&world.scheduler.start("busy", [] {
      base::Mutex mutex;
      base::ConditionVariable changed;
      int turn = 0;
      std::vector<base::Thread> threads;
      for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back("worker", [&, thread] {
          for (int round = 0; round < 5; ++round) {
            std::unique_lock lock(mutex);
            while (turn % 3 != thread) changed.wait(lock);
            ++turn;
            changed.notify_all();
            base::sleep_for(base::Duration(base::random_u64() % 1000));
          }
        });
      }
    }));
  }
  for (Process* process : processes) world.scheduler.wait_for_end(*process);
}

TEST(Scheduler, OneSeedIsOneRunAndAnotherSeedAnother) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Ran first = in_world(seed, busy);
    ASSERT_EQ(first.failure, "");
    EXPECT_EQ(first.hash, in_world(seed, busy).hash) << seed;
    hashes.insert(first.hash);
  }
  EXPECT_EQ(hashes.size(), 50u);
}

TEST(Scheduler, ARaceIsFoundAndALockPreventsIt) {
  int lost_without = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const bool locked : {false, true}) {
      int total = 0;
      const Ran ran = in_world(seed, [&](World& world) {
        Process& process = world.scheduler.start("counter", [&] {
          base::Mutex mutex;
          int counter = 0;
          {
            std::vector<base::Thread> threads;
            for (int i = 0; i < 2; ++i) {
              threads.emplace_back("adder", [&] {
                for (int round = 0; round < 20; ++round) {
                  std::unique_lock lock(mutex, std::defer_lock);
                  if (locked) lock.lock();
                  const int seen = counter;
                  base::yield_thread();
                  counter = seen + 1;
                }
              });
            }
          }
          total = counter;
        });
        world.scheduler.wait_for_end(process);
      });
      ASSERT_EQ(ran.failure, "");
      if (locked) {
        ASSERT_EQ(total, 40);
      }
      if (!locked && total < 40) ++lost_without;
    }
  }
  EXPECT_GT(lost_without, 50);
}

TEST(Scheduler, TimePassesOnlyWhenAllWaitAndAnHourCostsNothing) {
  const auto real_start = std::chrono::steady_clock::now();
  const Ran ran = in_world(1, [](World& world) {
    Process& process = world.scheduler.start("sleeper", [&] {
      const base::Instant start = base::now();
      base::sleep_for(1h);
      const base::Duration slept = base::now() - start;
      if (slept < 1h || slept > 1h + 1ms) world.scheduler.fail("slept for another time");
      base::Mutex mutex;
      base::ConditionVariable never;
      std::unique_lock lock(mutex);
      while (never.wait_until(lock, start + 2h)) {
      }
      if (base::now() < start + 2h) world.scheduler.fail("the deadline came early");
      base::WaitWord word(7);
      if (!word.wait_until(8, start + 3h)) world.scheduler.fail("waited for a word that is another");
      while (word.wait_until(7, start + 3h)) {
      }
      if (base::now() < start + 3h) world.scheduler.fail("the word's deadline came early");
    });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_LT(std::chrono::steady_clock::now() - real_start, 20s);
}

TEST(Scheduler, ADeadlockIsAFailureThatNamesWhoWaits) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      Process& process = world.scheduler.start("crossed", [] {
        base::Mutex one;
        base::Mutex two;
        base::Thread other("other", [&] {
          const std::lock_guard first(two);
          const std::lock_guard second(one);
        });
        const std::lock_guard first(one);
        const std::lock_guard second(two);
      });
      world.scheduler.wait_for_end(process);
    });
    if (ran.failure.empty()) continue;
    ++found;
    EXPECT_NE(ran.failure.find("deadlock"), std::string::npos) << ran.failure;
    EXPECT_NE(ran.failure.find("(other) waits without a deadline"), std::string::npos) << ran.failure;
  }
  EXPECT_GT(found, 5);
  EXPECT_LT(found, 100);
}

TEST(Scheduler, ALostWakeUpIsADeadlock) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      Process& process = world.scheduler.start("careless", [] {
        base::Mutex mutex;
        base::ConditionVariable changed;
        std::atomic<bool> ready = false;
        base::Thread other("setter", [&] {
          ready = true;  // without the mutex, so it can come between the look and the wait
          changed.notify_one();
        });
        std::unique_lock lock(mutex);
        while (!ready) {
          base::yield_thread();
          changed.wait(lock);
        }
      });
      world.scheduler.wait_for_end(process);
    });
    if (!ran.failure.empty()) ++found;
  }
  EXPECT_GT(found, 5);
}

struct Noisy {
  explicit Noisy(int& its_count) : count(its_count) {}
  ~Noisy() { ++count; }
  int& count;
};

TEST(Scheduler, AKilledProcessLosesItsMemoryWithoutDestructors) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    int destroyed = 0;
    const Ran ran = in_world(seed, [&](World& world) {
      Process& process = world.scheduler.start("victim", [&] {
        const auto held = std::make_unique<Noisy>(destroyed);
        std::vector<std::string> strings(10, std::string(1000, 'x'));
        base::Thread other("other", [&] {
          const std::vector<int> more(1000);
          for (;;) base::sleep_for(1us);
        });
        for (;;) base::yield_thread();
      });
      world.scheduler.kill_after(process, world.chance.between(1, 300));
      world.scheduler.wait_for_end(process);
      if (process.state() != Process::State::killed) world.scheduler.fail("it was not killed");
      if (process.memory().count() != 0) world.scheduler.fail("its memory is still there");
    });
    EXPECT_EQ(ran.failure, "");
    EXPECT_EQ(ran.report.counted(Fault::kill), 1u);
    EXPECT_EQ(destroyed, 0);
  }
}

TEST(Scheduler, MemoryThatIsNotGivenBackAtTheEndIsAFailure) {
  std::string* leaked = nullptr;
  const Ran ran = in_world(1, [&leaked](World& world) {
    Process& process = world.scheduler.start("leaker", [&leaked] { leaked = new std::string(100, 'x'); });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_NE(leaked, nullptr);
  EXPECT_NE(ran.failure.find("not freed"), std::string::npos) << ran.failure;
}

TEST(Scheduler, ExceptionsMayBeInFlightInSeveralFibers) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    struct Stepper {
      ~Stepper() { base::yield_thread(); }
    };
    const Ran ran = in_world(seed, [](World& world) {
      Process& process = world.scheduler.start("thrower", [&world] {
        std::vector<base::Thread> threads;
        for (int i = 0; i < 3; ++i) {
          threads.emplace_back("thrower", [&world, i] {
            for (int round = 0; round < 10; ++round) {
              const std::string text = std::to_string(i * 100 + round);
              try {
                try {
                  const Stepper stepper;  // lets others run while this exception unwinds
                  throw std::runtime_error(text);
                } catch (const std::exception&) {
                  base::yield_thread();
                  throw;
                }
              } catch (const std::exception& error) {
                base::yield_thread();
                if (error.what() != text) world.scheduler.fail("somebody else's exception");
              }
              if (std::uncaught_exceptions() != 0) world.scheduler.fail("an exception is left over");
            }
          });
        }
      });
      world.scheduler.wait_for_end(process);
    });
    ASSERT_EQ(ran.failure, "");
  }
}

TEST(Scheduler, AnExceptionThatLeavesAProcessIsAFailure) {
  const Ran ran = in_world(1, [](World& world) {
    Process& process = world.scheduler.start("thrower", [] { throw std::runtime_error("out of here"); });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_NE(ran.failure.find("out of here"), std::string::npos) << ran.failure;
}

TEST(Scheduler, AProcessThatLosesItsWayIsAFailure) {
  const Ran ran = in_world(1, [](World& world) {
    world.scheduler.set_steps_max(10'000);
    Process& process = world.scheduler.start("lost", [] {
      for (;;) base::yield_thread();
    });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_NE(ran.failure.find("no end"), std::string::npos) << ran.failure;
}

TEST(Scheduler, SpinningForAnotherFiberEnds) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      Process& process = world.scheduler.start("spinner", [] {
        std::atomic<int> stage = 0;
        base::Thread other("other", [&] {
          while (stage != 1) base::spin_pause();
          stage = 2;
        });
        stage = 1;
        while (stage != 2) base::spin_pause();
      });
      world.scheduler.wait_for_end(process);
    });
    ASSERT_EQ(ran.failure, "") << seed;
  }
}

TEST(Scheduler, ThreadsHaveSmallIndexesAndProcessesTheirOwnIdentityAndChance) {
  std::set<std::uint64_t> draws;
  const Ran ran = in_world(3, [&](World& world) {
    std::vector<std::uint64_t> starts;
    for (int i = 0; i < 4; ++i) {
      std::uint64_t draw = 0;
      std::uint64_t start = 0;
      Process& process = world.scheduler.start("one", [&] {
        draw = base::random_u64();
        start = base::process_identity().start;
        if (base::thread_index() != 0) world.scheduler.fail("the first thread is not number 0");
        for (int round = 0; round < 3; ++round) {
          base::Thread thread("two", [&] {
            if (base::thread_index() != 1) world.scheduler.fail("an index is not used again");
          });
        }
      });
      world.scheduler.wait_for_end(process);
      draws.insert(draw);
      starts.push_back(start);
    }
    if (std::set<std::uint64_t>(starts.begin(), starts.end()).size() != 4) world.scheduler.fail("one identity, twice");
  });
  EXPECT_EQ(draws.size(), 4u);
}

TEST(Scheduler, APausedProcessStandsStillAndGoesOn) {
  const Ran ran = in_world(3, [](World& world) {
    base::Instant last{};
    bool gap = false;
    Process& process = world.scheduler.start("walker", [&] {
      for (int i = 0; i < 2000; ++i) {
        base::sleep_for(1us);
        const base::Instant now = base::now();
        if (last != base::Instant{} && now - last >= 1min) gap = true;
        last = now;
      }
    });
    base::sleep_for(100us);
    world.scheduler.pause(process, 1min);
    base::sleep_for(30s);
    if (gap || base::now() - last < 29s) world.scheduler.fail("it walked on");
    world.scheduler.wait_for_end(process);
    if (!gap) world.scheduler.fail("it did not notice");
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.counted(Fault::pause), 1u);
}

TEST(Scheduler, ProbesAreCountedInTheReport) {
  const Ran ran = in_world(3, [](World& world) {
    Process& process = world.scheduler.start("prober", [] {
      base::probe("test: here");
      base::probe("test: here");
    });
    world.scheduler.wait_for_end(process);
  });
  EXPECT_EQ(ran.failure, "");
  ASSERT_TRUE(ran.report.probes.contains("test: here"));
  EXPECT_EQ(ran.report.probes.find("test: here")->second, 2u);
}

}  // namespace
}  // namespace ingot::simulator
