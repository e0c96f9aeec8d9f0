#include "engine_plan.h"

#include <array>

namespace ingot::simulator {

Workload Workload::draw(Chance& chance) {
  Workload workload;
  workload.segment_bytes = (std::uint64_t{64} << 10) << chance.below(3);
  workload.keys = chance.magnitude(4, 200);
  workload.process_percent = std::array<std::uint64_t, 4>{0, 0, 30, 100}[chance.below(4)];
  workload.large_percent = std::array<std::uint64_t, 4>{0, 2, 5, 20}[chance.below(4)];
  workload.upkeep_percent = std::array<std::uint64_t, 3>{1, 4, 15}[chance.below(3)];
  workload.long_percent = std::array<std::uint64_t, 3>{0, 3, 15}[chance.below(3)];
  workload.steps_max = chance.magnitude(15, 400);
  return workload;
}

namespace {

Verb draw_verb(const Workload& workload, bool read_only, Chance& chance) {
  const bool upkeep = chance.percent(workload.upkeep_percent);
  const std::uint64_t draw = chance.below(100);
  if (upkeep) return draw < 25 ? Verb::sync : draw < 50 ? Verb::settle : draw < 60 ? Verb::check : Verb::look;
  if (read_only) return draw < 90 ? Verb::snapshot : Verb::rest;
  if (draw < 60) return Verb::transaction;
  if (draw < 75) return Verb::transact;
  return draw < 95 ? Verb::snapshot : Verb::rest;
}

}  // namespace

ProcessPlan draw_process(const Workload& workload, bool calm, Chance& chance, Choices& choices) {
  ProcessPlan plan;
  const bool at_once = chance.one_in(2);
  const std::uint64_t later = chance.magnitude(1'000, 500'000'000);
  plan.start_after = std::chrono::nanoseconds(at_once ? 0 : later);
  plan.read_only = chance.one_in(12);
  plan.closes = chance.percent(70);
  const bool hasty = chance.one_in(4);
  if (hasty && !calm) plan.deadline = std::chrono::milliseconds(200);
  plan.workers.resize(chance.between(1, 3));
  for (std::vector<PlannedStep>& steps : plan.workers) {
    const std::uint64_t count = chance.between(1, workload.steps_max);
    for (std::uint64_t i = 0; i < count; ++i) {
      const Verb verb = draw_verb(workload, plan.read_only, chance);
      const std::uint64_t seed = chance.next();
      if (choices.take(Optional::step)) steps.push_back({verb, seed});
    }
  }
  return plan;
}

}  // namespace ingot::simulator
