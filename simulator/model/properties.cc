// What must hold in every state.
#include "model/steps.h"

namespace ingot::bucket_model {

namespace {

// In how many slots is this transaction, as far as this process (and whom it was copied from) has sent it?
int times_in_log(const World& world, const State& state, const Process& process, int transaction) {
  int count = 0;
  for (int slot = 1; slot <= world.slots; ++slot) {
    const Entry& won = state.won(slot);
    if (won.empty() || won.owner() != process.owner || won.transaction() != transaction) continue;
    if (won.heir() == 0 || won.heir() == process.heir) ++count;
  }
  return count;
}

const char* violated_by(const World& world, const State& state, int i) {
  const Process& process = state.processes[static_cast<std::size_t>(i)];
  for (int transaction = 1; transaction <= world.role(i).transactions; ++transaction) {
    const int count = times_in_log(world, state, process, transaction);
    if (count > 1) return "P2: a transaction is in the log twice";
    switch (process.fates[static_cast<std::size_t>(transaction - 1)]) {
      case Fate::kept:
        if (count == 0) return "P2: a transaction was acknowledged and is not in the log";
        break;
      case Fate::unavailable:
        if (count != 0) return "P2: a transaction is in the log, and was reported as never to be";
        break;
      case Fate::lost:
        if (count != 0) return "P2: an undecided transaction was taken for lost, and is in the log";
        break;
      case Fate::unknown:
        if (!world.copies) return "P2: what became of a transaction is not known any more";
        break;
      case Fate::open:
      case Fate::undecided:
      case Fate::abandoned:
        break;
    }
  }
  return nullptr;
}

}  // namespace

const char* violated(const World& world, const State& state) {
  for (int i = 0; i < world.processes(); ++i) {
    if (state.processes[static_cast<std::size_t>(i)].life == Life::absent) continue;
    if (const char* const what = violated_by(world, state, i)) return what;
  }
  const int needed = state.boundary(state.newest_boundary());
  for (int slot = 1; slot <= world.slots; ++slot) {
    const int named = state.won(slot).upload();
    if (named == 0 || (world.names_are_in_slots && slot < needed)) continue;
    if (!state.uploads[static_cast<std::size_t>(named)].is_there) return "P4: an upload that an entry names is gone";
  }
  if (needed > 1 && state.checkpoints >> needed == 0) return "P5: there is no checkpoint to open from";
  return nullptr;
}

}  // namespace ingot::bucket_model
