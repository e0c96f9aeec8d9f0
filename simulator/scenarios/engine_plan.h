// What the processes of the engine scenario will do, drawn before they do it: the host's. Each step has a seed of its
// own, so that leaving out one does not change the others.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "chance.h"
#include "choices.h"

namespace ingot::simulator {

enum class Verb : std::uint8_t {
  transaction,  // read, write, commit: once
  transact,     // the same, again and again until it is committed
  snapshot,     // read at one version, for a while
  sync,
  settle,
  check,
  look,  // stats, health, spaces, version
  rest,
};

struct PlannedStep {
  Verb verb = Verb::rest;
  std::uint64_t seed = 0;
};

struct ProcessPlan {
  std::chrono::nanoseconds start_after{};
  bool read_only = false;
  bool closes = true;  // itself, before its destructor would
  std::chrono::milliseconds deadline{30'000};
  std::vector<std::vector<PlannedStep>> workers;
};

/// What is the same for all processes of a seed.
struct Workload {
  std::uint64_t segment_bytes = 64 << 10;
  std::uint64_t keys = 30;            ///< in each space
  std::uint64_t process_percent = 0;  ///< of the transactions ask for durability `process`
  std::uint64_t large_percent = 3;    ///< of the values are large
  std::uint64_t upkeep_percent = 5;   ///< of the steps are settle, check, sync or look
  std::uint64_t long_percent = 5;     ///< of transactions and snapshots wait in their midst
  std::uint64_t steps_max = 60;       ///< of one worker

  static Workload draw(Chance& chance);
};

ProcessPlan draw_process(const Workload& workload, bool calm, Chance& chance, Choices& choices);

}  // namespace ingot::simulator
