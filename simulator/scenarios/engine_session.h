// One process of the engine scenario: it opens the store, its workers do what was planned, and it closes it. The real
// public API, on the simulated disk; everything is recorded in the EngineHistory.
#pragma once

#include <cstdint>
#include <string>

#include "engine_history.h"
#include "engine_plan.h"
#include "scenario.h"

namespace ingot::simulator {

// What the processes of a seed share. The host's.
struct EngineWorld {
  explicit EngineWorld(World& its_world) : world(its_world), history(its_world) {}
  World& world;
  EngineHistory history;
  Workload workload;
  bool in_bucket = false;
  bool caches = false;         ///< in a bucket: what is read of runs is kept on the machine's disk
  bool fresh = true;           ///< in a bucket: every read asks for news
  bool calm = true;            ///< no faults, no pauses, no full disk: nothing may be unavailable
  bool writes_fail = false;    ///< writes or syncs fail: a handle may have to stop
  std::uint64_t opens = 0;     ///< by processes that may write
  std::uint64_t finished = 0;  ///< processes that came to their end
};

/// What a process does. In its fiber.
void run_engine_process(EngineWorld& shared, const ProcessPlan& plan);

/// One with nothing in its way: reads everything, verifies it, writes some more; `erases`: leaves an empty store
/// behind, that takes no more room than an empty store does.
void run_last_engine_process(EngineWorld& shared, history::FinalState& found, bool erases);

}  // namespace ingot::simulator
