// How many requests reading a run from a bucket costs: one for its index, one for each look at data that was not read
// before, none for what is cached.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "runs/run.h"
#include "storage/bucket_files.h"
#include "storage/disk_cache.h"
#include "storage/request_pool.h"
#include "support/memory_bucket.h"
#include "support/temporary_directory.h"

namespace ingot::runs {
namespace {

using ingot::testing::MemoryBucket;
using ingot::testing::TemporaryDirectory;
using storage::Outcome;

constexpr const char* kStore = "00112233445566778899aabbccddeeff";
constexpr const char* kPath = "runs/99887766554433221100aabbccddeeff";
constexpr std::size_t kValueBytes = 1000;

std::string key_of(std::uint64_t number) {
  char key[32];
  std::snprintf(key, sizeof key, "key-%012llu", static_cast<unsigned long long>(number));
  return key;
}

std::string value_of(std::uint64_t number) {
  base::Random random(number);
  std::string value(kValueBytes, '\0');
  for (std::size_t at = 0; at < kValueBytes; at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(value.data() + at, &word, sizeof word);
  }
  return value;
}

using RunFile = Run;  // testing::Test has a Run of its own

class ColdReads : public ::testing::TestWithParam<bool> {
 protected:
  ColdReads() {
    if (GetParam()) cache_ = storage::open_disk_cache(folder_.at("cache"), 1ULL << 30, nullptr);
    restart();
  }
  // As another process, which has the disk cache at most.
  void restart() {
    run_ = nullptr;
    blocks_ = std::make_shared<BlockCache>(64 << 20, epochs_);
    files_ = nullptr;
    files_ = storage::make_bucket_files(bucket_, pool_, cache_.get(), {kStore});
    if (!summary_.name.empty()) open();
  }
  void open() {
    run_ = std::make_shared<RunFile>(*files_, kPath, summary_, blocks_,
                                     [this](const std::string& text) { messages_.push_back(text); });
  }
  // Written by somebody else: nothing of it is cached here.
  void write(std::uint64_t records) {
    records_ = records;
    {
      RunWriter writer(*files_, kPath, Compression::none);
      for (std::uint64_t i = 0; i < records; ++i) {
        ASSERT_FALSE(writer.add({key_of(i), i + 1, RecordKind::value, 0, value_of(i)}));
      }
      ASSERT_FALSE(writer.finish(summary_));
    }
    if (cache_ != nullptr) cache_->remove(kStore, kPath);
    restart();
    (void)bucket_.requests();
  }
  // The requests for reading this key.
  MemoryBucket::Requests get(std::uint64_t number) {
    const std::string key = key_of(number);
    bool is_right = false;
    EXPECT_EQ(run_->get(key, key_hash(key), Io::allowed,
                        [&](const Record& record) { is_right = record.value == value_of(number); }),
              Lookup::found)
        << run_->why();
    EXPECT_TRUE(is_right);
    return bucket_.requests();
  }

  TemporaryDirectory folder_;
  MemoryBucket bucket_;
  storage::RequestPool pool_;
  std::unique_ptr<storage::DiskCache> cache_;
  std::unique_ptr<storage::BucketFiles> files_;
  base::EpochDomain epochs_;
  std::shared_ptr<BlockCache> blocks_;
  RunSummary summary_;
  std::shared_ptr<RunFile> run_;
  std::uint64_t records_ = 0;
  std::vector<std::string> messages_;
};

INSTANTIATE_TEST_SUITE_P(Disk, ColdReads, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Cache" : "None"; });

TEST_P(ColdReads, OfAPointIsOneRequestForTheIndexAndOneForTheData) {
  write(40'000);
  ASSERT_GT(summary_.file_bytes, 40U << 20);
  const std::uint64_t index_bytes =
      summary_.index->meta.offset + summary_.index->meta.stored_bytes - summary_.index->begin;
  EXPECT_GT(index_bytes, 200'000U);
  const MemoryBucket::Requests first = get(20'000);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_TRUE(
      first[0].starts_with(std::string("get ") + kPath + " " + std::to_string(summary_.index->begin / 16384 * 16384)));
  EXPECT_EQ(get(20'000).size(), 0U);
  EXPECT_EQ(get(20'001).size(), 0U) << "a neighbour";
  for (const std::uint64_t far : {0U, 5'000U, 38'000U, 33'333U}) EXPECT_EQ(get(far).size(), 1U) << far;
  for (const std::uint64_t far : {0U, 5'000U, 38'000U, 33'333U}) EXPECT_EQ(get(far).size(), 0U) << far;
  // Absent keys need no data, but for the filter's mistakes.
  std::size_t requests = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string key = key_of(i * 40) + "x";
    EXPECT_EQ(run_->get(key, key_hash(key), Io::allowed, [](const Record&) {}), Lookup::absent);
    requests += bucket_.requests().size();
  }
  EXPECT_LT(requests, 40U);
  restart();
  EXPECT_EQ(get(20'000).size(), GetParam() ? 0U : 2U);
  EXPECT_EQ(get(10'000).size(), 1U) << "its index is known";
}

// Of several runs the indexes are fetched at once.
TEST_P(ColdReads, AnIndexCanBeFetchedAhead) {
  write(40'000);
  run_->fetch_index();
  run_->fetch_index();
  EXPECT_EQ(get(20'000).size(), 2U) << "the index only once";
  run_->fetch_index();
  EXPECT_EQ(get(20'000).size(), 0U);
  restart();
  run_->fetch_index();
  EXPECT_EQ(get(20'000).size(), GetParam() ? 0U : 2U) << "it is kept as if it had been read";
}

TEST_P(ColdReads, OfASmallRunIsOneRequest) {
  write(200);
  ASSERT_GT(summary_.file_bytes, 200'000U);
  EXPECT_EQ(get(10).size(), 1U);
  EXPECT_EQ(get(150).size(), 0U);
  restart();
  EXPECT_EQ(get(199).size(), GetParam() ? 0U : 1U);
}

TEST_P(ColdReads, OfWhatThisMachineWroteNeedNoRequestIfTheDiskKeepsIt) {
  records_ = 20'000;
  RunWriter writer(*files_, kPath, Compression::none);
  for (std::uint64_t i = 0; i < records_; ++i) {
    ASSERT_FALSE(writer.add({key_of(i), i + 1, RecordKind::value, 0, value_of(i)}));
  }
  ASSERT_FALSE(writer.finish(summary_));
  restart();
  (void)bucket_.requests();
  EXPECT_EQ(get(7).size() + get(19'000).size(), GetParam() ? 0U : 3U);
}

TEST_P(ColdReads, InOrderBringLargePiecesOnce) {
  write(40'000);
  const std::uint64_t written = cache_ != nullptr ? cache_->counts().written : 0;
  const auto cursor = run_->cursor(run_, true);
  std::uint64_t number = 0;
  for (cursor->seek_first(); cursor->valid(); cursor->next(), ++number) {
    ASSERT_EQ(cursor->record().key, key_of(number));
  }
  EXPECT_FALSE(cursor->failed());
  EXPECT_EQ(number, records_);
  const MemoryBucket::Requests requests = bucket_.requests();
  EXPECT_LE(requests.size(), 1 + (summary_.file_bytes >> 21) + 1) << "pieces of 2 MiB, and the index";
  EXPECT_LT(bucket_.counts().bytes_received, summary_.file_bytes + (1U << 20)) << "each byte once";
  if (cache_ != nullptr) {
    EXPECT_LT((cache_->counts().written - written) * storage::DiskCache::kChunkBytes, 2U << 20) << "the index at most";
  }
}

TEST_P(ColdReads, ThatDoNotGoToTheEndLeaveNothingBehind) {
  write(40'000);
  {
    const auto cursor = run_->cursor(run_, true);
    cursor->seek(key_of(10'000));
    ASSERT_TRUE(cursor->valid());
    cursor->seek(key_of(30'000));
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(cursor->record().key, key_of(30'000));
  }
  EXPECT_LE(bucket_.requests().size(), 1U + 2 * 2);
}

TEST_P(ColdReads, WithAnOldSummaryNeedTheFooters) {
  write(40'000);
  summary_.index.reset();
  restart();
  const std::size_t requests = get(20'000).size();
  EXPECT_GT(requests, 3U) << "the size, a footer or both, the meta block, a partition, the data";
  EXPECT_LE(requests, 6U);
}

TEST_P(ColdReads, ABodyCutShortIsReadAgain) {
  write(40'000);
  int times = 2;
  bucket_.decide([&](const std::string&) -> std::optional<MemoryBucket::Instead> {
    if (times-- <= 0) return std::nullopt;
    return MemoryBucket::Instead{.outcome = Outcome::unanswered};
  });
  EXPECT_EQ(get(20'000).size(), 4U);
  EXPECT_TRUE(messages_.empty());
  EXPECT_FALSE(run_->wants_rewrite());
}

TEST_P(ColdReads, WhatWasDamagedOnTheWayIsReadAgainAndNotHealed) {
  write(40'000);
  bool once = true;
  bucket_.decide([&](const std::string& request) -> std::optional<MemoryBucket::Instead> {
    if (!request.starts_with("get") || !std::exchange(once, false)) return std::nullopt;
    return MemoryBucket::Instead{.outcome = Outcome::done, .change_body = [](storage::Got& got) {
                                   for (char& byte : got.bytes) byte = static_cast<char>(byte ^ 1);
                                 }};
  });
  EXPECT_GE(get(20'000).size(), 3U);
  EXPECT_FALSE(run_->wants_rewrite());
  EXPECT_TRUE(messages_.empty());
  EXPECT_GT(base::probe_count("runs: only a copy of a block was damaged"), 0U);
}

TEST_P(ColdReads, WhatIsDamagedInTheBucketIsHealedFromParity) {
  write(5'000);
  std::string bytes = *bucket_.peek(kPath);
  bytes.replace(2'000'000, 4096, std::string(4096, 'x'));
  bucket_.set(kPath, bytes);
  for (std::uint64_t i = 0; i < records_; ++i) (void)get(i);
  EXPECT_TRUE(run_->wants_rewrite());
  EXPECT_FALSE(messages_.empty());
}

TEST_P(ColdReads, OfWhatIsNotThereSaySo) {
  write(1'000);
  (void)bucket_.remove(kPath, base::now() + std::chrono::seconds(1));
  const std::string key = key_of(1);
  EXPECT_EQ(run_->get(key, key_hash(key), Io::allowed, [](const Record&) {}), Lookup::failed);
  EXPECT_NE(run_->why().find("ENOENT"), std::string::npos) << run_->why();
}

TEST_P(ColdReads, ACheckLooksAtTheBucketAndNotAtTheCache) {
  write(20'000);
  (void)get(10'000);
  std::string bytes = *bucket_.peek(kPath);
  bytes.replace(summary_.index->begin / 2 / 4096 * 4096, 4096, std::string(4096, 'x'));
  (void)get(9'000);
  (void)get(11'000);
  bucket_.set(kPath, bytes);
  (void)bucket_.requests();
  const RunCheck checked = run_->check();
  EXPECT_TRUE(checked.damage.empty()) << checked.damage.front();
  EXPECT_EQ(checked.healed.size(), 1U);
  EXPECT_EQ(checked.records, records_);
  EXPECT_LT(bucket_.requests().size(), 100U) << "in large pieces";
}

}  // namespace
}  // namespace ingot::runs
