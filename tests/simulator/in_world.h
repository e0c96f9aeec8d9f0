// Runs a test's own director in a simulated world.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "scenario.h"

namespace ingot::simulator {

struct Ran {
  std::string failure;
  std::uint64_t hash = 0;
  Report report;
};

inline Ran in_world(std::uint64_t seed, const std::function<void(World&)>& director) {
  Ran ran;
  const auto trace = std::make_unique<Trace>(nullptr);
  Choices choices;
  {
    World world(seed, *trace, ran.report, choices);
    ran.failure = world.scheduler.run([&] { director(world); });
  }
  ran.hash = trace->hash();
  return ran;
}

}  // namespace ingot::simulator
