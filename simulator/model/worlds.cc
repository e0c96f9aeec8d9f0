#include "model/worlds.h"

#include <utility>

namespace ingot::bucket_model {

namespace {

Role writer(char name, int transactions) {
  return Role{.name = name, .transactions = transactions};
}
Role collector(char name) {
  return Role{.name = name, .collects = true};
}

// Two writers and a collector; commits end at deadlines; a writer is killed.
World writers_world(Size size) {
  World world;
  world.name = "writers";
  world.about = "two writers and a collector: outcomes, deadlines, kills, collected slots";
  world.roles = {writer('A', 1), writer('B', 1), collector('C')};
  world.slots = 2;
  world.boundaries = 1;
  world.deadlines = true;
  world.twins = 0;
  if (size == Size::tiny) world.times = Times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0};
  if (size == Size::large) {
    world.roles = {writer('A', 2), writer('B', 1), collector('C')};
    world.roles[0].may_be_killed = true;
    world.twins = -1;
    world.slots = 3;
    world.kills = 1;
  }
  return world;
}

World collectors_world(Size size) {
  World world;
  world.name = "collectors";
  world.about = "a writer and two collectors, one of which takes over from the other";
  world.roles = {writer('A', 2), collector('C'), collector('D')};
  world.roles[1].may_be_killed = true;
  world.slots = 2;
  world.boundaries = 2;
  world.kills = 1;
  if (size == Size::tiny) {
    world.boundaries = 1;
    world.kills = 0;
    world.times = Times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0};
  }
  if (size == Size::large) {
    world.roles[0].transactions = 3;
    world.slots = 3;
  }
  return world;
}

World copies_world(Size size) {
  World world;
  world.name = "copies";
  world.about = "a writer whose machine is copied with a request in flight, and a collector";
  world.roles = {writer('A', 2), collector('C')};
  world.copies = true;
  world.slots = 3;
  world.boundaries = 1;
  if (size == Size::tiny) world.times = Times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0};
  if (size == Size::large) {
    world.slots = 4;
    world.deadlines = true;
  }
  return world;
}

World uploads_world(Size size) {
  World world;
  world.name = "uploads";
  world.about = "a writer that names uploads, another that only competes, and a sweeper";
  world.roles = {writer('A', 1), writer('B', 1), collector('C')};
  world.roles[0].names_uploads = true;
  world.slots = 2;
  world.uploads = 1;
  world.deadlines = true;
  if (size == Size::tiny) world.times = Times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0};
  if (size == Size::large) {
    world.roles[0].transactions = 2;
    world.uploads = 2;
  }
  return world;
}

World payloads_world(Size size) {
  World world = uploads_world(size);
  world.name = "payloads";
  world.about = "a writer whose entries have their payload in an object, and a sweeper that opens from a checkpoint";
  world.roles = {world.roles[0], collector('C')};
  world.roles[1].may_be_killed = true;
  world.names_are_in_slots = true;
  world.boundaries = size == Size::large ? 1 : 0;
  world.kills = 1;
  return world;
}

World openings_world(Size size) {
  World world;
  world.name = "openings";
  world.about = "a reader that opens slowly, with listings that are no snapshot, tails, and answers looked at late";
  world.roles = {writer('A', 2), collector('C'), Role{.name = 'R'}};
  world.slots = 2;
  world.boundaries = 1;
  world.slow_listing = true;
  world.answers_are_held = true;
  world.times = Times{.window = 0, .sitting = 0, .grace = 1, .half = 0, .adopt = 0};
  if (size != Size::tiny) world.tails = true;
  if (size == Size::large) {
    world.roles[0].transactions = 3;
    world.slots = 3;
    world.boundaries = 2;
  }
  return world;
}

}  // namespace

std::vector<World> worlds(Size size) {
  return {writers_world(size), collectors_world(size), copies_world(size),
          uploads_world(size), payloads_world(size),   openings_world(size)};
}

World broken_world(Broken broken) {
  World world;
  switch (broken) {
    case Broken::signs_with_true_time:
    case Broken::no_reader_rule:
    case Broken::own_clock:
    case Broken::grace_too_short:
    case Broken::half_too_long:
    case Broken::trusts_time_out:
    case Broken::trusts_absence:
    case Broken::trusts_refusal:
    case Broken::no_session_row:
    case Broken::deletes_early:
      world = writers_world(Size::small);
      break;
    case Broken::one_nonce:
    case Broken::row_without_nonce:
      world = copies_world(Size::small);
      break;
    case Broken::second_collector_does_not_wait:
    case Broken::boundary_is_removed:
    case Broken::walk_stops:
    case Broken::checkpoint_not_read_back:
      world = collectors_world(Size::small);
      break;
    case Broken::number_without_slot:
    case Broken::tail_with_gap:
    case Broken::row_of_any_checkpoint:
      world = openings_world(Size::small);
      break;
    case Broken::adopts_old:
    case Broken::adopts_too_long:
    case Broken::age_checked_once:
    case Broken::age_from_answer:
    case Broken::deletes_after_failure:
    case Broken::tail_before_listing:
      world = uploads_world(Size::small);
      break;
    case Broken::names_since_checkpoint:
    case Broken::count:
      world = payloads_world(Size::small);
      break;
  }
  world.broken.set(static_cast<std::size_t>(broken));
  if (broken == Broken::grace_too_short) --world.times.grace;
  if (broken == Broken::half_too_long) ++world.times.half;
  if (broken == Broken::adopts_too_long) ++world.times.adopt;
  return world;
}

const char* broken_name(Broken broken) {
  static constexpr const char* kNames[] = {
      "signs_with_true_time",
      "no_reader_rule",
      "own_clock",
      "grace_too_short",
      "half_too_long",
      "trusts_time_out",
      "trusts_absence",
      "trusts_refusal",
      "no_session_row",
      "row_of_any_checkpoint",
      "one_nonce",
      "row_without_nonce",
      "deletes_early",
      "second_collector_does_not_wait",
      "boundary_is_removed",
      "walk_stops",
      "number_without_slot",
      "checkpoint_not_read_back",
      "tail_with_gap",
      "adopts_old",
      "adopts_too_long",
      "age_checked_once",
      "age_from_answer",
      "deletes_after_failure",
      "tail_before_listing",
      "names_since_checkpoint",
  };
  static_assert(std::size(kNames) == static_cast<std::size_t>(Broken::count));
  return kNames[static_cast<std::size_t>(broken)];
}

const char* broken_means(Broken broken) {
  static constexpr const char* kMeanings[] = {
      "puts are signed with the true time, not with the date of the confirmation",
      "what is read counts without a confirmation of the boundary",
      "the age of a confirmation is measured by a clock that stands still while the machine does",
      "the grace period is one step too short",
      "answers count one step too long after the confirmation",
      "a put that was not answered by the deadline is reported as never to be",
      "a slot that is empty after a put was not answered proves that it never will be",
      "an answer that says \"not done\" to one copy of a put is taken for the fate of all",
      "the checkpoint has no row for a session's last commit",
      "the session's row is looked up in whatever checkpoint is at hand",
      "a process has one nonce for all its attempts",
      "the session's row has the sequence, but nothing that tells two attempts with the same one apart",
      "slots are deleted as soon as the boundary is there",
      "a second collector takes the boundary's existence for the end of the grace period",
      "the boundary is removed after its slots",
      "a process that finds the next boundary does not ask for the one after it",
      "a boundary's number is taken from a checkpoint's name, and its slot is not read",
      "a boundary names a checkpoint that was not read back",
      "a tail is used that begins after the checkpoint",
      "entries name uploads of any age",
      "entries name uploads that are one step too old",
      "the age of the upload is checked when the attempt begins, and not for each signature",
      "the age of an upload counts from the answer to its put",
      "a writer whose commit failed deletes its upload",
      "the sweeper does not read the log between its LIST and its DELETE",
      "the sweeper knows the names in the slots that it has read since its checkpoint",
  };
  static_assert(std::size(kMeanings) == static_cast<std::size_t>(Broken::count));
  return kMeanings[static_cast<std::size_t>(broken)];
}

World slot_times_world(const Times& times) {
  World world;
  world.name = "times of slots";
  world.roles = {writer('A', 1), writer('B', 1), collector('C')};
  world.slots = 1;
  world.boundaries = 1;
  world.twins = 0;
  world.times = times;
  return world;
}

World answer_times_world(const Times& times) {
  World world = slot_times_world(times);
  world.name = "times of answers";
  world.roles = {writer('A', 1), collector('C')};
  world.twins = -1;
  return world;
}

World upload_times_world(const Times& times) {
  World world;
  world.name = "times of uploads";
  world.roles = {writer('A', 1), collector('C')};
  world.roles[0].names_uploads = true;
  world.slots = 1;
  world.uploads = 1;
  world.times = times;
  return world;
}

bool slot_times_suffice(const Times& times) {
  return times.window + times.sitting + 2 * times.skew < times.grace;
}
bool answer_times_suffice(const Times& times) {
  return times.half + 2 * times.skew < times.grace;
}
bool upload_times_suffice(const Times& times) {
  return times.adopt + times.window + times.sitting + 2 * times.skew <= times.grace;
}

}  // namespace ingot::bucket_model
