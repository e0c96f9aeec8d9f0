#include "api/scenario.h"

#include <algorithm>
#include <array>
#include <random>

namespace ingot::model {

namespace {

struct Weight {
  Verb verb;
  unsigned weight;
};
constexpr std::array<Weight, 22> kWeights = {{
    {Verb::put, 200},          {Verb::put_ttl, 30},  {Verb::put_brief, 8}, {Verb::erase, 60},
    {Verb::erase_range, 30},   {Verb::add, 80},      {Verb::expire, 30},   {Verb::get, 100},
    {Verb::get_record, 40},    {Verb::get_many, 30}, {Verb::scan, 120},    {Verb::peek, 20},
    {Verb::begin, 50},         {Verb::commit, 60},   {Verb::roll_back, 8}, {Verb::snapshot, 25},
    {Verb::drop_snapshot, 12}, {Verb::transact, 20}, {Verb::spaces, 8},    {Verb::settle, 14},
    {Verb::check, 2},          {Verb::reopen, 6},
}};

}  // namespace

Scenario make_scenario(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return static_cast<std::uint32_t>(random() % bound); };
  unsigned total = 0;
  for (const Weight& weight : kWeights) total += weight.weight;

  Scenario scenario;
  scenario.in_memory = below(3) != 0;
  scenario.handles = scenario.in_memory ? 1 : 1 + below(2);
  // Now and then large values, so that memtables fill and levels grow; mostly small ones, so that steps are quick.
  const bool large = below(12) == 0;
  const std::uint32_t keys = 1U << (2 + below(6));
  const std::size_t count = 20 + below(large ? 400 : 180);
  scenario.steps.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Step step;
    unsigned pick = below(total);
    for (const Weight& weight : kWeights) {
      if (pick < weight.weight) {
        step.verb = weight.verb;
        break;
      }
      pick -= weight.weight;
    }
    step.where = below(1000);
    step.space = below(8);
    step.key = below(keys);
    step.key2 = below(keys);
    step.range = below(6);
    step.amount = below(1000);
    step.bytes = below(20) == 0 ? below(6000) : below(40);
    if (large && below(4) == 0) step.bytes = 50'000 + below(400'000);
    scenario.steps.push_back(step);
  }
  return scenario;
}

Scenario shorten(Scenario scenario, const std::function<bool(const Scenario&)>& fails, std::size_t tries) {
  const auto try_it = [&](Scenario candidate) {
    if (tries == 0) return false;
    --tries;
    if (!fails(candidate)) return false;
    scenario = std::move(candidate);
    return true;
  };
  if (scenario.handles > 1) {
    Scenario candidate = scenario;
    candidate.handles = 1;
    try_it(std::move(candidate));
  }
  for (std::size_t piece = std::max<std::size_t>(1, scenario.steps.size() / 2); tries != 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at < scenario.steps.size() && tries != 0;) {
      Scenario candidate = scenario;
      const auto first = candidate.steps.begin() + static_cast<std::ptrdiff_t>(at);
      const auto last =
          candidate.steps.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, candidate.steps.size()));
      candidate.steps.erase(first, last);
      if (try_it(std::move(candidate))) {
        shorter = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !shorter) break;
    piece = std::max<std::size_t>(1, piece / 2);
  }
  // Smaller values say more about what matters.
  for (std::size_t i = 0; i < scenario.steps.size() && tries != 0; ++i) {
    if (scenario.steps[i].bytes <= 1) continue;
    Scenario candidate = scenario;
    candidate.steps[i].bytes = 1;
    try_it(std::move(candidate));
  }
  return scenario;
}

}  // namespace ingot::model
