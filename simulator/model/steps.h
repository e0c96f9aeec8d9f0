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
  month_passes,
  // The server.
  put_is_carried_out,           // entry of process a for slot b; its answer is lost
  put_is_carried_out_answered,  // and the answer is on its way
  boundary_is_created,          // number a, naming checkpoint b
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
  rechecks,       // transaction a in slot b
  hears_recheck,  // that slot a exists
  hears_done,
  gives_up_undecided,
  gives_up_unavailable,
  gives_up_refused,    // (broken) a copy was answered 503
  gives_up_timed_out,  // (broken)
  gives_up_not_there,  // (broken)
  // Opening.
  begins_listing,
  lists,  // the newest is a
  loads,  // a, and what follows up to slot b
  loads_with_tail,
  finds_vanished,
  lists_again,
  // Collecting.
  writes_checkpoint,   // a
  replaces_own,        // writes a, and removes its last one, b
  does_not_read_back,  // (broken) a
  proposes,            // boundary a, naming checkpoint b
  records_seen,        // a, b steps ago
  begins_sweep,        // below boundary a; it lists
  deletes_slot,        // a
  deletes_checkpoint,  // a
  notes_swept,         // a
  writes_tail,         // from a to b
  // Uploads.
  uploads,  // a
  uploads_again,
  hears_uploaded,
  deletes_upload,
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

/// Where the replay of this checkpoint starts. An edit (an entry that names a run) says that the commits before it are
/// in runs, so there it starts at the newest edit that has a commit right before it, or some before; else, where the
/// state was taken.
int replay_start(const World& world, const State& state, int checkpoint);
/// The first slot that boundary `number` leaves.
int first_left(const World& world, const State& state, int number);
/// Whether a slot up to this one names the upload.
bool is_named(const State& state, int upload, int upto);
/// The run that is there after this slot; 0: none.
int newest_run(const State& state, int upto);

/// The steps from one state. Each member adds those of its kind.
class Steps {
 public:
  Steps(const World& world, const State& state, std::vector<Successor>& successors)
      : world_(world), state_(state), successors_(successors) {}
  void all();

 private:
  // steps.cc
  Successor& add(Action action, int process = -1, int a = 0, int b = 0);
  void all_of(int i);
  void time_passes();
  void month_passes();
  void kill(int i);
  void copy_machine();
  [[nodiscard]] bool is_finished(int i) const;
  // bucket_steps.cc: what the server does
  void carry_out_puts();
  void carry_out_put(const Request& request);
  void carry_out_boundaries();
  void carry_out_uploads();
  // reading_steps.cc
  void confirm(int i);
  void read(int i);
  void look(int i, Held answer);
  void find_end(int i);
  [[nodiscard]] bool knows_slot(const Process& process) const;
  void consume(Process& process, const Entry& won) const;
  void settle_by_content(Process& process, const Entry& won) const;
  [[nodiscard]] bool takes_for_own(const Entry& own, const Entry& won) const;
  [[nodiscard]] static bool is_of_session(const Process& process, const Entry& won);
  // committing_steps.cc
  void send(int i);
  void recheck(int i);
  void hear(int i);
  void give_up(int i);
  [[nodiscard]] bool may_name_upload(int i) const;
  [[nodiscard]] bool may_sign(const Process& process) const;
  [[nodiscard]] Entry make_entry(const Process& process) const;
  void put(State& state, const Entry& entry, int slot, int confirmed) const;
  // opening_steps.cc
  void open(int i);
  void finish_listing(int i);
  void load(int i);
  void load_from(int i, int checkpoint, int upto);
  void load_view(int i, int checkpoint, int upto, int view);
  // session_steps.cc
  void settle_by_row(Process& process, int view) const;
  [[nodiscard]] std::optional<Fate> fate_by_row(const Process& process, const Entry& own, int view) const;
  // collecting_steps.cc
  void collect(int i);
  void write_checkpoint(int i);
  void propose(int i);
  void record_seen(int i);
  void begin_sweep(int i);
  void sweep(int i);
  void note_swept(int i);
  void write_tail(int i);
  [[nodiscard]] bool may_sweep(int i) const;
  [[nodiscard]] bool is_superseded(int checkpoint, int number) const;
  // upload_steps.cc
  void upload(int i);
  void send_upload(int i);
  void delete_uploads(int i);
  void delete_upload(int i, int upload);
  [[nodiscard]] bool goes_by_names() const;
  [[nodiscard]] int candidates(int i) const;
  [[nodiscard]] bool is_doomed(const Process& sweeper, int upload) const;
  [[nodiscard]] bool takes_for_named(const Process& sweeper, int upload) const;

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

/// Bit of a create of boundary `number`, which names this checkpoint.
inline int proposal(int number, int checkpoint) {
  return 1 << ((number - 1) * kSlotsMax + checkpoint - 2);
}

/// Whether the entry that this process is to commit names an upload.
inline bool is_edit(const Role& role, const Process& process) {
  return process.transaction > role.transactions - role.edits;
}

}  // namespace ingot::bucket_model
