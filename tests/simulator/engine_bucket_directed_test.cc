// The engine in the simulated bucket, in situations that a seed meets rarely: who sleeps through the end of its own
// commit learns what became of it, runs that are adopted late are not collected under the store, and what a sweep
// deletes is named by nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/testing.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/bucket_header.h"
#include "engine/bucket_medium.h"
#include "engine/checkpoint.h"
#include "engine/engine.h"
#include "engine/session_row.h"
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

Store open_in_bucket(World& world, Options options = {}, std::chrono::seconds grace = engine::kGraceDefault) {
  options.memory_bytes = 4 << 20;
  engine::Sizes sizes;
  sizes.segment_bytes = 64 << 10;
  sizes.run_file_bytes = 64 << 10;
  sizes.resting_memtable_bytes = 8 << 10;
  sizes.memory_bytes_min = 1 << 20;
  sizes.grace = grace;
  const auto make_medium = [&world](const engine::Medium::Setting& setting) {
    return engine::make_bucket_medium(std::make_unique<MountedBucket>(world.bucket), nullptr, setting);
  };
  return engine::StoreMaker::make(engine::Engine::open_on(make_medium, "s3://simulated", std::move(options), sizes));
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
void days_pass(World& world, int days, std::chrono::seconds length = 26h) {
  for (int day = 0; day < days; ++day) {
    world.scheduler.sleep_for(length);
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
  return in_world(seed,
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

// As the above, but it sleeps until the row that would tell has expired, too.
std::string sleep_for_longer_than_rows_live() {
  return in_world(1,
                  [](World& world) {
                    bool is_told = false;
                    Process& sleeper = world.scheduler.start("sleeper", [&] {
                      std::string wrong;
                      try {
                        Store store = open_in_bucket(world, {.deadline = std::chrono::hours(24 * 90)});
                        kThings.add(store, "n", 10);
                        base::sleep_for(1min);
                        try {
                          kThings.add(store, "n", 1);
                        } catch (const Undecided& undecided) {
                          try {
                            (void)store.outcome(undecided);
                          } catch (const Error& error) {
                            is_told = error.code() == ErrorCode::expired;
                          }
                        }
                        store.close();
                      } catch (const Error& error) {
                        wrong = error.what();
                      }
                      if (!wrong.empty()) world.scheduler.fail(wrong);
                    });
                    world.scheduler.sleep_for(50s);
                    BucketProfile profile;
                    profile[Fault::lost_answer] = kSure;
                    world.bucket.set_faults(profile);
                    world.scheduler.sleep_for(20s);
                    world.scheduler.pause(sleeper, std::chrono::hours(24 * 40));
                    world.bucket.set_faults({});
                    world.scheduler.sleep_for(std::chrono::hours(24 * 31));
                    days_pass(world, 6);
                    if (world.bucket.peek("log/0000000000000001")) world.scheduler.fail("nothing was collected");
                    world.scheduler.wait_for_end(sleeper);
                    run_process(world, "judge", [&] {
                      Store store = open_in_bucket(world);
                      const std::int64_t there = counter_in(store);
                      store.close();
                      if (there != 11) world.scheduler.fail("the counter is " + std::to_string(there));
                      if (!is_told) world.scheduler.fail("the sleeper was told what nobody knows");
                    });
                  })
      .failure;
}

// It was committed, and then once more. Found by the model.
TEST(EngineInABucket, WhoSleepsForLongerThanRowsLiveIsToldThatNobodyKnows) {
  EXPECT_EQ(sleep_for_longer_than_rows_live(), "");
}

// As a process's end: what is wrong, or nothing.
void write_much(Store& store, const std::string& name, int count) {
  for (int i = 0; i < count; ++i) kThings.put(store, name + std::to_string(i), std::string(1000, 'v'));
}

std::string all_there(Store& store, const std::string& name, int count) {
  for (int i = 0; i < count; ++i) {
    if (!kThings.get(store, name + std::to_string(i))) return name + std::to_string(i) + " is gone";
  }
  return {};
}

// One process begins a boundary and then hears of nothing for a day; meanwhile another commits runs that it had
// uploaded before.
std::string sweep_after_a_quiet_day() {
  return in_world(1,
                  [](World& world) {
                    world.scheduler.set_steps_max(100'000'000);
                    Process& quiet = world.scheduler.start("quiet", [&] {
                      std::string wrong;
                      try {
                        Store store = open_in_bucket(world);
                        write_much(store, "q", 80);
                        store.settle();
                        base::sleep_for(std::chrono::hours(28));
                        store.close();
                      } catch (const Error& error) {
                        wrong = error.what();
                      }
                      if (!wrong.empty()) world.scheduler.fail(wrong);
                    });
                    world.scheduler.sleep_for(2min);
                    run_process(world, "busy", [&] {
                      Store store = open_in_bucket(world);
                      write_much(store, "b", 80);
                      store.settle();
                      store.close();
                    });
                    if (world.bucket.peek("boundary/00000001")) world.scheduler.fail("the boundary came too soon");
                    world.scheduler.wait_for_end(quiet);
                    if (!world.bucket.peek("swept/00000001")) world.scheduler.fail("nothing was swept");
                    run_process(world, "judge", [&] {
                      Store store = open_in_bucket(world);
                      const std::string wrong = all_there(store, "q", 80) + all_there(store, "b", 80);
                      store.close();
                      if (!wrong.empty()) world.scheduler.fail(wrong);
                    });
                  })
      .failure;
}

// Threads that commit again and again share each entry, all of them: not one alone and then the others.
TEST(EngineInABucket, WhoCommitAtOnceShareAnEntry) {
  constexpr int kThreads = 8;
  constexpr int kCommits = 30;  // of each
  const auto groups = [](std::uint64_t seed) {
    std::uint64_t made = 0;
    const Ran ran = in_world(seed, [&](World& world) {
      run_process(world, "writer", [&] {
        Store store = open_in_bucket(world);
        std::vector<base::Thread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
          threads.emplace_back("writer", [&store, thread] {
            for (int i = 0; i < kCommits; ++i) kThings.put(store, std::to_string(thread), std::to_string(i));
          });
        }
        for (base::Thread& thread : threads) thread.join();
        made = store.stats().groups;
        store.close();
      });
    });
    EXPECT_EQ(ran.failure, "") << seed;
    return made;
  };
  for (const std::uint64_t seed : {1, 2, 3}) EXPECT_LT(groups(seed), kCommits * 3 / 2) << seed;
}

TEST(EngineInABucket, WhatIsNamedByNowIsNotSwept) {
  EXPECT_EQ(sweep_after_a_quiet_day(), "");
}

TEST(EngineInABucket, ASweepThatDoesNotLookFirstIsCaught) {
  base::set_break(Break::bucket_sweep_unread_tail, true);
  const std::string failure = sweep_after_a_quiet_day();
  base::set_break(Break::bucket_sweep_unread_tail, false);
  EXPECT_NE(failure, "");
  std::cout << failure << "\n";
}

// A machine stands still between the upload of a run and the edit that names it, until the run was swept.
std::string adopt_late(World& world) {
  world.scheduler.set_steps_max(100'000'000);
  Process& sweeper = world.scheduler.start("sweeper", [&] {
    Store store = open_in_bucket(world);
    write_much(store, "s", 80);
    store.settle();
    base::sleep_for(std::chrono::hours(100));
  });
  world.scheduler.sleep_for(2min);
  const std::size_t runs = count_under(world, "runs/");
  Process& late = world.scheduler.start("late", [&] {
    std::string wrong;
    try {
      Store store = open_in_bucket(world, {.deadline = std::chrono::hours(24 * 30)});
      write_much(store, "l", 30);
      for (int tries = 0; tries < 5; ++tries) {
        try {
          store.settle();
          break;
        } catch (const Error&) {  // NOLINT(bugprone-empty-catch): it came too late, and is done again
        }
      }
      wrong = all_there(store, "l", 30);
      store.close();
    } catch (const Error& error) {
      wrong = error.what();
    }
    if (!wrong.empty()) world.scheduler.fail(wrong);
  });
  while (count_under(world, "runs/") == runs) world.scheduler.sleep_for(1ms);
  BucketProfile nothing_arrives;  // of the edit, either
  nothing_arrives[Fault::lost_request] = kSure;
  world.bucket.set_faults(nothing_arrives);
  world.scheduler.sleep_for(5s);
  world.scheduler.pause(late, std::chrono::hours(40));
  world.bucket.set_faults({});
  // Before the sweeper flushes by itself what it has read.
  for (int seconds = 0; seconds < 39 * 3600 && count_under(world, "runs/") > runs; ++seconds)
    world.scheduler.sleep_for(1s);
  if (count_under(world, "runs/") > runs) return "the run was not swept";
  world.scheduler.kill(sweeper);
  world.scheduler.wait_for_end(late);
  run_process(world, "judge", [&] {
    Store store = open_in_bucket(world);
    const std::string wrong = all_there(store, "l", 30) + all_there(store, "s", 80);
    store.close();
    if (!wrong.empty()) world.scheduler.fail(wrong);
  });
  return {};
}

std::string adopt_late() {
  return in_world(3,
                  [](World& world) {
                    const std::string wrong = adopt_late(world);
                    if (!wrong.empty()) world.scheduler.fail(wrong);
                  })
      .failure;
}

TEST(EngineInABucket, ARunIsNotNamedWhenItMayBeSwept) {
  EXPECT_EQ(adopt_late(), "");
}

TEST(EngineInABucket, AnEditThatComesTooLateIsCaught) {
  base::set_break(Break::bucket_adopt_old_run, true);
  const std::string failure = adopt_late();
  base::set_break(Break::bucket_adopt_old_run, false);
  EXPECT_NE(failure, "");
  std::cout << failure << "\n";
}

// Whoever wins the newest slots flushes for all. Here it dies when a segment is full, and who is left never commits.
TEST(EngineInABucket, WithoutALeaderSomebodyElseFlushes) {
  Ran ran = in_world(4, [](World& world) {
    bool filled = false;
    std::int64_t flushed = -1;
    Process& writer = world.scheduler.start("writer", [&] {
      Store store = open_in_bucket(world);
      for (int i = 0; i < 17; ++i) kThings.put(store, "k" + std::to_string(i), std::string(4 << 10, 'v'));
      filled = true;
      base::sleep_for(1h);
    });
    Process& reader = world.scheduler.start("reader", [&] {
      Store store = open_in_bucket(world);
      for (int i = 0; i < 60; ++i) {
        base::sleep_for(1s);
        (void)kThings.get(store, "k1");
      }
      flushed = static_cast<std::int64_t>(count_under(world, "runs/"));
      store.close();
    });
    while (!filled) world.scheduler.sleep_for(1ms);
    world.scheduler.kill(writer);
    if (count_under(world, "runs/") != 0) world.scheduler.fail("the writer has flushed");
    world.scheduler.wait_for_end(reader);
    if (flushed <= 0) world.scheduler.fail("nobody has flushed");
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_GT(ran.report.probes["engine: maintenance without the role"], 0U);
}

// Another store's prefix may begin with this one's, and go on as its own names do: s3://bucket/app and
// s3://bucket/app/runs. Or somebody else uploads something large below it, for days.
TEST(EngineInABucket, WhatIsSomebodyElsesIsNotSwept) {
  const std::string failure =
      in_world(1, [](World& world) {
        const auto put = [&](const std::string& key) {
          (void)world.bucket.put(key, "theirs", storage::PutMode::create, {}, world.scheduler.now() + 10s);
        };
        run_process(world, "maker", [&] { open_in_bucket(world).close(); });
        std::vector<std::string> theirs;
        for (const char* folder : {"runs/", "bulk/", "probe/", "x/runs/"}) {
          for (const char* name : {"store", "runs/00112233445566778899aabbccddeeff", "log/0000000000000001"})
            theirs.push_back(std::string(folder) + name);
        }
        for (const std::string& key : theirs) put(key);
        const std::string ours = "runs/00112233445566778899aabbccddeeff";
        put(ours);
        for (const char* key : {"x/runs/00112233445566778899aabbccddeeff", "films/long", "runs/runs/film"})
          (void)world.bucket.begin_upload(key, world.scheduler.now() + 10s);
        (void)world.bucket.begin_upload(ours, world.scheduler.now() + 10s);
        days_pass(world, 4);
        if (world.bucket.peek("log/0000000000000001")) world.scheduler.fail("nothing was swept");
        for (const std::string& key : theirs) {
          if (!world.bucket.peek(key)) world.scheduler.fail(key + " is gone");
        }
        if (world.bucket.peek(ours)) world.scheduler.fail(ours + " is still there");
        const storage::OpenUploads open = world.bucket.list_uploads("", "", world.scheduler.now() + 10s);
        if (open.uploads.size() != 3) world.scheduler.fail("uploads: " + std::to_string(open.uploads.size()));
      }).failure;
  EXPECT_EQ(failure, "");
}

TEST(EngineInABucket, ACheckpointThatCantBeReadIsPassedOver) {
  const std::string failure =
      in_world(1, [](World& world) {
        for (const char* name : {"a", "b"}) {
          run_process(world, name, [&] {
            Store store = open_in_bucket(world);
            write_much(store, name, 30);
            store.settle();
            store.close();
          });
        }
        std::string newest;
        for (const std::string& key : world.bucket.keys()) {
          if (key.starts_with("checkpoints/") && key.find("-c-") != std::string::npos) newest = std::max(newest, key);
        }
        const storage::Answer answer =
            world.bucket.put(newest, "no checkpoint", storage::PutMode::replace, {}, world.scheduler.now() + 10s);
        if (answer.outcome != storage::Outcome::done) world.scheduler.fail("the checkpoint could not be damaged");
        run_process(world, "reader", [&] {
          Store store = open_in_bucket(world);
          const std::string wrong = all_there(store, "a", 30) + all_there(store, "b", 30);
          store.close();
          if (!wrong.empty()) world.scheduler.fail(wrong);
        });
      }).failure;
  EXPECT_EQ(failure, "");
}

// How long close() takes, and the end of the handle, when no request is answered any more.
std::chrono::seconds closing_time(int entries, base::Duration before) {
  std::chrono::seconds took{};
  const std::string failure = in_world(1, [&](World& world) {
                                run_process(world, "closer", [&] {
                                  {
                                    std::optional<Store> store(open_in_bucket(world));
                                    write_much(*store, "k", entries);
                                    BucketProfile silence;
                                    silence[Fault::lost_request] = kSure;
                                    world.bucket.set_faults(silence);
                                    base::sleep_for(before);
                                    const base::Instant begun = base::now();
                                    store->close();
                                    store.reset();
                                    took = std::chrono::ceil<std::chrono::seconds>(base::now() - begun);
                                  }
                                });
                              }).failure;
  EXPECT_EQ(failure, "");
  return took;
}

// Retries of an upload go on for minutes; a close ends them. Here those under way end at their own deadlines, which are
// up to 40 s away.
TEST(EngineInABucket, ClosingTakesNotLongWhenNothingIsAnswered) {
  for (const int entries : {0, 61, 66, 67, 128}) {
    for (const base::Duration before : {base::Duration(0), base::Duration(3s)})
      EXPECT_LE(closing_time(entries, before), 75s) << entries;
  }
}

// Neither in the memory of who follows for long and collects nothing itself, nor from checkpoint to checkpoint of
// processes that live for a moment.
TEST(EngineInABucket, AGraveyardDoesNotGrowForEver) {
  Ran ran = in_world(1, [](World& world) {
    world.scheduler.set_steps_max(100'000'000);
    bool is_over = false;
    Process& follower = world.scheduler.start("follower", [&] {
      std::string wrong;
      try {
        Store store = open_in_bucket(world, {}, 1h);
        while (!is_over) {
          base::sleep_for(20min);
          (void)store.snapshot({.fresh = true});
        }
        write_much(store, "f", 30);
        store.settle();
        store.close();
      } catch (const Error& error) {
        wrong = error.what();
      }
      if (!wrong.empty()) world.scheduler.fail(wrong);
    });
    days_pass(world, 20, 90min);
    is_over = true;
    world.scheduler.wait_for_end(follower);
    std::string newest;
    for (const std::string& key : world.bucket.keys()) {
      if (key.starts_with("checkpoints/") && key.find("-c-") != std::string::npos) newest = std::max(newest, key);
    }
    engine::BucketHeader header;
    engine::Checkpoint checkpoint;
    if (engine::decode_bucket_header(*world.bucket.peek("store"), header) != engine::HeaderRead::good ||
        engine::decode_checkpoint(header.store.store_id, *world.bucket.peek(newest), checkpoint) !=
            engine::CheckpointRead::found) {
      return world.scheduler.fail("no checkpoint");
    }
    std::size_t gone = 0;
    for (const engine::RemovedRun& removed : checkpoint.graveyard) {
      if (!world.bucket.peek("runs/" + removed.name)) ++gone;
    }
    if (checkpoint.graveyard.size() > 12)
      world.scheduler.fail(std::to_string(checkpoint.graveyard.size()) + " are in the graveyard, " +
                           std::to_string(gone) + " of them are gone");
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_GT(ran.report.probes["engine: what others had collected was forgotten"], 0U);
}

// What open() says of this bucket; empty: it made a store.
std::string refusal(const std::function<void(World&)>& spoil, ErrorCode expected, std::uint64_t seed = 1) {
  std::string said;
  const std::string failure = in_world(seed, [&](World& world) {
                                spoil(world);
                                Process& process = world.scheduler.start("opener", [&] {
                                  std::string sentence;
                                  bool is_expected = true;
                                  try {
                                    open_in_bucket(world, {.deadline = 2s}).close();
                                  } catch (const Error& error) {
                                    sentence = error.what();
                                    is_expected = error.code() == expected;
                                  }
                                  if (!is_expected) world.scheduler.fail("another code: " + sentence);
                                  const HostMemory host;
                                  said = std::string(sentence);
                                });
                                world.scheduler.wait_for_end(process);
                              }).failure;
  EXPECT_EQ(failure, "");
  return said;
}

TEST(EngineInABucket, OneThatIgnoresConditionsIsRefused) {
  const std::string said =
      refusal([](World& world) { world.bucket.set_ignores_conditions(true); }, ErrorCode::invalid_argument);
  EXPECT_NE(said.find("can't hold a store"), std::string::npos) << said;
  EXPECT_NE(said.find("docs/s3.md"), std::string::npos) << said;
}

TEST(EngineInABucket, OneThatHidesWhatIsMissingIsRefused) {
  const std::string said = refusal([](World& world) { world.bucket.set_hides_absence(true); }, ErrorCode::unavailable);
  EXPECT_NE(said.find("403"), std::string::npos) << said;
}

// Whatever page of a listing shows them: some are empty, though there is more.
TEST(EngineInABucket, APrefixWithOtherObjectsIsLeftAlone) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const std::string said = refusal(
        [](World& world) {
          const storage::Answer answer =
              world.bucket.put("photos/cat.jpg", "meow", storage::PutMode::replace, {}, world.scheduler.now() + 10s);
          if (answer.outcome != storage::Outcome::done) world.scheduler.fail("no photo");
        },
        ErrorCode::not_a_store, seed);
    ASSERT_NE(said.find("photos/cat.jpg"), std::string::npos) << seed << ": " << said;
  }
}

TEST(EngineInABucket, AHeaderIsReadAsItIsWritten) {
  engine::BucketHeader header;
  header.store.store_id = {0x1122334455667788ULL, 0x99aabbccddeeff00ULL};
  header.store.made_micros = 1'700'000'000'000'000;
  header.grace = 36h;
  const std::string bytes = engine::encode_bucket_header(header);
  ASSERT_EQ(bytes.size(), 64U);
  EXPECT_EQ(bytes.substr(0, 16), std::string("INGOTBKT\x01\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(bytes.substr(16, 16),
            "\x88\x77\x66\x55\x44\x33\x22\x11" + std::string("\0\xff\xee\xdd\xcc\xbb\xaa\x99", 8));
  engine::BucketHeader read;
  ASSERT_EQ(engine::decode_bucket_header(bytes, read), engine::HeaderRead::good);
  EXPECT_EQ(read.store.store_id, header.store.store_id);
  EXPECT_EQ(read.store.made_micros, header.store.made_micros);
  EXPECT_EQ(read.grace, header.grace);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_NE(engine::decode_bucket_header(damaged, read), engine::HeaderRead::good) << i;
    EXPECT_NE(engine::decode_bucket_header(bytes.substr(0, i), read), engine::HeaderRead::good) << i;
  }
}

TEST(EngineInABucket, ASessionsRowSaysWhatIsKnown) {
  using engine::RowSays;
  const auto sequence = [](std::uint64_t counter, std::uint64_t bits) { return counter << 32 | bits; };
  constexpr std::int64_t kLife = engine::kSessionRowMicros;
  EXPECT_EQ(engine::row_says({}, sequence(1, 7), 0), RowSays::not_kept);
  EXPECT_EQ(engine::row_says({}, sequence(1, 7), kLife - 1), RowSays::not_kept);
  EXPECT_EQ(engine::row_says({}, sequence(1, 7), kLife), RowSays::unknown) << "it may have expired";
  const engine::SessionRow row{{1, 2}, sequence(5, 9), 100, 3};
  EXPECT_EQ(engine::row_says(row, sequence(5, 9), 0), RowSays::kept);
  EXPECT_EQ(engine::row_says(row, sequence(6, 9), 0), RowSays::not_kept);
  EXPECT_EQ(engine::row_says(row, sequence(6, 9), kLife), RowSays::not_kept) << "it would be in this one's place";
  EXPECT_EQ(engine::row_says(row, sequence(5, 8), 0), RowSays::unknown);
  EXPECT_EQ(engine::row_says(row, sequence(4, 9), 0), RowSays::unknown);
  const std::optional<engine::SessionRow> read = engine::decode_session({1, 2}, engine::encode_session(row));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->sequence, row.sequence);
  EXPECT_EQ(read->base_version, 100U);
  EXPECT_EQ(read->transactions, 3U);
  EXPECT_FALSE(engine::decode_session({1, 2}, "short").has_value());
}

}  // namespace
}  // namespace ingot::simulator
