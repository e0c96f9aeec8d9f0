// The engine in the simulated bucket, in situations that a seed meets rarely: who sleeps through the end of its own
// commit learns what became of it, runs that are adopted late are not collected under the store, and what a sweep
// deletes is named by nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/testing.h"
#include "base/time.h"
#include "engine/bucket_header.h"
#include "engine/bucket_medium.h"
#include "engine/engine.h"
#include "engine/store_maker.h"
#include "in_world.h"
#include "ingot/error.h"
#include "ingot/space.h"
#include "ingot/store.h"
#include "mounted.h"
#include "storage/disk_cache.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using base::Break;

constexpr std::uint32_t kSure = 1'000'000;

Store open_in_bucket(World& world, Options options = {}) {
  options.memory_bytes = 4 << 20;
  engine::Sizes sizes;
  sizes.segment_bytes = 64 << 10;
  sizes.run_file_bytes = 64 << 10;
  sizes.resting_memtable_bytes = 8 << 10;
  sizes.memory_bytes_min = 1 << 20;
  const auto make_medium = [&world](const engine::Medium::Setting& setting) {
    return engine::make_bucket_medium(std::make_unique<MountedBucket>(world.bucket), nullptr, setting);
  };
  return engine::StoreMaker::make(
      engine::Engine::open_on(make_medium, "s3://simulated", std::move(options), sizes));
}

// Runs `body` as a process, to its end; what it throws fails the seed.
void run_process(World& world, const char* name, const std::function<void()>& body) {
  Process& process = world.scheduler.start(name, [&world, &body] {
    std::string wrong;
    try {
      body();
    } catch (const Error& error) {
      wrong = error.what();
    }
    if (!wrong.empty()) world.scheduler.fail(wrong);
  });
  world.scheduler.wait_for_end(process);
}

std::size_t count_under(World& world, const std::string& prefix) {
  const std::vector<std::string> keys = world.bucket.keys();
  return static_cast<std::size_t>(
      std::count_if(keys.begin(), keys.end(), [&](const std::string& key) { return key.starts_with(prefix); }));
}

const Space kThings("things");

std::int64_t counter_in(Store& store) {
  const std::optional<Value> value = kThings.get(store, "n");
  return value ? value->counter() : 0;
}

// So that slots are collected: each day somebody writes, and stays for a moment.
void days_pass(World& world, int days) {
  for (int day = 0; day < days; ++day) {
    world.scheduler.sleep_for(26h);
    run_process(world, "daily", [&world, day] {
      Store store = open_in_bucket(world);
      for (int i = 0; i < 5; ++i) kThings.put(store, "day" + std::to_string(i), std::to_string(day));
      store.settle();
      base::sleep_for(30s);
      store.close();
    });
  }
}

// A counter is added to, and the answer gets lost; the machine stands still for days, until the slot is gone.
std::string sleep_through_a_commit(std::uint64_t seed, bool arrives) {
  return in_world(
             seed,
             [arrives](World& world) {
               bool committed = false;
               bool said_not = false;
               std::int64_t seen = -1;
               Process& sleeper = world.scheduler.start("sleeper", [&] {
                 std::string wrong;
                 try {
                   Store store = open_in_bucket(world, {.deadline = std::chrono::hours(24 * 30)});
                   kThings.add(store, "n", 10);
                   base::sleep_for(1min);
                   kThings.add(store, "n", 1);
                   committed = true;
                   seen = counter_in(store);
                   store.close();
                 } catch (const Error& error) {
                   said_not = arrives && error.code() == ErrorCode::unavailable;
                   wrong = error.what();
                 }
                 if (!wrong.empty() && !said_not) world.scheduler.fail(wrong);
               });
               world.scheduler.sleep_for(50s);
               const std::size_t slots = count_under(world, "log/");
               BucketProfile profile;
               profile[arrives ? Fault::lost_answer : Fault::lost_request] = kSure;
               world.bucket.set_faults(profile);
               world.scheduler.sleep_for(20s);
               if (count_under(world, "log/") != slots + (arrives ? 1 : 0))
                 world.scheduler.fail("the request did not do what it was to do");
               world.scheduler.pause(sleeper, std::chrono::hours(24 * 8));
               world.bucket.set_faults({});
               days_pass(world, 6);
               if (world.bucket.peek("log/0000000000000001")) world.scheduler.fail("nothing was collected");
               world.scheduler.wait_for_end(sleeper);
               run_process(world, "judge", [&] {
                 Store store = open_in_bucket(world);
                 const std::int64_t there = counter_in(store);
                 store.close();
                 if (there != 11) world.scheduler.fail("the counter is " + std::to_string(there));
                 if (!committed || seen != 11) world.scheduler.fail("the sleeper was not told");
               });
             })
      .failure;
}

TEST(EngineInABucket, WhoSleepsThroughItsCommitLearnsThatItHappened) {
  EXPECT_EQ(sleep_through_a_commit(1, true), "");
}

TEST(EngineInABucket, WhoSleepsThroughItsCommitLearnsThatItDidNot) {
  EXPECT_EQ(sleep_through_a_commit(1, false), "");
}

TEST(EngineInABucket, WithoutItsSessionsRowACommitWouldHappenTwice) {
  base::set_break(Break::engine_ignore_session_row, true);
  const std::string failure = sleep_through_a_commit(1, true);
  base::set_break(Break::engine_ignore_session_row, false);
  EXPECT_NE(failure, "");
  std::cout << failure << "\n";
}

}  // namespace
}  // namespace ingot::simulator
