// Objects that are uploaded first and then named by an entry, and the sweep of those that no entry names.
#include "model/steps.h"

namespace ingot::bucket_model {

// The age of an upload counts from what was known of the time before its first request was sent; later ones of the same
// upload change nothing about that. One that has grown too old is replaced by another.
void Steps::upload(int i) {
  const Process& writer = process(i);
  if (!world_.role(i).names_uploads || writer.transaction > world_.role(i).transactions) return;
  const auto current = static_cast<std::size_t>(writer.upload);
  if (writer.upload != 0 && !state_.uploads[current].heard) {
    if (state_.uploads[current].left < left_at_most()) {
      add(Action::uploads_again, i, writer.upload).state.uploads[current].left = left_at_most();
    }
    if (state_.uploads[current].is_there) {
      Upload& heard = add(Action::hears_uploaded, i, writer.upload).state.uploads[current];
      heard.heard = true;
      if (breaks(Broken::age_from_answer)) heard.begun = 0;
    }
  }
  if (!writer.attempt.empty()) return;
  if (writer.upload != 0 && state_.uploads[current].begun <= world_.times.adopt) return;
  for (int u = 1; u <= world_.uploads; ++u) {
    if (state_.uploads[static_cast<std::size_t>(u)].begun != kNever) continue;
    State& next = add(Action::uploads, i, u).state;
    Upload& fresh = next.uploads[static_cast<std::size_t>(u)];
    fresh.begun = 0;
    fresh.left = left_at_most();
    process(next, i).upload = u;
    return;
  }
}

// LIST, read the log to its end, DELETE: of what is older than the grace period, and named by nothing.
void Steps::collect_uploads(int i) {
  const Process& sweeper = process(i);
  int old = 0;
  for (int u = 1; u <= world_.uploads; ++u) {
    const Upload& upload = state_.uploads[static_cast<std::size_t>(u)];
    if (upload.is_there && upload.modified != kNever && upload.modified > world_.times.grace) old |= 1 << u;
  }
  if (old != 0 && (old != sweeper.candidates || sweeper.tail_read)) {
    Process& next = process(add(Action::lists_uploads, i).state, i);
    next.candidates = old;
    next.tail_read = false;
  }
  const int below = state_.boundary(sweeper.known);
  if (world_.names_are_in_slots && !breaks(Broken::names_since_checkpoint) && sweeper.from > below) {
    // It has to know the names in all slots that anybody may still read.
    if (knows_slot(sweeper)) process(add(Action::reads_older_slots, i, below).state, i).from = below;
    return;
  }
  if (!sweeper.tail_read && !breaks(Broken::tail_before_listing)) return;
  for (int u = 1; u <= world_.uploads; ++u) {
    if ((sweeper.candidates >> u & 1) == 0) continue;
    bool is_named = false;
    for (int slot = world_.names_are_in_slots ? sweeper.from : 1; slot <= sweeper.position; ++slot) {
      is_named = is_named || state_.won(slot).upload() == u;
    }
    if (is_named) continue;
    Successor& deleted = add(Action::deletes_upload, i, u);
    process(deleted.state, i).candidates &= ~(1 << u);
    deleted.state.uploads[static_cast<std::size_t>(u)].is_there = false;
    if (state_.uploads[static_cast<std::size_t>(u)].was_named) {
      deleted.violation = "P4: an entry of the log names the upload";
    }
  }
}

}  // namespace ingot::bucket_model
