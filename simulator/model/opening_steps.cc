// Opening, at first and anew: list the checkpoints, read the newest, go on from there; and what the session's row in it
// says of the attempts that were under way.
#include "model/steps.h"

namespace ingot::bucket_model {

namespace {

// The checkpoint with the greatest start among those; 1: none, the log is read from its beginning.
int newest_of(int checkpoints) {
  int newest = 1;
  for (int start = 2; start <= kSlotsMax + 1; ++start) {
    if ((checkpoints >> start & 1) != 0) newest = start;
  }
  return newest;
}

}  // namespace

void Steps::open(int i) {
  switch (process(i).life) {
    case Life::opening:
      if (world_.slow_listing) {
        Process& next = process(add(Action::begins_listing, i).state, i);
        next.life = Life::listing;
        next.listed_before = state_.checkpoints;
      } else {
        const int newest = newest_of(state_.checkpoints);
        Process& next = process(add(Action::lists, i, newest).state, i);
        next.life = Life::listed;
        next.listed = newest;
      }
      return;
    case Life::listing:
      return finish_listing(i);
    case Life::listed:
      return load(i);
    case Life::absent:
    case Life::open:
      return;
  }
}

// What was there from beginning to end is in it; what came meanwhile, maybe.
void Steps::finish_listing(int i) {
  const int before = process(i).listed_before;
  const int surely = newest_of(before & state_.checkpoints);
  for (int start = 1; start <= world_.slots + 1; ++start) {
    const bool came = start > surely && state_.has_checkpoint(start);
    if (start != surely && !came) continue;
    Process& next = process(add(Action::lists, i, start).state, i);
    next.life = Life::listed;
    next.listed = start;
    next.listed_before = 0;
    if (breaks(Broken::number_without_slot)) next.listed_number = state_.named_numbers;
  }
}

void Steps::load(int i) {
  const int start = process(i).listed;
  const int needed = state_.boundary(process(i).known);  // slots below it may be gone
  if (start != 1 && !state_.has_checkpoint(start)) {
    Process& next = process(add(Action::finds_vanished, i, start).state, i);
    next.life = Life::opening;
    next.listed = next.listed_number = 0;
    return;
  }
  if (start >= needed || breaks(Broken::row_of_any_checkpoint)) {
    load_from(i, start, start - 1);
  } else {
    Process& next = process(add(Action::lists_again, i, start).state, i);
    next.life = Life::opening;
    next.listed = next.listed_number = 0;
  }
  if (state_.tail_from == 0 || state_.tail_upto < start || state_.tail_upto + 1 < needed) return;
  if (state_.tail_from <= start) {
    load_from(i, start, state_.tail_upto);
  } else if (breaks(Broken::tail_with_gap)) {
    add(Action::loads_with_tail, i, start, state_.tail_upto).violation =
        "P3: entries between the checkpoint and the tail were passed over";
  }
}

// `upto`: the last slot whose entry came from a tail; start - 1: none did.
void Steps::load_from(int i, int start, int upto) {
  const bool has_tail = upto >= start;
  State& next = add(has_tail ? Action::loads_with_tail : Action::loads, i, start, upto).state;
  Process& opened = process(next, i);
  if (!opened.attempt.empty() || !opened.earlier.empty()) {
    const int slot = opened.position + 1;
    if (slot < start || breaks(Broken::row_of_any_checkpoint)) {
      settle_by_row(opened, start);
    } else {
      settle_by_content(opened, state_.won(slot));
    }
  }
  opened.life = Life::open;
  opened.position = upto;
  opened.from = start;
  opened.candidates = 0;
  opened.tail_read = false;
  if (opened.listed_number > opened.known) {
    opened.known = opened.listed_number;
    opened.is_blind = true;
    opened.confirmed = opened.observed = kNever;
  }
  opened.listed = opened.listed_number = 0;
}

// What the row of this session tells of one of its attempts, for a slot below `start`; nothing: it was not kept.
std::optional<Fate> Steps::fate_by_row(const Process& process, const Entry& own, int start) const {
  if (breaks(Broken::no_session_row)) return std::nullopt;
  Entry row;
  for (int slot = 1; slot < start && slot <= world_.slots; ++slot) {
    if (state_.won(slot).same_session(own)) row = state_.won(slot);
  }
  if (row.empty() || row.sequence() < own.sequence()) return std::nullopt;
  if (breaks(Broken::row_without_nonce)) {
    return row.sequence() == own.sequence() ? std::optional(Fate::kept) : std::nullopt;
  }
  if (row == own) return Fate::kept;
  // The other one of ours that was for the same slot has won it.
  if (row == process.attempt || row == process.earlier) return std::nullopt;
  // Only the copy of our machine can have gone on with our session.
  return Fate::unknown;
}

void Steps::settle_by_row(Process& process, int start) const {
  const Process before = process;
  process.attempt = process.earlier = {};
  if (!before.earlier.empty()) {
    fate_of(process, before.earlier) = fate_by_row(before, before.earlier, start).value_or(Fate::lost);
  }
  if (before.attempt.empty()) return;
  const std::optional<Fate> fate = fate_by_row(before, before.attempt, start);
  if (!fate.has_value()) return;  // not kept: it is tried again
  fate_of(process, before.attempt) = *fate;
  process.upload = 0;
  ++process.transaction;
}

}  // namespace ingot::bucket_model
