// What a run of the model explores: who takes part, how long things take, which rules hold.
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <vector>

#include "model/state.h"

namespace ingot::bucket_model {

/// A rule of the protocol, named as what happens without it. With all of them on nothing goes wrong; each, switched
/// off, has a counterexample.
enum class Broken : std::uint8_t {
  // Time.
  signs_with_true_time,
  no_reader_rule,
  own_clock,
  grace_too_short,
  half_too_long,
  // Outcomes.
  trusts_time_out,
  trusts_absence,
  trusts_refusal,
  no_session_row,
  row_without_opening_anew,
  row_forgets_attempt,
  expired_row_is_none,
  // Copies of a machine.
  one_nonce,
  row_without_nonce,
  counts_alone,
  // Collection.
  deletes_early,
  second_collector_does_not_wait,
  seen_by_first_answer,
  boundary_is_removed,
  boundary_below_checkpoint,
  walk_stops,
  number_without_slot,
  checkpoint_not_read_back,
  checkpoint_not_held,
  tail_with_gap,
  rechecks_collected_slot,
  // Uploads.
  adopts_old,
  adopts_too_long,
  age_checked_once,
  age_from_answer,
  age_from_last_put,
  deletes_after_failure,
  sweeps_unread_log,
  dooms_all_removed,
  forgets_graveyard,
  payloads_swept_by_name,
  payloads_swept_young,
  count,
};
std::vector<Broken> all_breaks();
const char* broken_name(Broken broken);
/// In a sentence: what is done wrong.
const char* broken_means(Broken broken);

/// In steps of the bucket's clock. Within a step anything happens in any order. A date that somebody has from the
/// bucket is at most the true one, and at most `skew` behind it.
struct Times {
  int window = 1;   ///< a request is accepted up to so long after the date that it is signed with
  int sitting = 1;  ///< an accepted one is carried out up to so long after that
  int grace = 3;    ///< nothing is deleted before so long after the boundary was seen
  int half = 2;     ///< an answer counts up to so long after the confirmation
  int adopt = 1;    ///< an entry is signed up to so long after the date of the upload that it names
  int payload = 2;  ///< one that is older than the last entry before the checkpoint by more than this is swept
  int reader = 3;   ///< a process may read by a state that was the newest so long ago
  int skew = 0;     ///< dates of the bucket's servers differ by up to so much
};

struct Role {
  char name = '?';
  int transactions = 0;
  int edits = 0;  ///< so many of them, the last ones, name an upload
  bool collects = false;
  bool may_be_killed = false;
};

enum class Uploads : std::uint8_t {
  runs,      ///< files that checkpoints name; each that an entry names takes the place of the one before
  payloads,  ///< of entries: no checkpoint names them
};

struct World {
  std::string name;
  std::string about;
  Times times;
  std::vector<Role> roles;  ///< those who are there; the copy of a machine comes after them
  int slots = 2;
  int ancestors = 0;   ///< so many slots have been won by somebody before it begins
  int boundaries = 0;  ///< how many can be made
  int uploads = 0;
  Uploads uploads_are = Uploads::runs;
  bool start_lags = false;  ///< a checkpoint's replay starts before its state: at an edit, see replay_start
  int deadlines = 0;        ///< so many commits may end as undecided or unavailable
  int kills = 0;
  bool copies = false;            ///< the first process's machine may be copied, once, with a request in flight
  bool months = false;            ///< once, so much time passes that rows of sessions expire
  bool rechecks = false;          ///< each process puts the first entry that it has appended once more
  bool slow_listing = false;      ///< a listing takes time, and is no snapshot
  bool answers_are_held = false;  ///< a process may stand still between an answer and looking at it
  bool tails = false;
  int requests = 6;  ///< puts under way at once, that can still take effect
  int twins = -1;    ///< this process and the next are alike
  std::bitset<static_cast<std::size_t>(Broken::count)> broken;

  [[nodiscard]] bool breaks(Broken rule) const { return broken[static_cast<std::size_t>(rule)]; }
  [[nodiscard]] int processes() const { return static_cast<int>(roles.size()) + (copies ? 1 : 0); }
  [[nodiscard]] const Role& role(int process) const;
  [[nodiscard]] bool has_runs() const { return uploads != 0 && uploads_are == Uploads::runs; }
  [[nodiscard]] bool has_payloads() const { return uploads != 0 && uploads_are == Uploads::payloads; }
};

}  // namespace ingot::bucket_model
