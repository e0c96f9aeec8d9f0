// Opening, at first and anew: list the checkpoints, read the newest, go on from there.
#include <algorithm>

#include "model/steps.h"

namespace ingot::bucket_model {

namespace {

// The newest among those; 1: none, the log is read from its beginning.
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
  const Process& opener = process(i);
  const int checkpoint = opener.listed;
  const int needed = first_left(world_, state_, opener.known);
  if (checkpoint != 1 && !state_.has_checkpoint(checkpoint)) {
    Process& next = process(add(Action::finds_vanished, i, checkpoint).state, i);
    next.life = Life::opening;
    next.listed = next.listed_number = 0;
    return;
  }
  const int start = replay_start(world_, state_, checkpoint);
  if (start >= needed) {
    load_from(i, checkpoint, start - 1);
  } else {
    Process& next = process(add(Action::lists_again, i, checkpoint).state, i);
    next.life = Life::opening;
    next.listed = next.listed_number = 0;
  }
  if (state_.tail_from == 0 || state_.tail_upto < start || state_.tail_upto + 1 < needed) return;
  if (state_.tail_from <= start) {
    load_from(i, checkpoint, state_.tail_upto);
  } else if (breaks(Broken::tail_with_gap)) {
    add(Action::loads_with_tail, i, checkpoint, state_.tail_upto).violation =
        "P3: entries between the checkpoint and the tail were passed over";
  }
}

// `upto`: the last slot whose entry came from a tail; the one before the checkpoint's start: none did. An attempt is
// settled by the row in the state that has been reached when it is looked at.
void Steps::load_from(int i, int checkpoint, int upto) {
  const bool asks_row = !process(i).attempt.empty() || !process(i).earlier.empty();
  const int last = asks_row ? std::max(upto, state_.end()) : upto;
  for (int view = upto; view <= last; ++view) load_view(i, checkpoint, upto, view);
}

void Steps::load_view(int i, int checkpoint, int upto, int view) {
  const bool has_tail = upto >= replay_start(world_, state_, checkpoint);
  State& next = add(has_tail ? Action::loads_with_tail : Action::loads, i, checkpoint, view).state;
  Process& opened = process(next, i);
  settle_by_row(opened, view);
  opened.life = Life::open;
  opened.position = upto;
  opened.from = checkpoint;
  opened.tail_read = false;
  if (opened.heir != 0) opened.epoch = 1;  // a new handle draws a new session
  if (opened.listed_number > opened.known) {
    opened.known = opened.listed_number;
    opened.is_blind = true;
    opened.confirmed = kNever;
  }
  opened.listed = opened.listed_number = 0;
}

}  // namespace ingot::bucket_model
