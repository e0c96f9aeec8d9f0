// What a store does by itself: follows other processes, publishes pins, flushes memtables to runs, merges runs, writes
// checkpoints, deletes what nobody can read any more, and slows writers down, smoothly, when all that is behind.
// Three threads: housekeeping, flush, compaction. None of them ever throws into the application or gives up: the
// world's faults are waited out, with back-off, and shown in Health.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "engine/compaction_policy.h"
#include "engine/edit.h"
#include "engine/state.h"

namespace ingot::engine {

class Engine;

class Maintenance {
 public:
  explicit Maintenance(Engine& engine);
  ~Maintenance();
  // `read_only`: only housekeeping.
  void start(bool read_only);
  // Before the end, while the store is still open: flushes what would be left to those who come next, if that is much.
  // They may all live too shortly for it, as commands do, and each of them reads the log. Throws nothing.
  void finish_flushing();
  // Ends the threads; what they were doing is left undone, and is garbage.
  void stop();

  // Something changed: a memtable was sealed, an edit applied. Under commit_mutex_.
  void notify();
  // Files that edit `edit_number` made superfluous. Under commit_mutex_.
  void note_garbage(std::uint64_t edit_number, const SortedRun& sorted);

  // Before a commit of `bytes`: waits as long as the debt of maintenance asks for; throws unavailable at the deadline.
  void throttle(std::size_t bytes, base::Instant deadline);

  // Flushes and merges until nothing is left to do.
  void settle();

  [[nodiscard]] std::vector<std::string> problems() const;
  // Of files that are superfluous and still there. Looks into the directory.
  [[nodiscard]] std::uint64_t garbage_bytes();
  [[nodiscard]] std::uint64_t flushes() const { return flushes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t compactions() const { return compactions_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

 private:
  void housekeeping_loop();
  void flush_loop();
  void compaction_loop();
  // Runs `work` until it returns false; waits after a failure, which `problem` keeps until a success.
  void drive(const char* what, std::string& problem, bool (Maintenance::*work)());
  bool flush_some();
  bool flush(Effort effort);
  bool is_idle();
  bool compact_some();
  bool compact(Effort effort);
  std::uint64_t flush_needs();
  void bar(std::uint64_t sorted_run, const std::string& why);
  void unbar(const std::vector<std::uint64_t>& sorted_runs);
  bool is_barred(std::uint64_t sorted_run);
  // The maintenance lock between processes; or leave to do without it. `edit_number`: of the State that asks for work.
  bool try_role(std::uint64_t edit_number);
  void after_edit();
  void write_newest_checkpoint();
  void delete_garbage();
  // Commits an edit that adds these runs; removes them if it is not true, and never will be.
  bool commit_written(const Edit& edit, std::uint64_t flushed_before);
  std::vector<std::shared_ptr<runs::Run>> open_written(const std::vector<runs::RunSummary>& summaries);
  void remove_written(const std::vector<runs::RunSummary>& summaries);

  Engine& engine_;
  std::atomic<bool> stopping_{false};
  base::Thread housekeeping_;
  base::Thread flushing_;
  base::Thread compacting_;

  mutable base::Mutex mutex_;
  base::ConditionVariable changed_;
  std::uint64_t changes_ = 0;
  bool has_role_ = false;
  base::Instant role_wanted_since_ = base::kNever;  // since when nobody has done anything
  base::Instant role_wanted_last_ = base::kNever;
  std::uint64_t role_wanted_edit_ = 0;
  std::string flush_problem_;
  std::string compaction_problem_;
  std::string housekeeping_problem_;
  struct Garbage {
    std::uint64_t edit_number;
    std::string path;
    std::uint64_t bytes;
  };
  std::vector<Garbage> garbage_;
  struct Barred {
    base::Instant until{};
    base::Duration pause{};
    std::string why;
  };
  std::map<std::uint64_t, Barred> barred_;  // sorted runs that a merge could not read, by id
  std::int64_t last_version_seen_ = -1;
  base::Instant last_version_change_{};

  base::Mutex compaction_mutex_;  // one merge at a time in this process
  base::Mutex flush_mutex_;       // one flush at a time in this process
  base::Mutex checkpoint_mutex_;
  std::uint64_t checkpointed_edit_ = 0;         // under checkpoint_mutex_
  std::atomic<bool> checkpoint_is_due_{false};  // the last one came to nothing

  std::atomic<std::uint64_t> flushes_{0};
  std::atomic<std::uint64_t> compactions_{0};
  std::atomic<std::uint64_t> bytes_written_{0};
  std::atomic<std::int64_t> owed_nanos_{0};  // delay that was too short to sleep so far
};

}  // namespace ingot::engine
