// The inequalities that the protocol's times must keep, and worlds in which only times matter, to check each: nothing
// goes wrong there if and only if it holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/world.h"
#include "model/worlds.h"

namespace ingot::bucket_model {

struct Inequality {
  const char* name;
  const char* says;
  World (*world)(const Times& times);
  bool (*suffices)(const Times& times);
  /// Small times: the last that suffice, and the first that do not, where the other inequalities hold.
  std::vector<Times> (*times_to_try)(Size size);
};

const std::vector<Inequality>& inequalities();

struct Tried {
  std::uint64_t states = 0;
  std::string problem;  ///< empty: what happens in the world is what the inequality says
};

/// Explores the inequality's world with these times.
Tried try_times(const Inequality& inequality, const Times& times);

}  // namespace ingot::bucket_model
