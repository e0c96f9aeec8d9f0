// The engine on a bucket that does not do now and then what it is asked to.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "../simulator/mounted.h"
#include "engine/bucket_medium.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "ingot/ingot.h"
#include "support/memory_bucket.h"

namespace ingot::engine {
namespace {

using testing::MemoryBucket;

// Else whoever opens the store later, and finds no checkpoint, reads all that was ever written.
TEST(EngineOnABucket, ACheckpointThatCameToNothingIsWrittenLater) {
  MemoryBucket bucket;
  std::atomic<int> tries{0};
  bucket.decide([&](const std::string& request) -> std::optional<MemoryBucket::Instead> {
    if (!request.starts_with("put checkpoints/") || tries++ > 2) return std::nullopt;
    return MemoryBucket::Instead{storage::Outcome::refused};
  });
  const auto make_medium = [&](const Medium::Setting& setting) {
    return make_bucket_medium(std::make_unique<simulator::MountedBucket>(bucket), nullptr, setting);
  };
  const std::shared_ptr<Engine> engine = Engine::open_on(make_medium, bucket.where(), {});
  {
    const HeldView held = engine->hold();
    TransactionState tx(engine, held.state, held.version, held.time_micros, Durability::disk);
    tx.put(InternalKey("space", "k"), "v", 0);
    ASSERT_TRUE(engine->commit(tx));
  }
  try {
    engine->settle();
  } catch (const Error&) {  // the checkpoint, if it is not the background thread that has begun to write it
  }
  const auto written = [&] {
    for (const std::string& key : bucket.keys()) {
      if (key.starts_with("checkpoints/")) return true;
    }
    return false;
  };
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!written() && std::chrono::steady_clock::now() < patience)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(written());
  EXPECT_GT(tries, 3);
}

}  // namespace
}  // namespace ingot::engine
