// The engine on a directory whose operations fail when a test says so.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/internal_key.h"
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
  faults.set([](const storage::Attempted& attempted) {
    return attempted.operation == storage::Operation::read && attempted.path.starts_with("log/") ? EIO : 0;
  });
  for (int i = 0; i < 6; ++i) {
    space.put(writer, "k", "new");
    writer.settle();
  }
  // … and then the newest checkpoint, which has what it missed, can't be read for a moment either.
  faults.set([](const storage::Attempted& attempted) {
    return attempted.operation == storage::Operation::list && attempted.path == "checkpoints" ? EIO : 0;
  });
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
  Store other = ingot::open(place.path());
  std::atomic<int> runs_made{0};
  faults.set([&](const storage::Attempted& attempted) {
    if (attempted.operation == storage::Operation::open && attempted.path.starts_with("runs/") && runs_made++ == 0)
      Space("space").put(other, "other", "v");
    return attempted.operation == storage::Operation::read && attempted.path.starts_with("log/") && runs_made != 0 ? EIO
                                                                                                                   : 0;
  });
  EXPECT_THROW(engine->settle(), Error);
  while (runs_made < 4) std::this_thread::sleep_for(std::chrono::milliseconds(10));  // the flush tries again
  std::vector<std::string> names;
  ASSERT_FALSE(directory->list("runs", names));
  EXPECT_LE(names.size(), 1U) << "the one being written, and none of those that came to nothing";
  faults.clear();
  engine->settle();
  EXPECT_TRUE(engine->get_newest(InternalKey("space", "k"), [](const Seen&) {}));
}

}  // namespace
}  // namespace ingot::engine
