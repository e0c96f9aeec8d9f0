// Explores a world: every state that can be reached, breadth first, so the first violation has a shortest trace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/world.h"

namespace ingot::bucket_model {

struct Explored {
  std::uint64_t states = 0;
  std::uint64_t steps = 0;         ///< between them
  std::uint64_t bytes = 0;         ///< of memory
  int depth = 0;                   ///< of the farthest state, or of the violation
  bool is_whole = true;            ///< false: there are more states than were allowed, or than have room
  std::string violation;           ///< empty: nothing went wrong
  std::vector<std::string> trace;  ///< the steps to it, in words
};

struct Effort {
  std::uint64_t states_max = ~0ULL;
  std::uint64_t bytes_max = 7ULL << 30;  ///< of memory
  /// Also that each state has a way on to one in which everything is decided.
  bool checks_progress = false;
};

Explored explore(const World& world, const Effort& effort);

}  // namespace ingot::bucket_model
