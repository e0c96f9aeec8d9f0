// A commit: sent, sent again, kept, lost, or given up at its deadline.
#include <algorithm>
#include <span>
#include <stdexcept>

#include "model/steps.h"

namespace ingot::bucket_model {

// `confirmed`: the age of the date that it is signed with.
void Steps::put(State& state, const Entry& entry, int slot, int confirmed) const {
  const int left = left_at_most() - (breaks(Broken::signs_with_true_time) ? 0 : confirmed);
  Request* place = nullptr;
  for (Request& request : std::span(state.wire).first(static_cast<std::size_t>(world_.requests))) {
    if (request.left == 0) {
      if (place == nullptr) place = &request;
    } else if (request.entry == entry && request.slot == slot) {
      request.left = std::max(request.left, left);
      return;
    }
  }
  if (place == nullptr)
    throw std::length_error("world " + world_.name + ": more puts are under way than it has room for");
  *place = Request{entry, slot, left};
}

// Signed with the date of the confirmation; too late for the server, it is not sent.
bool Steps::may_sign(const Process& process) const {
  if (process.confirmed == kNever) return false;
  return process.confirmed <= world_.times.window + world_.times.skew || breaks(Broken::signs_with_true_time);
}

// Its time is that of now, as the store's clock says, or of the entry before it.
Entry Steps::make_entry(const Process& process) const {
  Entry::Parts parts{.owner = process.owner,
                     .epoch = process.epoch,
                     .heir = process.heir,
                     .sequence = process.sequence,
                     .transaction = process.transaction,
                     .upload = process.upload,
                     .month = state_.month};
  if (world_.has_payloads()) {
    if (process.position != 0) parts.outdated = state_.won(process.position).outdated();
    for (int u = 1; u <= world_.uploads; ++u) {
      const Upload& upload = state_.upload(u);
      if (upload.is_there && upload.modified > world_.times.payload) parts.outdated |= 1 << (u - 1);
    }
  }
  return Entry(parts);
}

void Steps::send(int i) {
  const Process& sender = process(i);
  const int slot = sender.position + 1;
  if (sender.transaction > world_.role(i).transactions || slot > world_.slots) return;
  if (!may_sign(sender) || !may_name_upload(i)) return;
  const bool is_new = sender.attempt.empty();
  if (is_new && sender.sequence == 7) return;
  State& next = add(is_new ? Action::sends : Action::sends_again, i, sender.transaction, slot).state;
  Process& after = process(next, i);
  if (is_new) {
    ++after.sequence;
    after.attempt = make_entry(after);
  }
  put(next, after.attempt, slot, sender.confirmed);
}

// The first entry that it has appended is put once more: a server that heeds conditions says that it exists.
void Steps::recheck(int i) {
  const Process& sender = process(i);
  if (sender.recheck == 0 || !may_sign(sender)) return;
  if (sender.recheck < first_left(world_, state_, sender.known) && !breaks(Broken::rechecks_collected_slot)) return;
  const Entry& entry = state_.won(sender.recheck);
  State& next = add(Action::rechecks, i, entry.transaction(), sender.recheck).state;
  put(next, entry, sender.recheck, sender.confirmed);
  if (!state_.is_deleted(sender.recheck)) process(add(Action::hears_recheck, i, sender.recheck).state, i).recheck = 0;
}

// The rule is about the date of the signature, so that it bounds when the entry can win.
bool Steps::may_name_upload(int i) const {
  const Process& sender = process(i);
  if (!is_edit(world_.role(i), sender)) return true;
  if (sender.upload == 0) return false;
  const Upload& upload = state_.upload(sender.upload);
  if (!upload.heard) return false;
  if (breaks(Broken::adopts_old)) return true;
  if (breaks(Broken::age_checked_once)) return !sender.attempt.empty() || upload.begun <= world_.times.adopt;
  return upload.begun - sender.confirmed <= world_.times.adopt;
}

// "Done" is true whenever it is heard: a put is carried out before the slot can be collected.
void Steps::hear(int i) {
  const Process& sender = process(i);
  const auto keep = [&](const Entry& own) {
    Successor& heard = add(Action::hears_done, i, own.transaction(), sender.position + 1);
    consume(process(heard.state, i), own);
  };
  if (sender.attempt_done) keep(sender.attempt);
  if (sender.earlier_done) keep(sender.earlier);
}

// The deadline passes. What was sent may still win, whatever was answered to one copy of it.
void Steps::give_up(int i) {
  const Process& sender = process(i);
  if (state_.deadlines == 0 || sender.transaction > world_.role(i).transactions) return;
  const auto end = [&](Action action, Fate fate) {
    State& next = add(action, i, sender.transaction, sender.position + 1).state;
    --next.deadlines;
    Process& after = process(next, i);
    after.fates[static_cast<std::size_t>(after.transaction - 1)] = fate;
    if (fate == Fate::undecided) {
      after.earlier = after.attempt;
      after.earlier_done = after.attempt_done;
    }
    after.attempt = {};
    after.attempt_done = false;
    ++after.transaction;
    if (breaks(Broken::deletes_after_failure) && after.upload != 0) next.upload(after.upload).is_there = false;
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
