// The engine on a directory whose operations fail when a test says so.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/internal_key.h"
#include "engine/store_maker.h"
#include "ingot/ingot.h"
#include "log/faulty_directory.h"
#include "storage/posix_directory.h"
#include "support/temporary_directory.h"

namespace ingot::engine {
namespace {

TEST(Engine, WaitsForACheckpointThatCanNotBeReadForAMoment) {
  const ingot::testing::TemporaryDirectory place;
  Store writer = ingot::open(place.path(), {.durability = Durability::process});
  const Space space("space");
  space.put(writer, "k", "old");
  writer.sync();

  std::unique_ptr<storage::Directory> directory;
  ASSERT_FALSE(storage::open_posix_directory(place.path(), directory));
  storage::Faults faults;
  const std::shared_ptr<Engine> away =
      Engine::open(std::make_unique<storage::FaultyDirectory>(*directory, faults), place.path(), {});
  // It can't follow the log until the log has been collected under it …
  const auto is_checkpoints = [](const storage::Attempted& attempted) {
    return attempted.operation == storage::Operation::list && attempted.path == "checkpoints";
  };
  faults.set([&](const storage::Attempted& attempted) {
    const bool is_log = attempted.operation == storage::Operation::read && attempted.path.starts_with("log/");
    return is_log || is_checkpoints(attempted) ? EIO : 0;
  });
  for (int i = 0; i < 6; ++i) {
    space.put(writer, "k", "new");
    writer.settle();
  }
  // … and then the newest checkpoint, which has what it missed, can't be read for a moment either.
  faults.set([&](const storage::Attempted& attempted) { return is_checkpoints(attempted) ? EIO : 0; });
  try {
    away->refresh();
    ADD_FAILURE() << "it had not fallen behind";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
  faults.clear();
  std::string value;
  EXPECT_TRUE(away->get_newest(InternalKey("space", "k"), [&](const Seen& seen) { value = seen.value; }));
  EXPECT_EQ(value, "new");
}

// Each run that is opened first in a merge can't be opened once: erasures of a range that it has are not forgotten.
TEST(Engine, AMergeDoesNotTakeErasuresThatItCanNotReadForNone) {
  const ingot::testing::TemporaryDirectory place;
  const Space space("space");
  Sizes sizes;
  sizes.segment_bytes = 64 << 10;
  std::unique_ptr<storage::Directory> directory;
  ASSERT_FALSE(storage::open_posix_directory(place.path(), directory));
  storage::Faults faults;
  const auto open_store = [&] {
    return StoreMaker::make(Engine::open(std::make_unique<storage::FaultyDirectory>(*directory, faults), place.path(),
                                         {.durability = Durability::process}, sizes));
  };
  {
    Store store = open_store();
    for (int i = 0; i < 100; ++i) space.put(store, "k" + std::to_string(i), std::string(2'000, 'v'));
    store.settle();
    space.erase_range(store, between("k0", "k9"));
    space.put(store, "other", std::string(60'000, 'v'));  // a new segment: what was before becomes a run
    space.put(store, "other", std::string(60'000, 'w'));
    for (int i = 0; i < 1000 && store.stats().runs < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_GE(store.stats().runs, 2U);
  }
  std::mutex mutex;
  std::set<std::string> met;
  faults.set([&](const storage::Attempted& attempted) {
    const std::lock_guard guard(mutex);
    const bool first = attempted.operation == storage::Operation::open && attempted.path.starts_with("runs/") &&
                       met.insert(attempted.path).second;
    return first ? EIO : 0;
  });
  Store store = open_store();
  for (int i = 0; i < 5; ++i) {
    try {
      store.settle();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
    }
  }
  faults.clear();
  EXPECT_FALSE(met.empty());
  EXPECT_FALSE(space.get(store, "k5"));
  EXPECT_TRUE(space.get(store, "k9"));
}

TEST(Engine, ARunWhoseEditCanNotBeAppendedIsRemoved) {
  const ingot::testing::TemporaryDirectory place;
  std::unique_ptr<storage::Directory> directory;
  ASSERT_FALSE(storage::open_posix_directory(place.path(), directory));
  storage::Faults faults;
  Options options;
  options.deadline = std::chrono::milliseconds(50);
  const std::shared_ptr<Engine> engine =
      Engine::open(std::make_unique<storage::FaultyDirectory>(*directory, faults), place.path(), options);
  const HeldView held = engine->hold();
  TransactionState tx(engine, held.state, held.version, held.time_micros, Durability::disk);
  tx.put(InternalKey("space", "k"), "v", 0);
  ASSERT_TRUE(engine->commit(tx));
  // While the first run is written another process commits, and from then on its entry can't be read.
  // It does not stay: if it had the maintenance lock, ours would not try again.
  std::atomic<int> runs_made{0};
  faults.set([&](const storage::Attempted& attempted) {
    if (attempted.operation == storage::Operation::open && attempted.path.starts_with("runs/") && runs_made++ == 0) {
      Store other = ingot::open(place.path());
      Space("space").put(other, "other", "v");
    }
    return attempted.operation == storage::Operation::read && attempted.path.starts_with("log/") && runs_made != 0 ? EIO
                                                                                                                   : 0;
  });
  const base::Instant patience = base::now() + std::chrono::seconds(120);
  while (runs_made < 4 && base::now() < patience) {
    // On a slow machine its deadline may pass before there is anything to flush.
    if (runs_made == 0) {
      EXPECT_THROW(engine->settle(), Error);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_GE(runs_made, 4) << "the flush tries again";
  std::vector<std::string> names;
  ASSERT_FALSE(directory->list("runs", names));
  EXPECT_LE(names.size(), 1U) << "the one being written, and none of those that came to nothing";
  faults.clear();
  engine->settle();
  EXPECT_TRUE(engine->get_newest(InternalKey("space", "k"), [](const Seen&) {}));
}

// A flush that is under way when the store is closed is left undone, and nobody is warned of that.
TEST(Engine, ClosingDuringAFlushIsNoWarning) {
  const ingot::testing::TemporaryDirectory place;
  std::unique_ptr<storage::Directory> directory;
  ASSERT_FALSE(storage::open_posix_directory(place.path(), directory));
  storage::Faults faults;
  std::mutex mutex;
  std::vector<std::string> warnings;
  Options options;
  options.on_message = [&](const Message& message) {
    const std::lock_guard lock(mutex);
    if (message.severity == Message::Severity::warning) warnings.emplace_back(message.text);
  };
  const std::shared_ptr<Engine> engine =
      Engine::open(std::make_unique<storage::FaultyDirectory>(*directory, faults), place.path(), options);
  std::atomic<bool> flushing{false};
  faults.set([&](const storage::Attempted& attempted) {
    if (attempted.operation != storage::Operation::sync_directory || attempted.path != "runs") return 0;
    // Its run is written; now the store is closed, and then its edit is to be committed.
    flushing = true;
    for (bool open = true; open;) {
      try {
        engine->require_open();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } catch (const Error&) {
        open = false;
      }
    }
    return 0;
  });
  // More than a segment holds: the memtable of the first is full, and the flush's thread takes it.
  for (int i = 0; i < 4; ++i) {
    const HeldView held = engine->hold();
    TransactionState tx(engine, held.state, held.version, held.time_micros, Durability::process);
    tx.put(InternalKey("space", "k"), std::string(7 << 20, 'v'), 0);
    ASSERT_TRUE(engine->commit(tx));
  }
  const base::Instant patience = base::now() + std::chrono::seconds(120);
  while (!flushing && base::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(flushing);
  engine->close();
  EXPECT_EQ(warnings, std::vector<std::string>());
}

}  // namespace
}  // namespace ingot::engine
