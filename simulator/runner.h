// Many seeds of one scenario, in worker processes: a seed that crashes or hangs fails alone, and memory that a killed
// simulated process took from malloc directly is given back when its worker ends.
#pragma once

#include <cstdint>
#include <string>

#include "scenario.h"

namespace ingot::simulator {

struct RunOptions {
  std::uint64_t first_seed = 0;
  std::uint64_t seeds = 1000;
  double hours = 0;  ///< 0: no limit
  std::uint64_t jobs = 1;
  bool print_trace = false;
  bool print_hashes = false;
  bool shortens = true;     ///< failing seeds, before they are printed
  Choices leave_out;        ///< of each seed
  std::string repeat_with;  ///< what else to say to run a seed again
};

struct RunCounts {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
};

/// Prints failures, and at the end what was done and `N passed, M failed`.
RunCounts run_seeds(const Scenario& scenario, const RunOptions& options);

}  // namespace ingot::simulator
