// All steps of a state; time, and what befalls machines.
#include "model/steps.h"

#include <algorithm>

#include "model/packing.h"

namespace ingot::bucket_model {

namespace {

// One step older, and no older than makes a difference.
void grow(int& age, int most) {
  if (age != kNever) age = std::min(age + 1, most);
}

}  // namespace

State first_state(const World& world) {
  State state;
  for (int i = 0; i < static_cast<int>(world.roles.size()); ++i) {
    Process& process = state.processes[static_cast<std::size_t>(i)];
    process.life = Life::opening;
    process.owner = i;
  }
  for (int slot = 1; slot <= world.ancestors; ++slot) {
    state.won(slot) = Entry({.owner = kProcessesMax - 1, .sequence = slot, .transaction = 1});
  }
  state.deadlines = world.deadlines;
  state.kills = world.kills;
  state.copies = world.copies ? 1 : 0;
  return state;
}

int replay_start(const World& world, const State& state, int checkpoint) {
  if (!world.start_lags) return checkpoint;
  int start = 1;
  bool has_commits = false;
  for (int slot = 1; slot < checkpoint; ++slot) {
    const bool edit = state.won(slot).upload() != 0;
    if (edit && has_commits) start = slot;
    has_commits = !edit;
  }
  return start;
}

int first_left(const World& world, const State& state, int number) {
  if (number == 0) return 1;
  const int start = replay_start(world, state, state.boundaries[static_cast<std::size_t>(number)]);
  return world.breaks(Broken::boundary_below_checkpoint) ? std::max(1, start - 2) : start;
}

bool is_named(const State& state, int upload, int upto) {
  for (int slot = 1; slot <= upto; ++slot) {
    if (state.won(slot).upload() == upload) return true;
  }
  return false;
}

int newest_run(const State& state, int upto) {
  for (int slot = upto; slot >= 1; --slot) {
    if (state.won(slot).upload() != 0) return state.won(slot).upload();
  }
  return 0;
}

Successor& Steps::add(Action action, int process, int a, int b) {
  return successors_.emplace_back(Successor{state_, Step{action, process, a, b}});
}

void Steps::all() {
  time_passes();
  if (world_.months) month_passes();
  carry_out_puts();
  carry_out_boundaries();
  carry_out_uploads();
  for (int i = 0; i < world_.processes(); ++i) {
    if (process(i).life != Life::absent) all_of(i);
  }
  copy_machine();
  for (Successor& successor : successors_) normalize(successor.state);
}

void Steps::all_of(int i) {
  kill(i);
  give_up(i);
  if (process(i).life != Life::open) return open(i);
  if (is_finished(i)) return;
  confirm(i);
  read(i);
  send(i);
  hear(i);
  if (world_.rechecks) recheck(i);
  if (world_.tails) write_tail(i);
  if (world_.uploads != 0) upload(i);
  if (world_.role(i).collects) collect(i);
}

// It has nothing left to do in this world, whatever others do: no slot is left to read.
bool Steps::is_finished(int i) const {
  const Process& idle = process(i);
  return idle.position == world_.slots && idle.recheck == 0 && !world_.role(i).collects;
}

void Steps::time_passes() {
  const Times& times = world_.times;
  State& next = add(Action::time_passes).state;
  const int counts_until = std::max(times.window, times.half) + times.skew;
  const bool forgets = !breaks(Broken::own_clock) && !breaks(Broken::signs_with_true_time);
  for (int i = 0; i < world_.processes(); ++i) {
    Process& one = process(next, i);
    if (is_finished(i)) continue;
    grow(one.confirmed, counts_until + 1);
    if (forgets && one.confirmed > counts_until) one.confirmed = kNever;
  }
  for (int& age : next.made) grow(age, times.grace);
  for (int& age : next.seen) grow(age, times.grace);
  const int modified_most =
      world_.has_runs() ? times.grace + times.skew + times.sitting + 1 : times.payload + times.skew + 1;
  for (Upload& upload : next.uploads) {
    grow(upload.modified, modified_most);
    grow(upload.begun, times.adopt + times.window + times.skew + 1);
    grow(upload.removed, times.reader);
    upload.left = std::max(0, upload.left - 1);
  }
  for (Request& request : next.wire) {
    if (request.left > 1) {
      --request.left;
    } else {
      request = {};
    }
  }
}

// All that waits for time has waited long enough.
void Steps::month_passes() {
  if (state_.month != 0) return;
  State& next = add(Action::month_passes).state;
  next.month = 1;
  for (Process& process : next.processes) process.confirmed = kNever;
  const auto grow_old = [](int& age, int most) {
    if (age != kNever) age = most;
  };
  for (int& age : next.made) grow_old(age, world_.times.grace);
  for (int& age : next.seen) grow_old(age, world_.times.grace);
  next.wire.fill({});
}

// It is started again at once, as a new session, or stays away: nobody can tell that from one that sleeps.
void Steps::kill(int i) {
  if (state_.kills == 0 || !world_.role(i).may_be_killed) return;
  if (process(i).epoch != 0) return;  // the sessions of a world are counted
  State& next = add(Action::is_killed, i).state;
  --next.kills;
  Process& killed = process(next, i);
  Process born;
  born.life = Life::opening;
  born.owner = killed.owner;
  born.epoch = 1;
  born.heir = killed.heir;
  born.fates = killed.fates;
  born.transaction = killed.transaction;
  if (!killed.attempt.empty()) {
    fate_of(born, killed.attempt) = Fate::abandoned;
    ++born.transaction;
  }
  if (!killed.earlier.empty()) fate_of(born, killed.earlier) = Fate::abandoned;
  killed = born;
}

// With a request in flight: without one the two are as strangers but for the session.
void Steps::copy_machine() {
  if (state_.copies == 0 || process(0).life != Life::open || process(0).attempt.empty()) return;
  State& next = add(Action::is_copied, 0).state;
  next.copies = 0;
  Process& copy = process(next, world_.processes() - 1);
  copy = process(0);
  copy.heir = 2;
  process(next, 0).heir = 1;
}

const Role& World::role(int process) const {
  const auto index = static_cast<std::size_t>(process);
  return index < roles.size() ? roles[index] : roles.front();
}

bool settled(const World& world, const State& state) {
  for (int i = 0; i < world.processes(); ++i) {
    const Process& process = state.processes[static_cast<std::size_t>(i)];
    if (process.life == Life::absent || process.position == world.slots) continue;
    if (process.life != Life::open || !process.attempt.empty()) return false;
    if (process.transaction <= world.role(i).transactions) return false;
    if (!process.earlier.empty() && !state.won(process.position + 1).empty()) return false;
  }
  return true;
}

}  // namespace ingot::bucket_model
