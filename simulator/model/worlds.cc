#include "model/worlds.h"

namespace ingot::bucket_model {

namespace {

// The shortest with which all rules still have something to say.
constexpr Times kShort{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0, .payload = 0, .reader = 1};
// The shortest with a window, and with both.
constexpr Times kMiddle{.window = 1, .sitting = 0, .grace = 2, .half = 1, .adopt = 0, .payload = 2, .reader = 2};
constexpr Times kLong{.window = 1, .sitting = 1, .grace = 3, .half = 2, .adopt = 0, .payload = 2, .reader = 3};
// The same where uploads are named some time after they were made.
constexpr Times kMiddleAdopting{
    .window = 1, .sitting = 0, .grace = 3, .half = 1, .adopt = 1, .payload = 2, .reader = 3};
constexpr Times kLongAdopting{.window = 1, .sitting = 1, .grace = 4, .half = 2, .adopt = 1, .payload = 2, .reader = 4};

Times times_of(Size size) {
  switch (size) {
    case Size::tiny:
      return kShort;
    case Size::small:
      return kMiddle;
    case Size::large:
      break;
  }
  return kLong;
}

Times adopting_times_of(Size size) {
  switch (size) {
    case Size::tiny:
      return kShort;
    case Size::small:
      return kMiddleAdopting;
    case Size::large:
      break;
  }
  return kLongAdopting;
}

Role writer(char name, int transactions) {
  return Role{.name = name, .transactions = transactions};
}
Role collector(char name) {
  return Role{.name = name, .collects = true};
}

World writers_world(Size size) {
  World world;
  world.name = "writers";
  world.about = "two writers and a collector: outcomes, deadlines, collected slots";
  world.times = times_of(size);
  world.roles = {writer('A', 1), writer('B', 1), collector('C')};
  world.slots = 2;
  world.boundaries = 1;
  world.deadlines = size == Size::large ? 2 : 1;
  world.twins = 0;
  if (size == Size::tiny) world.slots = 1;
  return world;
}

World kills_world(Size size) {
  World world;
  world.name = "kills";
  world.about = "a writer that is killed, and another that also collects";
  world.times = size == Size::large ? kMiddle : kShort;
  world.roles = {writer('A', size == Size::tiny ? 1 : 2), writer('B', 1)};
  world.roles[0].may_be_killed = true;
  world.roles[1].collects = true;
  world.slots = size == Size::large ? 3 : 2;
  world.boundaries = 1;
  world.kills = 1;
  world.deadlines = size == Size::tiny ? 0 : 1;
  world.requests = 8;
  return world;
}

World rechecks_world(Size size) {
  World world;
  world.name = "rechecks";
  world.about = "a writer that puts its first entry once more, and a collector";
  world.times = times_of(size);
  world.roles = {writer('A', 2), collector('C')};
  world.slots = 2;
  world.boundaries = 1;
  world.rechecks = true;
  return world;
}

World months_world(Size size) {
  World world;
  world.name = "months";
  world.about = "a writer that may sleep until its session's row has expired, and another that also collects";
  world.times = size == Size::large ? kMiddle : kShort;
  world.roles = {writer('A', 1), writer('B', 1)};
  world.roles[1].collects = true;
  world.slots = size == Size::tiny ? 2 : 3;
  world.boundaries = 1;
  world.months = true;
  return world;
}

World collectors_world(Size size) {
  World world;
  world.name = "collectors";
  world.about = "a writer and two collectors, one of which takes over from the other";
  world.times = size == Size::large ? kLong : kShort;
  world.roles = {writer('A', size == Size::tiny ? 1 : 2), collector('C'), collector('D')};
  world.slots = size == Size::tiny ? 1 : 2;
  world.boundaries = size == Size::tiny ? 1 : 2;
  if (size != Size::tiny) {
    world.roles[1].may_be_killed = true;
    world.kills = 1;
  }
  return world;
}

World copies_world(Size size) {
  World world;
  world.name = "copies";
  world.about = "a writer whose machine is copied with a request in flight; each also collects";
  world.times = kShort;
  world.roles = {writer('A', 2)};
  world.roles[0].collects = true;
  world.copies = true;
  world.slots = size == Size::tiny ? 2 : 3;
  world.boundaries = 1;
  world.months = size == Size::tiny;
  if (size == Size::large) {
    world.deadlines = 2;
    world.requests = 9;
  }
  return world;
}

World uploads_world(Size size) {
  World world;
  world.name = "uploads";
  world.about = "a writer that names a run, and another that only competes, and collects";
  world.times = adopting_times_of(size);
  world.roles = {writer('A', 1), writer('B', 1)};
  world.roles[0].edits = 1;
  world.roles[1].collects = true;
  world.slots = 2;
  world.boundaries = 1;
  world.uploads = 1;
  world.deadlines = size == Size::tiny ? 0 : size == Size::small ? 1 : 2;
  return world;
}

World runs_world(Size size) {
  World world;
  world.name = "runs";
  world.about = "a writer whose second run replaces its first, and a collector";
  world.times = adopting_times_of(size);
  world.roles = {writer('A', 3), collector('C')};
  world.roles[0].edits = 2;
  world.slots = 3;
  world.boundaries = 1;
  world.uploads = 2;
  world.start_lags = true;
  return world;
}

// The same where the replay's start moves on between the runs.
World boundaries_world(Size size) {
  World world = runs_world(size);
  world.name = "boundaries";
  world.about = "a writer whose second run replaces its first, and another that also collects, twice";
  world.times = size == Size::large ? kMiddle : kShort;
  world.roles = {writer('A', 3), writer('B', 1)};
  world.roles[0].edits = 2;
  world.roles[1].collects = true;
  world.slots = size == Size::tiny ? 2 : 4;
  world.boundaries = 2;
  world.requests = 8;
  return world;
}

// Two that sweep below the same boundary, or one after the other, each with a graveyard of its own.
World graveyards_world(Size size) {
  World world = runs_world(Size::tiny);
  world.name = "graveyards";
  world.about = "a writer whose second run replaces its first, and two that collect";
  world.roles.push_back(collector('D'));
  if (size == Size::tiny) {
    world.roles[0].transactions = 2;
    world.slots = 2;
  }
  if (size == Size::large) {
    world.roles[1].may_be_killed = true;
    world.kills = 1;
  }
  return world;
}

World payloads_world(Size size) {
  World world;
  world.name = "payloads";
  world.about = "a writer whose entry has its payload in an object, and another that only competes, and collects";
  world.times = adopting_times_of(size);
  world.roles = {writer('A', 1), writer('B', 1)};
  world.roles[0].edits = 1;
  world.roles[1].collects = true;
  world.slots = 2;
  world.boundaries = 1;
  world.uploads = size == Size::large ? 2 : 1;
  world.uploads_are = Uploads::payloads;
  return world;
}

World openings_world(Size size) {
  World world;
  world.name = "openings";
  world.about = "a reader that opens slowly, with listings that are no snapshot, tails, and answers looked at late";
  world.times = kShort;
  world.roles = {writer('A', 2), Role{.name = 'R'}};
  world.roles[0].collects = true;
  world.slots = 2;
  world.boundaries = 1;
  world.slow_listing = true;
  world.answers_are_held = true;
  world.tails = true;
  if (size != Size::tiny) {
    world.roles.push_back(collector('C'));
    world.roles[0].collects = false;
  }
  if (size == Size::large) {
    world.roles[0].transactions = 3;
    world.slots = 3;
  }
  return world;
}

// The smallest that has both a writer and something to collect.
World simple_world() {
  World world;
  world.name = "simple";
  world.about = "a writer and a collector";
  world.times = kShort;
  world.roles = {writer('A', 2), collector('C')};
  world.slots = 2;
  world.boundaries = 1;
  return world;
}

}  // namespace

const char* size_name(Size size) {
  switch (size) {
    case Size::tiny:
      return "tiny";
    case Size::small:
      return "small";
    case Size::large:
      break;
  }
  return "large";
}

std::vector<World> worlds(Size size) {
  return {writers_world(size),    kills_world(size),      rechecks_world(size), months_world(size),
          collectors_world(size), copies_world(size),     uploads_world(size),  runs_world(size),
          boundaries_world(size), graveyards_world(size), payloads_world(size), openings_world(size)};
}

World broken_world(Broken broken) {
  World world = simple_world();
  switch (broken) {
    case Broken::signs_with_true_time:
    case Broken::no_reader_rule:
    case Broken::own_clock:
    case Broken::no_session_row:
    case Broken::row_without_opening_anew:
    case Broken::deletes_early:
    case Broken::boundary_is_removed:
    case Broken::checkpoint_not_read_back:
    case Broken::checkpoint_not_held:
    case Broken::count:
      break;
    case Broken::grace_too_short:
      world.times = {.window = 1, .sitting = 0, .grace = 1, .half = 0, .adopt = 0, .payload = 1, .reader = 1};
      break;
    case Broken::half_too_long:
      world.times.half = world.times.grace;
      break;
    case Broken::seen_by_first_answer:
      world.times = {.window = 0, .sitting = 1, .grace = 2, .half = 0, .adopt = 0, .payload = 0, .reader = 2};
      break;
    case Broken::trusts_time_out:
    case Broken::trusts_absence:
    case Broken::trusts_refusal:
    case Broken::row_forgets_attempt:
      world.deadlines = 2;
      break;
    case Broken::expired_row_is_none:
      world = months_world(Size::small);
      break;
    case Broken::one_nonce:
    case Broken::row_without_nonce:
      world = copies_world(Size::tiny);
      world.months = false;
      world.slots = 3;
      break;
    case Broken::counts_alone:
      world = copies_world(Size::tiny);
      world.months = false;
      world.slots = 3;
      world.deadlines = 2;
      world.requests = 9;
      break;
    case Broken::second_collector_does_not_wait:
      world.roles = {writer('A', 2), collector('C'), collector('D')};
      break;
    case Broken::walk_stops:
      world.roles = {writer('A', 2), Role{.name = 'R'}};
      world.roles[0].collects = true;
      world.boundaries = 2;
      break;
    case Broken::boundary_below_checkpoint:
      world.roles = {writer('A', 3), collector('C')};
      world.roles[0].collects = true;
      world.slots = 3;
      world.boundaries = 2;
      break;
    case Broken::number_without_slot:
    case Broken::tail_with_gap:
      world = openings_world(Size::tiny);
      break;
    case Broken::rechecks_collected_slot:
      world = rechecks_world(Size::tiny);
      break;
    case Broken::adopts_old:
    case Broken::age_checked_once:
    case Broken::age_from_answer:
    case Broken::age_from_last_put:
    case Broken::sweeps_unread_log:
    case Broken::dooms_all_removed:
    case Broken::forgets_graveyard:
      world = runs_world(Size::tiny);
      break;
    case Broken::adopts_too_long:
      world = runs_world(Size::tiny);
      ++world.times.adopt;
      break;
    case Broken::deletes_after_failure:
      world = uploads_world(Size::tiny);
      world.deadlines = 1;
      break;
    case Broken::payloads_swept_by_name:
      world = payloads_world(Size::tiny);
      world.roles = {writer('A', 2), collector('C')};
      world.roles[0].edits = 1;
      world.roles[1].may_be_killed = true;
      world.kills = 1;
      break;
    case Broken::payloads_swept_young:
      world = payloads_world(Size::tiny);
      world.times = {.window = 1, .sitting = 0, .grace = 2, .half = 1, .adopt = 0, .payload = 0, .reader = 2};
      break;
  }
  world.broken.set(static_cast<std::size_t>(broken));
  return world;
}

}  // namespace ingot::bucket_model
