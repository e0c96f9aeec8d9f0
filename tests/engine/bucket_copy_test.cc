// Copies to and from buckets: the same records with all that is known of them; interrupted and gone on with, beside
// other copies to the same place, and what is left in the bucket by all that.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../simulator/mounted.h"
#include "base/testing.h"
#include "engine/bucket_header.h"
#include "engine/bucket_medium.h"
#include "engine/bucket_target.h"
#include "engine/copies.h"
#include "engine/directory_target.h"
#include "ingot/error.h"
#include "runs/run_format.h"
#include "runs/run_parity.h"
#include "support/memory_bucket.h"

namespace ingot::engine {
namespace {

using simulator::MountedBucket;
using testing::MemoryBucket;

Opened open_bucket(MemoryBucket& bucket, Options options = {}) {
  const auto make_medium = [&](const Medium::Setting& setting) {
    return make_bucket_medium(std::make_unique<MountedBucket>(bucket), nullptr, setting);
  };
  return Engine::open_on(make_medium, bucket.where(), std::move(options));
}

CopyFigures copy_to_bucket(const Opened& engine, MemoryBucket& bucket,
                           const std::function<bool(const CopyFigures&)>& interrupts = {}) {
  const std::unique_ptr<CopyTarget> target =
      make_bucket_target(std::make_unique<MountedBucket>(bucket), bucket.where(), engine->sizes());
  return copy_into(engine, *target, interrupts);
}

std::vector<std::string> keys_under(const MemoryBucket& bucket, std::string_view prefix) {
  std::vector<std::string> keys = bucket.keys();
  std::erase_if(keys, [&](const std::string& key) { return !key.starts_with(prefix); });
  return keys;
}

void expect_refused(ErrorCode code, const char* words, const std::function<void()>& call) {
  try {
    call();
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

class BucketCopying : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    History history;
    disk_ = make_log(make_runs(history), history);
    wanted_ = all_of(open_source());
  }
  static void TearDownTestSuite() { disk_ = nullptr; }

  static Opened open_source() {
    const Disk disk = disk_->copy();
    disk->refuse_runs(true);
    return open_store(disk, {.read_only = true});
  }

  static void expect_whole(MemoryBucket& bucket, const AllOf& wanted = wanted_) {
    const Opened engine = open_bucket(bucket, {.read_only = true});
    EXPECT_TRUE(all_of(engine) == wanted);
    EXPECT_TRUE(check(engine).clean());
    std::size_t named = 0;
    for (const SortedRun& sorted : engine->hold().state->sorted_runs) named += sorted.files.size();
    EXPECT_EQ(keys_under(bucket, "runs/").size(), named) << "something is left over";
    EXPECT_EQ(keys_under(bucket, "checkpoints/").size(), 1U);
    EXPECT_EQ(keys_under(bucket, "copying").size(), 0U);
    EXPECT_EQ(bucket.open_uploads(), 0U);
  }

  static inline Disk disk_;  // three runs, and a log on top
  static inline AllOf wanted_;
};

TEST_F(BucketCopying, ThereAndBackChangesNoRecord) {
  MemoryBucket bucket;
  copy_to_bucket(open_source(), bucket);
  expect_whole(bucket);
  // To another bucket, and from there into a directory.
  MemoryBucket second;
  copy_to_bucket(open_bucket(bucket, {.read_only = true}), second);
  expect_whole(second);
  const auto disk = std::make_shared<DamageableDisk>();
  const std::unique_ptr<CopyTarget> target =
      make_directory_target(std::make_unique<DamageableDirectory>(disk), "/back", Sizes());
  copy_into(open_bucket(second, {.read_only = true}), *target);
  const Opened back = open_store(disk, {.create = false});
  EXPECT_TRUE(all_of(back) == wanted_);
  EXPECT_TRUE(check(back).clean());
  // Each is a store of its own, and takes more.
  const Opened copy = open_bucket(second);
  History history;
  fill(copy, history, 8);
  EXPECT_GT(copy->visible_version(), open_source()->visible_version());
  copy->close();
  EXPECT_NE(all_of(open_bucket(second)), wanted_);
  expect_whole(bucket);
}

TEST_F(BucketCopying, GoesOnWhereverItWasInterrupted) {
  const Opened source = open_source();
  std::uint64_t largest = 0;
  for (const SortedRun& sorted : source->hold().state->sorted_runs) largest = std::max(largest, sorted.file_bytes());
  for (std::uint64_t step = 1;; step *= 8) {
    SCOPED_TRACE(step);
    MemoryBucket bucket;
    std::uint64_t interruptions = 0;
    CopyFigures last;
    for (bool whole = false; !whole;) {
      try {
        last = copy_to_bucket(source, bucket,
                              [&](const CopyFigures& now) { return now.done - now.found >= step << interruptions; });
        whole = true;
        EXPECT_TRUE(interruptions == 0 || last.found > 0);
      } catch (const Interrupted&) {
        ++interruptions;
        for (const bool read_only : {true, false}) {
          expect_refused(ErrorCode::not_a_store, "run the copy again",
                         [&] { open_bucket(bucket, {.read_only = read_only}); });
        }
      }
    }
    // The memtables' run and the checkpoint, too; and several files are under way at once.
    constexpr std::uint64_t kMoreBytes = 300'000;
    std::uint64_t run_bytes = 0;
    for (const SortedRun& sorted : source->hold().state->sorted_runs) run_bytes += sorted.file_bytes();
    EXPECT_LE(bucket.counts().bytes_sent, run_bytes + kMoreBytes + interruptions * 4 * largest);
    expect_whole(bucket);
    if (interruptions == 0) break;
  }
}

TEST_F(BucketCopying, RemovesWhatEarlierOnesLeft) {
  const Disk disk = disk_->copy();
  disk->refuse_runs(true);
  const Opened source = open_store(disk);
  MemoryBucket bucket;
  const std::uint64_t total = copy_to_bucket(source, bucket, {}).total;
  MemoryBucket second;
  EXPECT_THROW(copy_to_bucket(source, second, [&](const CopyFigures& now) { return now.done > total / 2; }),
               Interrupted);
  const std::size_t left = keys_under(second, "runs/").size();
  ASSERT_GT(left, 0U);
  const auto deadline = base::now() + std::chrono::seconds(1);
  ASSERT_EQ(second.begin_upload("runs/0123456789abcdef0123456789abcdef", deadline).outcome, storage::Outcome::done);
  second.set("checkpoints/0000000000000001-c-00000000-ffffffffffffffff-0000000000000000",
             "of a copy that was killed late");
  // A run that is there in part is none.
  second.set(keys_under(second, "runs/").front(), "half of it");
  disk->refuse_runs(false);
  source->settle();  // all are one run now
  EXPECT_EQ(copy_to_bucket(source, second).found, 0U);
  expect_whole(second, all_of(source));
}

TEST_F(BucketCopying, DoesNotBelieveARunOfAnotherSize) {
  const Opened source = open_source();
  MemoryBucket bucket;
  EXPECT_THROW(copy_to_bucket(source, bucket, [&](const CopyFigures& now) { return now.done > 150'000; }), Interrupted);
  ASSERT_GT(keys_under(bucket, "runs/").size(), 0U);
  for (const std::string& key : keys_under(bucket, "runs/")) {
    const std::string bytes = *bucket.peek(key);
    bucket.set(key, bytes.substr(0, bytes.size() - 1));
  }
  EXPECT_EQ(copy_to_bucket(source, bucket).found, 0U);
  expect_whole(bucket);
}

TEST_F(BucketCopying, LeavesThePlaceToWhoWasFaster) {
  const Opened source = open_source();
  MemoryBucket bucket;
  bool once = true;
  expect_refused(ErrorCode::invalid_argument, "a store is there already", [&] {
    copy_to_bucket(source, bucket, [&](const CopyFigures& now) {
      if (now.done > 100'000 && std::exchange(once, false)) copy_to_bucket(source, bucket);
      return false;
    });
  });
  EXPECT_GT(base::probe_count("engine: another copy to the same place in a bucket was faster"), 0U);
  const Opened engine = open_bucket(bucket, {.read_only = true});
  EXPECT_TRUE(all_of(engine) == wanted_);
  EXPECT_TRUE(check(engine).clean());
}

// Whoever opens the copy at once, and writes, is not in the way of its last steps, nor they in his.
TEST_F(BucketCopying, RemovesNothingOfItsFirstWriters) {
  const Opened source = open_source();
  MemoryBucket bucket;
  Opened writer;
  bucket.decide([&](const std::string& request) -> std::optional<MemoryBucket::Instead> {
    if (request != "remove copying") return std::nullopt;
    bucket.decide({});
    writer = open_bucket(bucket);
    History history;
    fill(writer, history, 9);
    writer->settle();
    return std::nullopt;
  });
  copy_to_bucket(source, bucket);
  ASSERT_NE(writer, nullptr);
  const AllOf after = all_of(writer);
  writer->close();
  EXPECT_NE(after, wanted_);
  EXPECT_TRUE(all_of(open_bucket(bucket)) == after);
}

TEST_F(BucketCopying, AnAnswerThatGotLostIsNoOtherCopy) {
  const Opened source = open_source();
  MemoryBucket bucket;
  int lost = 0;
  bucket.decide([&](const std::string& request) -> std::optional<MemoryBucket::Instead> {
    if (request.starts_with("put store ") || request.starts_with("put checkpoints/")) {
      if (lost++ % 2 == 0) return MemoryBucket::Instead{storage::Outcome::failed, true};
    }
    return std::nullopt;
  });
  copy_to_bucket(source, bucket);
  EXPECT_GE(lost, 4);
  expect_whole(bucket);
}

TEST_F(BucketCopying, CanBeEndedWhileTheBucketIsAway) {
  for (const char* request : {"get store ", "list ", "put copying ", "put runs/", "put checkpoints/", "uploads "}) {
    SCOPED_TRACE(request);
    MemoryBucket bucket;
    std::atomic<bool> away = false;
    bucket.decide([&](const std::string& asked) -> std::optional<MemoryBucket::Instead> {
      if (!asked.starts_with(request)) return std::nullopt;
      away = true;
      return MemoryBucket::Instead{storage::Outcome::throttled};
    });
    // It is called though nothing moves.
    EXPECT_THROW(copy_to_bucket(open_source(), bucket, [&](const CopyFigures&) { return away.load(); }), Interrupted);
    bucket.decide({});
    copy_to_bucket(open_source(), bucket);
    expect_whole(bucket);
  }
}

TEST_F(BucketCopying, HealsWhatIsDamagedInItsSource) {
  MemoryBucket source;
  copy_to_bucket(open_source(), source);
  const std::vector<std::string> runs = keys_under(source, "runs/");
  ASSERT_EQ(runs.size(), 4U);
  for (const std::string& key : runs) {
    std::string bytes = *source.peek(key);
    bytes[100] = static_cast<char>(bytes[100] ^ 0x10);
    source.set(key, bytes);
  }
  MemoryBucket target;
  copy_to_bucket(open_bucket(source, {.read_only = true}), target);
  expect_whole(target);
  // Beyond that it is no copy.
  std::string bytes = *source.peek(runs.front());
  bytes[100 + runs::kParitySectors * runs::kSectorBytes] ^= 0x10;
  source.set(runs.front(), bytes);
  MemoryBucket second;
  expect_refused(ErrorCode::corrupt, "is damaged beyond healing",
                 [&] { copy_to_bucket(open_bucket(source, {.read_only = true}), second); });
  expect_refused(ErrorCode::not_a_store, "run the copy again", [&] { open_bucket(second, {.create = false}); });
}

TEST_F(BucketCopying, GoesOnWithANewerSnapshotIfItsSourceIsCollectedMeanwhile) {
  MemoryBucket source;
  copy_to_bucket(open_source(), source);
  const Opened reader = open_bucket(source, {.read_only = true});
  const std::vector<std::string> before = keys_under(source, "runs/");
  const Opened writer = open_bucket(source);
  History history;
  fill(writer, history, 8);
  const AllOf wanted = all_of(writer);
  source.decide([&](const std::string& request) -> std::optional<MemoryBucket::Instead> {
    if (!request.starts_with("get runs/")) return std::nullopt;
    source.decide({});
    writer->settle();  // all are one run now
    for (const std::string& key : before) (void)source.remove(key, base::now() + std::chrono::seconds(30));
    return std::nullopt;
  });
  const std::uint64_t newer = base::probe_count("engine: a copy went on with a newer snapshot");
  MemoryBucket target;
  copy_to_bucket(reader, target);
  EXPECT_EQ(base::probe_count("engine: a copy went on with a newer snapshot"), newer + 1);
  expect_whole(target, wanted);
}

TEST_F(BucketCopying, IsRefusedWhereSomethingElseIs) {
  const Opened source = open_source();
  MemoryBucket bucket;
  bucket.set("letters/1", "dear");
  expect_refused(ErrorCode::invalid_argument, "letters/1", [&] { copy_to_bucket(source, bucket); });
  EXPECT_EQ(bucket.keys().size(), 1U);
  MemoryBucket second;
  open_bucket(second)->close();
  expect_refused(ErrorCode::invalid_argument, "a store is there already", [&] { copy_to_bucket(source, second); });
  expect_refused(ErrorCode::invalid_argument, "which is to be copied",
                 [&] { copy_to_bucket(open_bucket(second), second); });
}

}  // namespace
}  // namespace ingot::engine
