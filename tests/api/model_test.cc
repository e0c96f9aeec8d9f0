// The public API against a naive model: random scenarios, shortened when they fail.
//   INGOT_MODEL_SECONDS  how long (20)      INGOT_MODEL_SEED  this seed alone, with its trace
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "api/scenario.h"
#include "base/testing.h"

namespace ingot {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string story(std::uint64_t seed, const model::Scenario& found) {
  const model::Scenario shorter = model::shorten(
      found, [](const model::Scenario& candidate) { return !model::run(candidate).empty(); }, 2000);
  std::vector<std::string> trace;
  std::string text = model::run(shorter, &trace);
  if (text.empty()) text = "(it does not fail each time)";
  text = "seed " + std::to_string(seed) + ", " + (shorter.in_memory ? "in memory" : "in a directory") + ", " +
         std::to_string(shorter.handles) + " handle(s): " + text + "\nafter these " + std::to_string(trace.size()) +
         " steps (of " + std::to_string(found.steps.size()) + "):\n";
  for (const std::string& line : trace) text += "  " + line + "\n";
  return text;
}

// However slow the machine is.
constexpr std::uint64_t kScenariosMin = 20;

TEST(Model, RandomScenariosAreWhatANaiveStoreWouldDo) {
  if (const std::uint64_t seed = number_from("INGOT_MODEL_SEED", 0); seed != 0) {
    const model::Scenario scenario = model::make_scenario(seed);
    ASSERT_EQ(model::run(scenario), "") << story(seed, scenario);
    return;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(number_from("INGOT_MODEL_SECONDS", 20));
  std::uint64_t seed = 1;
  std::uint64_t steps = 0;
  for (; seed <= kScenariosMin || std::chrono::steady_clock::now() < end; ++seed) {
    const model::Scenario scenario = model::make_scenario(seed);
    const std::string wrong = model::run(scenario);
    steps += scenario.steps.size();
    ASSERT_EQ(wrong, "") << story(seed, scenario);
  }
  std::cout << seed - 1 << " scenarios, " << steps << " steps\n";
}

class ModelCatches : public ::testing::TestWithParam<base::Break> {};

TEST_P(ModelCatches, TheBreak) {
  base::set_break(GetParam(), true);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::string wrong;
  std::uint64_t seed = 1;
  for (; wrong.empty() && (seed <= kScenariosMin || std::chrono::steady_clock::now() < end); ++seed)
    wrong = model::run(model::make_scenario(seed));
  base::set_break(GetParam(), false);
  EXPECT_NE(wrong, "") << "not one of " << seed - 1 << " scenarios noticed " << base::break_name(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Breaks, ModelCatches,
                         ::testing::Values(base::Break::engine_skip_validation,
                                           base::Break::engine_skip_range_validation,
                                           base::Break::engine_flush_skip_record, base::Break::engine_stale_snapshot,
                                           base::Break::engine_ignore_expiry, base::Break::run_filter_false_negative),
                         [](const auto& chosen) { return std::string(base::break_name(chosen.param)); });

}  // namespace
}  // namespace ingot
