// Every sector of every file of a store is damaged, one at a time, in every way: while the store is closed, while it is
// open and reads it afterwards, and found by check(). It is served right, and afterwards it is gone from the disk.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "engine/damaged_store.h"
#include "ingot/error.h"
#include "log/segment_format.h"
#include "runs/run_format.h"

namespace ingot::engine {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStride = 23;
#else
constexpr std::size_t kStride = 1;
#endif

enum class Damage { flip, noise, zeros, unreadable };
enum class When { closed, open, check };

struct Spot {
  std::string path;
  std::uint64_t offset;
  std::uint64_t bytes;
  Damage damage;
  When when;
};

std::ostream& operator<<(std::ostream& out, const Spot& place) {
  static constexpr const char* kDamage[] = {"flip", "noise", "zeros", "unreadable"};
  static constexpr const char* kWhen[] = {"closed", "open", "check"};
  return out << place.path << " at " << place.offset << ", " << place.bytes << " bytes, "
             << kDamage[static_cast<int>(place.damage)] << ", " << kWhen[static_cast<int>(place.when)];
}

// False: it was like that before.
bool damage(const Disk& disk, const Spot& place) {
  const auto file = disk->file(place.path);
  std::string bytes(place.bytes, '\0');
  std::size_t got = 0;
  EXPECT_FALSE(file->read(place.offset, bytes, got));
  EXPECT_EQ(got, bytes.size());
  const std::string before = bytes;
  switch (place.damage) {
    case Damage::flip:
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
      break;
    case Damage::noise:
      bytes = noise(place.offset + 1, bytes.size());
      break;
    case Damage::zeros:
      bytes.assign(bytes.size(), '\0');
      break;
    case Damage::unreadable:
      file->make_unreadable(place.offset / ingot::testing::kPageBytes);
      return true;
  }
  file->write(place.offset, bytes);
  return bytes != before;
}

bool names(const Opened& engine, const std::string& path) {
  const HeldView held = engine->hold();
  for (const SortedRun& sorted : held.state->sorted_runs) {
    for (const auto& file : sorted.files) {
      if (path == "runs/" + file->summary().name) return true;
    }
  }
  return false;
}

void wait_until_rewritten(const Opened& engine, const Spot& place) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (names(engine, place.path)) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "it was not rewritten";
    std::this_thread::sleep_for(200us);
  }
}

class Healing : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    History history;
    runs_ = make_runs(history);
    log_ = make_log(runs_, history);
  }
  static void TearDownTestSuite() { runs_ = log_ = nullptr; }

  // The bytes of a run that its blocks take; what else there is only check() reads.
  static bool is_read(const Disk& disk, const Spot& place) {
    const std::string bytes = disk->bytes(place.path);
    const std::string_view footer = std::string_view(bytes).substr(bytes.size() - runs::kSectorBytes);
    const runs::Handle meta = runs::load_handle(footer.data() + 16);
    return place.offset + (place.damage == Damage::flip ? place.bytes / 2 : 0) < meta.offset + meta.stored_bytes &&
           place.offset + place.bytes / 2 >= runs::kFirstBlockOffset;
  }
  // Whether this sector of a segment holds what must be healed: a header, or a part of an entry. (Zeros, seals, and
  // remains of what the file was before are not.)
  static bool is_told(const Disk& disk, const Spot& place) {
    if (place.damage != Damage::noise || place.bytes != 4096) return false;
    const std::string bytes = disk->bytes(place.path);
    log::SegmentHeader segment;
    EXPECT_EQ(log::decode_segment_header(bytes.data(), segment), log::HeaderCheck::good);
    const log::PlaceSeed seed(segment.store_id, segment.number);
    for (std::uint64_t at = log::kEntriesStart; at < place.offset + place.bytes; at += log::kEntryAlignment) {
      log::EntryHeader entry;
      if (log::decode_entry_header(bytes.data() + at, seed, at, bytes.size() - at, entry) != log::HeaderCheck::good)
        continue;
      if (entry.kind != log::RecordKind::seal && at + log::entry_bytes(entry.payload_bytes) > place.offset) return true;
    }
    return place.offset < log::kEntriesStart;
  }

  // What is to be true of one damaged place. `image` holds `wanted`.
  void expect_healed(const Disk& image, const Contents& wanted, const Spot& place) {
    const bool is_run = place.path.starts_with("runs/");
    const bool is_log = place.path.starts_with("log/");
    const Disk disk = image->copy();
    disk->refuse_runs(!is_run);
    bool changed = false;
    if (place.when == When::closed) changed = damage(disk, place);
    const Opened engine = open_store(disk);
    if (place.when == When::check) {
      EXPECT_TRUE(everything(engine) == wanted);
    }
    if (place.when == When::open && is_run) {
      std::string ignored;  // its meta block is in memory, its data blocks are not
      engine->get_newest(wanted.begin()->first, [&](const Seen& seen) { ignored = seen.value; });
    }
    if (place.when != When::closed) changed = damage(disk, place);
    if (place.when == When::open && is_log) {
      // Whoever comes next reads it; who has it open has it in memory.
      const Opened next = open_store(disk);
      EXPECT_TRUE(everything(next) == wanted);
      next->close();
    }
    const bool read = is_run && place.when == When::closed && is_read(image, place);
    EXPECT_TRUE(everything(engine) == wanted);
    if (changed && read) {
      wait_until_rewritten(engine, place);
    } else {
      const CheckReport report = check(engine);
      EXPECT_TRUE(report.damage.empty()) << report.damage.front();
      EXPECT_EQ(report.healed, report.healed_places.size());
      EXPECT_LE(report.healed, 1U) << report.healed_places.back();
      const bool read_before = place.when == When::open && (is_run || is_log);
      if (changed && !read_before && (!is_log || is_told(image, place))) {
        EXPECT_EQ(report.healed, 1U);
        told_ += 1;
      }
      for (const std::string& sentence : report.healed_places) {
        EXPECT_NE(sentence.find(place.path), std::string::npos) << sentence;
      }
      if (is_run && report.healed > 0) wait_until_rewritten(engine, place);
    }
    const CheckReport after = check(engine);
    EXPECT_TRUE(after.clean()) << (after.damage.empty() ? after.healed_places : after.damage).front();
    engine->close();
    const Opened again = open_store(disk);
    EXPECT_TRUE(everything(again) == wanted);
    const CheckReport clean = check(again);
    EXPECT_TRUE(clean.clean()) << (clean.damage.empty() ? clean.healed_places : clean.damage).front();
    again->close();
    ++cases_;
  }

  // All sectors of all files whose path begins so, up to the last that is not zero.
  void expect_all_healed(const Disk& image, const std::string& prefix) {
    const Contents wanted = everything(open_store(image->copy()));
    ASSERT_GT(wanted.size(), 80U);
    std::size_t turn = 0;
    for (const std::string& path : image->paths()) {
      if (!path.starts_with(prefix) || path.find('-') != std::string::npos) continue;  // spares hold nothing
      const std::string bytes = image->bytes(path);
      const std::uint64_t used = bytes.find_last_not_of('\0') / 4096 * 4096 + 4096;
      for (std::uint64_t sector = 0; sector < used; sector += 4096) {
        for (const Damage damage : {Damage::flip, Damage::noise, Damage::zeros, Damage::unreadable}) {
          const auto when = static_cast<When>(turn % 3);
          if (turn++ % kStride == 0) run_case(image, wanted, {path, sector, 4096, damage, when});
        }
        ++turn;  // so that each kind meets each moment
      }
      for (std::uint64_t sector = 0; sector < used; sector += 512, ++turn) {
        const auto damage = static_cast<Damage>(turn % 3);
        const auto when = static_cast<When>(turn / 3 % 3);
        if (turn % kStride == 0) run_case(image, wanted, {path, sector, 512, damage, when});
      }
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(cases_, 0U);
    RecordProperty("cases", static_cast<int>(cases_));
  }
  void run_case(const Disk& image, const Contents& wanted, const Spot& place) {
    if (failed_) return;  // one is enough
    std::ostringstream name;
    name << place;
    SCOPED_TRACE(name.str());
    try {
      expect_healed(image, wanted, place);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    failed_ = HasFailure();
  }

  static Disk runs_;  // three runs, and an empty log
  static Disk log_;   // three segments of log on top of that
  std::size_t cases_ = 0;
  std::size_t told_ = 0;
  bool failed_ = false;
};

Disk Healing::runs_;
Disk Healing::log_;

TEST_F(Healing, AnySectorOfARun) {
  expect_all_healed(runs_, "runs/");
}

TEST_F(Healing, AnySectorOfTheLog) {
  expect_all_healed(log_, "log/");
  EXPECT_GE(told_, kStride == 1 ? 50U : 0U);
}

TEST_F(Healing, AnySectorOfTheCheckpoint) {
  expect_all_healed(log_, "checkpoints/");
}

TEST_F(Healing, AnySectorOfTheHeader) {
  expect_all_healed(log_, "store");
}

}  // namespace
}  // namespace ingot::engine
