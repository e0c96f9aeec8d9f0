#include "scenario.h"

#include <memory>

#include "base/testing.h"
#include "scenarios/all.h"

namespace ingot::simulator {

namespace {

constexpr Scenario kScenarios[] = {
    {"log", "several processes append to, read, wait for and reopen one log on one disk", &run_log_scenario},
    {"bucket-log", "processes on many machines append to, read, collect and reopen one log in one bucket",
     &run_bucket_log_scenario},
    {"engine", "several processes commit to, read, upkeep and reopen one store on one disk", &run_engine_scenario},
    {"engine-bucket", "processes of several machines commit to, read, upkeep and reopen one store in one bucket",
     &run_engine_bucket_scenario},
};

constinit const Trace* trace_of_run = nullptr;

}  // namespace

std::span<const Scenario> scenarios() {
  return kScenarios;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : kScenarios) {
    if (name == scenario.name) return &scenario;
  }
  return nullptr;
}

const Trace* running_trace() {
  return trace_of_run;
}

SeedResult run_seed(const Scenario& scenario, std::uint64_t seed, std::FILE* print, Report& report) {
  Choices choices;
  return run_seed(scenario, seed, print, report, choices);
}

SeedResult run_seed(const Scenario& scenario, std::uint64_t seed, std::FILE* print, Report& report, Choices& choices) {
  (void)base::broken(base::Break{});  // what it sets up on first use is the host's
  const auto trace = std::make_unique<Trace>(print);
  trace_of_run = trace.get();
  SeedResult result;
  Report own;  // what the scenario looks at must not depend on seeds before this one
  {
    World world(seed, *trace, own, choices);
    result.failure = world.scheduler.run([&] { scenario.run(world); });
    if (result.failure.empty() && world.disk.open_files() != 0) {
      result.failure = "files are still open at the end: " + std::to_string(world.disk.open_files());
    }
  }
  trace_of_run = nullptr;
  report.add(own);
  result.hash = trace->hash();
  result.events = trace->events();
  if (!result.failure.empty()) result.last_steps = trace->tail(60);
  return result;
}

}  // namespace ingot::simulator
