// What the row of a session says of attempts whose slot is gone.
#include "model/steps.h"

namespace ingot::bucket_model {

// What the row tells of one of the process's attempts, in the state after slot `view`; nothing: it was not kept.
std::optional<Fate> Steps::fate_by_row(const Process& process, const Entry& own, int view) const {
  if (breaks(Broken::no_session_row)) return std::nullopt;
  const int month = view >= 1 ? state_.won(view).month() : 0;
  Entry row;
  for (int slot = 1; slot <= view; ++slot) {
    const Entry& won = state_.won(slot);
    if (won.same_session(own) && won.month() == month) row = won;  // one of an earlier month has expired
  }
  if (row.empty() && own.month() < month && !breaks(Broken::expired_row_is_none)) return Fate::unknown;
  if (row.empty() || row.sequence() < own.sequence()) return std::nullopt;
  if (breaks(Broken::row_without_nonce)) {
    return row.sequence() == own.sequence() ? std::optional(Fate::kept) : std::nullopt;
  }
  if (row == own) return Fate::kept;
  // The other one of ours that was for the same slot has won it.
  const bool knows_attempt = !breaks(Broken::row_forgets_attempt);
  if ((row == process.attempt && knows_attempt) || row == process.earlier) return std::nullopt;
  // Only the copy of our machine can have gone on with our session.
  return Fate::unknown;
}

void Steps::settle_by_row(Process& process, int view) const {
  const Process before = process;
  process.attempt = process.earlier = {};
  if (!before.earlier.empty()) {
    fate_of(process, before.earlier) = fate_by_row(before, before.earlier, view).value_or(Fate::lost);
  }
  if (before.attempt.empty()) return;
  const std::optional<Fate> fate = fate_by_row(before, before.attempt, view);
  if (!fate.has_value()) return;  // not kept: it is tried again
  fate_of(process, before.attempt) = *fate;
  process.upload = 0;
  ++process.transaction;
}

}  // namespace ingot::bucket_model
