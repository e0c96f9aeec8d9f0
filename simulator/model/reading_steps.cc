// Confirming the boundary, and reading the next slot.
#include <algorithm>

#include "model/steps.h"

namespace ingot::bucket_model {

// boundary/<known + 1> is asked for, and the ones after it while they are there. The last answer is what counts:
// "absent" at its date. The steps before it change nothing, so they are not steps of the model.
void Steps::confirm(int i) {
  const Process& before = process(i);
  const auto learn = [&](Action action, int number, int age) {
    Process after = before;
    if (number != before.known) after.is_blind = false;
    after.known = number;
    after.confirmed = age;
    if (after.held != Held::nothing) after.held_counts = true;
    if (first_left(world_, state_, number) > after.position + 1 && !after.is_blind) {
      after.life = Life::opening;
      after.held = Held::nothing;
      after.held_counts = after.attempt_done = after.earlier_done = false;
      after.recheck = 0;
      if (breaks(Broken::row_without_opening_anew)) settle_by_row(after, after.position);
      action = Action::finds_gone;
    }
    process(add(action, i, number).state, i) = after;
  };
  const int newest = state_.newest_boundary();
  for (int age = 0; age <= world_.times.skew; ++age) {
    if (newest == before.known && age >= before.confirmed) break;  // knowledge only moves forward
    learn(Action::confirms, newest, age);
  }
  if (breaks(Broken::walk_stops) && newest >= before.known + 2) learn(Action::confirms_one, before.known + 1, 0);
  if (breaks(Broken::boundary_is_removed) && newest == before.known + 1 && before.confirmed != 0) {
    const int seen = state_.seen[static_cast<std::size_t>(newest)];
    if (seen != kNever && seen >= world_.times.grace) learn(Action::confirms_removed, before.known, 0);
  }
}

// Whether an answer about the next slot counts, if it comes now.
bool Steps::knows_slot(const Process& process) const {
  if (breaks(Broken::no_reader_rule)) return true;
  if (process.confirmed == kNever) return false;
  return process.confirmed <= world_.times.half + world_.times.skew || breaks(Broken::own_clock);
}

void Steps::read(int i) {
  const Process& reader = process(i);
  const int slot = reader.position + 1;
  if (slot > world_.slots) return find_end(i);
  if (reader.held != Held::nothing) {
    if (reader.held_counts) look(i, reader.held);
    return;
  }
  Held answer = Held::bytes;
  if (state_.won(slot).empty()) answer = Held::absent;
  if (state_.is_deleted(slot)) answer = Held::collected;
  if (!world_.answers_are_held) {
    if (knows_slot(reader)) look(i, answer);
    return;
  }
  Process& next = process(add(Action::gets, i, slot).state, i);
  next.held = answer;
  next.held_counts = knows_slot(reader);
}

void Steps::look(int i, Held answer) {
  const Process& reader = process(i);
  const int slot = reader.position + 1;
  if (answer == Held::bytes) {
    Successor& found = add(Action::reads, i, slot);
    consume(process(found.state, i), state_.won(slot));
    return;
  }
  if (answer == Held::collected) {
    Successor& found = add(Action::finds_absent, i, slot);
    found.violation = "P3: the slot was collected, and is taken for the end of the log";
    return;
  }
  if (breaks(Broken::trusts_absence) && !reader.attempt.empty()) {
    Process& next = process(add(Action::gives_up_not_there, i, slot).state, i);
    fate_of(next, next.attempt) = Fate::unavailable;
    next.attempt = {};
    next.attempt_done = false;
    ++next.transaction;
  }
  if (reader.held != Held::nothing) {
    Process& next = process(add(Action::finds_absent, i, slot).state, i);
    next.held = Held::nothing;
    next.held_counts = false;
  }
  find_end(i);
}

// Whoever sweeps runs has read the log to its end, after the grace period.
void Steps::find_end(int i) {
  const Process& sweeper = process(i);
  if (!goes_by_names() || sweeper.sweeping == 0 || sweeper.tail_read || !knows_slot(sweeper)) return;
  process(add(Action::finds_absent, i, sweeper.position + 1).state, i).tail_read = true;
}

bool Steps::takes_for_own(const Entry& own, const Entry& won) const {
  return own == won || (breaks(Broken::one_nonce) && own.same_session(won));
}

// Of this process, or of its machine's copy. It counts on from what it has read of that.
bool Steps::is_of_session(const Process& process, const Entry& won) {
  return won.same_session(Entry({.owner = process.owner, .epoch = process.epoch, .heir = process.heir}));
}

// The slot of the attempts is settled by what is in it.
void Steps::settle_by_content(Process& process, const Entry& won) const {
  if (!process.earlier.empty()) {
    fate_of(process, process.earlier) = takes_for_own(process.earlier, won) ? Fate::kept : Fate::lost;
  }
  if (!process.attempt.empty() && takes_for_own(process.attempt, won)) {
    fate_of(process, process.attempt) = Fate::kept;
    process.upload = 0;
    ++process.transaction;
  }
  process.attempt = process.earlier = {};
  process.attempt_done = process.earlier_done = false;
}

void Steps::consume(Process& process, const Entry& won) const {
  const bool has_won = won == process.attempt;
  ++process.position;
  process.held = Held::nothing;
  process.held_counts = false;
  if (world_.rechecks && has_won && won.transaction() == 1) process.recheck = process.position;
  if (is_of_session(process, won) && !breaks(Broken::counts_alone)) {
    process.sequence = std::max(process.sequence, won.sequence());
  }
  settle_by_content(process, won);
}

}  // namespace ingot::bucket_model
