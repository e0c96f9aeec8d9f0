// More of a log is destroyed than can be healed. Opening says what and where, and changes nothing; with salvage
// everything else is served, and exactly that.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "engine/damaged_store.h"
#include "ingot/error.h"
#include "log/segment_format.h"

namespace ingot::engine {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kStride = 9;
#else
constexpr std::uint64_t kStride = 1;
#endif

// Where an entry of the log stands.
struct Stretch {
  std::uint64_t begin;
  std::uint64_t end;
  log::EntryHeader header;
};

std::vector<Stretch> entries_of(const std::string& bytes) {
  std::vector<Stretch> entries;
  log::SegmentHeader segment;
  EXPECT_EQ(log::decode_segment_header(bytes.data(), segment), log::HeaderCheck::good);
  const log::PlaceSeed seed(segment.store_id, segment.number);
  for (std::uint64_t at = log::kEntriesStart; at + 4096 <= bytes.size(); at += log::kEntryAlignment) {
    log::EntryHeader header;
    if (log::decode_entry_header(bytes.data() + at, seed, at, bytes.size() - at, header) == log::HeaderCheck::good)
      entries.push_back({at, at + log::entry_bytes(header.payload_bytes), header});
  }
  return entries;
}

// The versions that these sentences call lost.
std::set<Version> lost_in(const std::vector<std::string>& sentences, Version newest) {
  std::set<Version> lost;
  static const std::regex kRange("versions from (\\d+) (?:to (\\d+)|on) are lost");
  for (const std::string& sentence : sentences) {
    for (std::sregex_iterator match(sentence.begin(), sentence.end(), kRange), end; match != end; ++match) {
      const Version last = (*match)[2].matched ? std::stoull((*match)[2]) : newest;
      for (Version version = std::stoull((*match)[1]); version <= last; ++version) lost.insert(version);
    }
  }
  return lost;
}

class Salvage : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = make_runs(history_);
    image_ = make_log(runs_, history_);
  }
  static void TearDownTestSuite() {
    runs_ = image_ = nullptr;
    history_.clear();
  }

  // The sectors [first, first + count) of a segment are noise, or can't be read.
  void destroy(const std::string& path, std::uint64_t first, std::uint64_t count, bool readable) {
    SCOPED_TRACE(path + ", sectors " + std::to_string(first) + " to " + std::to_string(first + count - 1));
    const std::string whole = image_->bytes(path);
    const std::uint64_t begin = first * 4096;
    const std::uint64_t end = begin + count * 4096;
    std::set<Version> hit;
    bool hit_seal = false;
    for (const Stretch& entry : entries_of(whole)) {
      if (entry.end <= begin || entry.begin >= end) continue;
      hit_seal = hit_seal || entry.header.kind == log::RecordKind::seal;
      for (std::uint32_t i = 0; i < entry.header.transaction_count; ++i) hit.insert(entry.header.base_version + i);
    }
    const Disk disk = image_->copy();
    disk->file(path)->write(begin, noise(first, count * 4096));
    for (std::uint64_t sector = first; sector < first + count && !readable; ++sector)
      disk->file(path)->make_unreadable(sector);
    const std::string damaged = disk->bytes(path);

    std::string said;
    try {
      const Opened engine = open_store(disk);
      // All was healed; or the log's last group is gone, with the seal that vouched for it.
      const Contents all = everything(engine);
      if (hit_seal && all != contents_after(history_, [](Version) { return false; })) {
        EXPECT_TRUE(all == contents_after(history_, [&](Version version) { return hit.contains(version); }));
      } else {
        EXPECT_TRUE(all == contents_after(history_, [](Version) { return false; }));
        ++healed_;
      }
      engine->close();
      return;
    } catch (const Error& error) {
      // What can't be read now might be another time.
      EXPECT_TRUE(error.code() == ErrorCode::corrupt || (!readable && error.code() == ErrorCode::unavailable))
          << error.what();
      said = error.what();
    }
    EXPECT_NE(said.find(path.substr(4)), std::string::npos) << said;
    EXPECT_NE(said.find("salvage"), std::string::npos) << said;
    EXPECT_TRUE(disk->bytes(path) == damaged) << "something was changed";
    Options reads;
    reads.read_only = true;
    EXPECT_THROW(open_store(disk, reads), Error) << "it must not look as if nothing were missing";

    Options options;
    options.salvage = true;
    std::vector<std::string> told;
    options.on_message = [&](const Message& message) { told.push_back(message.text); };
    const Opened engine = open_store(disk, options);
    const Health health = engine->health();
    EXPECT_FALSE(health.good);
    const std::set<Version> lost = lost_in(health.problems, history_.rbegin()->first);
    EXPECT_EQ(lost_in(told, history_.rbegin()->first), lost);
    for (const Version version : lost) EXPECT_TRUE(hit.contains(version)) << "version " << version << " is not damaged";
    std::string sentences;
    for (const std::string& sentence : health.problems) sentences += sentence + "\n";
    SCOPED_TRACE(sentences);
    EXPECT_TRUE(everything(engine) ==
                contents_after(history_, [&](Version version) { return lost.contains(version); }));
    const CheckReport report = check(engine);
    EXPECT_EQ(lost_in(report.damage, history_.rbegin()->first), lost);
    EXPECT_TRUE(std::any_of(report.damage.begin(), report.damage.end(), [&](const std::string& sentence) {
      return sentence.find(path + ": bytes ") != std::string::npos;
    }));
    engine->close();
    EXPECT_TRUE(disk->bytes(path) == damaged) << "something was changed";
    lost_ += lost.size();
    ++salvaged_;
  }

  static Disk runs_;
  static Disk image_;
  static History history_;
  std::size_t healed_ = 0;
  std::size_t salvaged_ = 0;
  std::size_t lost_ = 0;
};

Disk Salvage::runs_;
Disk Salvage::image_;
History Salvage::history_;

TEST_F(Salvage, TheHistoryIsWhatTheStoreHolds) {
  EXPECT_TRUE(everything(open_store(image_->copy())) == contents_after(history_, [](Version) { return false; }));
}

TEST_F(Salvage, BurstsAnywhereInTheLog) {
  std::uint64_t turn = 0;
  for (const std::string& path : image_->paths()) {
    if (!path.starts_with("log/0")) continue;
    const std::uint64_t used = image_->bytes(path).find_last_not_of('\0') / 4096 + 1;
    for (const std::uint64_t count : {2, 5, 17}) {
      for (std::uint64_t first = 0; first + count <= used + 1; ++first) {
        try {
          if (turn++ % kStride == 0) destroy(path, first, count, turn % 3 != 0);
        } catch (const Error& error) {
          ADD_FAILURE() << path << ", " << count << " sectors from " << first << ": " << error.what();
        }
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(healed_, 10U / kStride);
  EXPECT_GT(salvaged_, 50U / kStride);
  EXPECT_GT(lost_, 50U / kStride);
}

// Two sectors of one parity group: a block of them can't be rebuilt.
void destroy_block(const Disk& disk, const std::string& path) {
  for (const std::uint64_t sector : {3, 11}) disk->file(path)->write(sector * 4096, noise(sector, 4096));
}

std::string first_run(const Disk& disk) {
  for (const std::string& path : disk->paths()) {
    if (path.starts_with("runs/")) return path;
  }
  return {};
}

TEST_F(Salvage, ABlockOfARunThatCanNotBeReadStandsInNobodysWay) {
  const Disk disk = runs_->copy();
  const std::string path = first_run(disk);
  destroy_block(disk, path);
  const Opened engine = open_store(disk);
  EXPECT_ANY_THROW(engine->settle());
  History history;
  for (int i = 0; i < 8; ++i) {
    Recorded(engine, history, Durability::disk).put(numbered("new", i), "value");
    const std::uint64_t flushes = engine->stats().flushes;
    try {
      engine->settle();  // another run may be read together with it once more
    } catch (const std::exception& error) {
      EXPECT_NE(std::string(error.what()).find("beyond healing"), std::string::npos) << error.what();
    }
    EXPECT_GT(engine->stats().flushes, flushes);
  }
  EXPECT_LE(engine->hold().state->sorted_runs.size(), 4U);
  const Health health = engine->health();
  EXPECT_FALSE(health.good);
  ASSERT_FALSE(health.problems.empty());
  EXPECT_NE(health.problems.front().find(path), std::string::npos) << health.problems.front();
  EXPECT_NE(health.problems.front().find("up to"), std::string::npos) << health.problems.front();
  const CheckReport report = check(engine);
  EXPECT_FALSE(report.damage.empty());
  std::string value;
  EXPECT_TRUE(engine->get_newest(numbered("new", 7), [&](const Seen& seen) { value = seen.value; }));
  engine->close();
}

TEST_F(Salvage, ACounterWhoseBaseIsLostHoldsUpFlushesUntilItIsPutAnew) {
  const Disk disk = runs_->copy();
  for (const std::string& path : disk->paths()) {
    if (!path.starts_with("runs/")) continue;
    for (const std::uint64_t sector : {0, 8}) disk->file(path)->write(sector * 4096, noise(sector, 4096));
  }
  const Opened engine = open_store(disk);
  History history;
  Recorded(engine, history, Durability::disk).add(numbered("counter", 0), 1);
  Recorded(engine, history, Durability::disk).put(numbered("new", 0), "value");
  try {
    engine->settle();
    ADD_FAILURE() << "its base could be read";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("counter1000"), std::string::npos) << error.what();
  }
  const std::uint64_t flushes = engine->stats().flushes;
  Recorded(engine, history, Durability::disk).put(numbered("counter", 0), std::string(8, '\0'));
  try {
    engine->settle();
  } catch (const std::exception& error) {
    EXPECT_EQ(std::string(error.what()).find("counter1000\" was"), std::string::npos) << error.what();
  }
  EXPECT_GT(engine->stats().flushes, flushes);
  std::string value;
  EXPECT_TRUE(engine->get_newest(numbered("new", 0), [&](const Seen& seen) { value = seen.value; }));
  EXPECT_EQ(value, "value");
  engine->close();
}

TEST_F(Salvage, ForwardScansPassOverWhatCanNotBeReadAndSaySo) {
  const Disk disk = runs_->copy();
  destroy_block(disk, first_run(disk));
  const Contents wanted = everything(open_store(runs_->copy()));
  Options options;
  options.salvage = true;
  const Opened engine = open_store(disk, options);
  EXPECT_TRUE(engine->health().good);
  const Contents found = everything(engine);
  EXPECT_FALSE(engine->health().good);
  std::size_t missing = 0;
  for (const auto& [key, value] : wanted) {
    if (found.contains(key)) {
      EXPECT_TRUE(found.at(key) == value) << key;
    } else {
      ++missing;
    }
  }
  EXPECT_GT(missing, 0U);
  EXPECT_LT(missing, wanted.size() / 2);
  EXPECT_EQ(found.size() + missing, wanted.size()) << "what was erased is back";
  const HeldView held = engine->hold();
  MergedView view(held.state, held.version, held.time_micros, {}, {}, ScanUse::lookup, engine->on_lost());
  bool more = view.last();
  while (more) more = view.previous();
  EXPECT_TRUE(view.failed()) << "backwards nothing is passed over";
  engine->close();
}

}  // namespace
}  // namespace ingot::engine
