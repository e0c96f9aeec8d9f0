// What can happen in a state: each step of each process, of the server and of the world, as the rules of the protocol
// allow it, and with the broken rule also what it should forbid.
//
// All of them are taken one at a time, in every order. So a process that does nothing for as long as others act is one
// that sleeps, or is stopped, or whose machine is; an answer that does not come is a request that is not carried out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/state.h"
#include "model/world.h"

namespace ingot::bucket_model {

enum class Action : std::uint8_t {
  time_passes,
  // The server.
  put_is_carried_out,           // entry of process a for slot b; its answer is lost
  put_is_carried_out_answered,  // and the answer is on its way
  boundary_is_created,          // number a, naming the checkpoint that starts at b
  upload_is_carried_out,        // a
  tail_vanishes,
  // Reading.
  confirms,          // boundary a is the newest
  confirms_one,      // (broken) boundary a is there, so it takes it for the newest
  confirms_removed,  // (broken) boundary a + 1 is not there any more
  finds_gone,        // confirms, and has to open anew
  reads,             // what is in slot a
  finds_absent,      // nothing in slot a
  gets,              // slot a, and does not look at the answer yet
  looks_at_answer,
  // Committing.
  sends,  // transaction a for slot b
  sends_again,
  hears_done,
  gives_up_undecided,
  gives_up_unavailable,
  gives_up_refused,    // (broken) a copy was answered 503
  gives_up_timed_out,  // (broken)
  gives_up_not_there,  // (broken)
  // Opening.
  begins_listing,
  lists,  // the newest is a
  loads,  // a
  loads_with_tail,
  finds_vanished,
  lists_again,
  // Collecting.
  writes_checkpoint,   // a
  reads_back,          // a
  does_not_read_back,  // (broken) a
  proposes,            // boundary a, naming checkpoint b
  records_seen,        // a
  deletes_slot,        // a
  deletes_checkpoint,  // a
  writes_tail,         // from a to b
  // Uploads.
  uploads,  // a
  uploads_again,
  hears_uploaded,
  lists_uploads,
  deletes_upload,
  reads_older_slots,  // from a on
  // Faults.
  is_killed,
  is_copied,
};

struct Step {
  Action action;
  int process = -1;
  int a = 0;
  int b = 0;
};

struct Successor {
  State state;
  Step step;
  const char* violation = nullptr;  ///< what this step did wrong
};

/// What is in the log, the bucket and the processes' knowledge contradicts the protocol's promises: a sentence, or
/// null.
const char* violated(const World& world, const State& state);

/// Nobody has anything left to decide, or the log of this world is full.
bool settled(const World& world, const State& state);

State first_state(const World& world);

/// A step in words, taken in `before`.
std::string in_words(const World& world, const State& before, const Step& step);

/// The steps from one state. Each member adds those of its kind.
class Steps {
 public:
  Steps(const World& world, const State& state, std::vector<Successor>& successors)
      : world_(world), state_(state), successors_(successors) {}
  void all();

 private:
  // steps.cc
  Successor& add(Action action, int process = -1, int a = 0, int b = 0);
  void time_passes();
  void kill(int i);
  void copy_machine();
  // bucket_steps.cc: what the server does
  void carry_out_puts();
  void carry_out_put(const Request& request);
  void carry_out_boundaries();
  void carry_out_uploads();
  // reading_steps.cc
  void confirm(int i);
  void read(int i);
  void look(int i, Held answer);
  [[nodiscard]] bool knows_slot(const Process& process) const;
  void consume(Process& process, const Entry& won) const;
  void settle_by_content(Process& process, const Entry& won) const;
  [[nodiscard]] bool takes_for_own(const Entry& own, const Entry& won) const;
  // committing_steps.cc
  void send(int i);
  void hear(int i);
  void give_up(int i);
  [[nodiscard]] bool may_name_upload(const Process& process) const;
  void put(State& state, const Entry& entry, int slot, int left) const;
  // opening_steps.cc
  void open(int i);
  void finish_listing(int i);
  void load(int i);
  void load_from(int i, int start, int upto);
  void settle_by_row(Process& process, int start) const;
  [[nodiscard]] std::optional<Fate> fate_by_row(const Process& process, const Entry& own, int start) const;
  // collecting_steps.cc
  void collect(int i);
  void write_checkpoint(int i);
  void propose(int i);
  void sweep(int i);
  void write_tail(int i);
  [[nodiscard]] bool may_sweep(int i) const;
  // upload_steps.cc
  void upload(int i);
  void collect_uploads(int i);

  [[nodiscard]] const Process& process(int i) const { return state_.processes[static_cast<std::size_t>(i)]; }
  [[nodiscard]] static Process& process(State& state, int i) { return state.processes[static_cast<std::size_t>(i)]; }
  [[nodiscard]] bool breaks(Broken rule) const { return world_.breaks(rule); }
  /// A request that is sent now with the best date may be carried out in so many steps of the clock.
  [[nodiscard]] int left_at_most() const { return world_.times.window + world_.times.skew + world_.times.sitting + 1; }

  const World& world_;
  const State& state_;
  std::vector<Successor>& successors_;
};

/// The fate of the transaction that `entry` carries.
inline Fate& fate_of(Process& process, const Entry& entry) {
  return process.fates[static_cast<std::size_t>(entry.transaction() - 1)];
}

/// Bit of a create of boundary `number`, which names the checkpoint that starts at `start`.
inline int proposal(int number, int start) {
  return 1 << ((number - 1) * kSlotsMax + start - 2);
}

}  // namespace ingot::bucket_model
