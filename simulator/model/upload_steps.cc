// Objects that are uploaded first and then named by an entry, and which of them a sweep deletes.
#include <algorithm>

#include "model/steps.h"

namespace ingot::bucket_model {

// One that has grown too old is replaced by another, unless an attempt under way names it.
void Steps::upload(int i) {
  const Process& writer = process(i);
  const Role& role = world_.role(i);
  if (writer.transaction > role.transactions || !is_edit(role, writer)) return;
  send_upload(i);
  if (!writer.attempt.empty()) return;
  if (writer.upload != 0 && state_.upload(writer.upload).begun <= world_.times.adopt) return;
  for (int u = 1; u <= world_.uploads; ++u) {
    if (state_.upload(u).begun != kNever) continue;
    State& next = add(Action::uploads, i, u).state;
    Upload& fresh = next.upload(u);
    fresh.begun = 0;
    fresh.left = left_at_most();
    process(next, i).upload = u;
    return;
  }
}

// The age of an upload counts from what was known of the time before its first request was sent; later ones of the same
// upload change nothing about that.
void Steps::send_upload(int i) {
  const int number = process(i).upload;
  if (number == 0 || state_.upload(number).heard) return;
  const Upload& upload = state_.upload(number);
  if (upload.left < left_at_most()) {
    add(Action::uploads_again, i, number).state.upload(number).left = left_at_most();
  }
  if (upload.is_there) {
    Upload& heard = add(Action::hears_uploaded, i, number).state.upload(number);
    heard.heard = true;
    if (breaks(Broken::age_from_answer)) heard.begun = 0;
    if (breaks(Broken::age_from_last_put)) heard.begun = heard.modified;
  }
}

// Runs are swept unless they are named; payloads by their date.
bool Steps::goes_by_names() const {
  return world_.has_runs() || (world_.has_payloads() && breaks(Broken::payloads_swept_by_name));
}

// What the sweep finds old when it lists. Runs: those that were made before the boundary was seen. Payloads: those
// that are so much older than the last entry before the checkpoint that no entry behind it can name them.
int Steps::candidates(int i) const {
  const int number = process(i).known;
  const int last = replay_start(world_, state_, state_.boundaries[static_cast<std::size_t>(number)]) - 1;
  int old = 0;
  for (int u = 1; u <= world_.uploads; ++u) {
    const Upload& upload = state_.upload(u);
    if (!upload.is_there) continue;
    const bool is_old =
        !goes_by_names() ? (state_.won(last).outdated() >> (u - 1) & 1) != 0 : (upload.before_seen >> number & 1) != 0;
    if (is_old) old |= 1 << u;
  }
  return old;
}

// In the graveyard of the checkpoint that the boundary names: the runs that were replaced up to it.
bool Steps::is_doomed(const Process& sweeper, int upload) const {
  if (!world_.has_runs()) return false;
  const int checkpoint = state_.boundaries[static_cast<std::size_t>(sweeper.sweeping)];
  const int upto = breaks(Broken::dooms_all_removed) ? sweeper.position : checkpoint - 1;
  return is_named(state_, upload, upto) && newest_run(state_, upto) != upload;
}

// The sweeper knows what is in its state, and the graveyard: all that was replaced, up to where it has read, and was
// not deleted.
bool Steps::takes_for_named(const Process& sweeper, int upload) const {
  if (!goes_by_names()) return false;
  if (world_.has_payloads()) {
    for (int slot = sweeper.from; slot <= sweeper.position; ++slot) {
      if (state_.won(slot).upload() == upload) return true;
    }
    return false;
  }
  const int upto = std::max(sweeper.position, sweeper.from - 1);
  return breaks(Broken::forgets_graveyard) ? newest_run(state_, upto) == upload : is_named(state_, upload, upto);
}

// What was there before the boundary was seen can only be named by what was signed not long after, so when the grace
// period is over, the log knows.
void Steps::delete_uploads(int i) {
  const Process& sweeper = process(i);
  const bool has_read = sweeper.tail_read || breaks(Broken::sweeps_unread_log) || !goes_by_names();
  if (!has_read) return;
  for (int u = 1; u <= world_.uploads; ++u) {
    const bool is_unnamed = (sweeper.candidates >> u & 1) != 0 && !takes_for_named(sweeper, u);
    if (is_unnamed || is_doomed(sweeper, u)) delete_upload(i, u);
  }
}

void Steps::delete_upload(int i, int u) {
  const Upload& upload = state_.upload(u);
  if (!upload.is_there) return;
  Successor& deleted = add(Action::deletes_upload, i, u);
  process(deleted.state, i).candidates &= ~(1 << u);
  deleted.state.upload(u).is_there = false;
  if (upload.removed != kNever && upload.removed < world_.times.reader) {
    deleted.violation = "P7: the run was replaced so short a time ago that somebody may still read it";
  }
}

}  // namespace ingot::bucket_model
