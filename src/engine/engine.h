// One open store: transactions in, versions out; memtables and runs behind. See ARCHITECTURE.md for the way of a write
// and of a read.
//
// Locks, in the order in which they may be taken:
//   append_mutex_   who appends next: held while waiting for the commit lock between processes
//   commit_mutex_   the log's owner: catching up, validating, appending, applying; changes of the State
//   queue_mutex_    who waits for the next group
// Readers take none: they read `state_` inside an epoch guard, or hold a reference to a State. Only to see what another
// process has published do they catch up under commit_mutex_, or wait for the one who does; nobody holds it while
// waiting for another process.
//
// Invariants:
// 1. visible_version_ moves only forward, only under commit_mutex_, and only after the records up to it are in
// memtables.
// 2. state_ is replaced, never changed. For every State s and reader at version v: v >= s.floor (checked when a view is
//    taken, see view()).
// 3. A run file is deleted only when a durable checkpoint no longer names it, and every State of every process that
// could
//    read it is gone (pins in `live`).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/epoch.h"
#include "base/function_ref.h"
#include "base/thread.h"
#include "engine/checkpoint.h"
#include "engine/edit.h"
#include "engine/medium.h"
#include "engine/read.h"
#include "engine/session_row.h"
#include "engine/sizes.h"
#include "engine/state.h"
#include "engine/transaction_state.h"
#include "ingot/error.h"
#include "ingot/options.h"
#include "ingot/status.h"
#include "log/log.h"
#include "runs/run.h"
#include "storage/directory.h"

namespace ingot::engine {

class Maintenance;

// A view that holds its State.
struct HeldView {
  std::shared_ptr<const State> state;
  Version version = 0;
  std::int64_t time_micros = 0;
  [[nodiscard]] View view() const { return {state.get(), version, time_micros}; }
};

class SnapshotState {
 public:
  SnapshotState(std::shared_ptr<Engine> owner, HeldView at) : engine(std::move(owner)), held(std::move(at)) {}
  const std::shared_ptr<Engine> engine;
  const HeldView held;
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Opens the store in `directory`; makes it if the place is empty and the options allow. Throws Error.
  static std::shared_ptr<Engine> open(std::unique_ptr<storage::Directory> directory, std::string where, Options options,
                                      const Sizes& sizes = {});
  // The same on any medium; `make_medium` is called once, before this returns.
  static std::shared_ptr<Engine> open_on(
      base::FunctionRef<std::unique_ptr<Medium>(const Medium::Setting& setting)> make_medium, std::string where,
      Options options, const Sizes& sizes = {});
  ~Engine();

  // Throws `closed` if the engine was closed, or this is a fork's child.
  void require_open() const;
  void require_writable() const;

  // --- reading
  // Looks for news of other processes, so that a view taken next sees all that was acknowledged before this call. In a
  // bucket that costs a request, and is done if it is to be `fresh`; else what was seen some seconds ago may do.
  void refresh(bool fresh = false);
  // The same, fresh, and edits too, which are no news to who reads records: hold() then has the newest State of all.
  void refresh_state() { look_for_news(true); }
  // A view of the newest, which holds its State.
  [[nodiscard]] HeldView hold();
  // One look-up in the newest. Throws Error if it fails.
  bool get_newest(std::string_view key, base::FunctionRef<void(const Seen&)> use);
  // One look-up at a view. Throws Error if it fails.
  bool get_at(const View& view, std::string_view key, base::FunctionRef<void(const Seen&)> use) const;
  // The time that the store goes by, in µs since 1970: a snapshot's, a commit's, what a TTL counts from.
  [[nodiscard]] std::int64_t clock_micros() const;
  // What an entry that is appended now says for it: not before any entry that is there. The commit turn is held.
  [[nodiscard]] std::int64_t entry_time_micros() const;
  [[nodiscard]] Version visible_version() const { return visible_version_.load(std::memory_order_acquire); }
  // What a scan does with keys that can't be read: tells, if the store is opened with salvage. Else nothing: it fails.
  [[nodiscard]] std::function<void(const std::string&)> on_lost();
  // What a read that failed is reported as.
  [[noreturn]] void throw_read_failure(const std::string& why) const;

  // --- committing
  // Nothing: it lost. Throws Error(unavailable …).
  std::optional<Version> commit(TransactionState& transaction);
  // Called by transact between attempts: back-off; from some losses on the transaction becomes the elder.
  void wait_after_loss(std::uint32_t losses, bool& elder);
  void end_elder();
  void sync();
  // What became of a commit that ended `undecided`, in a bucket: its version, or nothing. Waits; throws unavailable.
  std::optional<Version> outcome(const Undecided& undecided);

  // --- status and upkeep
  [[nodiscard]] Health health() const;
  [[nodiscard]] Stats stats() const;
  CheckReport check(base::FunctionRef<void(std::uint64_t done, std::uint64_t total)> progress);
  void settle();
  void close();

  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Sizes& sizes() const { return sizes_; }
  [[nodiscard]] Medium& medium() const { return *medium_; }
  [[nodiscard]] const StoreHeader& header() const { return header_; }
  void message(Message::Severity severity, const std::string& text) const;

 private:
  friend class Maintenance;
  friend class Collector;
  struct Request;
  struct Group;
  struct GroupWrites;
  class LogUse;

  Engine(std::string where, Options options, const Sizes& sizes);

  // engine_open.cc
  void open_log();
  void load_checkpoint(const Checkpoint& checkpoint);
  void reload_from_checkpoint();
  void settle_collected();
  log::Read reload(std::string& why);
  std::shared_ptr<runs::Run> open_run(const runs::RunSummary& summary);

  void look_for_news(bool fresh);

  // engine_apply.cc: under commit_mutex_
  void catch_up();
  void apply(const log::Entry& entry);
  void apply_entry(const log::Entry& entry);
  void apply_mutations(std::string_view mutations, Version version, std::int64_t time_micros);
  void note_session(const SessionRow& row, std::int64_t time_micros);
  void note_kept(const SessionRow& row);
  void settle_undecided();
  void apply_edit(const Edit& edit);
  void cut_memtable(std::uint64_t segment);
  void publish_state(std::shared_ptr<State> next);
  void show(Version version, std::int64_t time_micros);
  void break_down(const std::string& what);  // a broken invariant: the handle closes, nothing more is written
  // The same from a catch block: something that may not be left half done was, most likely for want of memory.
  void break_down_half_way(const char* what) noexcept;

  // engine_commit.cc
  void await_turn(base::Instant deadline);
  void gather(Group& group);
  void note_usual_size(std::uint32_t size);
  void note_crowd(std::uint32_t committed);
  void commit_group(std::span<Request* const> requests, base::Instant deadline);
  void try_group(std::span<Request* const> requests, base::Instant deadline);
  log::Append append_group(std::vector<Request*>& survivors, std::int64_t time_micros, base::Instant deadline);
  log::Append resolve_collected(std::vector<Request*>& survivors, std::size_t payload_bytes);
  std::optional<SessionRow> read_session(const base::Hash128& session) const;
  void count_kept(std::size_t transactions, std::size_t payload_bytes);
  void note_undecided(const log::Log::Attempt& attempt, std::uint64_t slot);
  void leave_undecided(std::span<Request* const> survivors, const log::Log::Attempt& attempt);
  void prepare_log(base::Instant deadline) const;
  [[nodiscard]] Error unavailable(const std::string& what) const;
  [[nodiscard]] Error edit_not_kept(log::Append outcome) const;
  log::Append append(const log::Draft& draft, base::Instant deadline);
  void apply_own_edit(const Edit& edit, const std::vector<std::shared_ptr<runs::Run>>& added);
  bool validate(TransactionState& transaction, std::int64_t commit_time, std::string& conflict_key) const;
  bool renew_old_reads(TransactionState& transaction);
  void count_conflict(std::string_view key);
  void throttle(std::size_t bytes, base::Instant deadline);
  // Appends an edit if its premises still hold; true if it is true now.
  bool commit_edit(Edit edit, std::uint64_t flushed_before, const std::vector<std::shared_ptr<runs::Run>>& added);
  // Begins a segment with an edit that changes nothing, so that the newest memtable is sealed; if it has anything.
  void seal_memtable();
  void append_empty_edit(bool new_segment);
  [[nodiscard]] bool has_run(const Edit& edit) const;

  // The log, for callers that hold commit_mutex_ or append_mutex_; and for others, kept alive.
  [[nodiscard]] log::Log& log() const { return *log_owner_; }
  [[nodiscard]] std::shared_ptr<log::Log> shared_log() const;

  // set while opening, fixed afterwards
  bool remote_ = false;  // in a bucket: news cost requests, and the time is the bucket's
  const std::string where_;
  Options options_;
  const Sizes sizes_;
  StoreHeader header_;
  std::uint32_t fork_generation_;
  std::uint64_t memory_budget_ = 0;
  std::unique_ptr<Medium> medium_;

  // read by anybody
  mutable base::EpochDomain epochs_;
  std::shared_ptr<runs::BlockCache> cache_;
  std::shared_ptr<PinRegistry> pins_;
  std::atomic<const State*> state_{nullptr};  // owned by state_owner_
  std::atomic<Version> visible_version_{0};
  std::atomic<std::int64_t> visible_time_{0};  // commit time of the newest entry
  std::atomic<log::Log*> log_{nullptr};        // for published() inside an epoch guard
  std::atomic<bool> closed_{false};
  std::atomic<std::uint32_t> log_uses_{0};  // calls that use the log without its owner's locks: close waits for them
  std::atomic<bool> broken_down_{false};

  // the log's owner
  base::Mutex append_mutex_;
  mutable base::Mutex commit_mutex_;
  std::shared_ptr<State> state_owner_;
  std::shared_ptr<State> reloading_from_;  // not null while state_owner_ is being made anew: what readers see meanwhile
  std::shared_ptr<log::Log> log_owner_;    // replaced under append_mutex_, commit_mutex_ and figures_mutex_
  std::deque<RemovedRun> graveyard_;       // in a bucket: what edits removed, until it is collected
  std::map<std::string, std::shared_ptr<runs::Run>, std::less<>> open_runs_;  // being added by an edit of our own
  std::vector<Request*> survivors_;                                           // scratch of commit_group
  std::string frames_;
  std::vector<std::string_view> parts_;
  base::WaitWord visible_word_;  // moves when visible_version_ does and somebody waits
  std::atomic<std::uint32_t> visible_waiters_{0};

  // who waits for the next group
  base::Mutex queue_mutex_;
  std::shared_ptr<Group> open_group_;
  std::atomic<bool> group_open_{false};             // open_group_ is not null
  std::atomic<std::uint32_t> usual_group_size_{1};  // of durable groups, or how many there are for one. Written under
                                                    // append_mutex_
  base::Duration usual_sync_{};                     // how long a durable append takes; under append_mutex_

  // commits in a bucket whose callers gave up while an answer was missing; what is in their slot decides
  struct Attempted {
    base::Hash128 session;
    std::uint64_t sequence = 0;
    std::int64_t time_micros = 0;
    std::uint64_t slot = 0;  // that it was sent for, or one of the next two
    bool decided = false;
    Version base_version = 0;  // 0: it did not happen
  };
  static constexpr std::uint64_t kInCheckpoint = ~0ULL;      // its slot is gone: a row tells, once it can be read
  static constexpr std::uint64_t kNeverSettled = ~0ULL - 1;  // and no row tells
  mutable base::Mutex undecided_mutex_;
  std::deque<Attempted> undecided_;

  // fairness
  base::Mutex elder_mutex_;
  base::ConditionVariable elder_changed_;
  std::atomic<bool> elder_active_{false};

  std::unique_ptr<Maintenance> maintenance_;

  // figures
  mutable base::Mutex figures_mutex_;
  std::string broken_why_;
  std::map<std::string, std::uint64_t, std::less<>> conflicts_by_space_;
  std::uint64_t twin_files_healed_ = 0;
  std::vector<std::string> healed_by_opening_;  // until check() has told
  std::set<std::string> lost_;                  // what scans passed over, with salvage
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> groups_{0};
  std::atomic<std::uint64_t> conflicts_{0};
  std::atomic<std::uint64_t> bytes_committed_{0};
  std::atomic<std::uint64_t> delayed_commits_{0};
  std::atomic<std::uint64_t> delayed_micros_{0};
  mutable base::Mutex message_mutex_;
};

}  // namespace ingot::engine
