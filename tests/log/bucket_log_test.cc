// The log in a bucket, step by step, on a bucket that does as it is told.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "bucket_fixture.h"

namespace ingot::log {
namespace {

using namespace std::chrono_literals;
using Verb = MemoryBucket::Verb;
using storage::Answer;
using storage::Outcome;

Answer answer_of(Outcome outcome, const char* why = "so it is") {
  Answer answer;
  answer.outcome = outcome;
  answer.why = why;
  return answer;
}

std::uint64_t count_keys(MemoryBucket& bucket, std::string_view prefix) {
  std::uint64_t count = 0;
  bucket.change([&](MemoryBucket& inside) {
    for (const auto& [key, bytes] : inside.objects) count += key.starts_with(prefix) ? 1 : 0;
  });
  return count;
}

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

// What an answer means.

TEST(BucketAppend, ThatWasCarriedOutAndNotAnsweredIsKept) {
  for (const Outcome heard : {Outcome::unanswered, Outcome::failed, Outcome::throttled, Outcome::conflict}) {
    MemoryBucket bucket;
    std::atomic<int> silent = 2;
    bucket.afterwards = [&](Verb verb, std::string_view key, Answer& answer) {
      if (verb == Verb::put && key == slot_key(1) && silent-- > 0) answer = answer_of(heard);
    };
    BucketHandle handle;
    ASSERT_TRUE(handle.open(bucket)) << handle.why;
    EXPECT_EQ(handle.append("a"), Append::kept) << outcome_name(heard);
    EXPECT_EQ(handle.append("b"), Append::kept);
    EXPECT_EQ(handle.payloads, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(handle.log->position().version, 2U);
    BucketHandle other;
    ASSERT_TRUE(other.open(bucket));
    EXPECT_EQ(other.payloads, handle.payloads);
  }
}

TEST(BucketAppend, IsSentAgainForWhateverDecidesNothing) {
  MemoryBucket bucket;
  std::atomic<std::size_t> asked = 0;
  bucket.instead = [&](Verb verb, std::string_view key) -> std::optional<Answer> {
    static constexpr Outcome kInTurn[] = {Outcome::failed,   Outcome::throttled, Outcome::unanswered, Outcome::unsent,
                                          Outcome::conflict, Outcome::too_late,  Outcome::refused};
    if (verb != Verb::put || key != slot_key(1) || asked >= std::size(kInTurn)) return std::nullopt;
    return answer_of(kInTurn[asked++]);
  };
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  EXPECT_EQ(handle.append("a"), Append::kept);
  EXPECT_EQ(asked, 7U);
}

// Until the deadline the bucket answers this, and does nothing.
Append append_answered(Outcome outcome, BucketHandle& handle, MemoryBucket& bucket) {
  EXPECT_TRUE(handle.open(bucket)) << handle.why;
  bucket.change([&](MemoryBucket& inside) {
    inside.instead = [outcome](Verb verb, std::string_view key) -> std::optional<Answer> {
      if (verb == Verb::put && key.starts_with(kLogPrefix)) return answer_of(outcome, "503 of a kind");
      return std::nullopt;
    };
  });
  const Append appended = handle.append("a", 150ms);
  EXPECT_NE(handle.log->why(), "");
  bucket.change([](MemoryBucket& inside) { inside.instead = nullptr; });
  return appended;
}

TEST(BucketAppend, IsUnavailableOnlyIfItCanNotBeThere) {
  const std::map<Outcome, Append> expected = {
      {Outcome::unsent, Append::unavailable},   {Outcome::refused, Append::unavailable},
      {Outcome::unanswered, Append::undecided}, {Outcome::failed, Append::undecided},
      {Outcome::throttled, Append::undecided},  {Outcome::conflict, Append::undecided},
      {Outcome::too_late, Append::undecided},
  };
  for (const auto& [outcome, append] : expected) {
    MemoryBucket bucket;
    BucketHandle handle;
    EXPECT_EQ(append_answered(outcome, handle, bucket), append) << outcome_name(outcome);
    EXPECT_EQ(handle.append("b"), Append::kept) << "it goes on";
    EXPECT_EQ(handle.payloads, std::vector<std::string>{"b"});
  }
}

// The first attempt is still on the wire when it is given up.
TEST(BucketAppend, ThatIsUndecidedIsSettledByWhatIsInTheSlot) {
  for (const bool comes : {false, true}) {
    for (const bool settles : {false, true}) {
      MemoryBucket bucket;
      std::string on_the_wire;
      BucketHandle handle;
      ASSERT_TRUE(handle.open(bucket)) << handle.why;
      bucket.change([&](MemoryBucket& inside) {
        inside.instead = [&](Verb verb, std::string_view key) -> std::optional<Answer> {
          if (verb == Verb::put && key == slot_key(1)) return answer_of(Outcome::unanswered);
          return std::nullopt;
        };
      });
      // Its bytes are those that would win the slot: taken from a bucket that takes them.
      MemoryBucket other;
      EXPECT_EQ(handle.append("a", 100ms), Append::undecided);
      const Log::Attempt attempt = handle.log->attempt();
      EXPECT_EQ(attempt.sequence >> 32, 1U);
      bucket.change([&](MemoryBucket& inside) {
        inside.instead = nullptr;
        if (!comes) return;
        SlotEntry entry;
        entry.slot = entry.segment = 1;
        entry.base_version = 1;
        entry.transaction_count = 1;
        entry.session = attempt.session;
        entry.sequence = attempt.sequence;
        entry.payload_bytes = 1;
        const std::string_view parts[] = {"a"};
        inside.objects[slot_key(1)] = encode_slot(entry, parts, kBucketStore);
      });
      if (settles) {
        EXPECT_EQ(handle.log->settle(within(10s)), Read::caught_up);
        EXPECT_EQ(handle.read(), Read::caught_up);
        EXPECT_EQ(handle.payloads.size(), comes ? 1U : 0U);
        EXPECT_EQ(handle.log->slot(), 1U);
      }
      Append appended = handle.append("b");
      EXPECT_EQ(appended, comes && !settles ? Append::lost : Append::kept);
      if (appended == Append::lost) {
        EXPECT_EQ(handle.read(), Read::caught_up);
        EXPECT_EQ(handle.log->position().session, attempt.session);
        EXPECT_EQ(handle.log->position().sequence, attempt.sequence);
        appended = handle.append("b");
      }
      EXPECT_EQ(appended, Append::kept);
      EXPECT_EQ(handle.payloads, comes ? (std::vector<std::string>{"a", "b"}) : std::vector<std::string>{"b"});
      EXPECT_EQ(handle.log->settle(within(1s)), Read::caught_up) << "there is nothing to settle";
      BucketHandle reader;
      ASSERT_TRUE(reader.open(bucket)) << reader.why;
      EXPECT_EQ(reader.payloads, handle.payloads);
    }
  }
}

// Two machines that were one have one session. What each appends has a greater number than what it has read of the
// other: so the row of the session with the greatest number is also the last one. Found by the model.
TEST(BucketAppend, CountsOnFromWhatACopyOfTheMachineHasAppended) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  EXPECT_EQ(handle.append("a"), Append::kept);
  const Log::Attempt ours = handle.log->attempt();
  EXPECT_EQ(ours.time_micros, handle.log->position().time_micros);

  SlotEntry of_copy;
  of_copy.slot = 2;
  of_copy.segment = 1;
  of_copy.base_version = 2;
  of_copy.transaction_count = 1;
  of_copy.time_micros = handle.log->position().time_micros;
  of_copy.link = handle.log->position().link;
  of_copy.session = ours.session;
  of_copy.sequence = 7ULL << 32 | 1;
  of_copy.payload_bytes = 1;
  const std::string_view parts[] = {"b"};
  bucket.change([&](MemoryBucket& inside) { inside.objects[slot_key(2)] = encode_slot(of_copy, parts, kBucketStore); });
  EXPECT_EQ(handle.look_and_read(), Read::caught_up);
  EXPECT_EQ(handle.log->attempt().sequence, ours.sequence) << "the last attempt of its own";
  EXPECT_EQ(handle.append("c"), Append::kept);
  EXPECT_EQ(handle.log->attempt().session, ours.session);
  EXPECT_EQ(handle.log->attempt().sequence >> 32, 8U);
}

TEST(BucketAppend, IsSentASecondTimeIfItIsSlow) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(handle.append("fast"), Append::kept);
  std::atomic<bool> is_first = true;
  std::atomic<bool> release = false;
  // The first delivery is held up before it takes effect; the second overtakes it.
  bucket.date = [&] { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); };
  bucket.hold = [&](Verb verb, std::string_view key) {
    if (verb != Verb::put || key != slot_key(11) || !is_first.exchange(false)) return;
    while (!release) base::sleep_for(1ms);
  };
  EXPECT_EQ(handle.append("slow"), Append::kept);
  EXPECT_EQ(handle.log->stats().puts_hedged, 1U);
  release = true;
  EXPECT_EQ(handle.append("fast"), Append::kept);
}

TEST(BucketAppend, ClosingEndsIt) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  std::atomic<bool> release = false;
  std::atomic<int> held = 0;
  bucket.hold = [&](Verb verb, std::string_view) {
    if (verb != Verb::put) return;
    ++held;
    while (!release) base::sleep_for(1ms);
  };
  std::thread appends([&] { EXPECT_EQ(handle.append("a", 1h), Append::undecided); });
  std::thread waits([&] { EXPECT_EQ(handle.log->wait(0, within(1h)), 0U); });
  while (held == 0) base::sleep_for(1ms);
  handle.log->close();
  appends.join();
  waits.join();
  EXPECT_EQ(handle.append("b", 1h), Append::unavailable);
  EXPECT_EQ(handle.log->look(within(1h)), Read::unavailable);
  EXPECT_EQ(handle.log->confirm(within(1h)), Read::unavailable);
  EXPECT_EQ(handle.log->why(), "the store was closed");
  release = true;
}

TEST(BucketAppend, OfAReadOnlyHandlePutsNothing) {
  MemoryBucket bucket;
  BucketHandle writer;
  ASSERT_TRUE(writer.open(bucket)) << writer.why;
  for (int i = 0; i < 40; ++i) EXPECT_EQ(writer.append(std::to_string(i)), Append::kept);
  writer.log->close();
  base::sleep_for(20ms);
  const std::uint64_t puts = bucket.puts;
  BucketHandle reader;
  BucketLogOptions options = reader.options();
  options.read_only = true;
  ASSERT_TRUE(reader.open(bucket, std::move(options), 10s)) << reader.why;
  EXPECT_EQ(reader.payloads.size(), 40U);
  EXPECT_EQ(reader.append("x"), Append::unavailable);
  EXPECT_NE(reader.log->why().find("read-only"), std::string::npos);
  EXPECT_EQ(reader.log->settle(within(1s)), Read::caught_up);
  EXPECT_TRUE(reader.log->prepare(within(1s)));
  EXPECT_EQ(reader.look_and_read(), Read::caught_up);
  reader.log->close();
  EXPECT_EQ(bucket.puts, puts);
}

// Bad endpoints, damage.

TEST(BucketLog, ABucketThatIgnoresConditionsIsNoticedAfterTheFirstAppend) {
  MemoryBucket bucket;
  bucket.ignores_conditions = true;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  EXPECT_EQ(handle.append("a"), Append::kept);
  while (handle.log->problem().empty()) base::sleep_for(1ms);
  EXPECT_EQ(handle.append("b"), Append::unavailable);
  EXPECT_EQ(handle.read(), Read::corrupt);
  EXPECT_EQ(handle.log->look(within(1s)), Read::corrupt);
  EXPECT_EQ(handle.log->published(), Log::kMustLook);
  EXPECT_NE(handle.log->why().find("only if absent"), std::string::npos) << handle.log->why();
  handle.log->close();
  ASSERT_EQ(handle.messages.size(), 1U);
}

TEST(BucketLog, AnEntryThatDoesNotFollowIsNeverPassed) {
  const auto with = [](const std::function<void(SlotEntry&)>& change) {
    MemoryBucket bucket;
    BucketHandle handle;
    EXPECT_TRUE(handle.open(bucket)) << handle.why;
    EXPECT_EQ(handle.append("a"), Append::kept);
    SlotEntry entry;
    entry.slot = 2;
    entry.segment = 1;
    entry.base_version = 2;
    entry.transaction_count = 1;
    entry.time_micros = handle.log->position().time_micros;
    entry.link = handle.log->position().link;
    entry.payload_bytes = 1;
    change(entry);
    const std::string_view parts[] = {"b"};
    bucket.change([&](MemoryBucket& inside) { inside.objects[slot_key(2)] = encode_slot(entry, parts, kBucketStore); });
    const Read read = handle.look_and_read();
    EXPECT_EQ(handle.payloads.size(), read == Read::caught_up ? 2U : 1U);
    EXPECT_EQ(read == Read::corrupt, handle.log->why().find("log/0000000000000002") != std::string::npos)
        << handle.log->why();
    return read;
  };
  EXPECT_EQ(with([](SlotEntry&) {}), Read::caught_up);
  EXPECT_EQ(with([](SlotEntry& entry) { entry.segment = 2; }), Read::caught_up);
  EXPECT_EQ(with([](SlotEntry& entry) { entry.link = {1, 1}; }), Read::corrupt);
  EXPECT_EQ(with([](SlotEntry& entry) { entry.base_version = 3; }), Read::corrupt);
  EXPECT_EQ(with([](SlotEntry& entry) { entry.time_micros -= 1; }), Read::corrupt);
  EXPECT_EQ(with([](SlotEntry& entry) { entry.slot = 3; }), Read::corrupt);
  base::set_break(base::Break::bucket_ignore_link, true);
  EXPECT_EQ(with([](SlotEntry& entry) {
              entry.link = {1, 1};
            }),
            Read::caught_up)
      << "so the link is what was looked at";
  base::set_break(base::Break::bucket_ignore_link, false);
}

TEST(BucketLog, WhatWasDamagedOnItsWayIsReadAgainAndWhatStaysDamagedIsSaid) {
  for (const bool stays : {false, true}) {
    for (const bool newer : {false, true}) {
      MemoryBucket bucket;
      BucketHandle writer;
      ASSERT_TRUE(writer.open(bucket)) << writer.why;
      BucketHandle reader;
      ASSERT_TRUE(reader.open(bucket)) << reader.why;
      EXPECT_EQ(writer.append("a"), Append::kept);
      int damages = stays ? 1000 : 1;
      bucket.change([&](MemoryBucket& inside) {
        inside.as_read = [&](std::string_view key, std::string& bytes) {
          if (key != slot_key(1) || damages == 0) return;
          --damages;
          bytes[newer ? 8 : 130] = newer ? 2 : '?';
        };
      });
      EXPECT_EQ(reader.look_and_read(), stays ? Read::corrupt : Read::caught_up);
      EXPECT_EQ(reader.payloads.size(), stays ? 0U : 1U);
      if (stays) {
        EXPECT_NE(reader.log->why().find(newer ? "written by a newer release" : "is damaged"), std::string::npos)
            << reader.log->why();
        std::uint64_t entries = 0;
        std::uint64_t bytes = 0;
        std::vector<std::string> healed;
        std::vector<std::string> damage;
        writer.log->check({}, entries, bytes, healed, damage);
        EXPECT_EQ(damage.size(), 1U);
      }
    }
  }
}

TEST(BucketLog, AnswersWithoutADateCountForNothing) {
  MemoryBucket bucket;
  bucket.afterwards = [](Verb, std::string_view, Answer& answer) { answer.date.reset(); };
  BucketHandle handle;
  EXPECT_FALSE(handle.open(bucket, handle.options(), 300ms));
  EXPECT_EQ(handle.outcome, Read::unavailable);
  EXPECT_NE(handle.why.find("no Date"), std::string::npos) << handle.why;
}

// The boundary.

TEST(BucketLog, TheBoundaryPassesWhoeverIsBehindIt) {
  MemoryBucket bucket;
  BucketHandle sleeper;
  ASSERT_TRUE(sleeper.open(bucket)) << sleeper.why;
  EXPECT_EQ(sleeper.append("a"), Append::kept);
  const auto set_boundary = [&](std::uint32_t number, std::uint64_t slot) {
    bucket.change([&](MemoryBucket& inside) {
      inside.objects[boundary_key(number)] =
          encode_boundary({.store_id = kBucketStore, .number = number, .slot = slot, .checkpoint = "c"});
    });
  };
  set_boundary(1, 1);
  EXPECT_EQ(sleeper.log->confirm(within(10s)), Read::caught_up) << "all up to there was read";
  EXPECT_EQ(sleeper.log->confirmation().slot, 1U);
  EXPECT_EQ(sleeper.log->boundary().value().number, 1U);
  set_boundary(2, 3);
  EXPECT_EQ(sleeper.log->confirm(within(10s)), Read::gone);
  EXPECT_EQ(sleeper.log->look(within(10s)), Read::gone);
  EXPECT_EQ(sleeper.append("b"), Append::lost);
  EXPECT_EQ(sleeper.read(), Read::gone);
  EXPECT_EQ(sleeper.log->published(), Log::kMustLook);
  EXPECT_NE(sleeper.log->why().find("may be collected"), std::string::npos) << sleeper.log->why();
  BucketHandle late;
  EXPECT_FALSE(late.open(bucket)) << "from the beginning";
  EXPECT_EQ(late.outcome, Read::gone);
  set_boundary(3, 2);
  BucketHandle other;
  EXPECT_FALSE(other.open(bucket));
  EXPECT_EQ(other.outcome, Read::corrupt) << "a boundary goes back: " << other.why;
}

// A machine whose clock stood still has only the Dates to tell that it slept. One of them may be wrong, too.
TEST(BucketLog, OneWrongDateDoesNotHideASleep) {
  using Dates = std::vector<std::chrono::hours>;
  for (const Dates& wrong : {Dates{0h}, Dates{0h, -71h, 0h}, Dates{-71h, 0h}, Dates{-80h, 0h}, Dates{-100h, -30h}}) {
    MemoryBucket bucket;
    const storage::BucketDate begin = bucket.date();
    BucketHandle sleeper;
    ASSERT_TRUE(sleeper.open(bucket)) << sleeper.why;
    EXPECT_EQ(sleeper.append("a"), Append::kept);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(sleeper.log->look(within(10s)), Read::caught_up);
    // Three days later, of which it knows nothing.
    bucket.change([&](MemoryBucket& inside) {
      inside.objects[boundary_key(1)] =
          encode_boundary({.store_id = kBucketStore, .number = 1, .slot = 3, .checkpoint = "c"});
      std::size_t answers = 0;
      inside.afterwards = [&, answers](Verb, std::string_view key, Answer& answer) mutable {
        const std::chrono::hours off = key.starts_with(kLogPrefix) && answers < wrong.size() ? wrong[answers++] : 0h;
        answer.date = begin + 72h + off;
      };
    });
    EXPECT_EQ(sleeper.log->look(within(10s)), Read::gone);
  }
}

// Segments, starts, large payloads, tails.

TEST(BucketLog, ASegmentBeginsWhenTheLastIsFullOrOneIsAskedFor) {
  MemoryBucket bucket;
  BucketHandle handle;
  BucketLogOptions options = handle.options();
  options.segment_slots = 4;
  options.segment_bytes = 1000;
  ASSERT_TRUE(handle.open(bucket, std::move(options), 10s)) << handle.why;
  std::vector<std::uint64_t> segments;
  std::vector<Position> before;
  const auto append = [&](std::size_t bytes, bool new_segment) {
    before.push_back(handle.log->position());
    const std::string payload(bytes, 'x');
    const std::string_view parts[] = {payload};
    EXPECT_EQ(handle.log->append({.transaction_count = 1, .parts = parts, .new_segment = new_segment}, within(10s)),
              Append::kept);
    segments.push_back(handle.log->position().segment);
  };
  for (int i = 0; i < 6; ++i) append(10, false);
  append(2000, false);
  append(10, false);
  append(10, true);
  append(10, false);
  EXPECT_EQ(segments, (std::vector<std::uint64_t>{1, 1, 1, 1, 5, 5, 5, 8, 9, 9}));
  EXPECT_TRUE(handle.log->leads());
  for (const std::uint64_t segment : {5U, 8U, 9U}) {
    const Start start = handle.log->start_of(segment).value();
    EXPECT_EQ(start.segment, segment);
    EXPECT_EQ(start.version, before[segment - 1].version);
    EXPECT_EQ(start.link, before[segment - 1].link);
    EXPECT_EQ(start.time_micros, before[segment - 1].time_micros);
    BucketHandle from;
    BucketLogOptions its_options = from.options();
    its_options.start = start;
    ASSERT_TRUE(from.open(bucket, std::move(its_options), 10s)) << from.why;
    EXPECT_EQ(from.payloads.size(), 10 - (segment - 1));
    EXPECT_EQ(from.log->position().link, handle.log->position().link);
    EXPECT_FALSE(from.log->leads());
  }
  EXPECT_EQ(handle.log->start_of(6), std::nullopt);
  handle.log->release(8);
  EXPECT_EQ(handle.log->start_of(5), std::nullopt);
  EXPECT_TRUE(handle.log->start_of(8).has_value());
}

TEST(BucketLog, ALargePayloadIsAnObjectOfItsOwn) {
  MemoryBucket bucket;
  BucketHandle handle;
  BucketHandle reader;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  ASSERT_TRUE(reader.open(bucket)) << reader.why;
  const std::string largest(kSlotBytesMax - kSlotFrameBytes, 'l');
  const std::string larger(kSlotBytesMax - kSlotFrameBytes + 1, 'm');
  EXPECT_EQ(handle.append(largest), Append::kept);
  EXPECT_EQ(count_keys(bucket, "bulk/"), 0U);
  EXPECT_EQ(handle.append(larger), Append::kept);
  EXPECT_EQ(handle.append("small"), Append::kept);
  EXPECT_EQ(count_keys(bucket, "bulk/"), 1U);
  EXPECT_EQ(handle.log->bulk_named().keys.size(), 1U);
  EXPECT_EQ(reader.look_and_read(), Read::caught_up);
  EXPECT_TRUE(reader.payloads == handle.payloads);
  EXPECT_EQ(reader.log->bulk_named().keys, handle.log->bulk_named().keys);
  EXPECT_EQ(reader.log->bulk_named().from, 1U);
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> healed;
  std::vector<std::string> damage;
  reader.log->check({}, entries, bytes, healed, damage);
  EXPECT_EQ(entries, 3U);
  EXPECT_EQ(bytes, largest.size() + larger.size() + 5);
  EXPECT_TRUE(damage.empty());
  const std::string key = handle.log->bulk_named().keys.front();
  bucket.change([&](MemoryBucket& inside) { inside.objects[key][5] = '?'; });
  reader.log->check({}, entries, bytes, healed, damage);
  ASSERT_EQ(damage.size(), 1U);
  EXPECT_NE(damage[0].find(key), std::string::npos);
  BucketHandle damaged;
  EXPECT_FALSE(damaged.open(bucket));
  EXPECT_EQ(damaged.outcome, Read::corrupt);
  bucket.change([&](MemoryBucket& inside) { inside.objects.erase(key); });
  BucketHandle missing;
  EXPECT_FALSE(missing.open(bucket));
  EXPECT_EQ(missing.outcome, Read::corrupt) << missing.why;
  EXPECT_NE(missing.why.find("missing"), std::string::npos);
  const std::string too_large(kEntryPayloadBytesMax + 1, 'x');
  EXPECT_EQ(handle.append(too_large), Append::unavailable);
}

// Who lost with a large payload does not put it again.
TEST(BucketLog, AnOpeningDoesNotWaitForAPayloadBeyondItsDeadline) {
  MemoryBucket bucket;
  BucketHandle handle;
  BucketLogOptions options = handle.options();
  options.slot_bytes_max = 1000;
  ASSERT_TRUE(handle.open(bucket, std::move(options), 10s)) << handle.why;
  ASSERT_EQ(handle.append(std::string(5000, 'x')), Append::kept);
  std::atomic<bool> is_over = false;
  std::atomic<bool> was_waited_for = false;
  bucket.change([&](MemoryBucket& inside) {
    inside.hold = [&](MemoryBucket::Verb verb, std::string_view key) {
      if (verb != MemoryBucket::Verb::get || !key.starts_with(kBulkPrefix)) return;
      for (int i = 0; i < 3000 && !is_over; ++i) base::sleep_for(1ms);
      if (!is_over) was_waited_for = true;
    };
  });
  BucketHandle late;
  EXPECT_FALSE(late.open(bucket, late.options(), 100ms));
  EXPECT_EQ(late.outcome, Read::unavailable);
  EXPECT_FALSE(was_waited_for);
  is_over = true;
}

TEST(BucketLog, APayloadThatIsMissingIsNotAskedForWithoutPause) {
  MemoryBucket bucket;
  BucketHandle writer;
  BucketLogOptions options = writer.options();
  options.slot_bytes_max = 1000;
  ASSERT_TRUE(writer.open(bucket, std::move(options), 10s)) << writer.why;
  BucketHandle reader;
  ASSERT_TRUE(reader.open(bucket)) << reader.why;
  ASSERT_EQ(writer.append(std::string(5000, 'x')), Append::kept);
  std::atomic<int> asked = 0;
  bucket.change([&](MemoryBucket& inside) {
    std::erase_if(inside.objects, [](const auto& object) { return object.first.starts_with(kBulkPrefix); });
    // What tells whether it was collected is slow.
    inside.hold = [&](MemoryBucket::Verb verb, std::string_view key) {
      if (verb == MemoryBucket::Verb::get && key.starts_with(kBulkPrefix)) ++asked;
      if (key.starts_with(kBoundaryPrefix)) base::sleep_for(500ms);
    };
  });
  EXPECT_EQ(reader.look_and_read(), Read::corrupt);
  EXPECT_GE(asked.load(), 2);
  EXPECT_LE(asked.load(), 20);
}

TEST(BucketLog, ALargePayloadIsPutOnceForSeveralTries) {
  MemoryBucket bucket;
  BucketHandle first;
  BucketHandle second;
  ASSERT_TRUE(first.open(bucket)) << first.why;
  ASSERT_TRUE(second.open(bucket)) << second.why;
  const std::string large(2 << 20, 'x');
  EXPECT_EQ(second.append("a"), Append::kept);
  EXPECT_EQ(first.append(large), Append::lost);
  EXPECT_EQ(first.read(), Read::caught_up);
  EXPECT_EQ(first.append(large), Append::kept);
  EXPECT_EQ(count_keys(bucket, "bulk/"), 1U);
}

TEST(BucketLog, ATailIsWrittenNowAndThenAndReadInsteadOfItsSlots) {
  MemoryBucket bucket;
  BucketHandle handle;
  BucketLogOptions options = handle.options();
  options.segment_slots = 10;
  ASSERT_TRUE(handle.open(bucket, std::move(options), 10s)) << handle.why;
  const auto append_to = [&](std::uint64_t slot) {
    while (handle.log->slot() < slot) EXPECT_EQ(handle.append(std::to_string(handle.log->slot())), Append::kept);
  };
  const auto tails = [&](std::uint64_t count) {
    while (handle.log->stats().tails < count) base::sleep_for(1ms);
  };
  append_to(16);
  tails(1);
  append_to(35);
  tails(2);
  while (count_keys(bucket, "checkpoints/") != 1) base::sleep_for(1ms);  // the older one goes
  const auto reads_of = [&](Start start, std::size_t expected) {
    storage::RequestPool pool;
    bucket.objects[std::string(kStoreKey)] = "header";
    BucketHandle reader;
    BucketLogOptions its_options = reader.options();
    its_options.start = start;
    its_options.opening = open_bucket(bucket, pool, {}, within(10s));
    EXPECT_EQ(its_options.opening.outcome, BucketOpening::Outcome::opened) << its_options.opening.why;
    EXPECT_TRUE(reader.open(bucket, std::move(its_options), 10s)) << reader.why;
    EXPECT_EQ(reader.payloads.size(), expected);
    return reader.log->stats().slots_read;
  };
  EXPECT_EQ(reads_of({}, 35), 3U) << "those behind the tail";
  EXPECT_EQ(reads_of(handle.log->start_of(21).value(), 15), 3U);
  // From a checkpoint on: the next tail starts there.
  handle.log->release(31);
  append_to(48);
  tails(3);
  while (count_keys(bucket, "checkpoints/") != 1) base::sleep_for(1ms);
  std::string key;
  std::string bytes;
  bucket.change([&](MemoryBucket& inside) {
    const auto found = inside.objects.lower_bound(kCheckpointPrefix);
    key = found->first;
    bytes = found->second;
  });
  Tail tail;
  ASSERT_EQ(decode_tail(bytes, kBucketStore, tail), Decoded::good);
  EXPECT_EQ(tail.from, 31U);
  EXPECT_EQ(tail.upto, 48U);
  EXPECT_EQ(reads_of({}, 48), 48U) << "it starts too late for this one";
  // One that can't be read loses nothing.
  bucket.change([&](MemoryBucket& inside) { inside.objects[key][60] ^= 1; });
  EXPECT_GE(reads_of(handle.log->start_of(31).value(), 18), 18U);
  // Whoever reads an entry knows what its writer knew of checkpoints.
  BucketHandle other;
  ASSERT_TRUE(other.open(bucket)) << other.why;
  while (other.log->slot() < 64) EXPECT_EQ(other.append("o"), Append::kept);
  while (other.log->stats().tails < 1) base::sleep_for(1ms);
  bucket.change([&](MemoryBucket& inside) {
    for (const auto& [name, content] : inside.objects) {
      if (parse_tail_key(name).value_or(TailName{}).upto != 64) continue;
      ASSERT_EQ(decode_tail(content, kBucketStore, tail), Decoded::good);
      EXPECT_EQ(tail.from, 31U);
    }
  });
}

TEST(BucketLog, ManySlotsAreReadInWindows) {
  MemoryBucket bucket;
  BucketHandle writer;
  ASSERT_TRUE(writer.open(bucket)) << writer.why;
  BucketHandle reader;
  ASSERT_TRUE(reader.open(bucket)) << reader.why;
  for (int i = 0; i < 200; ++i) EXPECT_EQ(writer.append(std::to_string(i)), Append::kept);
  EXPECT_EQ(reader.look_and_read(), Read::caught_up);
  EXPECT_TRUE(reader.payloads == writer.payloads);
  EXPECT_LT(reader.log->stats().slots_read, 250U);
  BucketHandle late;
  ASSERT_TRUE(late.open(bucket)) << late.why;
  EXPECT_TRUE(late.payloads == writer.payloads);
}

TEST(BucketLog, WhoIsTooFarBehindOpensAnew) {
  MemoryBucket bucket;
  BucketHandle writer;
  ASSERT_TRUE(writer.open(bucket)) << writer.why;
  BucketHandle reader;
  BucketLogOptions options = reader.options();
  options.unread_bytes_max = 100'000;
  ASSERT_TRUE(reader.open(bucket, std::move(options), 10s)) << reader.why;
  const std::string payload(1000, 'x');
  for (int i = 0; i < 200; ++i) EXPECT_EQ(writer.append(payload), Append::kept);
  EXPECT_EQ(reader.log->look(within(10s)), Read::gone);
  EXPECT_EQ(reader.read(), Read::gone);
  BucketHandle anew;
  BucketLogOptions its_options = anew.options();
  its_options.unread_bytes_max = 100'000;
  EXPECT_TRUE(anew.open(bucket, std::move(its_options), 10s)) << "an opening reads as it goes";
  EXPECT_EQ(anew.payloads.size(), 200U);
}

TEST(BucketLog, CheckReadsAllAndNamesWhatIsWrong) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(handle.append(std::to_string(i)), Append::kept);
  const auto check = [&] {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> healed;
    std::vector<std::string> damage;
    handle.log->check({}, entries, bytes, healed, damage);
    EXPECT_EQ(damage.empty(), entries == 50);
    return damage.empty() ? std::string() : damage.front();
  };
  EXPECT_EQ(check(), "");
  std::string taken;
  bucket.change([&](MemoryBucket& inside) { taken = std::exchange(inside.objects[slot_key(30)], "damaged"); });
  EXPECT_NE(check().find("log/000000000000001e is damaged"), std::string::npos);
  bucket.change([&](MemoryBucket& inside) { inside.objects.erase(slot_key(30)); });
  EXPECT_EQ(check(), "log/000000000000001e is missing");
  bucket.change([&](MemoryBucket& inside) { inside.objects[slot_key(30)] = taken; });
  EXPECT_EQ(check(), "");
  // Collected: not looked at.
  bucket.change([&](MemoryBucket& inside) {
    inside.objects.erase(slot_key(1));
    inside.objects[boundary_key(1)] =
        encode_boundary({.store_id = kBucketStore, .number = 1, .slot = 50, .checkpoint = "c"});
  });
  EXPECT_EQ(handle.log->confirm(within(10s)), Read::caught_up);
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> healed;
  std::vector<std::string> damage;
  handle.log->check({}, entries, bytes, healed, damage);
  EXPECT_TRUE(damage.empty());
}

// A look, or a check, that finds the bucket away.
TEST(BucketLog, ALookThatIsNotAnsweredIsUnavailableAndSaysWhy) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  EXPECT_EQ(handle.append("a"), Append::kept);
  bucket.change([](MemoryBucket& inside) {
    inside.instead = [](Verb, std::string_view) {
      return std::optional(answer_of(Outcome::throttled, "503 SlowDown"));
    };
  });
  EXPECT_EQ(handle.log->look(within(150ms)), Read::unavailable);
  EXPECT_NE(handle.log->problem().find("503 SlowDown"), std::string::npos);
  EXPECT_EQ(handle.log->published(), 1U) << "what is known has to do for a while";
  EXPECT_EQ(handle.log->confirm(within(150ms)), Read::unavailable);
  EXPECT_EQ(handle.read(), Read::caught_up);
  bucket.change([](MemoryBucket& inside) { inside.instead = nullptr; });
  EXPECT_EQ(handle.log->look(within(10s)), Read::caught_up);
  EXPECT_EQ(handle.log->problem(), "");
}

TEST(BucketLog, AForksChildHasADeadHandle) {
  MemoryBucket bucket;
  BucketHandle handle;
  ASSERT_TRUE(handle.open(bucket)) << handle.why;
  EXPECT_EQ(handle.append("a"), Append::kept);
  const std::uint64_t puts = bucket.puts;
  const pid_t child = ::fork();
  if (child == 0) {
    bool good = handle.append("b", 10s) == Append::unavailable && handle.read() == Read::unavailable &&
                handle.log->look(within(10s)) == Read::unavailable && !handle.log->prepare(within(10s)) &&
                handle.log->settle(within(10s)) == Read::unavailable && !handle.log->sync(within(10s)) &&
                handle.log->confirm(within(10s)) == Read::unavailable && handle.log->wait(7, within(10s)) == 1 &&
                handle.log->published() == 1 && handle.log->why().find("fork") != std::string::npos;
    (void)handle.log->stats();
    handle.log->close();
    handle.log.reset();
    handle.pool.reset();
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(handle.append("b"), Append::kept);
  EXPECT_GT(bucket.puts, puts);
}

}  // namespace
}  // namespace ingot::log
