// All steps of a state; time, and what befalls machines.
#include "model/steps.h"

#include <algorithm>

#include "model/packing.h"

namespace ingot::bucket_model {

State first_state(const World& world) {
  State state;
  for (int i = 0; i < static_cast<int>(world.roles.size()); ++i) {
    Process& process = state.processes[static_cast<std::size_t>(i)];
    process.life = Life::opening;
    process.owner = i;
  }
  state.kills = world.kills;
  state.copies = world.copies ? 1 : 0;
  return state;
}

Successor& Steps::add(Action action, int process, int a, int b) {
  return successors_.emplace_back(Successor{state_, Step{action, process, a, b}});
}

void Steps::all() {
  time_passes();
  carry_out_puts();
  carry_out_boundaries();
  carry_out_uploads();
  for (int i = 0; i < world_.processes(); ++i) {
    if (process(i).life == Life::absent) continue;
    kill(i);
    give_up(i);
    if (process(i).life != Life::open) {
      open(i);
      continue;
    }
    confirm(i);
    read(i);
    send(i);
    hear(i);
    if (world_.tails) write_tail(i);
    if (world_.uploads != 0) upload(i);
    if (world_.role(i).collects) collect(i);
  }
  copy_machine();
  for (Successor& successor : successors_) normalize(successor.state);
}

void Steps::time_passes() {
  const Times& times = world_.times;
  State& next = add(Action::time_passes).state;
  const auto grow = [](int& age, int most) {
    if (age != kNever) age = std::min(age + 1, most);
  };
  const int most = std::max(times.window, times.half) + times.skew + 1;
  for (Process& process : next.processes) {
    grow(process.confirmed, most);
    grow(process.observed, times.grace);
  }
  for (int& age : next.seen) grow(age, times.grace);
  for (Upload& upload : next.uploads) {
    grow(upload.modified, times.grace + 1);
    grow(upload.begun, times.adopt + times.window + times.skew + 1);
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
