// The engine on the simulated disk: commits, flushes and merges, then the power fails. What was acknowledged is there
// afterwards, and the breaks that would lose it are noticed.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/testing.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "in_world.h"
#include "ingot/error.h"
#include "mounted.h"

namespace ingot::simulator {
namespace {

using namespace std::chrono_literals;
using engine::Engine;
using engine::InternalKey;

std::shared_ptr<Engine> open_engine(World& world) {
  Options options;
  options.memory_bytes = 64 << 20;
  return Engine::open(std::make_unique<Mounted>(world.disk), "/simulated", options);
}

void put(const std::shared_ptr<Engine>& engine, const std::string& key, const std::string& value) {
  engine::HeldView held = engine->hold();
  engine::TransactionState tx(engine, std::move(held.state), held.version, held.time_micros, Durability::disk);
  tx.put(InternalKey("things", key), value, 0);
  engine->commit(tx);
}

std::optional<std::string> get(const std::shared_ptr<Engine>& engine, const std::string& key) {
  std::optional<std::string> found;
  engine->get_newest(InternalKey("things", key), [&](const engine::Seen& seen) { found = std::string(seen.value); });
  return found;
}

// One process commits, settles, and commits again, until the power fails at some moment; another looks for what was
// acknowledged.
std::string power_fails(std::uint64_t seed) {
  return in_world(
             seed,
             [](World& world) {
               std::map<std::string, std::string> acknowledged;
               world.scheduler.start("first", [&] {
                 const std::shared_ptr<Engine> engine = open_engine(world);
                 for (int round = 0;; ++round) {
                   for (int i = 0; i < 6; ++i) {
                     const std::string key = "k" + std::to_string((round * 5 + i) % 23);
                     const std::string value = std::to_string(round) + "." + std::to_string(i);
                     put(engine, key, value);
                     const HostMemory host;
                     acknowledged[key] = value;
                   }
                   engine->settle();
                 }
               });
               world.scheduler.sleep_for(std::chrono::milliseconds(world.chance.between(50, 900)));
               world.disk.lose_power();
               Process& second = world.scheduler.start("second", [&] {
                 std::string wrong;  // said outside of the handler: a fiber that ends there leaves the exception behind
                 try {
                   const std::shared_ptr<Engine> engine = open_engine(world);
                   for (const auto& [key, value] : acknowledged) {
                     const std::optional<std::string> found = get(engine, key);
                     if (!found) {
                       wrong = key + " is lost, it was acknowledged as " + value;
                     } else if (std::stod(*found) < std::stod(value)) {
                       wrong = key + " is " + *found + ", not " + value;
                     }
                   }
                   engine->close();
                 } catch (const Error& error) {
                   wrong = std::string("the second process: ") + error.what();
                 }
                 if (!wrong.empty()) world.scheduler.fail(wrong);
               });
               world.scheduler.wait_for_end(second);
             })
      .failure;
}

TEST(EngineOnADisk, KeepsWhatItAcknowledgedWhenThePowerFails) {
#ifdef __SANITIZE_ADDRESS__
  constexpr std::uint64_t kSeeds = 20;
#else
  constexpr std::uint64_t kSeeds = 150;
#endif
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string failure = power_fails(seed);
    ASSERT_EQ(failure, "") << "seed " << seed;
  }
}

class EngineBreak : public ::testing::TestWithParam<base::Break> {};

TEST_P(EngineBreak, IsCaught) {
  base::set_break(GetParam(), true);
  std::string failure;
  std::uint64_t seed = 0;
  while (failure.empty() && seed < 300) failure = power_fails(++seed);
  base::set_break(GetParam(), false);
  EXPECT_NE(failure, "") << "not noticed in " << seed << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Each, EngineBreak,
                         ::testing::Values(base::Break::engine_checkpoint_unsynced, base::Break::run_skip_sync),
                         [](const auto& tested) { return std::string(base::break_name(tested.param)); });

}  // namespace
}  // namespace ingot::simulator
