// Whatever part of a store a newer release wrote, an older one says `newer_format`: when it opens, and when it has the
// store open while the newer one writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "engine/checkpoint.h"
#include "engine/store_header.h"
#include "expect_error.h"
#include "ingot/ingot.h"
#include "log/directory_log.h"
#include "log/segment_format.h"
#include "runs/run_format.h"
#include "storage/posix_directory.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

const Space kSpace("things");

// An entry with a payload that no release of today writes, by another process.
void append_as_newer(const std::string& where, log::EntryKind kind, std::string_view payload) {
  std::unique_ptr<storage::Directory> directory;
  ASSERT_FALSE(storage::open_posix_directory(where, directory));
  engine::StoreHeader header;
  engine::Checkpoint checkpoint;
  std::vector<std::string> healed;
  std::string why;
  ASSERT_EQ(engine::look_at(*directory, false, header, healed, why), engine::Place::store);
  (void)engine::read_newest_checkpoint(*directory, header.store_id, false, checkpoint, healed, why);
  const base::Instant deadline = base::deadline_after(base::now(), std::chrono::seconds(30));
  log::Live::Opened live = log::Live::open(*directory, header.store_id, deadline);
  ASSERT_NE(live.live, nullptr);
  log::DirectoryLogOptions options;
  options.store_id = header.store_id;
  options.start = checkpoint.start;
  log::Read outcome = log::Read::caught_up;
  const auto log = log::open_directory_log(
      *directory, *live.live, options, [](const log::Entry&) {}, outcome, why);
  ASSERT_NE(log, nullptr) << why;
  live.live->finish_opening();
  log::Draft draft;
  draft.kind = kind;
  draft.transaction_count = kind == log::EntryKind::commit ? 1 : 0;
  draft.parts = {&payload, 1};
  ASSERT_TRUE(log->prepare(deadline));
  ASSERT_EQ(log->read([](const log::Entry&) {}), log::Read::caught_up);
  draft.time_micros = log->position().time_micros + 1;
  ASSERT_EQ(log->append(draft, deadline), log::Append::kept) << log->why();
  log->close();
}

void expect_newer(const std::string& where) {
  expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] { open(where); });
  expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] { open(where, {.read_only = true}); });
}

class NewerEntry : public ::testing::TestWithParam<std::pair<log::EntryKind, std::string_view>> {};

TEST_P(NewerEntry, IsSaid) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  {
    Store store = open(where);
    kSpace.put(store, "k", "v");
    append_as_newer(where, GetParam().first, GetParam().second);
    // An edit takes no version, so a read need not meet it; a commit does.
    for (int again = 0; again < 2; ++again) {
      expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] { kSpace.put(store, "k", "w"); });
      expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] { (void)kSpace.get(store, "k"); });
    }
    EXPECT_FALSE(store.health().good);
  }
  expect_newer(where);
}

INSTANTIATE_TEST_SUITE_P(Kinds, NewerEntry,
                         ::testing::Values(std::pair{log::EntryKind::edit, std::string_view("\x03 of tomorrow")},
                                           std::pair{log::EntryKind::commit, std::string_view("\x63 of tomorrow")}),
                         [](const auto& parameter) {
                           return parameter.param.first == log::EntryKind::edit ? "Edit" : "Commit";
                         });

// Changes bytes of a file.
template <class Change>
void rewrite(const std::string& path, Change change) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  change(bytes);
  file.seekp(0);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST(NewerFormat, OfASegmentIsSaid) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  {
    Store store = open(where);
    kSpace.put(store, "k", "v");
  }
  std::vector<std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(where + "/log")) {
    if (entry.path().filename().string().rfind("00", 0) == 0) segments.push_back(entry.path());
  }
  ASSERT_FALSE(segments.empty());
  rewrite(*std::max_element(segments.begin(), segments.end()), [](std::string& bytes) {
    for (const std::size_t at : {std::size_t{0}, log::kSectorBytes}) {
      base::store_little<std::uint32_t>(bytes.data() + at + 8, log::kSegmentFormat + 1);
      base::store_little<std::uint64_t>(bytes.data() + at + 88, base::hash64({bytes.data() + at, 88}));
    }
  });
  expect_newer(where);
}

TEST(NewerFormat, OfARunIsSaid) {
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  {
    Store store = open(where);
    kSpace.put(store, "k", "v");
    store.settle();
  }
  // What the newer release wrote of the run where runs are listed.
  {
    std::unique_ptr<storage::Directory> files;
    ASSERT_FALSE(storage::open_posix_directory(where, files));
    engine::StoreHeader header;
    engine::Checkpoint checkpoint;
    std::vector<std::string> healed;
    std::string why;
    ASSERT_EQ(engine::look_at(*files, false, header, healed, why), engine::Place::store);
    ASSERT_EQ(engine::read_newest_checkpoint(*files, header.store_id, false, checkpoint, healed, why),
              engine::CheckpointRead::found);
    ASSERT_EQ(checkpoint.sorted_runs.size(), 1U);
    checkpoint.sorted_runs.front().files.front().index->format = runs::kRunFormat + 1;
    ASSERT_FALSE(engine::write_checkpoint(*files, header.store_id, checkpoint));
  }
  Store store = open(where);
  expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] { (void)kSpace.get(store, "k"); });
  expect_error(ErrorCode::newer_format, {where, "newer release"}, [&] {
    for (Scan scan = kSpace.scan(store); scan.next();) {
    }
  });
}

}  // namespace
}  // namespace ingot
