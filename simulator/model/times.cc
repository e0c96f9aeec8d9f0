#include "model/times.h"

#include <algorithm>

#include "model/explorer.h"

namespace ingot::bucket_model {

namespace {

// A writer, and another that also collects.
World times_world(const char* name, const Times& times) {
  World world;
  world.name = name;
  world.times = times;
  world.roles = {Role{.name = 'A', .transactions = 1}, Role{.name = 'B', .transactions = 1, .collects = true}};
  world.slots = 1;
  world.boundaries = 1;
  return world;
}

World times_of_slots_world(const Times& times) {
  return times_world("slots", times);
}

World times_of_answers_world(const Times& times) {
  World world = times_world("answers", times);
  world.roles[0].transactions = 0;
  return world;
}

World times_of_uploads_world(const Times& times) {
  World world = times_world("uploads", times);
  world.roles[0].edits = 1;
  world.roles[1].transactions = 0;
  world.slots = 2;
  world.ancestors = 1;
  world.uploads = 1;
  return world;
}

World times_of_payloads_world(const Times& times) {
  World world = times_world("payloads", times);
  world.roles[0].edits = 1;
  world.slots = 2;
  world.uploads = 1;
  world.uploads_are = Uploads::payloads;
  return world;
}

World times_of_readers_world(const Times& times) {
  World world = times_world("readers", times);
  world.roles[0].transactions = world.roles[0].edits = 2;
  world.roles[1].transactions = 0;
  world.slots = 2;
  world.uploads = 2;
  return world;
}

bool times_of_slots_suffice(const Times& times) {
  return times.window + times.sitting + 2 * times.skew < times.grace;
}
bool times_of_answers_suffice(const Times& times) {
  return times.half + 2 * times.skew < times.grace;
}
bool times_of_uploads_suffice(const Times& times) {
  return times.adopt + times.window + times.sitting + 2 * times.skew < times.grace;
}
bool times_of_payloads_suffice(const Times& times) {
  return times.adopt + times.window + 2 * times.skew <= times.payload;
}
bool times_of_readers_suffice(const Times& times) {
  return times.reader + times.skew <= times.grace;
}

// Calls use(times) for all values of the four, from 0. Where a world is not small, skew is tried alone.
template <typename Use>
void for_each(const Times& most, Size size, const Use& use) {
  Times times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0, .payload = 0, .reader = 0, .skew = 0};
  for (times.skew = 0; times.skew <= most.skew; ++times.skew) {
    for (times.window = 0; times.window <= most.window; ++times.window) {
      for (times.sitting = 0; times.sitting <= most.sitting; ++times.sitting) {
        for (times.adopt = 0; times.adopt <= most.adopt; ++times.adopt) {
          const bool is_alone = times.window + times.sitting + times.adopt == 0;
          if (times.skew == 0 || is_alone || size == Size::large) use(times);
        }
      }
    }
  }
}

std::vector<Times> times_of_slots_tries(Size size) {
  const int most = size == Size::tiny ? 1 : 2;
  std::vector<Times> all;
  for_each({.window = most, .sitting = most, .adopt = 0, .skew = most}, Size::large, [&](Times times) {
    for (const int more : {1, 0}) {
      times.grace = times.window + times.sitting + 2 * times.skew + more;
      if (2 * times.skew < times.grace) all.push_back(times);  // or an answer, with half = 0, can be too old
    }
  });
  return all;
}

std::vector<Times> times_of_answers_tries(Size size) {
  const int most = size == Size::tiny ? 1 : 4;
  std::vector<Times> all;
  for (int skew = 0; skew <= std::min(most, 2); ++skew) {
    for (int half = 0; half <= most; ++half) {
      Times times{.window = 0, .sitting = 0, .grace = 1, .half = half, .adopt = 0, .reader = 0, .skew = skew};
      for (const int more : {1, 0}) {
        times.grace = half + 2 * skew + more;
        if (times.grace > 0) all.push_back(times);
      }
    }
  }
  return all;
}

std::vector<Times> times_of_uploads_tries(Size size) {
  const int most = size == Size::tiny ? 0 : 1;
  std::vector<Times> all;
  for_each({.window = most, .sitting = most, .adopt = 1, .skew = most}, size, [&](Times times) {
    for (const int more : {1, 0}) {
      times.grace = times.adopt + times.window + times.sitting + 2 * times.skew + more;
      if (times_of_slots_suffice(times) && times_of_answers_suffice(times)) all.push_back(times);
    }
  });
  return all;
}

// An answer counts at least as long as the date that it was confirmed with can be signed with.
std::vector<Times> times_of_payloads_tries(Size size) {
  const int most = size == Size::tiny ? 0 : 1;
  std::vector<Times> all;
  for_each({.window = most, .sitting = 0, .adopt = 1, .skew = most}, size, [&](Times times) {
    for (const int less : {0, 1}) {
      times.half = times.window;
      times.grace = times.window + 2 * times.skew + 1;
      times.payload = times.adopt + times.window + 2 * times.skew - less;
      if (times.payload >= 0) all.push_back(times);
    }
  });
  return all;
}

std::vector<Times> times_of_readers_tries(Size size) {
  std::vector<Times> all;
  for_each({.window = 0, .sitting = 0, .adopt = 1, .skew = size == Size::large ? 1 : 0}, size, [&](Times times) {
    for (const int more : {0, 1}) {
      times.grace = times.adopt + 2 * times.skew + 1;
      times.reader = times.grace - times.skew + more;
      all.push_back(times);
    }
  });
  return all;
}

}  // namespace

const std::vector<Inequality>& inequalities() {
  static const std::vector<Inequality> kAll = {
      {"slots", "window + sitting + 2 skew < grace: a put is over before its slot can be collected",
       times_of_slots_world, times_of_slots_suffice, times_of_slots_tries},
      {"answers", "half + 2 skew < grace: an answer counts only as long as its slot can't be collected",
       times_of_answers_world, times_of_answers_suffice, times_of_answers_tries},
      {"uploads", "adopt + window + sitting + 2 skew < grace: an upload is named before it can be swept, or never",
       times_of_uploads_world, times_of_uploads_suffice, times_of_uploads_tries},
      {"payloads", "adopt + window + 2 skew <= payload: what is older than that is named by no later slot",
       times_of_payloads_world, times_of_payloads_suffice, times_of_payloads_tries},
      {"readers", "reader + skew <= grace: a run that was replaced is there as long as that", times_of_readers_world,
       times_of_readers_suffice, times_of_readers_tries},
  };
  return kAll;
}

Tried try_times(const Inequality& inequality, const Times& times) {
  const Explored explored = explore(inequality.world(times), Effort{});
  Tried tried{.states = explored.states, .problem = {}};
  const bool should_hold = inequality.suffices(times);
  if (explored.is_whole && explored.violation.empty() == should_hold) return tried;
  const auto text = [](const char* name, int value) { return std::string(name) + " " + std::to_string(value) + ", "; };
  tried.problem = text("window", times.window) + text("sitting", times.sitting) + text("grace", times.grace) +
                  text("half", times.half) + text("adopt", times.adopt) + text("payload", times.payload) +
                  text("reader", times.reader) + text("skew", times.skew);
  if (!explored.is_whole) return tried.problem += "there is no room for all states", tried;
  tried.problem += should_hold ? "it holds, and " + explored.violation : "it does not hold, and nothing goes wrong";
  return tried;
}

}  // namespace ingot::bucket_model
