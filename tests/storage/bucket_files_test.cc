// Files in a bucket, over a bucket in memory that shows each request: how many there are, what is sent again, what
// stays behind when something fails, and that nothing wrong is ever read. With all faults of a real wire:
// tests/simulator/bucket_files_test.cc.
#include "storage/bucket_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "storage/disk_cache.h"
#include "storage/request_pool.h"
#include "support/memory_bucket.h"
#include "support/temporary_directory.h"

namespace ingot::storage {
namespace {

using namespace std::chrono_literals;
using ingot::testing::MemoryBucket;
using ingot::testing::TemporaryDirectory;
using Instead = MemoryBucket::Instead;
using Requests = MemoryBucket::Requests;

constexpr const char* kStore = "00112233445566778899aabbccddeeff";
constexpr const char* kPath = "runs/a";
constexpr std::uint64_t kUnit = BucketFiles::kUnitBytes;
constexpr std::uint64_t kPart = BucketFiles::kPartBytes;
constexpr std::uint64_t kPiece = BucketFiles::kGetBytesMax;

std::string noise(std::size_t bytes, std::uint64_t seed = 1) {
  base::Random random(seed);
  std::string out(bytes, '\0');
  for (std::size_t at = 0; at < bytes; at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(out.data() + at, &word, std::min<std::size_t>(8, bytes - at));
  }
  return out;
}

class BucketFilesTest : public ::testing::TestWithParam<bool> {
 protected:
  BucketFilesTest() {
    if (GetParam()) cache_ = open_disk_cache(folder_.at("cache"), 1ULL << 30, nullptr);
    restart();
  }
  // As another process: nothing but the disk is remembered.
  void restart() {
    files_.reset();
    files_ = make_bucket_files(bucket_, pool_, cache_.get(), {kStore, patience_, upload_patience_});
  }
  void set_patience(base::Duration patience) {
    patience_ = upload_patience_ = patience;
    restart();
  }
  std::unique_ptr<File> open(std::string_view path = kPath) {
    std::unique_ptr<File> file;
    EXPECT_FALSE(files_->open(path, OpenMode::read, file));
    return file;
  }
  std::unique_ptr<File> create(std::string_view path = kPath) {
    std::unique_ptr<File> file;
    EXPECT_FALSE(files_->open(path, OpenMode::create, file));
    return file;
  }
  // The requests for reading this, which must be right.
  Requests read(File& file, const std::string& whole, std::uint64_t offset, std::size_t bytes) {
    (void)bucket_.requests();
    std::string out(bytes, '\0');
    std::size_t got = 0;
    EXPECT_FALSE(file.read_at(offset, out, got));
    out.resize(got);
    EXPECT_TRUE(out == whole.substr(std::min<std::size_t>(offset, whole.size()), bytes)) << offset << " " << bytes;
    Requests requests = bucket_.requests();
    std::sort(requests.begin(), requests.end());  // several may be sent at once
    return requests;
  }
  static std::string get(std::uint64_t offset, std::uint64_t bytes) {
    return "get runs/a " + std::to_string(offset) + "+" + std::to_string(bytes);
  }
  static IoError write_all(File& file, const std::string& bytes, std::size_t step = 500'000) {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      if (const IoError error = file.write_at(at, std::string_view(bytes).substr(at, step))) return error;
    }
    return {};
  }
  // For what other threads do.
  template <class Condition>
  static void wait_for(Condition condition) {
    for (int i = 0; i < 60'000 && !condition(); ++i) std::this_thread::sleep_for(1ms);
  }
  // Holds these requests back until two of them are under way.
  void hold_until_two(const std::string& prefix) {
    bucket_.decide([this, prefix](const std::string& request) -> std::optional<Instead> {
      if (request.starts_with(prefix)) wait_for([&] { return bucket_.most_at_once() > 1; });
      return std::nullopt;
    });
  }
  // Fails the first `times` requests that begin so.
  void fail(const std::string& prefix, int times, const Instead& instead) {
    failures_ = times;
    bucket_.decide([this, prefix, instead](const std::string& request) -> std::optional<Instead> {
      if (!request.starts_with(prefix) || failures_.fetch_sub(1) <= 0) return std::nullopt;
      return instead;
    });
  }

  TemporaryDirectory folder_;
  MemoryBucket bucket_;
  RequestPool pool_;
  std::unique_ptr<DiskCache> cache_;
  base::Duration patience_ = 30s;
  base::Duration upload_patience_ = 30s;
  std::atomic<int> failures_{0};
  std::unique_ptr<BucketFiles> files_;
};

INSTANTIATE_TEST_SUITE_P(Disk, BucketFilesTest, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Cache" : "None"; });

TEST_P(BucketFilesTest, OpeningMakesNoRequestAndAReadBringsWholeUnitsOnce) {
  const std::string whole = noise(10 * kUnit + 1000);
  bucket_.set(kPath, whole);
  const auto file = open();
  EXPECT_EQ(bucket_.requests(), Requests{});
  EXPECT_EQ(read(*file, whole, 70'000, 100), Requests{get(kUnit, kUnit)});
  EXPECT_EQ(read(*file, whole, 2 * kUnit - 100, 100), Requests{});
  EXPECT_EQ(read(*file, whole, 2 * kUnit - 100, 200), Requests{get(2 * kUnit, kUnit)}) << "only what is missing";
  // What is there already is brought along if it lies between, unless it is in memory.
  const Requests both = GetParam() ? Requests{get(0, 10 * kUnit)} : Requests{get(0, kUnit), get(3 * kUnit, 7 * kUnit)};
  EXPECT_EQ(read(*file, whole, 0, 10 * kUnit), both);
  EXPECT_EQ(read(*file, whole, 10 * kUnit + 900, 5000), Requests{get(10 * kUnit, 16'384)}) << "and up to the end";
  EXPECT_EQ(read(*file, whole, 0, 20 * kUnit), Requests{});
  EXPECT_EQ(read(*file, whole, whole.size(), 10), Requests{});
  for (const std::uint64_t far : {1ULL << 50, ~0ULL - 5, ~0ULL}) {
    file->will_read(far, 1000, Reading::again);
    EXPECT_EQ(read(*file, whole, far, 10), Requests{});
  }
  std::uint64_t bytes = 0;
  EXPECT_FALSE(file->size(bytes));
  EXPECT_EQ(bytes, whole.size());
  EXPECT_EQ(bucket_.requests(), Requests{});
  EXPECT_EQ(files_->counts().gets, GetParam() ? 4U : 5U);
  EXPECT_EQ(files_->counts().reads, 10U);
  EXPECT_EQ(files_->counts().reads_fetched, 4U);
}

TEST_P(BucketFilesTest, WhoComesNextFindsWhatTheDiskHas) {
  const std::string whole = noise(3 * kUnit);
  bucket_.set(kPath, whole);
  EXPECT_EQ(read(*open(), whole, 0, 2 * kUnit).size(), 1U);
  restart();
  EXPECT_EQ(read(*open(), whole, 10'000, 8000).size(), GetParam() ? 0U : 1U);
  std::uint64_t bytes = 0;
  EXPECT_FALSE(open()->size(bytes));
  EXPECT_EQ(bytes, whole.size());
}

TEST_P(BucketFilesTest, TheSizeIsOneRequest) {
  bucket_.set(kPath, "12345");
  bucket_.set("runs/empty", "");
  std::uint64_t bytes = 0;
  EXPECT_FALSE(open()->size(bytes));
  EXPECT_EQ(bytes, 5U);
  EXPECT_EQ(bucket_.requests(), Requests{get(0, 1)});
  const auto empty = open("runs/empty");
  EXPECT_FALSE(empty->size(bytes));
  EXPECT_EQ(bytes, 0U);
  EXPECT_EQ(read(*empty, "", 0, 100), Requests{});
}

TEST_P(BucketFilesTest, WhatIsAnnouncedComesInOneRequest) {
  const std::string whole = noise(40 * kUnit);
  bucket_.set(kPath, whole);
  const auto file = open();
  file->will_read(3 * kUnit + 20'000, 1'500'000, Reading::again);
  EXPECT_EQ(bucket_.requests(), Requests{}) << "nobody may need it";
  // Its last bytes are needed first, as the meta block of a run.
  const Requests requests = read(*file, whole, 3 * kUnit + 1'500'000, 20'000);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0], get(3 * kUnit + 16'384, 1'507'328)) << "whole chunks";
  for (std::uint64_t at = 3 * kUnit + 20'000; at + 50'000 < 3 * kUnit + 1'520'000; at += 50'000) {
    EXPECT_EQ(read(*file, whole, at, 50'000), Requests{});
  }
  EXPECT_EQ(read(*file, whole, 30 * kUnit, 100).size(), 1U);
  if (GetParam()) {
    restart();
    const auto again = open();
    again->will_read(3 * kUnit + 20'000, 1'500'000, Reading::again);
    EXPECT_EQ(read(*again, whole, 3 * kUnit + 1'500'000, 20'000), Requests{});
  }
}

TEST_P(BucketFilesTest, MuchIsBroughtByAFewRequestsAtOnce) {
  const std::string whole = noise(5 * kPiece);
  bucket_.set(kPath, whole);
  hold_until_two("get");
  const Requests requests = read(*open(), whole, 0, whole.size());
  EXPECT_EQ(requests.size(), 5U);
  EXPECT_GT(bucket_.most_at_once(), 1U);
}

TEST_P(BucketFilesTest, OneWhoReadsInOrderIsServedAheadAndFillsNoCache) {
  const std::string whole = noise(4 * kPiece);
  bucket_.set(kPath, whole);
  {
    const auto file = open();
    constexpr std::uint64_t kStep = 2'000'000;
    (void)bucket_.requests();
    std::string out(kStep, '\0');
    for (std::uint64_t at = 0; at + kStep <= whole.size(); at += kStep) {
      file->will_read(at, kStep, Reading::once);
      if (at + 2 * kStep <= whole.size()) file->will_read(at + kStep, kStep, Reading::once);
      std::size_t got = 0;
      ASSERT_FALSE(file->read_at(at, out, got));
      ASSERT_TRUE(out == whole.substr(at, kStep));
    }
    EXPECT_EQ(bucket_.requests().size(), whole.size() / kStep) << "each byte once";
  }
  if (cache_ != nullptr) {
    EXPECT_EQ(cache_->counts().written, 0U);
  }
  const auto again = open();
  EXPECT_EQ(read(*again, whole, 0, 100).size(), 1U) << "nothing of it was kept";
}

TEST_P(BucketFilesTest, WhatIsAnnouncedForOneReaderIsBegunBeforeItIsRead) {
  const std::string whole = noise(kPiece);
  bucket_.set(kPath, whole);
  const auto file = open();
  file->will_read(0, kUnit, Reading::once);
  wait_for([&] { return bucket_.counts().gets == 1; });
  EXPECT_EQ(bucket_.requests(), Requests{get(0, kUnit)});
  EXPECT_EQ(read(*file, whole, 0, kUnit), Requests{});
  EXPECT_EQ(read(*file, whole, 0, kUnit).size(), 1U) << "once";
  // What nobody reads after all is let go.
  file->will_read(kUnit, kUnit, Reading::once);
  wait_for([&] { return bucket_.counts().gets == 3; });
  file->wont_read(kUnit, kUnit);
  EXPECT_LE(read(*file, whole, kUnit, 100).size(), 1U);
}

TEST_P(BucketFilesTest, WhatIsNeededSoonIsBegunAtOnceAndKept) {
  const std::string whole = noise(kPiece);
  bucket_.set(kPath, whole);
  const auto file = open();
  file->will_read(0, kUnit, Reading::soon);
  for (int i = 0; i < 5000 && bucket_.counts().gets == 0; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(bucket_.requests(), Requests{get(0, kUnit)});
  EXPECT_EQ(read(*file, whole, 0, kUnit), Requests{});
  EXPECT_EQ(read(*file, whole, 0, kUnit), Requests{}) << "and again";
}

TEST_P(BucketFilesTest, ReadAheadTakesNoMoreMemoryThanItMay) {
  const std::string whole = noise(kPiece);
  std::vector<std::unique_ptr<File>> files;
  for (int i = 0; i < 30; ++i) {
    const std::string path = "runs/" + std::to_string(i);
    bucket_.set(path, whole);
    files.push_back(open(path));
    files.back()->will_read(0, kPiece, Reading::once);
  }
  wait_for([&] { return bucket_.counts().gets == BucketFiles::kKeptBytesMax / kPiece; });
  EXPECT_EQ(bucket_.counts().gets, BucketFiles::kKeptBytesMax / kPiece);
  EXPECT_GT(base::probe_count("bucket files: no room to read ahead"), 0U);
  for (const auto& file : files) (void)read(*file, whole, 0, kPiece);
  EXPECT_EQ(bucket_.counts().gets, 30U) << "each once, then or now";
}

TEST_P(BucketFilesTest, ManyWhoMissTheSameShareOneRequest) {
  const std::string whole = noise(10 * kUnit);
  bucket_.set(kPath, whole);
  bucket_.set_latency(100ms);
  std::vector<std::thread> readers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      const auto file = open();
      std::string out(20'000, '\0');
      std::size_t got = 0;
      if (file->read_at(kUnit - 10'000, out, got) || out != whole.substr(kUnit - 10'000, 20'000)) wrong.fetch_add(1);
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(bucket_.requests(), Requests{get(0, 2 * kUnit)});
}

TEST_P(BucketFilesTest, WhatDecidesNothingIsSentAgain) {
  const std::string whole = noise(kUnit);
  bucket_.set(kPath, whole);
  for (const Outcome outcome :
       {Outcome::throttled, Outcome::failed, Outcome::unanswered, Outcome::unsent, Outcome::too_late}) {
    restart();
    if (cache_ != nullptr) cache_->remove(kStore, kPath);
    fail("get", 2, {.outcome = outcome});
    EXPECT_EQ(read(*open(), whole, 0, 100).size(), 3U) << outcome_name(outcome);
  }
}

TEST_P(BucketFilesTest, ItWaitsAsLongAsTheBucketSays) {
  bucket_.set(kPath, "bytes");
  fail("get", 1, {.outcome = Outcome::throttled, .retry_after = 300ms});
  const base::Instant begun = base::now();
  EXPECT_EQ(read(*open(), "bytes", 0, 5).size(), 2U);
  EXPECT_GE(base::now() - begun, 300ms);
}

TEST_P(BucketFilesTest, WhatCanNotBeHadIsToldApart) {
  bucket_.set(kPath, "bytes");
  const auto code = [&](const Instead& instead, const char* path = kPath) {
    fail("get", 1'000'000, instead);
    char out[5];
    std::size_t got = 99;
    const IoError error = open(path)->read_at(0, out, got);
    EXPECT_EQ(got, 0U);
    bucket_.decide({});
    return error.code();
  };
  EXPECT_EQ(code({.outcome = Outcome::done}, "runs/missing"), ENOENT);
  EXPECT_EQ(code({.outcome = Outcome::refused}), EACCES);
  set_patience(200ms);
  EXPECT_EQ(code({.outcome = Outcome::unanswered}), ETIMEDOUT);
  EXPECT_EQ(code({.outcome = Outcome::failed}), ETIMEDOUT);
  EXPECT_EQ(code({.outcome = Outcome::throttled, .retry_after = 1h}), ETIMEDOUT);
  EXPECT_EQ(code({.outcome = Outcome::unsent}), ENETUNREACH);
  EXPECT_EQ(code({.outcome = Outcome::done, .change_body = [](Got& got) { got.bytes.pop_back(); }}), ETIMEDOUT);
  set_patience(30s);
  EXPECT_EQ(read(*open(), "bytes", 0, 5).size(), 1U) << "and all of that is over when it is over";
}

TEST_P(BucketFilesTest, AnObjectThatChangesItsSizeIsNotBelieved) {
  const std::string whole = noise(3 * kUnit);
  bucket_.set(kPath, whole);
  const auto file = open();
  EXPECT_EQ(read(*file, whole, 0, 100).size(), 1U);
  for (const std::size_t bytes : {std::size_t{0}, whole.size() - 1, whole.size() + 1}) {
    bucket_.set(kPath, noise(bytes, 2));
    char out[100];
    std::size_t got = 0;
    EXPECT_EQ(file->read_at(2 * kUnit, out, got).code(), EIO);
  }
  EXPECT_GT(base::probe_count("bucket files: an object has another size than before"), 0U);
}

TEST_P(BucketFilesTest, AnOutageInTheMiddleFailsThatReadAndNoOther) {
  const std::string whole = noise(5 * kPiece);
  bucket_.set(kPath, whole);
  set_patience(2s);
  std::unique_ptr<File> file = open();
  EXPECT_EQ(read(*file, whole, 0, 100).size(), 1U);
  fail("get", 1'000'000, {.outcome = Outcome::unanswered});
  std::string out(whole.size(), '\0');
  std::size_t got = 0;
  EXPECT_EQ(file->read_at(0, out, got).code(), ETIMEDOUT);
  EXPECT_EQ(got, kUnit) << "what was there before it";
  EXPECT_EQ(read(*file, whole, 100, 1000), Requests{}) << "what is cached needs no bucket";
  file.reset();
  bucket_.decide({});
  set_patience(30s);
  (void)read(*open(), whole, 0, whole.size());
}

TEST_P(BucketFilesTest, WhatIsDistrustedIsReadAgain) {
  const std::string whole = noise(3 * kUnit);
  bucket_.set(kPath, whole);
  // Damaged on the way, as without TLS.
  fail("get", 1, {.outcome = Outcome::done, .change_body = [](Got& got) { got.bytes[5] ^= 1; }});
  const auto file = open();
  char out[10];
  std::size_t got = 0;
  ASSERT_FALSE(file->read_at(0, out, got));
  EXPECT_NE(std::string_view(out, 10), std::string_view(whole).substr(0, 10));
  EXPECT_TRUE(file->distrust(0, 10));
  EXPECT_EQ(read(*file, whole, 0, 10).size(), 1U);
  EXPECT_EQ(read(*file, whole, 0, kUnit), Requests{});
}

TEST_P(BucketFilesTest, WhatIsCheckedIsReadFromWhereItLies) {
  const std::string whole = noise(2 * kUnit);
  bucket_.set(kPath, whole);
  const auto file = open();
  (void)read(*file, whole, 0, whole.size());
  const std::string damaged = noise(2 * kUnit, 7);
  bucket_.set(kPath, damaged);
  file->will_read(0, 2 * kUnit, Reading::original);
  EXPECT_LE(read(*file, damaged, 0, 2 * kUnit).size(), 1U);
}

// Writing.

TEST_P(BucketFilesTest, ASmallFileIsOnePut) {
  const std::string whole = noise(kPart);
  const auto file = create();
  ASSERT_FALSE(write_all(*file, whole));
  EXPECT_EQ(bucket_.requests(), Requests{});
  EXPECT_EQ(files_->begun(kPath), std::nullopt);
  ASSERT_FALSE(file->sync());
  EXPECT_EQ(bucket_.requests(), Requests{"put runs/a " + std::to_string(kPart)});
  EXPECT_TRUE(bucket_.peek(kPath) == whole);
  ASSERT_FALSE(file->sync());
  EXPECT_EQ(bucket_.requests(), Requests{});
  EXPECT_EQ(file->write_at(kPart, "more").code(), EINVAL);
  EXPECT_EQ(files_->counts().uploads, 1U);
  EXPECT_EQ(read(*open(), whole, 100'000, 50'000).size(), GetParam() ? 0U : 1U) << "what was written is cached";
}

TEST_P(BucketFilesTest, ALargeFileIsUploadedInPartsMeanwhile) {
  const std::string whole = noise(3 * kPart + 12'345);
  hold_until_two("part");
  const auto file = create();
  ASSERT_FALSE(write_all(*file, whole));
  wait_for([&] { return bucket_.counts().puts > 2; });
  EXPECT_GT(bucket_.counts().puts, 2U);
  EXPECT_FALSE(bucket_.peek(kPath).has_value());
  ASSERT_FALSE(file->sync());
  EXPECT_TRUE(bucket_.peek(kPath) == whole);
  Requests requests = bucket_.requests();
  EXPECT_EQ(requests.front(), "begin runs/a");
  EXPECT_EQ(requests.back(), "finish runs/a 4 parts");
  EXPECT_EQ(requests.size(), 6U);
  EXPECT_LE(bucket_.most_at_once(), BucketFiles::kPartsAtOnce);
  EXPECT_GT(bucket_.most_at_once(), 1U);
  EXPECT_EQ(bucket_.open_uploads(), 0U);
  (void)read(*open(), whole, 0, whole.size());
  if (GetParam()) {
    EXPECT_EQ(bucket_.counts().gets, 0U);
  }
}

TEST_P(BucketFilesTest, AnEmptyFileIsAnObject) {
  const auto file = create();
  ASSERT_FALSE(file->sync());
  EXPECT_EQ(bucket_.peek(kPath), "");
}

TEST_P(BucketFilesTest, WritingIsOnlyAtTheEnd) {
  const auto file = create();
  EXPECT_EQ(file->write_at(1, "x").code(), EINVAL);
  EXPECT_FALSE(file->write_at(0, "abc"));
  EXPECT_EQ(file->write_at(0, "x").code(), EINVAL);
  EXPECT_EQ(file->write_at(4, "x").code(), EINVAL);
  EXPECT_FALSE(file->write_at(3, "def"));
  std::uint64_t bytes = 0;
  EXPECT_FALSE(file->size(bytes));
  EXPECT_EQ(bytes, 6U);
  EXPECT_FALSE(file->sync());
  EXPECT_EQ(bucket_.peek(kPath), "abcdef");
}

TEST_P(BucketFilesTest, WhateverIsAnsweredTheFileIsThereInTheEnd) {
  const std::string large = noise(kPart + 1);
  for (const std::string request : {"put", "begin", "part", "finish"}) {
    for (const Outcome outcome : {Outcome::throttled, Outcome::failed, Outcome::unanswered, Outcome::unsent}) {
      for (const bool is_applied : {false, true}) {
        if (is_applied && outcome == Outcome::unsent) continue;
        const std::string whole = request == "put" ? large.substr(0, 1000) : large;
        const std::string path =
            "runs/" + std::to_string(static_cast<int>(outcome)) + request + (is_applied ? "1" : "0");
        fail(request, 2, {.outcome = outcome, .is_applied = is_applied});
        const auto file = create(path);
        ASSERT_FALSE(write_all(*file, whole, 3'000'000)) << path;
        ASSERT_FALSE(file->sync()) << path;
        EXPECT_TRUE(bucket_.peek(path) == whole) << path;
        EXPECT_FALSE(file->sync());
        const std::optional<BucketDate> begun = files_->begun(path);
        ASSERT_TRUE(begun.has_value());
        EXPECT_LE(*begun, *bucket_.modified(path));
        EXPECT_GT(*begun, *bucket_.modified(path) - 1min);
      }
    }
  }
  EXPECT_GT(base::probe_count("bucket files: an upload was finished, though nobody said so"), 0U);
}

TEST_P(BucketFilesTest, AnErrorStays) {
  set_patience(1s);
  {
    const auto file = create();
    fail("put", 1'000'000, {.outcome = Outcome::unanswered});
    ASSERT_FALSE(file->write_at(0, "abc"));
    EXPECT_EQ(file->sync().code(), ETIMEDOUT);
    bucket_.decide({});
    EXPECT_EQ(file->sync().code(), ETIMEDOUT);
    EXPECT_EQ(file->write_at(3, "def").code(), ETIMEDOUT);
    EXPECT_FALSE(bucket_.peek(kPath).has_value());
  }
  {
    const auto file = create();
    fail("part", 1'000'000, {.outcome = Outcome::refused});
    const std::string whole = noise(6 * kPart);
    IoError error = write_all(*file, whole);
    if (!error) error = file->sync();
    EXPECT_EQ(error.code(), EACCES);
    bucket_.decide({});
    EXPECT_EQ(file->sync().code(), EACCES);
  }
  files_.reset();
  EXPECT_EQ(bucket_.open_uploads(), 0U);
}

TEST_P(BucketFilesTest, WhatIsGivenUpLeavesNothingBehind) {
  const std::string whole = noise(3 * kPart);
  for (const std::size_t written : {std::size_t{1000}, std::size_t{kPart + 1}, whole.size()}) {
    ASSERT_FALSE(write_all(*create(), whole.substr(0, written)));
    wait_for([&] { return bucket_.open_uploads() == 0; });
    EXPECT_EQ(bucket_.open_uploads(), 0U);
    EXPECT_FALSE(bucket_.peek(kPath).has_value());
    (void)bucket_.requests();
    EXPECT_FALSE(files_->remove(kPath));
    EXPECT_EQ(bucket_.requests(), Requests{}) << "nothing to remove, and that is known";
    if (cache_ != nullptr) {
      EXPECT_FALSE(std::filesystem::exists(folder_.at("cache") + "/" + kStore + "/runs-a"));
    }
  }
  EXPECT_GT(base::probe_count("bucket files: an upload was given up"), 0U);
}

TEST_P(BucketFilesTest, AnUploadThatSomebodyAbortedIsAnError) {
  const std::string whole = noise(2 * kPart);
  const auto file = create();
  ASSERT_FALSE(write_all(*file, whole));
  const OpenUploads open = bucket_.list_uploads("runs/", "", base::now() + 1s);
  ASSERT_EQ(open.uploads.size(), 1U);
  ASSERT_EQ(bucket_.abort_upload(kPath, open.uploads[0].id, base::now() + 1s).outcome, Outcome::done);
  EXPECT_EQ(file->sync().code(), EIO);
}

TEST_P(BucketFilesTest, TheDateIsOfTheBeginAndForgotten) {
  const std::string whole = noise(2 * kPart);
  const auto file = create();
  ASSERT_FALSE(write_all(*file, whole));
  const BucketDate before = bucket_.list_uploads("runs/", "", base::now() + 1s).uploads.at(0).begun;
  bucket_.pass(std::chrono::hours(5));
  ASSERT_FALSE(file->sync());
  const std::optional<BucketDate> begun = files_->begun(kPath);
  ASSERT_TRUE(begun.has_value());
  EXPECT_LE(*begun, before);
  EXPECT_GT(*begun, before - 1min);
  EXPECT_EQ(files_->begun("runs/other"), std::nullopt);
  files_->forget_begun(kPath);
  EXPECT_EQ(files_->begun(kPath), std::nullopt);
}

// The rest of the directory.

// Of more files than are remembered the oldest are forgotten, however they are called: those of the edit that is being
// made are the newest.
TEST_P(BucketFilesTest, TheDatesOfTheNewestFilesAreKnown) {
  for (int i = 0; i < 4100; ++i) {
    ASSERT_FALSE(create("runs/z" + std::to_string(i))->sync());
  }
  for (const char* path : {"runs/a", "runs/b"}) ASSERT_FALSE(create(path)->sync());
  EXPECT_TRUE(files_->begun("runs/a").has_value());
  EXPECT_TRUE(files_->begun("runs/b").has_value());
  EXPECT_TRUE(files_->begun("runs/z4099").has_value());
  EXPECT_FALSE(files_->begun("runs/z0").has_value());
}

TEST_P(BucketFilesTest, NamesAreListedAndRemoved) {
  for (int i = 0; i < 250; ++i) bucket_.set("runs/" + std::to_string(i), "x");
  bucket_.set("runs/deeper/x", "x");
  bucket_.set("other/x", "x");
  std::vector<std::string> names;
  fail("list", 2, {.outcome = Outcome::throttled});
  ASSERT_FALSE(files_->list("runs", names));
  EXPECT_EQ(names.size(), 250U);
  EXPECT_NE(std::find(names.begin(), names.end(), "17"), names.end());
  fail("remove", 2, {.outcome = Outcome::failed, .is_applied = true});
  EXPECT_FALSE(files_->remove("runs/17"));
  EXPECT_FALSE(files_->remove("runs/17")) << "also if it is not there";
  ASSERT_FALSE(files_->list("runs", names));
  EXPECT_EQ(names.size(), 249U);
  EXPECT_FALSE(files_->make_directory("runs"));
  EXPECT_FALSE(files_->sync_directory("runs"));
  EXPECT_EQ(files_->rename("runs/1", "runs/x").code(), ENOTSUP);
  std::unique_ptr<SharedMemory> memory;
  EXPECT_EQ(files_->map("runs/1", 1, memory).code(), ENOTSUP);
  std::unique_ptr<File> file;
  EXPECT_EQ(files_->open("runs/1", OpenMode::read_write, file).code(), ENOTSUP);
  bool taken = false;
  EXPECT_EQ(open()->try_lock(0, 1, LockMode::shared, taken).code(), ENOTSUP);
  std::uint64_t bytes = 0;
  EXPECT_FALSE(files_->free_bytes(bytes));
  EXPECT_GT(bytes, 1ULL << 50);
}

TEST_P(BucketFilesTest, StoppingEndsEveryWait) {
  bucket_.set(kPath, "bytes");
  bucket_.decide([](const std::string&) { return Instead{.outcome = Outcome::throttled, .retry_after = 1h}; });
  patience_ = upload_patience_ = 10h;
  restart();
  std::vector<int> codes(5, -1);
  std::vector<std::thread> waiting;
  waiting.emplace_back([&] {
    char out[5];
    std::size_t got = 0;
    codes[0] = open()->read_at(0, out, got).code();
  });
  waiting.emplace_back([&] {
    char out[5];
    std::size_t got = 0;
    codes[1] = open()->read_at(0, out, got).code();
  });
  waiting.emplace_back([&] { codes[2] = files_->remove("runs/b").code(); });
  waiting.emplace_back([&] { codes[3] = create("runs/c")->sync().code(); });
  waiting.emplace_back([&] {
    const auto file = create("runs/d");
    codes[4] = write_all(*file, noise(2 * kPart)).code();
  });
  while (bucket_.counts().throttled < 4) std::this_thread::sleep_for(1ms);
  files_->stop();
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(codes, std::vector<int>(5, ECANCELED));
  char out[5];
  std::size_t got = 0;
  EXPECT_EQ(open()->read_at(0, out, got).code(), ECANCELED);
}

TEST_P(BucketFilesTest, ThreadsReadAndWriteAtOnce) {
  const std::string whole = noise(6 * kPiece);
  bucket_.set(kPath, whole);
  std::atomic<int> turn{0};
  bucket_.decide([&](const std::string&) -> std::optional<Instead> {
    if (turn.fetch_add(1) % 7 != 0) return std::nullopt;
    return Instead{.outcome = Outcome::unanswered, .is_applied = true};
  });
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(t);
      if (t == 0) {
        const auto file = create("runs/new");
        if (write_all(*file, whole) || file->sync() || bucket_.peek("runs/new") != whole) wrong.fetch_add(1);
        return;
      }
      const auto file = open();
      for (int i = 0; i < 60; ++i) {
        const std::uint64_t offset = random.below(whole.size());
        std::string out(random.below(random.below(4) == 0 ? 5'000'000 : 30'000), '\0');
        const std::uint64_t how = random.below(7);
        if (how < 4) file->will_read(offset, out.size(), static_cast<Reading>(how));
        std::size_t got = 0;
        if (file->read_at(offset, out, got)) wrong.fetch_add(1);
        out.resize(got);
        if (out != whole.substr(offset, std::max<std::size_t>(out.size(), 1)).substr(0, out.size())) wrong.fetch_add(1);
        if (how == 5) file->wont_read(offset, 1'000'000);
        if (how == 6) (void)file->distrust(offset, 1000);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_P(BucketFilesTest, TheDeliberateBreakIsNoticed) {
  base::set_break(base::Break::upload_trust_silence, true);
  fail("put", 1, {.outcome = Outcome::unanswered});
  const auto file = create();
  ASSERT_FALSE(file->write_at(0, "abc"));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(bucket_.peek(kPath).has_value());
  base::set_break(base::Break::upload_trust_silence, false);
}

}  // namespace
}  // namespace ingot::storage
