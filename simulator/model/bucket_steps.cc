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
  const int named = request.entry.upload();
  if (named != 0) {
    Upload& upload = lost.state.uploads[static_cast<std::size_t>(named)];
    upload.was_named = true;
    if (!upload.is_there) {
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
  for (int start = 2; start <= world_.slots + 1; ++start) {
    if ((state_.proposed & proposal(number, start)) == 0) continue;
    Successor& created = add(Action::boundary_is_created, -1, number, start);
    created.state.boundaries[static_cast<std::size_t>(number)] = start;
    for (int any = 2; any <= kSlotsMax + 1; ++any) created.state.proposed &= ~proposal(number, any);
    if (!state_.has_checkpoint(start)) created.violation = "P5: the boundary names a checkpoint that is not there";
  }
}

void Steps::carry_out_uploads() {
  for (int u = 1; u <= world_.uploads; ++u) {
    const Upload& upload = state_.uploads[static_cast<std::size_t>(u)];
    if (upload.left == 0 || upload.is_there) continue;
    for (int age = 0; age <= world_.times.skew; ++age) {
      Upload& made = add(Action::upload_is_carried_out, -1, u).state.uploads[static_cast<std::size_t>(u)];
      made.is_there = true;
      made.modified = age;
    }
  }
  if (state_.tail_from != 0) {
    State& next = add(Action::tail_vanishes).state;
    next.tail_from = next.tail_upto = 0;
  }
}

}  // namespace ingot::bucket_model
