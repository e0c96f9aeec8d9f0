// A commit: sent, sent again, kept, lost, or given up at its deadline.
#include <algorithm>
#include <cassert>

#include "model/steps.h"

namespace ingot::bucket_model {

void Steps::put(State& state, const Entry& entry, int slot, int left) const {
  Request* place = nullptr;
  for (Request& request : state.wire) {
    if (request.left == 0) {
      if (place == nullptr) place = &request;
    } else if (request.entry == entry && request.slot == slot) {
      request.left = std::max(request.left, left);
      return;
    }
  }
  assert(place != nullptr);
  *place = Request{entry, slot, left};
}

// Signed with the date of the confirmation; too late for the server, it is not sent.
void Steps::send(int i) {
  const Process& sender = process(i);
  const int slot = sender.position + 1;
  if (sender.transaction > world_.role(i).transactions || slot > world_.slots) return;
  if (sender.confirmed == kNever) return;
  const bool signs_truly = breaks(Broken::signs_with_true_time);
  if (sender.confirmed > world_.times.window + world_.times.skew && !signs_truly) return;
  if (!may_name_upload(sender)) return;
  const int left = left_at_most() - (signs_truly ? 0 : sender.confirmed);
  const bool is_new = sender.attempt.empty();
  if (is_new && sender.sequence == 7) return;
  State& next = add(is_new ? Action::sends : Action::sends_again, i, sender.transaction, slot).state;
  Process& after = process(next, i);
  if (is_new) {
    ++after.sequence;
    after.attempt = Entry(after.owner, after.epoch, after.heir, after.sequence, after.transaction, after.upload);
  }
  put(next, after.attempt, slot, left);
}

// The rule is about the date of the signature, so that it bounds when the entry can win.
bool Steps::may_name_upload(const Process& sender) const {
  if (sender.upload == 0) return !world_.role(sender.owner).names_uploads;
  const Upload& upload = state_.uploads[static_cast<std::size_t>(sender.upload)];
  if (!upload.heard) return false;
  if (breaks(Broken::adopts_old)) return true;
  if (breaks(Broken::age_checked_once)) return !sender.attempt.empty() || upload.begun <= world_.times.adopt;
  return upload.begun - sender.confirmed <= world_.times.adopt;
}

// "Done" is true whenever it is heard: a put is carried out before the slot can be collected.
void Steps::hear(int i) {
  const Process& sender = process(i);
  if (sender.attempt_done) {
    Successor& heard = add(Action::hears_done, i, sender.attempt.transaction(), sender.position + 1);
    consume(process(heard.state, i), sender.attempt);
  }
  if (sender.earlier_done) {
    Successor& heard = add(Action::hears_done, i, sender.earlier.transaction(), sender.position + 1);
    consume(process(heard.state, i), sender.earlier);
  }
}

// The deadline passes. What was sent may still win, whatever was answered to one copy of it.
void Steps::give_up(int i) {
  const Process& sender = process(i);
  if (!world_.deadlines || sender.transaction > world_.role(i).transactions) return;
  const auto end = [&](Action action, Fate fate) {
    State& next = add(action, i, sender.transaction, sender.position + 1).state;
    Process& after = process(next, i);
    after.fates[static_cast<std::size_t>(after.transaction - 1)] = fate;
    if (fate == Fate::undecided) {
      after.earlier = after.attempt;
      after.earlier_done = after.attempt_done;
    }
    after.attempt = {};
    after.attempt_done = false;
    ++after.transaction;
    if (breaks(Broken::deletes_after_failure) && after.upload != 0) {
      next.uploads[static_cast<std::size_t>(after.upload)].is_there = false;
    }
    after.upload = 0;
  };
  if (sender.attempt.empty()) {
    end(Action::gives_up_unavailable, Fate::unavailable);
    return;
  }
  if (sender.earlier.empty()) end(Action::gives_up_undecided, Fate::undecided);
  if (breaks(Broken::trusts_time_out)) end(Action::gives_up_timed_out, Fate::unavailable);
  if (breaks(Broken::trusts_refusal) && sender.position < world_.slots && state_.won(sender.position + 1).empty()) {
    end(Action::gives_up_refused, Fate::unavailable);
  }
}

}  // namespace ingot::bucket_model
