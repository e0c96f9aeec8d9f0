// Copies: interrupted anywhere, of damaged stores, onto what was damaged meanwhile. What comes out is the store, or an
// error that says what is missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/testing.h"
#include "engine/copies.h"
#include "engine/directory_target.h"
#include "ingot/error.h"
#include "runs/run_format.h"
#include "runs/run_parity.h"

namespace ingot::engine {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// A copy takes seconds, and differs in nothing but bytes.
constexpr std::size_t kCopyStride = 61;
constexpr std::size_t kRunsDamaged = 1;
constexpr std::uint64_t kFirstStep = 20'000;
constexpr std::uint64_t kStepsApart = 100;
#else
constexpr std::size_t kCopyStride = 1;
constexpr std::size_t kRunsDamaged = 3;
constexpr std::uint64_t kFirstStep = 1;
constexpr std::uint64_t kStepsApart = 4;
#endif

CopyFigures copy_to(const Opened& engine, const Disk& target,
                    const std::function<bool(const CopyFigures&)>& interrupts = {}) {
  const std::unique_ptr<CopyTarget> place =
      make_directory_target(std::make_unique<DamageableDirectory>(target), "/target", engine->sizes());
  return copy_into(engine, *place, interrupts);
}

// With its runs' files, or without what is not in them.
Opened open_source(const Disk& disk, bool salvage = false) {
  disk->refuse_runs(true);  // stays as it is
  Options options;
  options.read_only = true;
  options.salvage = salvage;
  return open_store(disk, options);
}

// As it is for a user who may not write to it: who has it open pins nothing. Asks before a run is opened.
class ReadableDirectory final : public DamageableDirectory {
 public:
  ReadableDirectory(Disk disk, std::function<void()> before_a_run)
      : DamageableDirectory(std::move(disk), false), before_a_run_(std::move(before_a_run)) {}
  storage::IoError open(std::string_view path, storage::OpenMode mode, std::unique_ptr<storage::File>& file) override {
    if (path.starts_with("runs/") && before_a_run_) before_a_run_();
    return DamageableDirectory::open(path, mode, file);
  }

 private:
  const std::function<void()> before_a_run_;
};
Opened open_to_read(const Disk& disk, std::function<void()> before_a_run = {}) {
  return Engine::open(std::make_unique<ReadableDirectory>(disk, std::move(before_a_run)), "/damaged",
                      {.read_only = true});
}

std::set<std::string> runs_on(const Disk& disk) {
  std::set<std::string> paths;
  for (const std::string& path : disk->paths()) {
    if (path.starts_with("runs/")) paths.insert(path);
  }
  return paths;
}

std::vector<std::string> runs_to_damage(const Disk& disk) {
  const std::set<std::string> runs = runs_on(disk);
  return {runs.begin(), std::next(runs.begin(), static_cast<std::ptrdiff_t>(std::min(runs.size(), kRunsDamaged)))};
}

void flip(const Disk& disk, const std::string& path, std::uint64_t offset, std::uint64_t bytes = 1) {
  const auto file = disk->file(path);
  std::string there(bytes, '\0');
  std::size_t got = 0;
  ASSERT_FALSE(file->read(offset, there, got));
  for (char& c : there) c = static_cast<char>(c ^ 0x10);
  file->write(offset, there);
}

class Copying : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    History history;
    runs_ = make_runs(history);
    log_ = make_log(runs_, history);
    const Opened engine = open_source(log_->copy());
    wanted_ = all_of(engine);
  }
  static void TearDownTestSuite() { runs_ = log_ = nullptr; }

  // It is the store that was copied, and sound.
  static void expect_whole(const Disk& target, const AllOf& wanted = wanted_) {
    target->refuse_runs(false);
    const Opened engine = open_store(target, {.create = false});
    EXPECT_TRUE(all_of(engine) == wanted);
    const CheckReport report = check(engine);
    EXPECT_TRUE(report.clean()) << (report.damage.empty() ? "" : report.damage.front());
    for (const std::string& path : target->paths()) EXPECT_NE(path, "copying");
    std::size_t named = 0;
    for (const SortedRun& sorted : engine->hold().state->sorted_runs) named += sorted.files.size();
    EXPECT_EQ(runs_on(target).size(), named) << "something is left over";
  }

  // A copy that was interrupted when all of the runs were there.
  static Disk interrupted_copy(const Opened& source) {
    std::uint64_t run_bytes = 0;
    for (const SortedRun& sorted : source->hold().state->sorted_runs) run_bytes += sorted.file_bytes();
    auto target = std::make_shared<DamageableDisk>();
    EXPECT_THROW(copy_to(source, target, [&](const CopyFigures& figures) { return figures.done >= run_bytes; }),
                 Interrupted);
    return target;
  }

  static inline Disk runs_;  // three runs
  static inline Disk log_;   // and a log on top
  static inline AllOf wanted_;
};

TEST_F(Copying, HasTheSameRunFilesByteForByteAndOneMore) {
  const Disk source = log_->copy();
  const auto target = std::make_shared<DamageableDisk>();
  const CopyFigures figures = copy_to(open_source(source), target);
  EXPECT_EQ(figures.done, figures.total);
  EXPECT_EQ(figures.found, 0U);
  for (const std::string& path : runs_on(source)) {
    ASSERT_NE(target->file(path), nullptr) << path;
    EXPECT_TRUE(target->bytes(path) == source->bytes(path)) << path;
  }
  EXPECT_EQ(runs_on(target).size(), runs_on(source).size() + 1);
  expect_whole(target);
}

TEST_F(Copying, GoesOnWhereverItWasInterrupted) {
  const Opened source = open_source(log_->copy());
  std::uint64_t run_bytes = 0;
  std::uint64_t largest = 0;
  for (const SortedRun& sorted : source->hold().state->sorted_runs) {
    run_bytes += sorted.file_bytes();
    largest = std::max(largest, sorted.file_bytes());
  }
  for (std::uint64_t step = kFirstStep;; step *= kStepsApart) {
    SCOPED_TRACE(step);
    const auto target = std::make_shared<DamageableDisk>();
    std::uint64_t sent = 0;
    std::uint64_t interruptions = 0;
    // Each attempt brings twice as much as the one before.
    for (bool whole = false; !whole;) {
      CopyFigures last;
      try {
        copy_to(source, target, [&](const CopyFigures& now) {
          last = now;
          return now.done - now.found >= step << interruptions;
        });
        whole = true;
        EXPECT_TRUE(interruptions == 0 || last.found > 0);
      } catch (const Interrupted&) {
        ++interruptions;
        EXPECT_NE(target->file("copying"), nullptr);
        EXPECT_THROW(open_store(target, {.create = false}), Error) << "it is no store yet";
      }
      sent += last.done - last.found;
      if (whole) {
        // Again go a run that was under way, or what the memtables say.
        EXPECT_LE(sent, last.done + interruptions * std::max(largest, last.done - run_bytes));
      }
    }
    expect_whole(target);
    if (interruptions == 0) break;
  }
}

TEST_F(Copying, GoesOnWithASourceThatHasMovedOn) {
  const Disk disk = log_->copy();
  Disk target = interrupted_copy(open_source(disk));
  const std::set<std::string> left = runs_on(target);
  ASSERT_EQ(left.size(), 3U);
  const Opened source = open_store(disk);  // which can't merge anything yet
  History history;
  fill(source, history, 7);
  const AllOf wanted = all_of(source);
  EXPECT_GT(copy_to(source, target).found, 0U);
  expect_whole(target, wanted);
  // All of them merged meanwhile: what was there is of no use, and gone.
  target = interrupted_copy(source);
  disk->refuse_runs(false);
  source->settle();
  EXPECT_EQ(copy_to(source, target).found, 0U);
  for (const std::string& path : left) EXPECT_EQ(target->file(path), nullptr);
  expect_whole(target, wanted);
}

TEST_F(Copying, OfAnotherStoreReplacesWhatWasLeft) {
  const auto disk = std::make_shared<DamageableDisk>();
  const Opened other = open_store(disk);
  History history;
  fill(other, history, 1);
  for (const bool whole : {false, true}) {
    Disk target = interrupted_copy(open_source(log_->copy()));
    if (whole) {
      copy_to(open_source(log_->copy()), target);
      std::unique_ptr<storage::File> mark;
      ASSERT_FALSE(DamageableDirectory(target).open("copying", storage::OpenMode::create, mark));
    }
    EXPECT_EQ(copy_to(other, target).found, 0U);
    expect_whole(target, all_of(other));
  }
}

TEST_F(Copying, GoesOnWithANewerSnapshotIfTheFilesOfAHandleThatPinsNothingAreRemoved) {
  const Disk disk = log_->copy();
  disk->refuse_runs(false);
  const Opened writer = open_store(disk);
  std::atomic<int> opened{0};
  const Opened reader = open_to_read(disk, [&] {
    if (++opened != 2) return;  // one is copied
    writer->settle();
    while (runs_on(disk).size() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  const auto target = std::make_shared<DamageableDisk>();
  copy_to(reader, target);
  EXPECT_GT(base::probe_count("engine: a copy went on with a newer snapshot"), 0U);
  expect_whole(target);
  // If nobody has removed them for a newer one, no newer one has them.
  for (const std::string& path : runs_on(disk)) ASSERT_FALSE(DamageableDirectory(disk).remove(path));
  try {
    copy_to(open_to_read(disk), std::make_shared<DamageableDisk>());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::expired) << error.what();
  }
}

TEST_F(Copying, OfAStoreWithADamagedRunIsSound) {
  for (const std::string& path : runs_to_damage(log_)) {
    const std::uint64_t sectors = log_->file(path)->size() / runs::kSectorBytes;
    for (std::uint64_t sector = 0; sector < sectors; sector += kCopyStride) {
      for (const bool unreadable : {false, true}) {
        SCOPED_TRACE(path + ", sector " + std::to_string(sector) + (unreadable ? ", unreadable" : ", changed"));
        const Disk source = log_->copy();
        if (unreadable) {
          source->file(path)->make_unreadable(sector);
        } else {
          flip(source, path, sector * runs::kSectorBytes, runs::kSectorBytes);
        }
        const auto target = std::make_shared<DamageableDisk>();
        copy_to(open_source(source), target);
        expect_whole(target);
        if (HasFailure()) return;
      }
    }
  }
}

// Without them nobody can say that bytes are as they were written, but records have checksums of their own.
TEST_F(Copying, OfARunWhoseSectorChecksumsAreDamagedIsWrittenAnew) {
  bool unreadable = false;
  for (const std::string& path : runs_to_damage(log_)) {
    const std::string bytes = log_->bytes(path);
    int checksum_sectors = 0;
    unreadable = !unreadable;
    for (std::uint64_t at = 0; at + runs::kSectorBytes <= bytes.size(); at += runs::kSectorBytes) {
      const std::string_view sector = std::string_view(bytes).substr(at, runs::kSectorBytes);
      const std::string_view sums = sector.substr(0, runs::kChecksumsPerSector * 4);
      if (base::hash64(sums) != base::load_little<std::uint64_t>(sector.data() + sums.size())) continue;
      ++checksum_sectors;
      SCOPED_TRACE(path + " at " + std::to_string(at) + (unreadable ? ", unreadable" : ", changed"));
      const Disk source = log_->copy();
      if (unreadable) {
        source->file(path)->make_unreadable(at / runs::kSectorBytes);
      } else {
        flip(source, path, at);
      }
      const std::uint64_t before = base::probe_count("engine: a copy wrote a damaged run anew");
      const auto target = std::make_shared<DamageableDisk>();
      copy_to(open_source(source), target);
      EXPECT_EQ(base::probe_count("engine: a copy wrote a damaged run anew"), before + 1);
      EXPECT_EQ(target->file(path), nullptr);
      expect_whole(target);
    }
    EXPECT_EQ(checksum_sectors, 1) << path;
  }
}

TEST_F(Copying, OfWhatIsDamagedBeyondHealingFailsAndSaysWhere) {
  const std::string path = *runs_on(log_).begin();
  const Disk source = log_->copy();
  // Two sectors of one group.
  flip(source, path, runs::kSectorBytes, runs::kSectorBytes);
  flip(source, path, (1 + runs::kParitySectors) * runs::kSectorBytes, runs::kSectorBytes);
  const auto target = std::make_shared<DamageableDisk>();
  try {
    copy_to(open_source(source), target);
    FAIL() << "it was copied";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
    const std::string said = error.what();
    EXPECT_NE(said.find(path + ": the block at "), std::string::npos) << said;
    EXPECT_NE(said.find("is damaged beyond healing; the keys "), std::string::npos) << said;
  }
  EXPECT_THROW(open_store(target, {.create = false}), Error);
  // With salvage the rest of it goes to the same place.
  const Opened rest = open_source(source, true);
  copy_to(rest, target);
  target->refuse_runs(false);
  const Opened copied = open_store(target, {.create = false});
  EXPECT_TRUE(check(copied).clean());
  const AllOf records = all_of(copied);
  EXPECT_GT(records.size(), 0U);
  EXPECT_LT(records.size(), wanted_.size());
  for (const auto& [key, full] : records) {
    ASSERT_TRUE(wanted_.contains(key)) << key;
    EXPECT_TRUE(wanted_.at(key) == full) << key;
  }
}

TEST_F(Copying, NoticesWhatWasDamagedMeanwhile) {
  const Opened source = open_source(log_->copy());
  const Disk left = interrupted_copy(source);
  for (const std::string& path : runs_to_damage(left)) {
    const std::uint64_t bytes = left->file(path)->size();
    for (std::uint64_t at = 0; at < bytes; at += kCopyStride * runs::kSectorBytes) {
      SCOPED_TRACE(path + " at " + std::to_string(at));
      const Disk target = left->copy();
      flip(target, path, at + at / runs::kSectorBytes % runs::kFooterBytes);
      copy_to(source, target);
      expect_whole(target);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(base::probe_count("engine: a copy threw away a run that an earlier one had left"), 0U);
  // One that is longer than it should be, and one that is there in part.
  const std::string path = *runs_on(left).begin();
  Disk target = left->copy();
  target->file(path)->write(target->file(path)->size(), "more");
  copy_to(source, target);
  expect_whole(target);
  base::set_break(base::Break::copy_adopt_unverified, true);
  target = left->copy();
  flip(target, path, 100);
  copy_to(source, target);
  base::set_break(base::Break::copy_adopt_unverified, false);
  EXPECT_FALSE(check(open_store(target)).clean()) << "the break is not noticed";
}

TEST_F(Copying, OfAStoreIsRefusedWhereItLies) {
  const Disk disk = log_->copy();
  {
    const auto file = std::make_unique<DamageableDirectory>(disk);
    std::unique_ptr<storage::File> mark;
    ASSERT_FALSE(file->open("copying", storage::OpenMode::create, mark));  // as if it were a copy itself
  }
  const Opened source = open_source(disk);
  for (const bool marked : {true, false}) {
    try {
      copy_to(source, disk);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
      EXPECT_NE(std::string(error.what()).find(marked ? "which is to be copied" : "a store is there already"),
                std::string::npos)
          << error.what();
    }
    if (marked) {
      ASSERT_FALSE(DamageableDirectory(disk).remove("copying"));
    }
  }
  EXPECT_TRUE(all_of(source) == wanted_);
}

}  // namespace
}  // namespace ingot::engine
