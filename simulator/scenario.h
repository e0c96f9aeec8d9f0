// A scenario: what the simulated processes do, what happens to them, and what must hold afterwards. Its `run` is the
// director's fiber; when it returns, the seed has passed, and `world.scheduler.fail` says that it has not.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "bucket.h"
#include "chance.h"
#include "choices.h"
#include "disk.h"
#include "faults.h"
#include "scheduler.h"
#include "trace.h"

namespace ingot::simulator {

struct World {
  World(std::uint64_t its_seed, Trace& its_trace, Report& its_report, Choices& its_choices)
      : seed(its_seed),
        chance(its_seed ^ 0x3ce9'a210'0000'0003ULL),
        choices(its_choices),
        trace(its_trace),
        report(its_report),
        scheduler(its_seed, its_trace, its_report, its_choices),
        disk(scheduler, Chance(its_seed ^ 0xd15c'0000'0000'0004ULL)),
        bucket(scheduler, Chance(its_seed ^ 0xb0c7'e700'0000'0005ULL)) {}

  std::uint64_t seed;
  Chance chance;  ///< the scenario's own
  Choices& choices;
  Trace& trace;
  Report& report;
  Scheduler scheduler;
  Disk disk;      ///< of the one machine that has one
  Bucket bucket;  ///< of all machines
};

struct Scenario {
  const char* name;
  const char* what;
  void (*run)(World& world);
};

/// All there are.
std::span<const Scenario> scenarios();
const Scenario* find_scenario(std::string_view name);

struct SeedResult {
  std::string failure;  ///< empty: passed
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  std::string last_steps;  ///< of a failure
};

/// Runs one seed. `print`: where its trace goes; null: nowhere. `report` is added to. `choices`: what is left out of
/// it, and afterwards what there was.
SeedResult run_seed(const Scenario& scenario, std::uint64_t seed, std::FILE* print, Report& report, Choices& choices);
SeedResult run_seed(const Scenario& scenario, std::uint64_t seed, std::FILE* print, Report& report);

/// The trace of the seed that runs now, for a signal handler; null: none.
const Trace* running_trace();

}  // namespace ingot::simulator
