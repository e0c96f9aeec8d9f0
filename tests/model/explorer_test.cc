// The explorer itself: states are stored without loss, and it says when it has not seen all of them.
#include "model/explorer.h"

#include <gtest/gtest.h>

#include <random>

#include "model/packing.h"
#include "model/steps.h"
#include "model/worlds.h"

namespace ingot::bucket_model {
namespace {

std::vector<std::uint64_t> packed(const World& world, const State& state) {
  std::vector<std::uint64_t> words(packed_words(world));
  pack(world, state, words);
  return words;
}

std::vector<std::vector<std::uint64_t>> packed_successors(const World& world, const State& state) {
  std::vector<Successor> successors;
  Steps(world, state, successors).all();
  std::vector<std::vector<std::uint64_t>> all;
  for (const Successor& successor : successors) all.push_back(packed(world, successor.state));
  return all;
}

// What a state does not store must make no difference to what can follow.
TEST(BucketModelPacking, KeepsAllThatDecidesWhatCanFollow) {
  std::mt19937 random(1);
  for (const World& world : worlds(Size::large)) {
    for (int walk = 0; walk < 20; ++walk) {
      State state = first_state(world);
      for (int i = 0; i < 60; ++i) {
        const State stored = unpack(world, packed(world, state));
        ASSERT_EQ(packed(world, stored), packed(world, state)) << world.name;
        ASSERT_EQ(packed_successors(world, stored), packed_successors(world, state)) << world.name;
        std::vector<Successor> successors;
        Steps(world, state, successors).all();
        if (successors.empty()) break;
        state = successors[random() % successors.size()].state;
      }
    }
  }
}

TEST(BucketModelPacking, ExchangingTheTwinsTwiceChangesNothing) {
  std::mt19937 random(2);
  const World world = worlds(Size::large).front();
  ASSERT_GE(world.twins, 0);
  State state = first_state(world);
  for (int i = 0; i < 200; ++i) {
    const State other = with_twins_exchanged(world, state);
    EXPECT_EQ(packed(world, with_twins_exchanged(world, other)), packed(world, state));
    std::vector<Successor> successors;
    Steps(world, state, successors).all();
    state = successors[random() % successors.size()].state;
  }
}

TEST(BucketModelExplorer, SaysWhenThereWasNoRoomForAllStates) {
  const World world = worlds(Size::tiny).front();
  EXPECT_FALSE(explore(world, Effort{.states_max = 1000}).is_whole);
  EXPECT_FALSE(explore(world, Effort{.bytes_max = 1 << 20}).is_whole);
}

// All that this writer may upload has grown too old to be named.
TEST(BucketModelExplorer, FindsAStateFromWhichNothingIsDecidedAnyMore) {
  World world = broken_world(Broken::deletes_after_failure);
  world.broken.reset();
  EXPECT_EQ(explore(world, Effort{}).violation, "");
  const Explored explored = explore(world, Effort{.checks_progress = true});
  EXPECT_EQ(explored.violation, "P6: from here on no step leads to a decision");
  EXPECT_FALSE(explored.trace.empty());
}

TEST(BucketModelExplorer, FindsAShortestWayToAViolation) {
  const Explored explored = explore(broken_world(Broken::trusts_time_out), Effort{});
  EXPECT_EQ(explored.violation, "P2: a transaction is in the log, and was reported as never to be");
  const std::vector<std::string> expected = {
      "A has listed the checkpoints, and opens from the beginning of the log",
      "A has read the beginning of the log",
      "A confirms the boundary: there is none yet",
      "A sends transaction 1 for slot 1 (attempt 1), signed with the date of its confirmation",
      "the server carries out A's put of transaction 1 for slot 1; no answer arrives",
      "A hears nothing, its deadline passes: transaction 1 is reported as unavailable",
  };
  EXPECT_EQ(explored.trace, expected);
}

}  // namespace
}  // namespace ingot::bucket_model
