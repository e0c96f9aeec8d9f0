// The rules in words, and where to see what happens without one.
#include <iterator>

#include "model/worlds.h"

namespace ingot::bucket_model {

std::vector<Broken> all_breaks() {
  std::vector<Broken> all;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Broken::count); ++i) all.push_back(static_cast<Broken>(i));
  return all;
}

const char* broken_name(Broken broken) {
  static constexpr const char* kNames[] = {
      "signs_with_true_time",
      "no_reader_rule",
      "own_clock",
      "grace_too_short",
      "half_too_long",
      "trusts_time_out",
      "trusts_absence",
      "trusts_refusal",
      "no_session_row",
      "row_without_opening_anew",
      "row_forgets_attempt",
      "expired_row_is_none",
      "one_nonce",
      "row_without_nonce",
      "counts_alone",
      "deletes_early",
      "second_collector_does_not_wait",
      "seen_by_first_answer",
      "boundary_is_removed",
      "boundary_below_checkpoint",
      "walk_stops",
      "number_without_slot",
      "checkpoint_not_read_back",
      "checkpoint_not_held",
      "tail_with_gap",
      "rechecks_collected_slot",
      "adopts_old",
      "adopts_too_long",
      "age_checked_once",
      "age_from_answer",
      "age_from_last_put",
      "deletes_after_failure",
      "sweeps_unread_log",
      "dooms_all_removed",
      "forgets_graveyard",
      "payloads_swept_by_name",
      "payloads_swept_young",
  };
  static_assert(std::size(kNames) == static_cast<std::size_t>(Broken::count));
  return kNames[static_cast<std::size_t>(broken)];
}

const char* broken_means(Broken broken) {
  static constexpr const char* kMeanings[] = {
      "puts are signed with the true time, not with the date of the confirmation",
      "what is read counts without a confirmation of the boundary",
      "the age of a confirmation is measured by a clock that stands still while the machine does",
      "the grace period is one step too short",
      "answers count one step too long after the confirmation",
      "a put that was not answered by the deadline is reported as never to be",
      "a slot that is empty after a put was not answered proves that it never will be",
      "an answer that says \"not done\" to one copy of a put is taken for the fate of all",
      "the checkpoint has no row for a session's last commit",
      "a process that finds its slot collected looks its row up in the state that it has",
      "an undecided attempt does not know that the row may be that of the attempt after it, for the same slot",
      "a row that is not there any more, for it has expired, is taken for one that never was",
      "a process has one nonce for all its attempts",
      "the session's row has the sequence, but nothing that tells two attempts with the same one apart",
      "a process counts its attempts on from its own last one, whatever it has read of its machine's copy",
      "slots are deleted as soon as the boundary is there",
      "a second collector takes the boundary's existence for the end of the grace period",
      "a boundary counts as seen since the date of the answer that first showed it",
      "the boundary is removed after its slots",
      "a boundary's slot is lower than the one before its checkpoint's start",
      "a process that finds the next boundary does not ask for the one after it",
      "a boundary's number is taken from a checkpoint's name, and its slot is not read",
      "a boundary names a checkpoint that was not read back",
      "a process removes its last checkpoint, although a boundary may come to name it",
      "a tail is used that begins after the checkpoint",
      "the put of an entry once more does not look at the boundary",
      "entries name uploads of any age",
      "entries name uploads that are one step too old",
      "the age of the upload is checked when the attempt begins, and not for each signature",
      "the age of an upload counts from the answer to its put",
      "the age of an upload counts from the put that was answered, and not from the first",
      "a writer whose commit failed deletes its upload",
      "the sweeper does not read the log to its end before it deletes what it knows no name of",
      "the runs of the sweeper's graveyard are deleted, not only those of the graveyard of the boundary's checkpoint",
      "a run that was replaced, and is not in the graveyard of the checkpoint, is taken for one that was never named",
      "payloads made before the boundary was seen are swept, if no entry that the sweeper has read names them",
      "payloads are swept one step too young",
  };
  static_assert(std::size(kMeanings) == static_cast<std::size_t>(Broken::count));
  return kMeanings[static_cast<std::size_t>(broken)];
}

}  // namespace ingot::bucket_model
