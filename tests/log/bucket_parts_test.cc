// The parts of a bucket's log that decide nothing alone: the boundary's rules, the clock, turns, and opening.
#include <set>

#include "bucket_fixture.h"
#include "log/bucket_clock.h"
#include "log/bucket_opening.h"
#include "log/bucket_turns.h"

namespace ingot::log {
namespace {

using namespace std::chrono_literals;
using storage::Answer;
using storage::BucketDate;
using storage::Outcome;
using Verb = MemoryBucket::Verb;

constexpr BucketDate kDay{std::chrono::seconds(1'900'000'000)};
constexpr base::Instant kThen{std::chrono::hours(1000)};

TEST(Confirmation, CoversWhatWasAnsweredLessThanHalfTheGraceLaterByBothClocks) {
  const Confirmation confirmation{.number = 3, .slot = 10, .date = kDay, .sent = kThen};
  const auto covers = [&](std::uint64_t slot, std::optional<BucketDate> date, base::Duration later) {
    return confirmation.covers(slot, date, kThen + later, 24h);
  };
  EXPECT_TRUE(covers(11, kDay, 1s));
  EXPECT_FALSE(covers(10, kDay, 1s)) << "it may be gone";
  EXPECT_TRUE(covers(11, kDay + 12h - 1s, 1s));
  EXPECT_FALSE(covers(11, kDay + 12h, 1s)) << "this machine's clock stood still";
  EXPECT_TRUE(covers(11, kDay, 12h - 1s));
  EXPECT_FALSE(covers(11, kDay, 12h)) << "that server's clock is behind";
  EXPECT_TRUE(covers(11, kDay - 1h, 1s));
  EXPECT_FALSE(covers(11, std::nullopt, 1s));
  EXPECT_TRUE(covers(11, std::nullopt, -1s)) << "confirmed after the answer had come";
  EXPECT_TRUE(covers(11, kDay + 100h, 0s));
  EXPECT_FALSE(covers(10, kDay, -1s));
}

TEST(Confirmation, IsTheNewestBoundaryAndTheDateOfItsSuccessorsAbsence) {
  MemoryBucket bucket;
  bucket.date = [] { return kDay; };
  Confirmed confirmed = confirm_boundary(bucket, {}, kBucketStore, within(5s));
  ASSERT_EQ(confirmed.outcome, Confirmed::Outcome::confirmed) << confirmed.why;
  EXPECT_EQ(confirmed.confirmation.number, 0U);
  EXPECT_EQ(confirmed.confirmation.slot, 0U);
  EXPECT_EQ(confirmed.confirmation.date, kDay);
  EXPECT_FALSE(confirmed.boundary.has_value());
  EXPECT_EQ(advance_boundary(bucket, confirmed.confirmation, 7, "checkpoints/a", kBucketStore, within(5s)),
            Advanced::done);
  EXPECT_EQ(advance_boundary(bucket, confirmed.confirmation, 7, "checkpoints/a", kBucketStore, within(5s)),
            Advanced::done)
      << "the same by anybody";
  EXPECT_EQ(advance_boundary(bucket, confirmed.confirmation, 9, "checkpoints/b", kBucketStore, within(5s)),
            Advanced::taken);
  confirmed = confirm_boundary(bucket, confirmed.confirmation, kBucketStore, within(5s));
  EXPECT_EQ(confirmed.confirmation.number, 1U);
  EXPECT_EQ(advance_boundary(bucket, confirmed.confirmation, 9, "checkpoints/b", kBucketStore, within(5s)),
            Advanced::done);
  confirmed = confirm_boundary(bucket, {}, kBucketStore, within(5s));
  EXPECT_EQ(confirmed.confirmation.number, 2U);
  EXPECT_EQ(confirmed.confirmation.slot, 9U);
  ASSERT_TRUE(confirmed.boundary.has_value());
  EXPECT_EQ(confirmed.boundary->checkpoint, "checkpoints/b");
  EXPECT_EQ(confirmed.boundary->read_at, kDay);
}

TEST(Confirmation, IsNotGotFromWhatCanNotBe) {
  const auto outcome_of = [](const BoundaryObject& first, const BoundaryObject& second) {
    MemoryBucket bucket;
    bucket.objects[boundary_key(1)] = encode_boundary(first);
    bucket.objects[boundary_key(2)] = encode_boundary(second);
    const Confirmed confirmed = confirm_boundary(bucket, {}, kBucketStore, within(5s));
    EXPECT_EQ(confirmed.outcome == Confirmed::Outcome::corrupt, !confirmed.why.empty());
    return confirmed.outcome;
  };
  const BoundaryObject one{.store_id = kBucketStore, .number = 1, .slot = 5, .checkpoint = "c"};
  BoundaryObject two{.store_id = kBucketStore, .number = 2, .slot = 5, .checkpoint = "c"};
  EXPECT_EQ(outcome_of(one, two), Confirmed::Outcome::confirmed);
  two.slot = 4;
  EXPECT_EQ(outcome_of(one, two), Confirmed::Outcome::corrupt) << "it goes back";
  two.slot = 6;
  two.number = 3;
  EXPECT_EQ(outcome_of(one, two), Confirmed::Outcome::corrupt) << "another's name";
  two.number = 2;
  two.store_id = {1, 1};
  EXPECT_EQ(outcome_of(one, two), Confirmed::Outcome::corrupt) << "another store's";
  MemoryBucket bucket;
  bucket.objects[boundary_key(1)] = "damaged";
  EXPECT_EQ(confirm_boundary(bucket, {}, kBucketStore, within(5s)).outcome, Confirmed::Outcome::corrupt);
  std::string newer = encode_boundary(one);
  newer[8] = 2;
  bucket.objects[boundary_key(1)] = newer;
  EXPECT_NE(confirm_boundary(bucket, {}, kBucketStore, within(5s)).why.find("written by a newer release"),
            std::string::npos);
}

TEST(Confirmation, IsAskedForAgainUntilItIsDecided) {
  MemoryBucket bucket;
  int asked = 0;
  bucket.instead = [&](Verb, std::string_view) -> std::optional<Answer> {
    static constexpr Outcome kInTurn[] = {Outcome::failed, Outcome::throttled, Outcome::unanswered, Outcome::unsent};
    if (asked >= 4) return std::nullopt;
    Answer answer;
    answer.outcome = kInTurn[asked++];
    answer.why = "so it is";
    return answer;
  };
  EXPECT_EQ(confirm_boundary(bucket, {}, kBucketStore, within(30s)).outcome, Confirmed::Outcome::confirmed);
  EXPECT_EQ(bucket.gets, 5U);
  asked = 0;
  const Confirmed once = ask_boundary(bucket, {}, kBucketStore, within(30s));
  EXPECT_EQ(once.outcome, Confirmed::Outcome::unavailable);
  EXPECT_EQ(once.why, "GET boundary/00000001: so it is");
}

TEST(Boundary, WhenItWasSeenIsSaidOnceAndWaitedFor) {
  MemoryBucket bucket;
  EXPECT_EQ(read_seen(bucket, 1, kBucketStore, within(5s)).outcome, Seen::Outcome::absent);
  EXPECT_EQ(record_seen(bucket, 1, kDay, kBucketStore, within(5s)).date, kDay);
  const Seen again = record_seen(bucket, 1, kDay + 5h, kBucketStore, within(5s));
  EXPECT_EQ(again.outcome, Seen::Outcome::known);
  EXPECT_EQ(again.date, kDay) << "the first one counts";
  EXPECT_EQ(read_seen(bucket, 1, kBucketStore, within(5s)).date, kDay);
  EXPECT_EQ(read_seen(bucket, 1, {1, 1}, within(5s)).outcome, Seen::Outcome::corrupt);
  bucket.objects[seen_key(2)] = bucket.objects[seen_key(1)];
  EXPECT_EQ(read_seen(bucket, 2, kBucketStore, within(5s)).outcome, Seen::Outcome::corrupt);
  bucket.objects[seen_key(2)][8] = 2;
  EXPECT_NE(read_seen(bucket, 2, kBucketStore, within(5s)).why.find("newer release"), std::string::npos);
  bucket.instead = [&](Verb, std::string_view) -> std::optional<Answer> {
    Answer answer;
    answer.outcome = Outcome::refused;
    return answer;
  };
  EXPECT_EQ(read_seen(bucket, 1, kBucketStore, within(30s)).outcome, Seen::Outcome::unavailable);
  EXPECT_EQ(record_seen(bucket, 3, kDay, kBucketStore, within(30s)).outcome, Seen::Outcome::unavailable);
  const std::int64_t seen = kDay.time_since_epoch().count() * 1'000'000;
  EXPECT_FALSE(grace_is_over(kDay, seen + 24 * 3'600'000'000 - 1, 24h));
  EXPECT_TRUE(grace_is_over(kDay, seen + 24 * 3'600'000'000, 24h));
}

TEST(BucketClock, IsTheMedianOfTheRecentAnswers) {
  BucketClock clock;
  EXPECT_EQ(clock.offset(), std::nullopt);
  const auto offset_of = [](BucketDate date, base::Instant at) {
    return date.time_since_epoch().count() * 1'000'000 + 500'000 - monotonic_micros(at);
  };
  const std::int64_t right = offset_of(kDay, kThen);
  const auto heard = [&](base::Duration at, base::Duration wrong_by) {
    const BucketDate date = kDay + std::chrono::duration_cast<std::chrono::seconds>(at + wrong_by);
    clock.add({date, kThen + at - 20ms, kThen + at + 20ms});
  };
  heard(0s, 100h);  // ahead, and there is nothing else yet
  heard(1s, 0s);
  EXPECT_EQ(clock.offset(), right) << "of two, the one that is behind";
  for (int i = 2; i < 20; ++i) {
    heard(std::chrono::seconds(i), i % 5 == 0 ? -30h : i % 3 == 0 ? 50h : 0s);
    EXPECT_EQ(clock.offset(), right) << i;
  }
  EXPECT_TRUE(clock.is_plausible({kDay + 100s, kThen + 100s, kThen + 100s}));
  EXPECT_TRUE(clock.is_plausible({kDay + 100s + 299s, kThen + 100s, kThen + 100s}));
  EXPECT_FALSE(clock.is_plausible({kDay + 100s + 301s, kThen + 100s, kThen + 100s}));
  EXPECT_FALSE(clock.is_plausible({kDay + 100s - 301s, kThen + 100s, kThen + 100s}));
  EXPECT_TRUE(clock.is_plausible({kDay + 100s - 301s, kThen, kThen + 100s})) << "it was on its way for long";
  clock.add({kDay + 50h, kThen, kThen + 50h});  // whoever stood still does not know when that was
  EXPECT_EQ(clock.offset(), right);
  // The machine stood still for a day: after some answers the new time holds.
  for (int i = 0; i < 5; ++i) heard(std::chrono::seconds(200 + i), 24h);
  EXPECT_EQ(clock.offset(), right + std::chrono::microseconds(24h).count());
}

TEST(Turns, WhoWonLatelyStandsBackForThoseWhoDidNot) {
  Turns turns;
  const base::Hash128 a{1, 0};
  const base::Hash128 b{2, 0};
  const base::Hash128 c{3, 0};
  EXPECT_EQ(turns.rank(a, 1'000'000), 0U);
  turns.won(a, 1'000'000);
  EXPECT_EQ(turns.rank(a, 1'000'000), 0U) << "alone";
  turns.won(b, 1'100'000);
  EXPECT_EQ(turns.rank(a, 1'200'000), 0U);
  EXPECT_EQ(turns.rank(b, 1'200'000), 1U);
  turns.won(c, 1'200'000);
  EXPECT_EQ(turns.rank(a, 1'200'000), 0U);
  EXPECT_EQ(turns.rank(b, 1'200'000), 1U);
  EXPECT_EQ(turns.rank(c, 1'200'000), 2U);
  EXPECT_EQ(turns.rank({9, 9}, 1'200'000), 0U) << "never";
  turns.won(a, 1'300'000);
  EXPECT_EQ(turns.rank(a, 1'300'000), 2U);
  EXPECT_EQ(turns.rank(b, 1'300'000), 0U);
  EXPECT_EQ(turns.rank(a, 1'100'000 + 4'000'001), 1U) << "b does not write any more";
  EXPECT_EQ(turns.rank(a, 1'200'000 + 4'000'001), 0U) << "nor does c";
  for (std::size_t i = 0; i < Turns::kSlots; ++i) turns.won(a, 1'400'000);
  EXPECT_EQ(turns.rank(a, 1'400'000), 0U);
}

TEST(Turns, WhoWinsAllMayBeInSomebodysWay) {
  Turns turns;
  const base::Hash128 a{1, 0};
  const base::Hash128 b{2, 0};
  EXPECT_FALSE(turns.is_row_full(a));
  for (std::uint64_t i = 1; i <= 2 * Turns::kRowMax; ++i) {
    turns.won(a, 1'000'000);
    EXPECT_EQ(turns.is_row_full(a), i % Turns::kRowMax == 0) << i;
    EXPECT_FALSE(turns.is_row_full(b));
  }
  turns.won(b, 1'000'000);
  EXPECT_FALSE(turns.is_row_full(a));
  for (std::uint64_t i = 1; i < Turns::kRowMax; ++i) turns.won(a, 1'000'000);
  EXPECT_FALSE(turns.is_row_full(a)) << "b was in between";
  turns.won(a, 1'000'000);
  EXPECT_TRUE(turns.is_row_full(a));
}

TEST(Turns, LatenciesAreKnownAfterSome) {
  Latencies latencies;
  for (int i = 1; i < 8; ++i) latencies.add(std::chrono::milliseconds(i));
  EXPECT_EQ(latencies.percentile(50), std::nullopt);
  for (int i = 8; i <= 20; ++i) latencies.add(std::chrono::milliseconds(i));
  EXPECT_EQ(latencies.percentile(50), 10ms);
  EXPECT_EQ(latencies.percentile(95), 19ms);
  for (int i = 0; i < 64; ++i) latencies.add(1s);
  EXPECT_EQ(latencies.percentile(0), 1s);
}

// Opening.

void put_slots(MemoryBucket& bucket, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t slot = first; slot <= last; ++slot)
    bucket.objects[slot_key(slot)] = "slot " + std::to_string(slot);
}

BucketOpening open_all(MemoryBucket& bucket, const std::set<std::string>& unreadable = {},
                       std::chrono::milliseconds patience = 10s) {
  storage::RequestPool pool;
  return open_bucket(bucket, pool, unreadable, within(patience));
}

std::string boundary_bytes(std::uint32_t number, std::uint64_t slot) {
  return encode_boundary({.store_id = kBucketStore, .number = number, .slot = slot, .checkpoint = "c"});
}

TEST(BucketOpening, SaysThatThereIsNoStore) {
  MemoryBucket bucket;
  EXPECT_EQ(open_all(bucket).outcome, BucketOpening::Outcome::no_store);
  bucket.objects[tail_key({.upto = 3})] = "of a store whose header is gone";
  const BucketOpening opening = open_all(bucket);
  EXPECT_EQ(opening.outcome, BucketOpening::Outcome::no_store);
  EXPECT_EQ(opening.objects, 1U);
}

TEST(BucketOpening, OfANewStoreIsItsFirstSlots) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  put_slots(bucket, 1, 3);
  const BucketOpening opening = open_all(bucket);
  ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
  EXPECT_EQ(opening.store, "header");
  EXPECT_FALSE(opening.checkpoint.has_value());
  ASSERT_EQ(opening.slots.size(), kOpeningSlots);
  EXPECT_EQ(opening.slots[2].got.bytes, "slot 3");
  EXPECT_EQ(opening.slots[3].got.outcome, Outcome::absent);
  EXPECT_EQ(opening.confirmation.value().number, 0U);
  EXPECT_GE(opening.dates.size(), 4U);
}

TEST(BucketOpening, IsTheNewestCheckpointAndTailAndWhatFollowsThem) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  const CheckpointName older{.start = 5, .boundary = 0, .edit = 9, .random = 9};
  const CheckpointName newer{.start = 8, .boundary = 1, .edit = 2, .random = 1};
  bucket.objects[checkpoint_key(older)] = "older";
  bucket.objects[checkpoint_key(newer)] = "newer";
  bucket.objects[tail_key({.upto = 16, .boundary = 1, .random = 1})] = "tail to 16";
  bucket.objects[tail_key({.upto = 32, .boundary = 2, .random = 1})] = "tail to 32";
  bucket.objects[boundary_key(1)] = boundary_bytes(1, 3);
  bucket.objects[boundary_key(2)] = boundary_bytes(2, 4);
  bucket.objects[boundary_key(3)] = boundary_bytes(3, 6);
  put_slots(bucket, 5, 40);
  const BucketOpening opening = open_all(bucket);
  ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
  EXPECT_EQ(opening.checkpoint, newer);
  EXPECT_EQ(opening.checkpoint_key, checkpoint_key(newer));
  EXPECT_EQ(opening.checkpoint_bytes, "newer");
  EXPECT_EQ(opening.tail, "tail to 32");
  EXPECT_EQ(opening.tails.size(), 2U);
  EXPECT_EQ(opening.slots.front().slot, 33U);
  EXPECT_EQ(opening.slots[7].got.bytes, "slot 40");
  EXPECT_EQ(opening.confirmation.value().number, 3U);
  EXPECT_EQ(opening.confirmation.value().slot, 6U);
  EXPECT_EQ(opening.boundary.value().number, 3U);
  const BucketOpening without = open_all(bucket, {checkpoint_key(newer)});
  EXPECT_EQ(without.checkpoint, older);
}

TEST(BucketOpening, ATailThatEndsBeforeTheCheckpointIsOfNoUse) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  bucket.objects[checkpoint_key({.start = 20})] = "newest";
  bucket.objects[tail_key({.upto = 16})] = "tail to 16";
  const BucketOpening opening = open_all(bucket);
  ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
  EXPECT_EQ(opening.tail, "");
  EXPECT_EQ(opening.slots.front().slot, 20U);
}

// The names tell the newest boundary's number, and its object its slot, though nothing else does.
TEST(BucketOpening, KnowsTheSlotOfTheBoundaryThatTheNamesTell) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  bucket.objects[checkpoint_key({.start = 20, .boundary = 2})] = "newest";
  bucket.objects[boundary_key(1)] = boundary_bytes(1, 3);
  bucket.objects[boundary_key(2)] = boundary_bytes(2, 12);
  const BucketOpening opening = open_all(bucket);
  ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
  EXPECT_EQ(opening.confirmation.value().slot, 12U);
  EXPECT_EQ(opening.boundary.value().slot, 12U);
  bucket.objects.erase(boundary_key(2));
  EXPECT_EQ(open_all(bucket).outcome, BucketOpening::Outcome::corrupt) << "boundaries are never deleted";
  bucket.objects[boundary_key(2)] = "damaged";
  EXPECT_EQ(open_all(bucket).outcome, BucketOpening::Outcome::corrupt);
}

TEST(BucketOpening, ListsAgainIfWhatItListedWasReplaced) {
  for (const bool is_tail : {false, true}) {
    MemoryBucket bucket;
    bucket.objects[std::string(kStoreKey)] = "header";
    const std::string first = is_tail ? tail_key({.upto = 9}) : checkpoint_key({.start = 5});
    const std::string second = is_tail ? tail_key({.upto = 12}) : checkpoint_key({.start = 12});
    if (is_tail) bucket.objects[checkpoint_key({.start = 5})] = "checkpoint";
    bucket.objects[first] = "first";
    bucket.instead = [&](Verb verb, std::string_view key) -> std::optional<Answer> {
      if (verb == Verb::get && key == first) {
        bucket.objects.erase(first);
        bucket.objects[second] = "second";
      }
      return std::nullopt;
    };
    const BucketOpening opening = open_all(bucket);
    ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
    EXPECT_EQ(is_tail ? opening.tail : opening.checkpoint_bytes, "second");
  }
}

TEST(BucketOpening, ListsAgainIfTheBoundaryHasPassedWhatItListed) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  bucket.objects[checkpoint_key({.start = 5})] = "first";
  bucket.instead = [&](Verb verb, std::string_view key) -> std::optional<Answer> {
    if (verb == Verb::get && key == boundary_key(1)) {
      bucket.objects[checkpoint_key({.start = 30})] = "second";
      bucket.objects[boundary_key(1)] = boundary_bytes(1, 20);
    }
    return std::nullopt;
  };
  const BucketOpening opening = open_all(bucket);
  ASSERT_EQ(opening.outcome, BucketOpening::Outcome::opened) << opening.why;
  EXPECT_EQ(opening.checkpoint_bytes, "second");
  EXPECT_EQ(opening.confirmation.value().slot, 20U);
}

TEST(BucketOpening, ThatIsNeverWholeEndsAtItsDeadline) {
  MemoryBucket bucket;
  bucket.objects[std::string(kStoreKey)] = "header";
  bucket.objects[boundary_key(1)] = boundary_bytes(1, 20);
  const BucketOpening opening = open_all(bucket, {}, 200ms);
  EXPECT_EQ(opening.outcome, BucketOpening::Outcome::unavailable);
  EXPECT_NE(opening.why, "");
}

TEST(BucketOpening, SaysWhatWasRefused) {
  for (const char* key : {"checkpoints/", "store", "boundary/00000001"}) {
    MemoryBucket bucket;
    bucket.objects[std::string(kStoreKey)] = "header";
    bucket.instead = [&](Verb, std::string_view asked) -> std::optional<Answer> {
      if (asked != key) return std::nullopt;
      Answer answer;
      answer.outcome = Outcome::refused;
      answer.why = "403 AccessDenied";
      return answer;
    };
    const BucketOpening opening = open_all(bucket, {}, 1s);
    EXPECT_EQ(opening.outcome, BucketOpening::Outcome::unavailable);
    EXPECT_NE(opening.why.find(std::string(key) + ": 403 AccessDenied"), std::string::npos) << opening.why;
  }
}

}  // namespace
}  // namespace ingot::log
