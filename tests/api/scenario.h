// A scenario of the model test: a list of steps, each a few numbers that are read modulo what is there when it runs, so
// that any part of the list is a scenario too. That is what makes a failing one easy to shorten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ingot::model {

enum class Verb : std::uint8_t {
  put,
  put_ttl,    // lives for an hour
  put_brief,  // expires at once
  erase,
  erase_range,
  add,
  expire,
  get,
  get_record,
  get_many,
  scan,
  peek,
  begin,
  commit,
  roll_back,
  snapshot,
  drop_snapshot,
  transact,
  spaces,
  settle,
  check,
  reopen,
};

struct Step {
  Verb verb = Verb::get;
  std::uint32_t where = 0;  // which store handle, transaction or snapshot
  std::uint32_t space = 0;
  std::uint32_t key = 0;
  std::uint32_t key2 = 0;
  std::uint32_t range = 0;  // the range's shape
  std::uint32_t amount = 0;
  std::uint32_t bytes = 0;
};

struct Scenario {
  bool in_memory = false;
  std::uint32_t handles = 1;  // of the same directory
  std::vector<Step> steps;
};

// What the seed gives.
Scenario make_scenario(std::uint64_t seed);

// Runs it on a fresh store; empty, or what was wrong. `trace`: one line for each step.
std::string run(const Scenario& scenario, std::vector<std::string>* trace = nullptr);

// Leaves out what is not needed for `fails` to stay true, for as long as `tries` allow.
Scenario shorten(Scenario scenario, const std::function<bool(const Scenario&)>& fails, std::size_t tries);

}  // namespace ingot::model
