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
  row_of_any_checkpoint,
  // Copies of a machine.
  one_nonce,
  row_without_nonce,
  // Collection.
  deletes_early,
  second_collector_does_not_wait,
  boundary_is_removed,
  walk_stops,
  number_without_slot,
  checkpoint_not_read_back,
  tail_with_gap,
  // Uploads.
  adopts_old,
  adopts_too_long,
  age_checked_once,
  age_from_answer,
  deletes_after_failure,
  tail_before_listing,
  names_since_checkpoint,
  count,
};
const char* broken_name(Broken broken);
/// In a sentence: what is done wrong.
const char* broken_means(Broken broken);

/// In steps of the bucket's clock. Within a step anything happens in any order.
struct Times {
  int window = 1;   ///< a request is accepted up to so long after the date that it is signed with
  int sitting = 1;  ///< an accepted one is carried out up to so long after that
  int grace = 3;    ///< nothing is deleted before so long after the boundary was seen
  int half = 2;     ///< an answer counts up to so long after the confirmation
  int adopt = 1;    ///< an entry is signed up to so long after the date of the upload that it names
  int skew = 0;     ///< dates of the bucket's servers differ by up to so much
};

struct Role {
  char name = '?';
  int transactions = 0;
  bool collects = false;
  bool names_uploads = false;
  bool may_be_killed = false;
};

struct World {
  std::string name;
  std::string about;
  Times times;
  std::vector<Role> roles;  ///< those who are there; the copy of a machine comes after them
  int slots = 2;
  int boundaries = 0;  ///< how many can be made
  int uploads = 0;
  bool deadlines = false;  ///< commits may end as undecided or unavailable
  int kills = 0;
  bool copies = false;            ///< the first process's machine may be copied, once, with a request in flight
  bool slow_listing = false;      ///< a listing takes time, and is no snapshot
  bool answers_are_held = false;  ///< a process may stand still between an answer and looking at it
  bool tails = false;
  bool names_are_in_slots = false;  ///< uploads are payloads of entries: no checkpoint names them
  bool several_boundaries = false;  ///< a boundary may be made while another is under way
  int twins = -1;                   ///< this process and the next are alike
  std::bitset<static_cast<std::size_t>(Broken::count)> broken;

  [[nodiscard]] bool breaks(Broken rule) const { return broken[static_cast<std::size_t>(rule)]; }
  [[nodiscard]] int processes() const { return static_cast<int>(roles.size()) + (copies ? 1 : 0); }
  [[nodiscard]] const Role& role(int process) const;
};

}  // namespace ingot::bucket_model
