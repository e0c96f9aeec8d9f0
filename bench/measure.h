// The timed loop: the same for every engine and workload.
//
// Each thread has its own session and generator. It warms up with the same operation, waits for the others, then runs
// until the time is over or its count is done. With timing `each`, an operation begins when the one before has ended:
// one clock read an operation. With `sampled`, every eighth is timed by itself: reads take well below a microsecond.
#pragma once

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "data.h"
#include "engine.h"
#include "histogram.h"

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// What an engine answered is not what was stored. Ends the benchmark: figures of a broken engine mean nothing.
class WrongAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Timing { each, sampled };

struct Plan {
  std::uint64_t threads = 1;
  double seconds = 1;            // how long; unless:
  std::uint64_t operations = 0;  // not 0: exactly so many, all threads together
  double warmup_seconds = 0;
  Timing timing = Timing::each;
};

struct Measured {
  double seconds = 0;
  std::uint64_t operations = 0;
  std::uint64_t checksum = 0;  // of each thread's first kChecked operations: depends on data and seed alone
  Histogram latency;
};

inline constexpr std::uint64_t kChecked = 200;
inline constexpr std::uint64_t kSampleEvery = 8;

// One thread's part.
struct Turn {
  Session& session;
  std::uint64_t thread = 0;
  Random random;
  std::uint64_t position = 0;  // into prepared sequences
  std::uint64_t done = 0;
  std::uint64_t checksum = 0;

  Turn(Session& its_session, std::uint64_t thread_index)
      : session(its_session), thread(thread_index), random(1 + thread_index), position(thread_index * 1'234'577) {}

  // Deterministic operations add what they saw; only the first ones count.
  void saw(std::uint64_t what) {
    if (done < kChecked) checksum = mix(checksum ^ what);
  }
};

namespace detail {

inline std::uint64_t nanoseconds(Clock::time_point begin, Clock::time_point end) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
}

template <class Operation>
void run_timed(Turn& turn, std::uint64_t operations, const std::atomic<bool>& over, Timing timing, Histogram& latency,
               Operation& operation) {
  const auto goes_on = [&] {
    if (operations > 0) return turn.done < operations;
    return turn.done < kChecked || !over.load(std::memory_order_relaxed);
  };
  Clock::time_point before = Clock::now();
  while (goes_on()) {
    if (timing == Timing::sampled && turn.done % kSampleEvery != 0) {
      operation(turn);
    } else {
      if (timing == Timing::sampled) before = Clock::now();
      operation(turn);
      const Clock::time_point after = Clock::now();
      latency.add(nanoseconds(before, after));
      before = after;
    }
    ++turn.done;
  }
}

}  // namespace detail

// Runs operation(Turn&) as planned. sessions: at least plan.threads. Rethrows what an operation throws.
template <class Operation>
Measured measure(const Plan& plan, const std::vector<std::unique_ptr<Session>>& sessions, Operation operation) {
  std::atomic<bool> over{false};
  std::atomic<bool> warm{plan.warmup_seconds <= 0};
  std::barrier start(static_cast<std::ptrdiff_t>(plan.threads) + 1);
  std::barrier finish(static_cast<std::ptrdiff_t>(plan.threads) + 1);
  std::vector<std::exception_ptr> failures(plan.threads);
  std::vector<Histogram> latencies(plan.threads);
  std::vector<Turn> turns;
  for (std::uint64_t i = 0; i < plan.threads; ++i) turns.emplace_back(*sessions.at(i), i);

  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < plan.threads; ++i) {
    threads.emplace_back([&, i] {
      const auto guarded = [&](auto&& part) {
        try {
          if (!failures[i]) part();
        } catch (...) {
          failures[i] = std::current_exception();
        }
      };
      guarded([&] {
        Turn warming(*sessions[i], i);
        warming.random = Random(1'000 + i);
        for (; !warm.load(std::memory_order_relaxed); ++warming.done) operation(warming);
      });
      start.arrive_and_wait();
      const std::uint64_t share = plan.operations / plan.threads + (i < plan.operations % plan.threads ? 1 : 0);
      guarded([&] { detail::run_timed(turns[i], share, over, plan.timing, latencies[i], operation); });
      finish.arrive_and_wait();
    });
  }
  if (!warm.load()) {
    std::this_thread::sleep_for(std::chrono::duration<double>(plan.warmup_seconds));
    warm.store(true);
  }
  start.arrive_and_wait();
  const Clock::time_point begin = Clock::now();
  if (plan.operations == 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(plan.seconds));
    over.store(true);
  }
  finish.arrive_and_wait();
  const Clock::time_point end = Clock::now();
  for (std::thread& thread : threads) thread.join();

  Measured measured;
  measured.seconds = seconds_between(begin, end);
  for (std::uint64_t i = 0; i < plan.threads; ++i) {
    if (failures[i]) std::rethrow_exception(failures[i]);
    measured.operations += turns[i].done;
    measured.checksum ^= mix(turns[i].checksum + i);
    measured.latency.add(latencies[i]);
  }
  return measured;
}

}  // namespace bench
