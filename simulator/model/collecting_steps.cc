// Checkpoints, boundaries, and the deletion of what lies below them.
#include <algorithm>

#include "model/steps.h"

namespace ingot::bucket_model {

void Steps::collect(int i) {
  write_checkpoint(i);
  propose(i);
  record_seen(i);
  begin_sweep(i);
  sweep(i);
  note_swept(i);
}

// Its own last one is removed when the next is written, unless it has sent that in a boundary; or is not, if it is
// killed before.
void Steps::write_checkpoint(int i) {
  const Process& writer = process(i);
  const int checkpoint = writer.position + 1;
  if (checkpoint < 2 || writer.own >= checkpoint || state_.has_checkpoint(checkpoint)) return;
  if (world_.start_lags && state_.won(writer.position).upload() == 0) return;  // it is written after an edit
  if (replay_start(world_, state_, checkpoint) < 2) return;
  State& next = add(Action::writes_checkpoint, i, checkpoint).state;
  next.checkpoints |= 1 << checkpoint;
  if (world_.slow_listing && next.named_numbers < writer.known) next.named_numbers = writer.known;
  process(next, i).own = checkpoint;
  const bool is_held = writer.own == writer.named && !breaks(Broken::checkpoint_not_held);
  if (writer.own != 0 && !is_held && state_.has_checkpoint(writer.own)) {
    State after = next;
    after.checkpoints &= ~(1 << writer.own);
    add(Action::replaces_own, i, checkpoint, writer.own).state = after;
  }
  if (breaks(Broken::checkpoint_not_read_back))
    process(add(Action::does_not_read_back, i, checkpoint).state, i).own = checkpoint;
}

// The slot of a boundary is the one before its checkpoint's start, so checkpoints and boundaries have one order, and
// the create can come as late as it likes: until its number is taken, nobody deletes a checkpoint newer than the last
// one's.
void Steps::propose(int i) {
  const Process& proposer = process(i);
  const int number = proposer.known + 1;
  if (number > world_.boundaries || proposer.own == 0 || proposer.is_blind || proposer.sweeping != 0) return;
  if (proposer.known != 0 && !state_.is_swept(proposer.known)) return;
  if (replay_start(world_, state_, proposer.own) <= first_left(world_, state_, proposer.known)) return;
  if (!state_.has_checkpoint(proposer.own) && !breaks(Broken::checkpoint_not_read_back)) return;
  const int bit = proposal(number, proposer.own);
  if ((state_.proposed & bit) != 0 || state_.newest_boundary() >= number) return;
  State& next = add(Action::proposes, i, number, proposer.own).state;
  next.proposed |= bit;
  process(next, i).named = proposer.own;
}

// The date is that of a request which was sent when the boundary was known to be there; since then any time may have
// passed. (Broken: of the request that found it, which may have waited in a server for it to be made.)
void Steps::record_seen(int i) {
  const int number = process(i).known;
  const auto index = static_cast<std::size_t>(number);
  if (number == 0 || process(i).is_blind || state_.seen[index] != kNever) return;
  int most = state_.made[index] + world_.times.skew;
  if (breaks(Broken::seen_by_first_answer)) most += world_.times.sitting;
  for (int age = 0; age <= most; ++age) {
    State& next = add(Action::records_seen, i, number, age).state;
    next.seen[index] = std::min(age, world_.times.grace);
    next.made[index] = kNever;
    for (int u = 1; u <= world_.uploads && world_.has_runs(); ++u) {
      Upload& upload = next.upload(u);
      if (upload.is_there && upload.modified >= age) upload.before_seen |= 1 << number;
    }
  }
}

bool Steps::may_sweep(int i) const {
  const int number = process(i).known;
  if (number == 0 || process(i).is_blind || process(i).sweeping != 0 || state_.is_swept(number)) return false;
  if (breaks(Broken::deletes_early)) return true;
  if (breaks(Broken::second_collector_does_not_wait) && world_.role(i).name == 'D') return true;
  const int seen = state_.seen[static_cast<std::size_t>(number)];
  return seen != kNever && seen >= world_.times.grace;
}

void Steps::begin_sweep(int i) {
  if (!may_sweep(i)) return;
  Process& next = process(add(Action::begins_sweep, i, process(i).known).state, i);
  next.sweeping = next.known;
  next.candidates = world_.uploads != 0 ? candidates(i) : 0;
  next.tail_read = false;
}

bool Steps::is_superseded(int checkpoint, int number) const {
  const int named = state_.boundaries[static_cast<std::size_t>(number)];
  return replay_start(world_, state_, checkpoint) < replay_start(world_, state_, named);
}

void Steps::sweep(int i) {
  const int number = process(i).sweeping;
  if (number == 0) return;
  for (int slot = 1; slot < first_left(world_, state_, number); ++slot) {
    if (!state_.is_deleted(slot)) add(Action::deletes_slot, i, slot).state.deleted |= 1 << slot;
  }
  for (int checkpoint = 2; checkpoint <= world_.slots; ++checkpoint) {
    if (!state_.has_checkpoint(checkpoint) || !is_superseded(checkpoint, number)) continue;
    add(Action::deletes_checkpoint, i, checkpoint).state.checkpoints &= ~(1 << checkpoint);
  }
  if (world_.uploads != 0) delete_uploads(i);
}

// All that was listed, and is not needed, is gone.
void Steps::note_swept(int i) {
  const Process& sweeper = process(i);
  if (sweeper.sweeping == 0) return;
  for (int slot = 1; slot < first_left(world_, state_, sweeper.sweeping); ++slot) {
    if (!state_.is_deleted(slot)) return;
  }
  for (int u = 1; u <= world_.uploads; ++u) {
    if (!state_.upload(u).is_there) continue;
    if (is_doomed(sweeper, u)) return;
    const bool may_stay = goes_by_names() && sweeper.tail_read && takes_for_named(sweeper, u);
    if ((sweeper.candidates >> u & 1) != 0 && !may_stay) return;
  }
  State& next = add(Action::notes_swept, i, sweeper.sweeping).state;
  next.swept |= 1 << sweeper.sweeping;
  Process& after = process(next, i);
  after.sweeping = 0;
  after.candidates = 0;
  after.tail_read = false;
}

// Copies of entries from a checkpoint's start on that the writer knows to be there; the last one put is what openers
// find.
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
