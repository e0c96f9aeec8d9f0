// What the server does with the requests that have reached it.
#include "model/steps.h"

namespace ingot::bucket_model {

void Steps::carry_out_puts() {
  for (const Request& request : state_.wire) {
    if (request.left != 0) carry_out_put(request);
  }
}

// A create of a name that is taken changes nothing; its sender learns what is in the slot by reading it.
void Steps::carry_out_put(const Request& request) {
  const Entry& won = state_.won(request.slot);
  if (!won.empty() && !state_.is_deleted(request.slot)) return;
  const int owner = request.entry.owner();
  Successor& lost = add(Action::put_is_carried_out, owner, request.entry.transaction(), request.slot);
  if (!won.empty()) {
    lost.violation = "P1: the slot was won before, and collected: it is won again";
    return;
  }
  lost.state.won(request.slot) = request.entry;
  if (const int named = request.entry.upload(); named != 0) {
    const int before = newest_run(state_, request.slot - 1);
    if (before != 0 && world_.has_runs()) lost.state.upload(before).removed = 0;
    if (!state_.upload(named).is_there) {
      lost.violation = "P4: the entry names an upload that was deleted";
      return;
    }
  }
  const State after = lost.state;
  for (int i = 0; i < world_.processes(); ++i) {
    const Process& sender = process(i);
    if (sender.life != Life::open || sender.position + 1 != request.slot) continue;
    const bool is_attempt = sender.attempt == request.entry;
    if (!is_attempt && sender.earlier != request.entry) continue;
    State& next = add(Action::put_is_carried_out_answered, i, request.entry.transaction(), request.slot).state;
    next = after;
    (is_attempt ? process(next, i).attempt_done : process(next, i).earlier_done) = true;
  }
}

void Steps::carry_out_boundaries() {
  const int number = state_.newest_boundary() + 1;
  if (number > world_.boundaries) return;
  for (int checkpoint = 2; checkpoint <= world_.slots + 1; ++checkpoint) {
    if ((state_.proposed & proposal(number, checkpoint)) == 0) continue;
    Successor& created = add(Action::boundary_is_created, -1, number, checkpoint);
    created.state.boundaries[static_cast<std::size_t>(number)] = checkpoint;
    created.state.made[static_cast<std::size_t>(number)] = 0;
    for (int any = 2; any <= kSlotsMax + 1; ++any) created.state.proposed &= ~proposal(number, any);
    // (Of two heirs of a machine one may have removed it: then there is a newer one.)
    if (!state_.has_checkpoint(checkpoint) && !world_.copies) {
      created.violation = "P5: the boundary names a checkpoint that is not there";
    }
  }
}

// A run is put whatever is there by that name, which is its own: then it is as young as if it were new. A payload is
// created.
void Steps::carry_out_uploads() {
  for (int u = 1; u <= world_.uploads; ++u) {
    const Upload& upload = state_.upload(u);
    if (upload.left == 0 || (upload.is_there && !world_.has_runs())) continue;
    for (int age = 0; age <= world_.times.skew; ++age) {
      if (upload.is_there && upload.modified <= age) continue;
      Upload& made = add(Action::upload_is_carried_out, -1, u).state.upload(u);
      made.is_there = true;
      made.modified = age;
      made.before_seen = 0;
      for (int number = 1; number <= world_.boundaries; ++number) {
        const int seen = state_.seen[static_cast<std::size_t>(number)];
        if (seen != kNever && seen <= age) made.before_seen |= 1 << number;
      }
    }
  }
  if (state_.tail_from != 0) {
    State& next = add(Action::tail_vanishes).state;
    next.tail_from = next.tail_upto = 0;
  }
}

}  // namespace ingot::bucket_model
