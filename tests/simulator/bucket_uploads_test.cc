// Uploads in parts to the simulated object store: an object appears whole and at once or not at all, whatever befalls
// the requests; what is left behind is seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "in_world.h"
#include "memory.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using storage::Answer;
using storage::Outcome;

constexpr std::uint32_t kSure = 1'000'000;

base::Instant within(base::Duration patience) {
  return base::now() + patience;
}

BucketProfile always(Fault fault) {
  BucketProfile profile;
  profile[fault] = kSure;
  return profile;
}

std::string part_of(char letter) {
  return std::string(storage::kPartBytesMin, letter);
}

std::string begin(Bucket& bucket, std::string_view key) {
  const storage::Upload upload = bucket.begin_upload(key, within(30s));
  EXPECT_EQ(upload.outcome, Outcome::done);
  EXPECT_NE(upload.id, "");
  return upload.id;
}

std::string put(Bucket& bucket, const std::string& id, std::uint32_t number, const std::string& bytes) {
  const storage::Part part = bucket.put_part("a", id, number, bytes, within(30s));
  EXPECT_EQ(part.outcome, Outcome::done);
  EXPECT_NE(part.tag, "");
  return part.tag;
}

TEST(BucketUploads, AnObjectAppearsWholeWhenItsUploadIsFinished) {
  const Ran ran = in_world(5, [](World& world) {
    Bucket& bucket = world.bucket;
    const std::string id = begin(bucket, "a");
    const storage::BucketDate begun = bucket.date();
    base::sleep_for(1h);
    const std::string third = put(bucket, id, 3, "end");
    const std::string wrong = put(bucket, id, 1, part_of('x'));
    const std::string second = put(bucket, id, 2, part_of('b'));
    const std::string first = put(bucket, id, 1, part_of('a'));
    EXPECT_NE(first, wrong);
    EXPECT_EQ(put(bucket, id, 1, part_of('a')), first) << "the same part again is the same";
    EXPECT_FALSE(bucket.peek("a").has_value());
    EXPECT_EQ(bucket.finish_upload("a", id, {wrong, second, third}, within(30s)).outcome, Outcome::refused);
    EXPECT_EQ(bucket.finish_upload("a", id, {first, third}, within(30s)).outcome, Outcome::refused);
    EXPECT_EQ(bucket.finish_upload("a", id, {}, within(30s)).outcome, Outcome::refused);
    EXPECT_EQ(bucket.finish_upload("b", id, {first}, within(30s)).outcome, Outcome::absent) << "another's";
    EXPECT_EQ(bucket.finish_upload("a", id, {first, second, third}, within(30s)).outcome, Outcome::done);
    EXPECT_EQ(bucket.peek("a"), part_of('a') + part_of('b') + "end");
    const storage::Listing listing = bucket.list("", "", within(30s));
    ASSERT_EQ(listing.objects.size(), 1U);
    EXPECT_LE(listing.objects[0].modified, begun) << "the date of its begin";
    EXPECT_EQ(bucket.finish_upload("a", id, {first, second, third}, within(30s)).outcome, Outcome::absent);
    EXPECT_EQ(bucket.put_part("a", id, 4, "x", within(30s)).outcome, Outcome::absent);
    EXPECT_TRUE(bucket.open_uploads().empty());
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(BucketUploads, OnlyTheLastPartMayBeSmall) {
  const Ran ran = in_world(5, [](World& world) {
    Bucket& bucket = world.bucket;
    const std::string id = begin(bucket, "a");
    const std::string small = put(bucket, id, 1, part_of('a').substr(1));
    const std::string last = put(bucket, id, 2, "end");
    EXPECT_EQ(bucket.finish_upload("a", id, {small, last}, within(30s)).outcome, Outcome::refused);
    EXPECT_EQ(bucket.finish_upload("a", id, {small}, within(30s)).outcome, Outcome::done);
  });
  EXPECT_EQ(ran.failure, "");
}

TEST(BucketUploads, AreListedUntilTheyAreFinishedOrAborted) {
  std::size_t most_pages = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Bucket& bucket = world.bucket;
      std::set<std::string> ids;
      for (int i = 0; i < 30; ++i) ids.insert(begin(bucket, "runs/" + std::to_string(i % 20)));
      EXPECT_EQ(ids.size(), 30U) << "each has its own";
      (void)begin(bucket, "other/x");
      const auto list = [&] {
        std::set<std::string> listed;
        std::string continuation;
        std::size_t pages = 0;
        do {
          const storage::OpenUploads open = bucket.list_uploads("runs/", continuation, within(30s));
          EXPECT_EQ(open.outcome, Outcome::done);
          for (const storage::OpenUpload& upload : open.uploads) {
            EXPECT_TRUE(upload.key.starts_with("runs/"));
            EXPECT_LE(upload.begun, bucket.date());
            EXPECT_TRUE(listed.insert(upload.id).second);
          }
          continuation = open.continuation;
          ++pages;
        } while (!continuation.empty());
        most_pages = std::max(most_pages, pages);
        return listed;
      };
      EXPECT_EQ(list(), ids);
      EXPECT_EQ(bucket.abort_upload("runs/1", *ids.begin(), within(30s)).outcome, Outcome::absent) << "another key's";
      for (const storage::OpenUpload& upload : bucket.open_uploads()) {
        if (upload.key != "runs/7") continue;
        EXPECT_EQ(bucket.abort_upload("runs/7", upload.id, within(30s)).outcome, Outcome::done);
        EXPECT_EQ(bucket.abort_upload("runs/7", upload.id, within(30s)).outcome, Outcome::absent);
        ids.erase(upload.id);
      }
      EXPECT_EQ(ids.size(), 28U);
      EXPECT_EQ(list(), ids);
      EXPECT_EQ(bucket.open_uploads().size(), 29U);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(most_pages, 3U);
}

TEST(BucketUploads, OfManyPartsOfOneNumberTheLastToFinishStays) {
  std::set<char> stayed;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Bucket& bucket = world.bucket;
      const std::string id = begin(bucket, "a");
      std::map<std::string, char> tags;
      std::vector<base::Thread> threads;
      for (char letter = 'a'; letter < 'e'; ++letter) {
        threads.emplace_back("part", [&, letter] {
          const std::string tag = put(bucket, id, 1, std::string(10, letter));
          tags[tag] = letter;
        });
      }
      for (base::Thread& thread : threads) thread.join();
      int finished = 0;
      for (const auto& [tag, letter] : tags) {
        if (bucket.finish_upload("a", id, {tag}, within(30s)).outcome != Outcome::done) continue;
        EXPECT_EQ(bucket.peek("a"), std::string(10, letter));
        ++finished;
        HostMemory host;
        stayed.insert(letter);
      }
      EXPECT_EQ(finished, 1);
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(stayed.size(), 2U);
}

TEST(BucketUploads, EachFaultDoesWhatItSays) {
  struct Expected {
    Fault fault;
    Outcome outcome;
    std::set<bool> takes_effect;
  };
  const Expected all[] = {
      {Fault::lost_request, Outcome::unanswered, {false}},
      {Fault::lost_answer, Outcome::unanswered, {true}},
      {Fault::throttled, Outcome::throttled, {false}},
      {Fault::error_before, Outcome::failed, {false}},
      {Fault::error_after, Outcome::failed, {true}},
      {Fault::storm, Outcome::throttled, {false}},
      {Fault::stale_connection, Outcome::unanswered, {true, false}},
      {Fault::outage, Outcome::unanswered, {true, false}},
      {Fault::expired_credentials, Outcome::refused, {false}},
      {Fault::conflict, Outcome::done, {true}},
      {Fault::truncated, Outcome::done, {true}},
  };
  for (const Expected& expected : all) {
    for (const char* verb : {"begin", "part", "finish", "abort"}) {
      const std::string name = std::string(fault_name(expected.fault)) + ", " + verb;
      std::set<bool> seen;
      for (std::uint64_t seed = 0; seed < 120; ++seed) {
        bool takes_effect = false;
        const Ran ran = in_world(seed, [&](World& world) {
          Bucket& bucket = world.bucket;
          const std::string what = verb;
          const std::string id = what == "begin" ? "" : begin(bucket, "a");
          const std::string tag = what == "finish" ? put(bucket, id, 1, "x") : "";
          bucket.set_faults(always(expected.fault));
          const Answer answer = what == "begin"    ? bucket.begin_upload("a", within(10s))
                                : what == "part"   ? bucket.put_part("a", id, 1, "x", within(10s))
                                : what == "finish" ? bucket.finish_upload("a", id, {tag}, within(10s))
                                                   : bucket.abort_upload("a", id, within(10s));
          EXPECT_EQ(answer.outcome, expected.outcome) << name;
          bucket.set_faults({});
          bucket.end_periods();
          base::sleep_for(1s);
          const bool is_open = !bucket.open_uploads().empty();
          if (what == "part") {
            const std::string same = begin(bucket, "b");
            const storage::Part part = bucket.put_part("b", same, 1, "x", within(10s));
            takes_effect = bucket.finish_upload("a", id, {part.tag}, within(10s)).outcome == Outcome::done;
          } else {
            takes_effect = what == "begin" ? is_open : what == "finish" ? bucket.peek("a").has_value() : !is_open;
          }
        });
        ASSERT_EQ(ran.failure, "") << name;
        seen.insert(takes_effect);
      }
      EXPECT_EQ(seen, expected.takes_effect) << name;
    }
  }
}

TEST(BucketUploads, AnEndThatComesTwiceOrLateIsHandledWhenItComes) {
  int late = 0;
  int revived = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Bucket& bucket = world.bucket;
      const std::string id = begin(bucket, "a");
      const std::string tag = put(bucket, id, 1, "x");
      bucket.set_faults(always(seed % 2 == 0 ? Fault::late : Fault::duplicate));
      const Outcome outcome = bucket.finish_upload("a", id, {tag}, within(10s)).outcome;
      bucket.set_faults({});
      if (outcome == Outcome::done || outcome == Outcome::absent) {
        EXPECT_TRUE(bucket.peek("a").has_value()) << "absent: it was carried out before";
        EXPECT_EQ(bucket.remove("a", within(30s)).outcome, Outcome::done);
        base::sleep_for(Bucket::kWireMax);
        if (bucket.peek("a").has_value()) ++revived;
      } else {
        EXPECT_EQ(outcome, Outcome::unanswered);
        base::sleep_for(Bucket::kWireMax);
        if (bucket.peek("a").has_value()) ++late;
        EXPECT_NE(bucket.peek("a").has_value(), !bucket.open_uploads().empty());
      }
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(late, 5);
  EXPECT_EQ(revived, 0) << "an upload ends once";
}

TEST(BucketUploads, WhoIsKilledLeavesAnUploadBehindThatASweeperFinds) {
  int left = 0;
  int finished = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Ran ran = in_world(seed, [&](World& world) {
      Bucket& bucket = world.bucket;
      Process& process = world.scheduler.start("killed", [&] {
        const std::string id = begin(bucket, "runs/a");
        std::vector<std::string> tags;
        for (std::uint32_t number = 1; number <= 3; ++number)
          tags.push_back(bucket.put_part("runs/a", id, number, part_of('a'), within(30s)).tag);
        (void)bucket.finish_upload("runs/a", id, tags, within(30s));
      });
      base::sleep_for(base::Duration(static_cast<std::int64_t>(world.chance.magnitude(1'000'000, 1'000'000'000))));
      world.scheduler.kill(process);
      base::sleep_for(Bucket::kWireMax);
      if (bucket.peek("runs/a").has_value()) ++finished;
      const storage::OpenUploads open = bucket.list_uploads("runs/", "", within(30s));
      EXPECT_EQ(open.uploads.size() + (open.continuation.empty() ? 0U : 1U), bucket.open_uploads().size());
      if (bucket.open_uploads().empty()) return;
      ++left;
      EXPECT_FALSE(bucket.peek("runs/a").has_value());
      for (const storage::OpenUpload& upload : bucket.open_uploads())
        EXPECT_EQ(bucket.abort_upload(upload.key, upload.id, within(30s)).outcome, Outcome::done);
      EXPECT_TRUE(bucket.open_uploads().empty());
    });
    ASSERT_EQ(ran.failure, "");
  }
  EXPECT_GT(left, 10);
  EXPECT_GT(finished, 3);
}

TEST(BucketUploads, EveryRequestIsCounted) {
  const Ran ran = in_world(5, [](World& world) {
    Bucket& bucket = world.bucket;
    const std::string id = begin(bucket, "a");
    const std::string tag = put(bucket, id, 1, "12345");
    (void)bucket.finish_upload("a", id, {tag}, within(30s));
    (void)bucket.put("b", "123", storage::PutMode::create, {}, within(30s));
    (void)bucket.get("a", {0, 4}, within(30s));
    (void)bucket.get("c", {}, within(30s));
    (void)bucket.list("", "", within(30s));
    (void)bucket.list_uploads("", "", within(30s));
    (void)bucket.abort_upload("a", id, within(30s));
    (void)bucket.remove("a", within(30s));
    bucket.set_faults(always(Fault::error_after));
    (void)bucket.remove("b", within(30s));
    bucket.set_faults(always(Fault::throttled));
    (void)bucket.remove("b", within(30s));
    const storage::BucketCounts counts = bucket.counts();
    EXPECT_EQ(counts.puts, 4U);
    EXPECT_EQ(counts.gets, 2U);
    EXPECT_EQ(counts.lists, 2U);
    EXPECT_EQ(counts.removes, 4U);
    EXPECT_EQ(counts.bytes_sent, 8U);
    EXPECT_EQ(counts.bytes_received, 4U);
    EXPECT_EQ(counts.undecided, 1U);
    EXPECT_EQ(counts.throttled, 1U);
  });
  EXPECT_EQ(ran.failure, "");
  EXPECT_EQ(ran.report.bucket_requests, 12U);
}

}  // namespace
}  // namespace ingot::simulator
