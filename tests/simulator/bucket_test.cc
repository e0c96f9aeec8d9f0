// The simulated object store: what S3 promises holds, what it does not promise is taken away, each kind of fault
// happens and does what it says; and a small protocol over it, which passes every seed if it is done right, and is
// caught if it makes one of the classic mistakes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "fiber.h"
#include "in_world.h"
#include "memory.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using storage::Answer;
using storage::BucketDate;
using storage::Got;
using storage::Listing;
using storage::Outcome;
using storage::PutMode;

constexpr std::uint32_t kSure = 1'000'000;

base::Instant within(base::Duration patience) {
  return base::now() + patience;
}

Outcome create(Bucket& bucket, std::string_view key, std::string_view bytes) {
  return bucket.put(key, bytes, PutMode::create, {}, within(30s)).outcome;
}

Got read(Bucket& bucket, std::string_view key) {
  return bucket.get(key, {}, within(30s));
}

BucketProfile always(Fault fault) {
  BucketProfile profile;
  profile[fault] = kSure;
  return profile;
}

// So many processes at once, to their ends.
void run_processes(World& world, std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<Process*> processes;
  for (std::size_t i = 0; i < count; ++i) {
    processes.push_back(&world.scheduler.start("machine", [&body, i] { body(i); }));
  }
  for (Process* const process : processes) world.scheduler.wait_for_end(*process);
}

TEST(Bucket, OfManyCreatesOfAKeyOneIsDoneAndAllOthersAreToldThatItExists) {
  std::set<std::string> winners;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::map<Outcome, int> outcomes;
    std::string winner;
    const Ran ran = in_world(seed, [&](World& world) {
      run_processes(world, 8, [&](std::size_t i) {
        const Outcome outcome = create(world.bucket, "a", std::to_string(i));
        HostMemory host;
        ++outcomes[outcome];
        if (outcome == Outcome::done) winner = std::to_string(i);
      });
      EXPECT_EQ(read(world.bucket, "a").bytes, winner);
    });
    ASSERT_EQ(ran.failure, "");
    EXPECT_EQ(outcomes, (std::map<Outcome, int>{{Outcome::done, 1}, {Outcome::exists, 7}}));
    winners.insert(winner);
  }
  EXPECT_GT(winners.size(), 4U);
}

TEST(Bucket, WhatWasPutIsReadAtOnceWholeOrInPart) {
  const Ran ran = in_world(5, [](World& world) {
    Bucket& bucket = world.bucket;
    EXPECT_EQ(read(bucket, "a/b").outcome, Outcome::absent);
    EXPECT_EQ(create(bucket, "a/b", "0123456789"), Outcome::done);
    const auto part = [&](std::uint64_t offset, std::uint64_t bytes) {
      const Got got = bucket.get("a/b", {offset, bytes}, within(30s));
      EXPECT_EQ(got.outcome, Outcome::done);
      EXPECT_EQ(got.object_bytes, got.bytes.empty() ? 0U : 10U);
      return got.bytes;
    };
    EXPECT_EQ(read(bucket, "a/b").bytes, "0123456789");
    EXPECT_EQ(part(0, 4), "0123");
    EXPECT_EQ(part(8, 2), "89");
    EXPECT_EQ(part(8, 100), "89");
    EXPECT_EQ(part(10, 1), "");
    EXPECT_EQ(part(11, ~0ULL), "");
    EXPECT_EQ(bucket.put("a/b", "new", PutMode::replace, {}, within(30s)).outcome, Outcome::done);
    EXPECT_EQ(read(bucket, "a/b").bytes, "new");
    EXPECT_EQ(create(bucket, "a/b", "other"), Outcome::exists);
    EXPECT_EQ(read(bucket, "a/b").bytes, "new");
    EXPECT_EQ(bucket.remove("a/b", within(30s)).outcome, Outcome::done);
    EXPECT_EQ(bucket.remove("a/b", within(30s)).outcome, Outcome::done) << "also if it is not there";
    EXPECT_EQ(read(bucket, "a/b").outcome, Outcome::absent);
    EXPECT_EQ(create(bucket, "a/b", ""), Outcome::done) << "a removed name is free";
    EXPECT_EQ(read(bucket, "a/b").outcome, Outcome::done);
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.bucket_requests, 17U);
}

// All pages of a listing.
std::vector<std::string> list_all(Bucket& bucket, std::string_view prefix, std::size_t* pages = nullptr) {
  std::vector<std::string> keys;
  std::string continuation;
  for (;;) {
    const Listing listing = bucket.list(prefix, continuation, within(30s));
    if (listing.outcome != Outcome::done) {
      base::sleep_for(1s);
      continue;
    }
    for (const storage::ListedObject& object : listing.objects) keys.push_back(object.key);
    if (pages != nullptr) ++*pages;
    continuation = listing.continuation;
    if (continuation.empty()) return keys;
  }
}

TEST(Bucket, AListingHasInNoOrderWhatWasThereThroughout) {
  bool was_sorted = true;
  std::size_t most_pages = 0;
  std::set<std::size_t> sizes;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      for (int i = 0; i < 40; ++i) EXPECT_EQ(create(world.bucket, "a/" + std::to_string(i), "x"), Outcome::done);
      EXPECT_EQ(create(world.bucket, "ab", "xyz"), Outcome::done);
      std::atomic<bool> done = false;
      base::Thread changes("changes", [&] {
        for (int i = 0; !done; ++i) {
          EXPECT_EQ(create(world.bucket, "a/new" + std::to_string(i), "x"), Outcome::done);
          EXPECT_EQ(world.bucket.remove("a/" + std::to_string(20 + i % 20), within(30s)).outcome, Outcome::done);
        }
      });
      std::size_t pages = 0;
      std::vector<std::string> keys = list_all(world.bucket, "a/", &pages);
      done = true;
      changes.join();
      was_sorted = was_sorted && std::is_sorted(keys.begin(), keys.end());
      most_pages = std::max(most_pages, pages);
      std::sort(keys.begin(), keys.end());
      EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(std::binary_search(keys.begin(), keys.end(), "a/" + std::to_string(i)));
      for (const std::string& key : keys) EXPECT_TRUE(key.starts_with("a/"));
      sizes.insert(keys.size());
      const Listing all = world.bucket.list("", "", within(30s));
      for (const storage::ListedObject& object : all.objects) {
        EXPECT_EQ(object.bytes, object.key == "ab" ? 3U : 1U);
        EXPECT_LE(object.modified, world.bucket.date());
      }
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_FALSE(was_sorted);
  EXPECT_GT(most_pages, 5U);
  EXPECT_GT(sizes.size(), 3U) << "what comes and goes is seen or not";
}

struct Befell {
  Answer answer;
  bool is_there = false;
};

// One create of "a" with this fault, for sure.
Befell befall(std::uint64_t seed, Fault fault, base::Duration patience = 10s) {
  Befell befell;
  const Ran ran = in_world(seed, [&](World& world) {
    world.bucket.set_faults(always(fault));
    befell.answer = world.bucket.put("a", "x", PutMode::create, {}, within(patience));
    befell.is_there = world.bucket.peek("a").has_value();
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.counted(fault), 1U) << fault_name(fault);
  return befell;
}

TEST(Bucket, EachFaultDoesWhatItSays) {
  struct Expected {
    Fault fault;
    Outcome outcome;
    std::set<bool> is_there;
  };
  const Expected all[] = {
      {Fault::lost_request, Outcome::unanswered, {false}},
      {Fault::lost_answer, Outcome::unanswered, {true}},
      {Fault::conflict, Outcome::conflict, {false}},
      {Fault::throttled, Outcome::throttled, {false}},
      {Fault::error_before, Outcome::failed, {false}},
      {Fault::error_after, Outcome::failed, {true}},
      {Fault::storm, Outcome::throttled, {false}},
      {Fault::stale_connection, Outcome::unanswered, {true, false}},
      {Fault::outage, Outcome::unanswered, {true, false}},
      {Fault::no_connection, Outcome::unsent, {false}},
      {Fault::expired_credentials, Outcome::refused, {false}},
  };
  for (const Expected& expected : all) {
    std::set<bool> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      const Befell befell = befall(seed, expected.fault);
      EXPECT_EQ(befell.answer.outcome, expected.outcome) << fault_name(expected.fault);
      const bool was_heard = expected.outcome != Outcome::unanswered && expected.outcome != Outcome::unsent;
      EXPECT_EQ(befell.answer.date.has_value(), was_heard);
      EXPECT_EQ(befell.answer.retry_after >= 1s,
                expected.fault == Fault::throttled || befell.answer.retry_after != base::Duration::zero());
      EXPECT_NE(befell.answer.why, "");
      seen.insert(befell.is_there);
    }
    EXPECT_EQ(seen, expected.is_there) << fault_name(expected.fault);
  }
}

TEST(Bucket, ABodyCutShortIsNoAnswer) {
  const Ran ran = in_world(5, [](World& world) {
    EXPECT_EQ(create(world.bucket, "a", "0123456789"), Outcome::done);
    world.bucket.set_faults(always(Fault::truncated));
    EXPECT_EQ(create(world.bucket, "b", "0123456789"), Outcome::done) << "of a get only";
    const Got got = read(world.bucket, "a");
    EXPECT_EQ(got.outcome, Outcome::unanswered);
    EXPECT_EQ(got.bytes, "");
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.counted(Fault::truncated), 1U);
}

TEST(Bucket, AWrongDateIsOfTheAnswerOnly) {
  std::set<bool> ahead;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      world.bucket.set_faults(always(Fault::wrong_date));
      const Answer answer = world.bucket.put("a", "x", PutMode::create, {}, within(30s));
      EXPECT_EQ(answer.outcome, Outcome::done);
      const auto apart = answer.date.value() - world.bucket.date();
      EXPECT_GT(std::chrono::abs(apart), 5min);
      ahead.insert(apart > 0s);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_EQ(ahead.size(), 2U);
}

TEST(Bucket, ADelayedAnswerComesIfThereIsTimeForIt) {
  std::set<Outcome> hasty;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    EXPECT_EQ(befall(seed, Fault::delayed, 2min).answer.outcome, Outcome::done);
    hasty.insert(befall(seed, Fault::delayed, 5s).answer.outcome);
  }
  EXPECT_EQ(hasty, (std::set<Outcome>{Outcome::done, Outcome::unanswered}));
}

TEST(Bucket, ALateRequestMayTakeEffectHoursAfterItsSenderGaveUp) {
  int after_hours = 0;
  int never = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      world.bucket.set_faults(always(Fault::late));
      EXPECT_EQ(create(world.bucket, "a", "x"), Outcome::unanswered);
      world.bucket.set_faults({});
      EXPECT_EQ(read(world.bucket, "a").outcome, Outcome::absent) << "which proves nothing";
      base::sleep_for(1h);
      const bool was_there = world.bucket.peek("a").has_value();
      base::sleep_for(Bucket::kWireMax);
      EXPECT_EQ(world.bucket.under_way(), 0U);
      const bool is_there = world.bucket.peek("a").has_value();
      if (is_there && !was_there) ++after_hours;
      if (!is_there) ++never;  // it was on the wire until its signature was too old
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(after_hours, 5);
  EXPECT_GT(never, 5);
}

TEST(Bucket, ADuplicateMayBringBackWhatWasRemovedOrSayThatItsOwnObjectExists) {
  int revived = 0;
  int own = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      world.bucket.set_faults(always(Fault::duplicate));
      const Outcome outcome = create(world.bucket, "a", "x");
      world.bucket.set_faults({});
      EXPECT_TRUE(outcome == Outcome::done || outcome == Outcome::exists);
      if (outcome == Outcome::exists) ++own;
      EXPECT_EQ(read(world.bucket, "a").bytes, "x");
      EXPECT_EQ(world.bucket.remove("a", within(30s)).outcome, Outcome::done);
      base::sleep_for(Bucket::kInsideMax + storage::kSignatureWindow);
      const bool is_there = world.bucket.peek("a").has_value();
      if (is_there) ++revived;
      base::sleep_for(Bucket::kWireMax);
      EXPECT_EQ(world.bucket.under_way(), 0U);
      EXPECT_EQ(world.bucket.peek("a").has_value(), is_there) << "what comes later has too old a signature";
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(revived, 10);
  EXPECT_GT(own, 10);
}

TEST(Bucket, ARequestIsTurnedAwayIfItsSignatureIsTooOld) {
  const Ran ran = in_world(5, [](World& world) {
    const auto put = [&](std::chrono::seconds age) {
      return world.bucket.put("a", "x", PutMode::replace, world.bucket.date() - age, within(30s));
    };
    EXPECT_EQ(put(storage::kSignatureWindow - 2s).outcome, Outcome::done);
    EXPECT_EQ(world.bucket.remove("a", within(30s)).outcome, Outcome::done);
    const Answer answer = put(storage::kSignatureWindow + 2s);
    EXPECT_EQ(answer.outcome, Outcome::too_late);
    EXPECT_TRUE(answer.date.has_value()) << "which says how late it is";
    EXPECT_LT(world.bucket.date() - answer.date.value(), 5s);
    EXPECT_EQ(put(-storage::kSignatureWindow - 2s).outcome, Outcome::too_late);
    EXPECT_EQ(read(world.bucket, "a").outcome, Outcome::absent);
    world.scheduler.jump_wall_clock(3'600'000'000);
    EXPECT_EQ(create(world.bucket, "a", "x"), Outcome::done) << "no machine's clock matters";
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(Bucket, ARequestOutlivesItsProcessOrDiesWithIt) {
  std::set<std::string> seen;
  Report report;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      BucketProfile slow;
      slow[Fault::late] = seed % 2 == 0 ? kSure : 0;
      world.bucket.set_faults(slow);
      Process& process = world.scheduler.start("killed", [&] {
        (void)create(world.bucket, "a", "x");
        world.scheduler.fail("it was to be killed first");
      });
      base::sleep_for(1ms);
      EXPECT_EQ(world.bucket.peek("a"), std::nullopt);
      world.scheduler.kill(process);
      base::sleep_for(1s);
      const bool soon = world.bucket.peek("a").has_value();
      base::sleep_for(Bucket::kWireMax);
      EXPECT_EQ(world.bucket.under_way(), 0U);
      seen.insert(soon ? "soon" : world.bucket.peek("a").has_value() ? "later" : "never");
    });
    ASSERT_EQ(ran.failure, "");
    report.add(ran.report);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"soon", "later", "never"}));
  EXPECT_GT(report.counted(Fault::killed_request), 20U);
}

TEST(Bucket, WhoStoodStillHearsAnOldAnswerOrSendsAnOldRequest) {
  int old = 0;
  int too_late = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      world.bucket.set_faults(always(Fault::stall));
      Process& reader = world.scheduler.start("reader", [&] {
        const Got got = read(world.bucket, "a");
        // Its deadline is over either way; but an answer that had come in time is given to it.
        if (got.outcome == Outcome::absent && world.bucket.date() - got.date.value() > 50s) ++old;
      });
      Process& writer = world.scheduler.start("writer", [&] {
        const Answer answer = world.bucket.put("b", "x", PutMode::create, {}, base::now() + 100h);
        if (answer.outcome == Outcome::too_late) ++too_late;
      });
      base::sleep_for(500ms);
      world.bucket.set_faults({});
      EXPECT_EQ(create(world.bucket, "a", "x"), Outcome::done);
      world.scheduler.wait_for_end(reader);
      world.scheduler.wait_for_end(writer);
    });
    ASSERT_EQ(ran.failure, "");
    EXPECT_EQ(ran.report.counted(Fault::stall), 2U);
  }
  EXPECT_GT(old, 20);
  EXPECT_GT(too_late, 20);
}

TEST(Bucket, APeriodPassesAndMayBeOfOneProcessOnly) {
  for (const Fault fault : {Fault::outage, Fault::no_connection, Fault::storm, Fault::expired_credentials}) {
    std::set<Outcome> others;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const Ran ran = in_world(seed, [&](World& world) {
        world.bucket.set_faults(always(fault));
        EXPECT_NE(create(world.bucket, "a", "x"), Outcome::done);
        world.bucket.set_faults({});
        const auto put = [&] { return world.bucket.put("b", "x", PutMode::replace, {}, within(100ms)).outcome; };
        EXPECT_TRUE(put() != Outcome::done || fault != Fault::storm);
        run_processes(world, 1, [&](std::size_t) {
          const Outcome outcome = put();
          HostMemory host;
          others.insert(outcome);
        });
        base::sleep_for(4h);
        EXPECT_EQ(create(world.bucket, "c", "x"), Outcome::done);
      });
      ASSERT_EQ(ran.failure, "");
    }
    EXPECT_EQ(others.contains(Outcome::done), fault != Fault::storm) << fault_name(fault);
    EXPECT_GT(others.size(), fault == Fault::storm ? 0U : 1U) << fault_name(fault);
  }
}

TEST(Bucket, ABadEndpointIgnoresConditionsOrHidesAbsence) {
  const Ran ran = in_world(5, [](World& world) {
    EXPECT_EQ(create(world.bucket, "a", "one"), Outcome::done);
    world.bucket.set_ignores_conditions(true);
    EXPECT_EQ(create(world.bucket, "a", "two"), Outcome::done);
    EXPECT_EQ(read(world.bucket, "a").bytes, "two");
    world.bucket.set_hides_absence(true);
    EXPECT_EQ(read(world.bucket, "none").outcome, Outcome::refused);
    EXPECT_EQ(read(world.bucket, "a").outcome, Outcome::done);
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(Bucket, WhatNoCallerMayAskForFailsTheSeed) {
  const auto fails = [](auto call) { return in_world(5, [&](World& world) { (void)call(world.bucket); }).failure; };
  EXPECT_EQ(fails([](Bucket& bucket) { return bucket.get("A", {}, within(1s)); }), "not a key: A");
  EXPECT_EQ(fails([](Bucket& bucket) { return bucket.get("", {}, within(1s)); }), "not a key: ");
  EXPECT_EQ(fails([](Bucket& bucket) { return bucket.list("a", "", within(1s)); }), "not a key: a");
  EXPECT_EQ(fails([](Bucket& bucket) { return bucket.get("a", {}, base::kNever); }), "a request without a deadline: a");
  const std::string longest(storage::kObjectKeyBytesMax, 'a');
  EXPECT_EQ(fails([&](Bucket& bucket) { return bucket.get(longest, {}, within(1s)); }), "");
  EXPECT_NE(fails([&](Bucket& bucket) { return bucket.get(longest + "a", {}, within(1s)); }), "");
}

// A small protocol over it: slots, of which each is created once, with a nonce, by one of many machines that race for
// it; what the answers leave open is settled by looking. Machines are killed, and stand still.

enum class SlotMistake {
  none,
  trust_silence,      // no answer: it did not happen
  trust_absence,      // no answer, and then it is not there: it did not happen
  exists_is_lost,     // sent again, and it exists: another's
  exists_is_ours,     // sent again, and it exists: ours
  look_then_replace,  // whether a slot is free is looked up first; then the put needs no condition
  bad_endpoint,       // none of its own, but the server ignores conditions
};

std::string slot_key(std::uint64_t slot) {
  const std::string digits = std::to_string(slot);
  return "log/" + std::string(6 - digits.size(), '0') + digits;
}

class SlotHistory {
 public:
  explicit SlotHistory(World& world) : world_(world) {}
  // The last slot that anybody was told is taken: who begins now must see it.
  [[nodiscard]] std::uint64_t floor() const { return taken_.empty() ? 0 : taken_.rbegin()->first; }
  // Somebody was told that this is what the slot has.
  void saw(std::uint64_t slot, std::string_view nonce) {
    HostMemory host;
    const auto [known, is_new] = taken_.emplace(slot, nonce);
    if (!is_new && known->second != nonce) fail("slot " + std::to_string(slot) + " has changed");
  }
  void kept(std::uint64_t slot, std::string_view nonce, std::uint64_t floor_before) {
    if (slot <= floor_before) fail("slot " + std::to_string(slot) + " was taken before this began");
    saw(slot, nonce);
  }
  void lost(std::string_view nonce) {
    HostMemory host;
    lost_.emplace(nonce);
  }
  void caught_up(std::uint64_t tail, std::uint64_t floor_before) {
    if (tail < floor_before) fail("slot " + std::to_string(tail) + " is said to be the last, which is old");
  }
  // Nothing is under way any more.
  void check() {
    std::set<std::string> there;
    for (std::uint64_t slot = 1;; ++slot) {
      const std::optional<std::string> nonce = world_.bucket.peek(slot_key(slot));
      const auto told = taken_.find(slot);
      if (!nonce.has_value()) {
        if (floor() >= slot) fail("slot " + std::to_string(slot) + " was acknowledged and is not there");
        break;
      }
      if (told != taken_.end() && told->second != *nonce) fail("slot " + std::to_string(slot) + " is another's");
      if (!there.insert(*nonce).second) fail("an entry is there twice");
      if (lost_.contains(*nonce)) fail("slot " + std::to_string(slot) + " is of one who was told that it lost");
    }
  }
  [[noreturn]] void fail(const std::string& why) { world_.scheduler.fail("slots: " + why); }

 private:
  World& world_;
  std::map<std::uint64_t, std::string> taken_;
  std::set<std::string> lost_;
};

// One life of one machine. In its memory.
class SlotMachine {
 public:
  SlotMachine(World& world, SlotHistory& history, SlotMistake mistake)
      : world_(world), bucket_(world.bucket), history_(history), mistake_(mistake), random_(base::random_u64()) {}

  void run(std::uint64_t entries) {
    if (random_.below(4) == 0 && !start_from_hint()) return;
    for (std::uint64_t i = 0; i < entries; ++i) {
      if (random_.below(3) == 0 && !catch_up()) return;
      if (random_.below(8) == 0) check_listing();
      if (!append()) return;
      if (random_.below(4) == 0) {  // a hint, which may be old, or get older
        const std::string tail = std::to_string(tail_);
        (void)bucket_.put("hint", tail, PutMode::replace, {}, deadline());
      }
    }
  }

 private:
  enum class Told { kept, lost, nothing, unsettled };
  static constexpr int kTriesMax = 60;

  base::Instant deadline() {
    static constexpr base::Duration kPatience[] = {60ms, 1s, 5s, 30s};
    return base::now() + kPatience[random_.below(4)];
  }
  void stand_back(const Answer& answer) {
    world_.report.outcome(storage::outcome_name(answer.outcome));
    base::sleep_for(std::max(answer.retry_after, base::Duration(std::chrono::milliseconds(1 + random_.below(30'000)))));
  }
  // Until there is an answer that decides; unanswered: there was none.
  Got get(std::string_view key) {
    for (int tries = 0; tries < kTriesMax; ++tries) {
      Got got = bucket_.get(key, {}, deadline());
      if (got.outcome == Outcome::done || got.outcome == Outcome::absent) return got;
      stand_back(got);
    }
    return {};
  }

  bool start_from_hint() {
    const Got got = get("hint");
    if (got.outcome == Outcome::done) tail_ = std::stoull(got.bytes);
    return got.outcome != Outcome::unanswered;
  }

  // Reads slots until there is none.
  bool catch_up() {
    const std::uint64_t floor = history_.floor();
    for (;;) {
      const Got got = get(slot_key(tail_ + 1));
      if (got.outcome == Outcome::unanswered) return false;
      if (got.outcome == Outcome::absent) break;
      history_.saw(++tail_, got.bytes);
    }
    history_.caught_up(tail_, floor);
    return true;
  }

  void check_listing() {
    const std::uint64_t floor = history_.floor();
    std::vector<std::string> keys = list_all(bucket_, "log/");
    std::sort(keys.begin(), keys.end());
    for (std::uint64_t slot = 1; slot <= floor; ++slot) {
      if (!std::binary_search(keys.begin(), keys.end(), slot_key(slot))) history_.fail("a listing lacks a slot");
    }
  }

  // False: this life is over.
  bool append() {
    for (int losses = 0; losses < 10; ++losses) {
      std::string nonce;
      base::append_little(nonce, base::random_u64());
      const std::uint64_t floor = history_.floor();
      const std::uint64_t slot = tail_ + 1;
      ++world_.report.operations;
      const Told told = try_slot(slot, nonce);
      if (told == Told::unsettled) return false;
      if (told == Told::kept) {
        history_.kept(slot, nonce, floor);
        tail_ = slot;
        return true;
      }
      history_.lost(nonce);
      if (told == Told::lost) tail_ = slot;
    }
    return true;
  }

  Told try_slot(std::uint64_t slot, const std::string& nonce) {
    const std::string key = slot_key(slot);
    bool is_open = false;  // whether an earlier try may have been applied
    if (mistake_ == SlotMistake::look_then_replace && get(key).outcome == Outcome::done) return Told::lost;
    const PutMode mode = mistake_ == SlotMistake::look_then_replace ? PutMode::replace : PutMode::create;
    for (int tries = 0; tries < kTriesMax; ++tries) {
      const Answer answer = bucket_.put(key, nonce, mode, {}, deadline());
      if (answer.outcome == Outcome::done) return Told::kept;
      if (answer.outcome == Outcome::exists) {
        if (mistake_ == SlotMistake::exists_is_lost) return Told::lost;
        if (mistake_ == SlotMistake::exists_is_ours && is_open) return Told::kept;
        const Got got = get(key);
        if (got.outcome == Outcome::unanswered) return Told::unsettled;
        if (got.outcome == Outcome::absent) history_.fail("a slot exists, and is absent");
        if (got.bytes == nonce) return Told::kept;
        history_.saw(slot, got.bytes);
        return Told::lost;
      }
      if (answer.outcome == Outcome::unanswered || answer.outcome == Outcome::failed) {
        is_open = true;
        if (mistake_ == SlotMistake::trust_silence) return Told::nothing;
        if (mistake_ == SlotMistake::trust_absence && get(key).outcome == Outcome::absent) return Told::nothing;
      }
      stand_back(answer);
    }
    return Told::unsettled;
  }

  World& world_;
  Bucket& bucket_;
  SlotHistory& history_;
  SlotMistake mistake_;
  base::Random random_;
  std::uint64_t tail_ = 0;
};

Ran run_slots(std::uint64_t seed, SlotMistake mistake) {
  return in_world(seed, [&](World& world) {
    Chance& chance = world.chance;
    SlotHistory history(world);
    world.bucket.set_faults(BucketProfile::draw(chance));
    world.bucket.set_ignores_conditions(mistake == SlotMistake::bad_endpoint);
    std::vector<Process*> machines;
    for (std::uint64_t count = chance.between(2, 6); count > 0; --count) {
      const std::uint64_t entries = chance.between(1, 8);
      Process& machine = world.scheduler.start(
          "machine", [&world, &history, mistake, entries] { SlotMachine(world, history, mistake).run(entries); });
      machines.push_back(&machine);
      const std::uint64_t steps = chance.magnitude(1, 300);
      if (chance.one_in(3)) world.scheduler.kill_after(machine, steps);
    }
    for (std::uint64_t count = chance.below(3); count > 0; --count) {
      base::sleep_for(base::Duration(static_cast<std::int64_t>(chance.magnitude(1'000'000, 10'000'000'000))));
      Process& machine = *machines[chance.below(machines.size())];
      const auto length = static_cast<std::int64_t>(chance.magnitude(1'000'000, 40'000'000'000'000));
      if (machine.running()) world.scheduler.pause(machine, base::Duration(length));
    }
    for (Process* const machine : machines) world.scheduler.wait_for_end(*machine);
    world.bucket.set_faults({});
    world.bucket.end_periods();
    base::sleep_for(Bucket::kWireMax);
    if (world.bucket.under_way() != 0) world.scheduler.fail("something is still under way");
    history.check();
  });
}

#ifdef INGOT_SIMULATOR_ASAN
constexpr std::uint64_t kSlotSeeds = 100;
#else
constexpr std::uint64_t kSlotSeeds = 600;
#endif

TEST(BucketSlots, DoneRightTheyPassEverySeedAndEveryFaultHappens) {
  Report report;
  for (std::uint64_t seed = 0; seed < kSlotSeeds; ++seed) {
    const Ran ran = run_slots(seed, SlotMistake::none);
    ASSERT_EQ(ran.failure, "") << seed;
    report.add(ran.report);
  }
  EXPECT_GT(report.operations, kSlotSeeds * 10);
  for (std::size_t i = kDiskFaultCount; i < kFaultCount; ++i) {
    EXPECT_GT(report.faults[i], 0U) << fault_name(static_cast<Fault>(i));
  }
}

TEST(BucketSlots, EachClassicMistakeIsCaught) {
  for (const SlotMistake mistake :
       {SlotMistake::trust_silence, SlotMistake::trust_absence, SlotMistake::exists_is_lost,
        SlotMistake::exists_is_ours, SlotMistake::look_then_replace, SlotMistake::bad_endpoint}) {
    std::uint64_t seed = 0;
    std::string failure;
    for (; seed < 300 && failure.empty(); ++seed) failure = run_slots(seed, mistake).failure;
    EXPECT_NE(failure, "") << "mistake " << static_cast<int>(mistake);
    std::cout << "mistake " << static_cast<int>(mistake) << " after " << seed << " seeds: " << failure << "\n";
  }
}

TEST(BucketSlots, ASeedDoesTheSameEachTime) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(run_slots(seed, SlotMistake::none).hash, run_slots(seed, SlotMistake::none).hash) << seed;
  }
}

TEST(Bucket, EveryFaultCanBeLeftOut) {
  Report report;
  Choices choices;
  choices.leave_out(Optional::fault, 0, ~0ULL);
  const auto trace = std::make_unique<Trace>(nullptr);
  {
    World world(5, *trace, report, choices);
    const std::string failure = world.scheduler.run([&] {
      for (std::size_t i = kDiskFaultCount; i + 1 < kFaultCount; ++i) {
        world.bucket.set_faults(always(static_cast<Fault>(i)));
        EXPECT_EQ(world.bucket.put("a", "x", PutMode::replace, {}, within(30s)).outcome, Outcome::done);
        EXPECT_EQ(read(world.bucket, "a").outcome, Outcome::done);
      }
      Process& process = world.scheduler.start("killed", [&] { (void)create(world.bucket, "b", "x"); });
      base::sleep_for(1ms);
      world.scheduler.kill(process);
    });
    EXPECT_EQ(failure, "");
  }
  for (std::size_t i = kDiskFaultCount; i < kFaultCount; ++i) EXPECT_EQ(report.faults[i], 0U);
  EXPECT_GT(choices.asked(Optional::fault), 20U);
}

}  // namespace
}  // namespace ingot::simulator
