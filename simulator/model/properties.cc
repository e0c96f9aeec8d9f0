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
        if (!world.copies && !world.months) return "P2: what became of a transaction is not known any more";
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
  const int newest = state.newest_boundary();
  if (world.has_runs()) {
    const int run = newest_run(state, state.end());
    if (run != 0 && !state.upload(run).is_there) return "P4: a run that the newest state has is gone";
  } else if (world.uploads != 0) {
    for (int slot = first_left(world, state, newest); slot <= world.slots; ++slot) {
      const int named = state.won(slot).upload();
      if (named != 0 && !state.upload(named).is_there) return "P4: a payload of a slot that is left is gone";
    }
  }
  if (newest != 0 && state.checkpoints >> state.boundaries[static_cast<std::size_t>(newest)] == 0) {
    return "P5: there is no checkpoint to open from";
  }
  return nullptr;
}

}  // namespace ingot::bucket_model
