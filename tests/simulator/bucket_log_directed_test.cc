// The log in a bucket, step by step as a test says, where only virtual time is long enough: who sleeps for days, with
// or without its clock, who is idle, whose bucket lies.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "in_world.h"
#include "log/boundary.h"
#include "log/bucket_format.h"
#include "log/bucket_log.h"
#include "log/bucket_turns.h"
#include "memory.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using storage::Outcome;
using storage::PutMode;

constexpr base::Hash128 kDirectedStore{5, 6};

// One process's life with the log open.
struct Machine {
  explicit Machine(World& its_world) : world(its_world) {}
  World& world;
  storage::RequestPool pool{8};
  std::unique_ptr<log::BucketLog> log;
  std::vector<std::string> seen;

  bool open(std::uint64_t slot_bytes_max = log::kSlotBytesMax) {
    log::BucketLogOptions options;
    options.store_id = kDirectedStore;
    options.slot_bytes_max = slot_bytes_max;
    log::Read outcome = log::Read::caught_up;
    std::string why;
    log = log::open_bucket_log(
        world.bucket, pool, std::move(options), [this](const log::Entry& entry) { seen.emplace_back(entry.payload); },
        base::now() + 1min, outcome, why);
    return log != nullptr;
  }
  log::Append append(const std::string& payload, base::Duration patience = 1min) {
    const std::string_view parts[] = {payload};
    const std::int64_t time = std::max(log->clock_micros(), log->position().time_micros);
    return log->append({.transaction_count = 1, .time_micros = time, .parts = parts}, base::now() + patience);
  }
  log::Read read() {
    return log->read([this](const log::Entry& entry) { seen.emplace_back(entry.payload); });
  }
};

Process& start(World& world, const char* name, const std::function<void(Machine&)>& body) {
  return world.scheduler.start(name, [&world, body] {
    Machine machine(world);
    if (!machine.open()) world.scheduler.fail("the log can't be opened");
    body(machine);
  });
}

void run(World& world, const char* name, const std::function<void(Machine&)>& body) {
  world.scheduler.wait_for_end(start(world, name, body));
}

// As somebody's collector does who has all the time in the world: slots up to there are gone.
void collect(World& world, std::uint32_t number, std::uint64_t slot) {
  const std::string bytes =
      log::encode_boundary({.store_id = kDirectedStore, .number = number, .slot = slot, .checkpoint = "c"});
  ASSERT_EQ(world.bucket.put(log::boundary_key(number), bytes, PutMode::create, {}, base::now() + 1min).outcome,
            Outcome::done);
  base::sleep_for(25h);
  for (std::uint64_t i = 1; i <= slot; ++i) {
    ASSERT_EQ(world.bucket.remove(log::slot_key(i), base::now() + 1min).outcome, Outcome::done);
  }
}

std::uint64_t requests(World& world) {
  return world.report.bucket_requests;
}

// Cost: a store that nobody uses costs nothing, and one that somebody follows costs little.
TEST(BucketIdle, MakesNoRequestsAtAll) {
  const Ran ran = in_world(3, [](World& world) {
    run(world, "idle", [](Machine& machine) {
      EXPECT_EQ(machine.append("a"), log::Append::kept);
      EXPECT_EQ(machine.log->published(), 1U);
      base::sleep_for(1min);
      const std::uint64_t before = requests(machine.world);
      base::sleep_for(100h);
      EXPECT_EQ(requests(machine.world), before);
      EXPECT_EQ(machine.log->published(), log::Log::kMustLook);
      EXPECT_EQ(machine.log->look(base::now() + 10s), log::Read::caught_up);
      EXPECT_EQ(machine.log->published(), 1U);
      // Whoever reads now and then for an hour: a look each few seconds.
      const std::uint64_t busy = requests(machine.world);
      for (int i = 0; i < 360; ++i) {
        base::sleep_for(10s);
        const log::Version version = machine.log->published();
        if (version != log::Log::kMustLook) continue;
        EXPECT_EQ(machine.log->look(base::now() + 10s), log::Read::caught_up);
      }
      EXPECT_LT(requests(machine.world) - busy, 1000U);
      base::sleep_for(1min);
      const std::uint64_t after = requests(machine.world);
      base::sleep_for(10h);
      EXPECT_EQ(requests(machine.world), after);
    });
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(BucketIdle, WhoWaitsHearsOfNewsWithinSeconds) {
  const Ran ran = in_world(3, [](World& world) {
    Process& waiting = start(world, "waiting", [](Machine& machine) {
      EXPECT_EQ(machine.log->wait(0, base::now() + 1h), 0U);
      const base::Instant begun = base::now();
      EXPECT_EQ(machine.log->wait(0, base::now() + 2h), 1U);
      EXPECT_LT(base::now() - begun, 30min + 10s);
      EXPECT_EQ(machine.read(), log::Read::caught_up);
      EXPECT_EQ(machine.seen.size(), 1U);
    });
    base::sleep_for(1h + 30min);
    run(world, "writer", [](Machine& machine) { EXPECT_EQ(machine.append("a"), log::Append::kept); });
    world.scheduler.wait_for_end(waiting);
  });
  EXPECT_EQ(ran.failure, "");
}

// Holes 1 and 6: a reader that slept beyond the grace finds 404 behind what it knows, for ever.
// Of who always loses nobody knows, so a writer that never pauses makes room for it now and then; one that pauses does
// not have to.
TEST(BucketTurns, AWriterThatNeverPausesMakesRoomForStrangers) {
  const std::string kProbe = "bucket: a writer stood back for others whom it does not know";
  for (const base::Duration pause : {base::Duration(0), base::Duration(10s)}) {
    const Ran ran = in_world(4, [pause](World& world) {
      run(world, "lone", [pause](Machine& machine) {
        for (std::uint64_t i = 0; i < 3 * log::Turns::kRowMax; ++i) {
          EXPECT_EQ(machine.append(std::to_string(i)), log::Append::kept);
          base::sleep_for(pause);
        }
      });
    });
    EXPECT_EQ(ran.failure, "");
    EXPECT_EQ(ran.report.probes.contains(kProbe), pause == base::Duration(0)) << pause.count();
  }
}

TEST(BucketSleeper, WhoseNextSlotWasCollectedDoesNotTakeItForTheEnd) {
  for (const bool freezes : {false, true}) {
    const Ran ran = in_world(3, [&](World& world) {
      bool slept = false;
      Process& sleeper = start(world, "sleeper", [&](Machine& machine) {
        EXPECT_EQ(machine.append("a"), log::Append::kept);
        while (!slept) base::sleep_for(1min);
        EXPECT_EQ(machine.log->look(base::now() + 1min), log::Read::gone);
        EXPECT_EQ(machine.append("z"), log::Append::lost);
        EXPECT_EQ(machine.read(), log::Read::gone);
      });
      base::sleep_for(10s);
      freezes ? world.scheduler.freeze(sleeper, 72h) : world.scheduler.pause(sleeper, 72h);
      run(world, "writer", [](Machine& machine) {
        for (const char* payload : {"b", "c", "d"}) EXPECT_EQ(machine.append(payload), log::Append::kept);
      });
      collect(world, 1, 3);
      base::sleep_for(36h);
      slept = true;
      world.scheduler.wait_for_end(sleeper);
      EXPECT_EQ(world.bucket.peek(log::slot_key(2)), std::nullopt) << "a slot was won a second time";
    });
    EXPECT_EQ(ran.failure, "") << freezes;
  }
}

// Hole 2: the answer to a commit was lost, and when its process looks again the slot is gone: it can't tell.
TEST(BucketSleeper, WhoseUnansweredAppendWasCollectedIsToldSo) {
  for (const bool freezes : {false, true}) {
    for (const bool was_kept : {false, true}) {
      const Ran ran = in_world(3, [&](World& world) {
        Process& sleeper = start(world, "sleeper", [&](Machine& machine) {
          BucketProfile faults;
          faults[was_kept ? Fault::lost_answer : Fault::lost_request] = 1'000'000;
          world.bucket.set_faults(faults);
          EXPECT_EQ(machine.append("a", 300ms), log::Append::undecided);
          world.bucket.set_faults({});
          base::sleep_for(10s);  // asleep for days, in the midst of it
          EXPECT_EQ(machine.append("b"), freezes ? log::Append::collected : log::Append::lost);
          EXPECT_EQ(machine.log->attempt().sequence >> 32, 2U);
          EXPECT_EQ(machine.read(), log::Read::gone);
        });
        base::sleep_for(5s);
        world.bucket.set_faults({});
        freezes ? world.scheduler.freeze(sleeper, 72h) : world.scheduler.pause(sleeper, 72h);
        run(world, "writer", [&](Machine& machine) {
          EXPECT_EQ(machine.seen.size(), was_kept ? 1U : 0U);
          for (const char* payload : {"c", "d"}) EXPECT_EQ(machine.append(payload), log::Append::kept);
        });
        collect(world, 1, was_kept ? 3 : 2);
        world.scheduler.wait_for_end(sleeper);
        EXPECT_EQ(world.bucket.peek(log::slot_key(1)), std::nullopt) << "a slot was won a second time";
      });
      EXPECT_EQ(ran.failure, "") << freezes << was_kept;
    }
  }
}

// Rule 2 of the boundary: what was signed before the sleep is refused by the bucket itself.
TEST(BucketSleeper, WhoWakesJustBeforeItSendsIsTurnedAway) {
  const Ran ran = in_world(3, [](World& world) {
    Process& sleeper = start(world, "sleeper", [&](Machine& machine) {
      BucketProfile stalls;
      stalls[Fault::stall] = 1'000'000;
      world.bucket.set_faults(stalls);
      // The request itself stands still on its way out of the machine, for up to three days.
      const log::Append appended = machine.append("zombie", 200h);
      EXPECT_TRUE(appended == log::Append::collected || appended == log::Append::lost);
      EXPECT_EQ(machine.read(), log::Read::gone);
    });
    base::sleep_for(5s);
    world.bucket.set_faults({});
    run(world, "writer", [](Machine& machine) {
      for (const char* payload : {"b", "c", "d"}) EXPECT_EQ(machine.append(payload), log::Append::kept);
    });
    const std::string first = world.bucket.peek(log::slot_key(1)).value();
    world.scheduler.pause(sleeper, 90h);
    collect(world, 1, 3);
    world.scheduler.wait_for_end(sleeper);
    base::sleep_for(Bucket::kWireMax);
    EXPECT_EQ(world.bucket.peek(log::slot_key(1)), std::nullopt);
  });
  EXPECT_EQ(ran.failure, "");
}

// `call` with this fault befalling its first request, or few.
void with_one(World& world, Fault fault, const std::function<void()>& call) {
  BucketProfile faults;
  faults[fault] = 1'000'000;
  const std::uint64_t before = world.report.counted(fault);
  world.bucket.set_faults(faults);
  base::Thread watch("watch", [&] {
    while (world.report.counted(fault) == before) base::sleep_for(100us);
    world.bucket.set_faults({});
  });
  call();
}

// Hole 6: one server's wrong clock moves neither the store's nor what is signed.
TEST(BucketDates, ThatAreWrongOnceMoveNothing) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      run(world, "writer", [&world](Machine& machine) {
        const auto apart = [&] {
          const auto date = std::chrono::microseconds(world.bucket.date().time_since_epoch());
          return std::chrono::abs(std::chrono::microseconds(machine.log->clock_micros()) - date);
        };
        EXPECT_EQ(machine.append("a"), log::Append::kept);
        for (int i = 0; i < 10; ++i) EXPECT_EQ(machine.log->look(base::now() + 1min), log::Read::caught_up);
        with_one(world, Fault::wrong_date, [&] { EXPECT_EQ(machine.append("b"), log::Append::kept); });
        EXPECT_LT(apart(), 5s);
        with_one(world, Fault::wrong_date,
                 [&] { EXPECT_EQ(machine.log->confirm(base::now() + 1min), log::Read::caught_up); });
        EXPECT_LT(std::chrono::abs(machine.log->confirmation().date - world.bucket.date()), 5s) << "it is signed with";
        EXPECT_EQ(machine.append("c"), log::Append::kept);
      });
    });
    EXPECT_EQ(ran.failure, "") << seed;
  }
}

// A payload that was put before a long sleep may be swept before the slot that names it could be won.
TEST(BucketSleeper, PutsItsPayloadAgain) {
  std::uint64_t again = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Process& sleeper = world.scheduler.start("sleeper", [&] {
        Machine machine(world);
        if (!machine.open(300)) world.scheduler.fail("the log can't be opened");
        EXPECT_EQ(machine.append("a"), log::Append::kept);
        const log::Append appended = machine.append(std::string(1000, 'x'), 100h);
        if (appended == log::Append::kept) return;
        // The put of the slot was on its way, too: it may be there, and must not be sent any more.
        EXPECT_EQ(appended, log::Append::undecided);
        EXPECT_EQ(machine.log->settle(base::now() + 1min), log::Read::caught_up);
      });
      const base::Instant until = base::now() + 1min;
      bool is_put = false;
      while (!is_put && base::now() < until) {
        base::sleep_for(1ms);
        for (const std::string& key : world.bucket.keys()) is_put = is_put || key.starts_with(log::kBulkPrefix);
      }
      // Somewhere between the put of the payload and that of the slot.
      base::sleep_for(std::chrono::milliseconds(seed % 20));
      if (sleeper.running()) {
        seed % 3 == 0 ? world.scheduler.freeze(sleeper, 20h) : world.scheduler.pause(sleeper, 20h);
      }
      world.scheduler.wait_for_end(sleeper);
      std::uint64_t payloads = 0;
      for (const std::string& key : world.bucket.keys()) payloads += key.starts_with(log::kBulkPrefix) ? 1 : 0;
      again += payloads > 1 ? 1 : 0;
    });
    ASSERT_EQ(ran.failure, "") << seed;
  }
  EXPECT_GT(again, 0U);
}

// Hole 12: whatever a bucket that ignores conditions does to two writers, both stop, and say so.
TEST(BucketEndpoint, ThatIgnoresConditionsIsNoticedByAllWhoWrite) {
  Report report;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Ran ran = in_world(seed, [](World& world) {
      world.bucket.set_ignores_conditions(true);
      std::vector<Process*> writers;
      for (int i = 0; i < 3; ++i) {
        writers.push_back(&start(world, "writer", [i](Machine& machine) {
          for (int n = 0; n < 50; ++n) {
            if (n % 2 == i % 2) (void)machine.log->look(base::now() + 1min);
            const log::Append appended = machine.append(std::to_string(i) + "." + std::to_string(n));
            if (appended == log::Append::lost && machine.read() == log::Read::corrupt) break;
            if (appended != log::Append::kept && appended != log::Append::lost) break;
          }
          base::sleep_for(1min);
          EXPECT_EQ(machine.read(), log::Read::corrupt);
          EXPECT_NE(machine.log->problem(), "");
        }));
      }
      for (Process* const writer : writers) world.scheduler.wait_for_end(*writer);
    });
    ASSERT_EQ(ran.failure, "") << seed;
    report.add(ran.report);
  }
  EXPECT_GT(report.probes["bucket: a slot had another entry the second time"], 0U);
}

// Deadlines and closing, with every request silent.
TEST(BucketSilence, EndsNothingLateAndCloseEndsItAtOnce) {
  const Ran ran = in_world(3, [](World& world) {
    run(world, "writer", [](Machine& machine) {
      EXPECT_EQ(machine.append("a"), log::Append::kept);
      BucketProfile silent;
      silent[Fault::outage] = 1'000'000;
      machine.world.bucket.set_faults(silent);
      const auto took = [](const auto& call) {
        const base::Instant begun = base::now();
        call();
        return base::now() - begun;
      };
      EXPECT_LT(took([&] { EXPECT_EQ(machine.append("b", 3s), log::Append::undecided); }), 3100ms);
      EXPECT_LT(took([&] { EXPECT_EQ(machine.log->look(base::now() + 2s), log::Read::unavailable); }), 2100ms);
      EXPECT_LT(took([&] { EXPECT_EQ(machine.log->settle(base::now() + 2s), log::Read::unavailable); }), 2100ms);
      base::Thread waits("waits", [&] { (void)machine.log->wait(1, base::now() + 1h); });
      EXPECT_LT(took([&] { machine.log->close(); }), 100ms);
      EXPECT_LT(took([&] { waits.join(); }), 100ms);
    });
  });
  EXPECT_EQ(ran.failure, "");
}

}  // namespace
}  // namespace ingot::simulator
