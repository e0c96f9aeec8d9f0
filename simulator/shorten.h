// Shortens a failing seed: runs it again and again, each time with something left out, in a child of its own (it may
// crash, or not end), and goes on with what fails in the same way.
#pragma once

#include <cstdint>
#include <string>

#include "choices.h"
#include "scenario.h"

namespace ingot::simulator {

struct Shortened {
  Choices choices;
  std::string story;  ///< what the shorter run comes to, its last steps, and how much shorter it is; empty: it passed
};

/// `leave_out`: what is left out already.
Shortened shorten_seed(const Scenario& scenario, std::uint64_t seed, const Choices& leave_out);

}  // namespace ingot::simulator
