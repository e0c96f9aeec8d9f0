// What the log does while the device fails, or others collect what is read: each test is a defect that the simulator
// found, step by step.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "faulty_directory.h"
#include "log/live_format.h"
#include "log_fixture.h"

namespace ingot::log {
namespace {

using storage::Attempted;
using storage::Operation;
using Payloads = std::vector<std::string>;

// Where one thread waits until another lets it go on.
class Gate {
 public:
  void wait() {
    reached_ = true;
    reached_.notify_all();
    opened_.wait(false);
  }
  void until_reached() { reached_.wait(false); }
  void open() {
    opened_ = true;
    opened_.notify_all();
  }

 private:
  std::atomic<bool> reached_{false};
  std::atomic<bool> opened_{false};
};

// Appends an entry that begins a segment of its own.
Append roll(Handle& handle, const std::string& payload) {
  const std::string_view parts[] = {payload};
  Draft draft;
  draft.transaction_count = 1;
  draft.time_micros = handle.log->position().time_micros;
  draft.parts = parts;
  draft.new_segment = true;
  return handle.log->append(draft, soon());
}

class DeviceError : public testing::Test {
 protected:
  ~DeviceError() override { faults.clear(); }

  Payloads found_by_an_opening() {
    Handle handle;
    EXPECT_TRUE(handle.open(directory)) << handle.why;
    return handle.payloads;
  }

  std::unique_ptr<storage::Directory> memory = storage::make_memory_directory();
  storage::Faults faults;
  storage::FaultyDirectory directory{*memory, faults};
};

// "Too many open files" does not say that a segment still has its name. It was taken for that, and what the next life
// of a recycled segment had written over the reader's place for damage. Simulator: 4 of 20,000 seeds.
TEST_F(DeviceError, ASegmentWhoseNameCannotBeLookedAtIsNotDamaged) {
  Handle writer;
  Handle reader;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  ASSERT_TRUE(reader.open(directory)) << reader.why;
  ASSERT_EQ(writer.append(numbered(1)), Append::kept);
  for (int number = 2; number < 5; ++number) ASSERT_EQ(roll(writer, numbered(number)), Append::kept);
  // The reader stands in segment 1, which becomes a spare; somebody overwrites what it held.
  overwrite(*memory, SegmentFiles::path_of(1), kEntriesStart, std::string(kSmallSegment - kEntriesStart, '\0'));
  writer.log->release(2);
  faults.set([](const Attempted& attempted) {
    return attempted.operation == Operation::open && attempted.path == SegmentFiles::path_of(1) ? EMFILE : 0;
  });
  EXPECT_EQ(reader.read(), Read::unavailable) << reader.log->why();
  faults.clear();
  EXPECT_EQ(reader.read(), Read::gone) << reader.log->why();
}

// A new segment's name could be neither given nor looked for; its number was passed over, and readers, who look for the
// next number, found nothing behind the gap.
TEST_F(DeviceError, ASegmentWhoseNameCannotBeLookedAtUsesUpNoNumber) {
  Handle writer;
  Handle reader;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(reader.open(directory)) << reader.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  std::atomic<int> renames{1};
  std::atomic<int> opens{2};
  faults.set([&](const Attempted& attempted) {
    if (attempted.path != SegmentFiles::path_of(2)) return 0;
    if (attempted.operation == Operation::rename) return renames-- > 0 ? EIO : 0;
    return attempted.operation == Operation::open && renames < 1 && opens-- > 0 ? EMFILE : 0;
  });
  ASSERT_EQ(roll(writer, numbered(1)), Append::kept) << writer.log->why();
  EXPECT_EQ(writer.log->position().segment, 2U);
  EXPECT_LT(opens, 1);
  faults.clear();
  EXPECT_EQ(reader.read(), Read::caught_up) << reader.log->why();
  EXPECT_EQ(reader.payloads, (Payloads{numbered(0), numbered(1)}));
}

// Whoever appends waited for the background to carry over what could not be synced, and the background for whoever
// appends: until the deadline, and the next one's. Simulator: 2 of 20,000 seeds ("no end").
TEST_F(DeviceError, AFailedSyncIsMadeGoodByWhoAppendsNext) {
  Handle handle;
  ASSERT_TRUE(handle.open(directory)) << handle.why;
  ASSERT_EQ(handle.append(numbered(0), false), Append::kept);
  faults.set([](const Attempted& attempted) { return attempted.operation == Operation::sync ? EIO : 0; });
  EXPECT_FALSE(handle.log->sync(soon(20)));
  faults.clear();
  EXPECT_EQ(handle.append(numbered(1), true, EntryKind::commit, 2000), Append::kept) << handle.log->why();
  handle.drop();
  EXPECT_EQ(found_by_an_opening(), (Payloads{numbered(0), numbered(1)}));
}

// A write failed, and entries were carried over to a new segment, while a sync of the old one was under way. When that
// ended, its offset became the mark of what is durable in the new one. Simulator: 1 of 20,000 seeds (bad_alloc).
TEST_F(DeviceError, ASyncThatEndsLateSaysNothingOfTheNextSegment) {
  Handle handle;
  ASSERT_TRUE(handle.open(directory)) << handle.why;
  Gate gate;
  std::atomic<bool> syncs_wait{false};
  std::atomic<bool> write_fails{false};
  faults.set([&](const Attempted& attempted) {
    if (attempted.path != SegmentFiles::path_of(1)) return 0;
    if (attempted.operation == Operation::sync && syncs_wait.exchange(false)) gate.wait();
    return attempted.operation == Operation::write && write_fails.exchange(false) ? EIO : 0;
  });
  Payloads payloads;
  const auto append = [&](bool durable) {
    payloads.push_back(numbered(static_cast<int>(payloads.size()), 3000));
    ASSERT_EQ(handle.append(payloads.back(), durable), Append::kept) << handle.log->why();
  };
  for (int count = 0; count < 15; ++count) append(true);
  syncs_wait = true;
  for (int count = 0; count < 3; ++count) append(false);
  gate.until_reached();  // by the background's sync
  append(false);
  write_fails = true;
  append(false);
  ASSERT_FALSE(write_fails);
  append(false);
  gate.open();
  EXPECT_TRUE(handle.log->sync(soon())) << handle.log->why();
  for (int count = 0; count < 5; ++count) append(count % 2 == 0);
  EXPECT_TRUE(handle.log->sync(soon())) << handle.log->why();
  EXPECT_EQ(handle.log->durable(), payloads.size());
  handle.drop();
  EXPECT_EQ(found_by_an_opening(), payloads);
}

// The cache has let go of what a sync could not write, and its writer is carrying it over: who opens meanwhile waits
// for that, as a reader does. It said `corrupt`. Simulator: 2 of 25,000 seeds.
TEST_F(DeviceError, AnOpeningWaitsForWhatIsBeingCarriedOver) {
  Handle writer;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  ASSERT_EQ(writer.append(numbered(1), false), Append::kept);
  const std::string segment = SegmentFiles::path_of(1);
  const std::uint64_t behind = kEntriesStart + group_extent(entry_bytes(numbered(0).size()));
  Gate gate;
  std::atomic<int> syncs{0};
  faults.set([&](const Attempted& attempted) {
    if (attempted.operation != Operation::sync) return 0;
    if (attempted.path == segment && syncs++ == 0) {
      overwrite(*memory, segment, behind, std::string(4 * kSectorBytes, '\0'));
      return EIO;
    }
    if (syncs > 0) gate.wait();
    return 0;
  });
  std::thread syncing([&] { EXPECT_TRUE(writer.log->sync(soon())) << writer.log->why(); });
  gate.until_reached();
  Handle other;
  std::thread opening([&] { EXPECT_TRUE(other.open(directory)) << other.why; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  gate.open();
  syncing.join();
  opening.join();
  EXPECT_EQ(other.payloads, (Payloads{numbered(0), numbered(1)}));
}

// All died after a sync that failed; so did the first who opened then. The second believed the page cache, which had
// counted the pages as written. Simulator: 1 of 40,000 seeds.
TEST_F(DeviceError, AFailedSyncIsNotForgottenWithWhoOpensFirst) {
  {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.append(numbered(0), false), Append::kept);
    faults.set([](const Attempted& attempted) { return attempted.operation == Operation::sync ? EIO : 0; });
    EXPECT_FALSE(handle.log->sync(soon(20)));
  }
  faults.clear();
  Live::open(directory, kStore, soon());  // comes no further
  Handle handle;
  ASSERT_TRUE(handle.open(directory)) << handle.why;
  EXPECT_EQ(handle.payloads, Payloads{numbered(0)});
  std::unique_ptr<storage::File> next;
  EXPECT_FALSE(directory.open(SegmentFiles::path_of(2), storage::OpenMode::read, next)) << "it was not carried over";
}

// Healing a header's copy synced the segment, and did not say that the sync had failed: a later one, which succeeds,
// then proves nothing of the entries that another process had left there.
TEST_F(DeviceError, AFailedSyncOfAHealedHeaderCountsToo) {
  {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.append(numbered(0), false), Append::kept);
  }
  overwrite(*memory, SegmentFiles::path_of(1), 0, std::string(kSectorBytes, 'x'));
  std::atomic<int> syncs{0};
  faults.set([&](const Attempted& attempted) {
    return attempted.operation == Operation::sync && attempted.path == SegmentFiles::path_of(1) && syncs++ == 0 ? EIO
                                                                                                                : 0;
  });
  Handle handle;
  ASSERT_TRUE(handle.open(directory)) << handle.why;
  EXPECT_EQ(handle.payloads, Payloads{numbered(0)});
  std::unique_ptr<storage::File> next;
  EXPECT_FALSE(directory.open(SegmentFiles::path_of(2), storage::OpenMode::read, next)) << "it was not carried over";
}

// What was healed could not be written back; then a sync failed, and the damaged sector, read from the file again, was
// carried over to a new segment, where nothing can heal it. Simulator: 1 of 30,000 seeds.
TEST_F(DeviceError, AHealedSectorThatCouldNotBeWrittenBackIsNotCarriedOverDamaged) {
  {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.append(numbered(0, 10'000)), Append::kept);
  }
  overwrite(*memory, SegmentFiles::path_of(1), kEntriesStart + kSectorBytes, std::string(kSectorBytes, '\0'));
  std::atomic<int> syncs{0};
  faults.set([&](const Attempted& attempted) {
    if (attempted.path != SegmentFiles::path_of(1)) return 0;
    return attempted.operation == Operation::write || (attempted.operation == Operation::sync && syncs++ == 0) ? EIO
                                                                                                               : 0;
  });
  EXPECT_EQ(found_by_an_opening(), Payloads{numbered(0, 10'000)});
  EXPECT_GT(syncs, 0);
  faults.clear();
  EXPECT_EQ(found_by_an_opening(), Payloads{numbered(0, 10'000)});
}

// Two names of segments could not be made durable; a power loss took the first and left the second, which waited behind
// the gap until that was filled, and then took the log back to its own start. Simulator: 1 of 40,000 seeds.
TEST_F(DeviceError, ASegmentBehindAGapIsRemovedBeforeTheGapIsFilled) {
  {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.append(numbered(0)), Append::kept);
    faults.set([&](const Attempted& attempted) { return attempted.operation == Operation::sync_directory ? EIO : 0; });
    const std::string payload = numbered(1);
    const std::string_view parts[] = {payload};
    Draft draft;
    draft.transaction_count = 1;
    draft.parts = parts;
    draft.new_segment = true;
    EXPECT_EQ(handle.log->append(draft, soon(30)), Append::unavailable);
  }
  faults.clear();
  std::unique_ptr<storage::File> file;
  ASSERT_FALSE(memory->open(SegmentFiles::path_of(3), storage::OpenMode::read, file));
  file.reset();
  ASSERT_FALSE(memory->remove(SegmentFiles::path_of(2)));
  {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.append(numbered(2)), Append::kept);
    ASSERT_EQ(roll(handle, numbered(3)), Append::kept);
    EXPECT_EQ(handle.log->position().segment, 2U);
  }
  Handle handle;
  ASSERT_TRUE(handle.open(directory)) << handle.why;
  EXPECT_EQ(handle.payloads, (Payloads{numbered(0), numbered(2), numbered(3)}));
  EXPECT_EQ(handle.log->position().version, 3U);
}

// Published without durability, read by others, then lost: the sync failed, the cache let go of it, and its writer
// died. Whoever has read it is told to open anew; nobody builds on it.
TEST_F(DeviceError, WhatIsLostWithItsWriterIsGoneForThoseWhoHaveReadIt) {
  Handle writer;
  Handle other;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(other.open(directory)) << other.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  ASSERT_EQ(writer.append(numbered(1), false), Append::kept);
  ASSERT_EQ(other.read(), Read::caught_up);
  EXPECT_EQ(other.payloads.size(), 2U);
  const std::string segment = SegmentFiles::path_of(1);
  const std::uint64_t behind = kEntriesStart + group_extent(entry_bytes(numbered(0).size()));
  faults.set([&](const Attempted& attempted) {
    if (attempted.operation != Operation::sync) return 0;
    overwrite(*memory, segment, behind, std::string(4 * kSectorBytes, '\0'));
    return EIO;
  });
  EXPECT_FALSE(writer.log->sync(soon(20)));
  writer.drop();
  faults.clear();
  Handle third;
  ASSERT_TRUE(third.open(directory)) << third.why;
  EXPECT_EQ(third.payloads, Payloads{numbered(0)});
  EXPECT_EQ(third.append(numbered(2)), Append::kept) << third.log->why();
  EXPECT_NE(other.append(numbered(3)), Append::kept);
  EXPECT_EQ(other.read(), Read::gone) << other.log->why();
}

// The same, found by the one who had read it, when it took the lock: it went on from where it had read to, again and
// again, and could not read back what was before that. Simulator: 1 of 60,000 seeds.
TEST_F(DeviceError, WhatIsLostWithItsWriterDoesNotStopWhoHasReadIt) {
  Handle writer;
  Handle other;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(other.open(directory)) << other.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  ASSERT_EQ(writer.append(numbered(1, 5000), false), Append::kept);
  ASSERT_EQ(writer.append(numbered(2, 5000), false), Append::kept);
  ASSERT_EQ(other.read(), Read::caught_up);
  EXPECT_EQ(other.payloads.size(), 3U);
  const std::string segment = SegmentFiles::path_of(1);
  const std::uint64_t behind = kEntriesStart + group_extent(entry_bytes(numbered(0).size()));
  faults.set([&](const Attempted& attempted) {
    if (attempted.operation != Operation::sync) return 0;
    overwrite(*memory, segment, behind, std::string(2 * kSectorBytes, '\0'));
    return EIO;
  });
  EXPECT_FALSE(writer.log->sync(soon(20)));
  overwrite(*memory, segment, behind, std::string(8 * kSectorBytes, '\0'));
  writer.drop();
  faults.clear();
  EXPECT_EQ(other.append(numbered(3)), Append::unavailable);
  EXPECT_EQ(other.append(numbered(3)), Append::lost) << other.log->why();
  EXPECT_EQ(other.read(), Read::gone) << other.log->why();
  Handle third;
  ASSERT_TRUE(third.open(directory)) << third.why;
  EXPECT_EQ(third.payloads, Payloads{numbered(0)});
  EXPECT_EQ(third.append(numbered(4)), Append::kept) << third.log->why();
}

// Killed while it published, a process left a cell that nobody could believe; others then fell back to what they had
// read themselves. The second copy still tells. Simulator: 4 of 30,000 seeds.
TEST(Live, AHalfWrittenCellStillTellsWhatWasPublishedBefore) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle writer;
  Handle other;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(other.open(directory)) << other.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  overwrite(directory, "live", kLivePublishedAt, std::string(8, 'x'));
  EXPECT_EQ(other.log->published(), 1U);
  EXPECT_EQ(other.read(), Read::caught_up);
  EXPECT_EQ(other.payloads, Payloads{numbered(0)});
}

TEST(Live, WhatCannotBeBelievedIsFoundInTheLog) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle writer;
  Handle other;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(other.open(directory)) << other.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  overwrite(directory, "live", kLivePublishedAt, std::string(2 * 64, 'x'));
  EXPECT_EQ(other.read(), Read::caught_up) << other.log->why();
  EXPECT_EQ(other.payloads, Payloads{numbered(0)});
  EXPECT_EQ(writer.log->published(), 1U);
  EXPECT_EQ(writer.append(numbered(1)), Append::kept) << writer.log->why();
  EXPECT_EQ(other.read(), Read::caught_up);
  EXPECT_EQ(other.payloads, (Payloads{numbered(0), numbered(1)}));
}

// A refused entry may stay where a segment's successor says that it has ended before. A reader whose segment had been
// collected, and the successor too, read on without that. Simulator: 1 of 200,000 seeds.
TEST_F(DeviceError, ARefusedEntryIsNotReadFromACollectedSegment) {
  Handle writer;
  Handle reader;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_EQ(writer.append(numbered(0)), Append::kept);
  ASSERT_TRUE(reader.open(directory)) << reader.why;
  std::atomic<int> writes{0};
  std::atomic<int> directory_syncs{0};
  faults.set([&](const Attempted& attempted) {
    if (attempted.operation == Operation::sync_directory && directory_syncs++ < 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      return EIO;
    }
    if (attempted.path != SegmentFiles::path_of(1)) return 0;
    return attempted.operation == Operation::sync || (attempted.operation == Operation::write && writes++ > 0) ? EIO
                                                                                                               : 0;
  });
  ASSERT_EQ(writer.append(numbered(1), true, EntryKind::commit, 50), Append::unavailable) << writer.log->why();
  faults.clear();
  ASSERT_EQ(writer.append(numbered(2)), Append::kept) << writer.log->why();
  ASSERT_EQ(roll(writer, numbered(3)), Append::kept);
  writer.log->release(writer.log->position().segment);
  EXPECT_EQ(reader.read(), Read::gone);
  EXPECT_EQ(reader.payloads, Payloads{numbered(0)});
}

// A handle that had not read for long could not sync, or take the lock, any more: its place had been collected.
// Simulator: 2 of 20,000 seeds.
TEST(SlowHandle, WhosePlaceWasCollectedCanStillSync) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle writer;
  Handle other;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  ASSERT_TRUE(other.open(directory)) << other.why;
  for (int number = 0; number < 4; ++number) ASSERT_EQ(roll(writer, numbered(number)), Append::kept);
  writer.log->release(4);
  ASSERT_EQ(writer.append(numbered(4), false), Append::kept);
  EXPECT_TRUE(other.log->sync(soon())) << other.log->why();
  EXPECT_EQ(other.append(numbered(5)), Append::lost);
  EXPECT_EQ(other.read(), Read::gone);
  EXPECT_EQ(writer.append(numbered(6)), Append::kept) << writer.log->why();
}

}  // namespace
}  // namespace ingot::log
