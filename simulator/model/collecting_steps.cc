// Checkpoints, boundaries, and the deletion of what lies below them.
#include "model/steps.h"

namespace ingot::bucket_model {

void Steps::collect(int i) {
  write_checkpoint(i);
  propose(i);
  sweep(i);
  if (world_.uploads != 0) collect_uploads(i);
}

void Steps::write_checkpoint(int i) {
  const Process& writer = process(i);
  const int start = writer.position + 1;
  if (start >= 2 && !state_.has_checkpoint(start)) {
    State& next = add(Action::writes_checkpoint, i, start).state;
    next.checkpoints |= 1 << start;
    if (next.named_numbers < writer.known) next.named_numbers = writer.known;
    if (breaks(Broken::checkpoint_not_read_back) && writer.checkpoint < start) {
      process(add(Action::does_not_read_back, i, start).state, i).checkpoint = start;
    }
  }
  for (int old = writer.checkpoint + 1; old <= start; ++old) {
    if (state_.has_checkpoint(old)) process(add(Action::reads_back, i, old).state, i).checkpoint = old;
  }
}

// The slot of a boundary is the one before its checkpoint's start, so checkpoints and boundaries have one order, and
// the create can come as late as it likes: until its number is taken, nobody deletes a checkpoint newer than the last
// one's.
void Steps::propose(int i) {
  const Process& proposer = process(i);
  const int number = proposer.known + 1;
  const int below = state_.boundary(proposer.known);
  if (number > world_.boundaries || proposer.checkpoint <= below || proposer.is_blind) return;
  if (proposer.known != 0 && !world_.several_boundaries) {
    if (!may_sweep(i)) return;
    for (int slot = 1; slot < below; ++slot) {
      if (!state_.is_deleted(slot)) return;
    }
  }
  const int bit = proposal(number, proposer.checkpoint);
  if ((state_.proposed & bit) != 0 || state_.newest_boundary() >= number) return;
  add(Action::proposes, i, number, proposer.checkpoint).state.proposed |= bit;
}

bool Steps::may_sweep(int i) const {
  const Process& sweeper = process(i);
  if (breaks(Broken::deletes_early)) return true;
  if (breaks(Broken::second_collector_does_not_wait) && world_.role(i).name == 'D') return true;
  const int grace = world_.times.grace;
  const int seen = state_.seen[static_cast<std::size_t>(sweeper.known)];
  return (seen != kNever && seen >= grace) || (sweeper.observed != kNever && sweeper.observed >= grace);
}

void Steps::sweep(int i) {
  const Process& sweeper = process(i);
  if (sweeper.known == 0 || sweeper.is_blind) return;
  const auto number = static_cast<std::size_t>(sweeper.known);
  if (state_.seen[number] == kNever && sweeper.observed != kNever) {
    add(Action::records_seen, i, sweeper.known).state.seen[number] = sweeper.observed;
  }
  if (!may_sweep(i)) return;
  const int below = state_.boundary(sweeper.known);
  for (int slot = 1; slot < below; ++slot) {
    if (!state_.is_deleted(slot)) add(Action::deletes_slot, i, slot).state.deleted |= 1 << slot;
  }
  for (int start = 2; start < below; ++start) {
    if (state_.has_checkpoint(start)) add(Action::deletes_checkpoint, i, start).state.checkpoints &= ~(1 << start);
  }
}

// Copies of entries from a checkpoint that the writer knows to be there; the last one put is what openers find.
void Steps::write_tail(int i) {
  const int upto = process(i).position;
  for (int from = 1; from <= upto; ++from) {
    if (from != 1 && !state_.has_checkpoint(from)) continue;
    if (state_.tail_from == from && state_.tail_upto == upto) continue;
    State& next = add(Action::writes_tail, i, from, upto).state;
    next.tail_from = from;
    next.tail_upto = upto;
  }
}

}  // namespace ingot::bucket_model
