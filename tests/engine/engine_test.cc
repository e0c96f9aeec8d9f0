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

}  // namespace
}  // namespace ingot::engine
