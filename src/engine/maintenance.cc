#include "engine/maintenance.h"

#include <algorithm>
#include <exception>

#include "base/testing.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/medium.h"
#include "engine/run_output.h"

namespace ingot::engine {

namespace {

// How often a process that does nothing looks for what others did, and lets go of what it pins.
constexpr base::Duration kHousekeepingPause = std::chrono::milliseconds(100);
// A store is idle when nothing was committed for this long.
constexpr base::Duration kIdle = std::chrono::milliseconds(1500);
constexpr std::size_t kGarbageMax = 1'000'000;
// Runs that a merge could not read are left out for so long, and twice as long each time.
constexpr base::Duration kBarredPauseMin = std::chrono::seconds(1);
constexpr base::Duration kBarredPauseMax = std::chrono::minutes(10);

// What is not flushed is in the log, so nobody has to wait for it at the end.
constexpr base::Duration kClosingMax = std::chrono::seconds(30);

// Stops the medium at the deadline, so that who waits for it gets on. For as long as this lives.
class Patience {
 public:
  Patience(Medium& medium, base::Instant deadline)
      : thread_("ingot-close", [this, &medium, deadline] {
          {
            std::unique_lock lock(mutex_);
            while (!ended_ && base::now() < deadline) changed_.wait_until(lock, deadline);
            if (ended_) return;
          }
          base::probe("engine: a flush before the end was given up");
          medium.stop();
        }) {}
  ~Patience() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  base::Mutex mutex_;
  base::ConditionVariable changed_;
  bool ended_ = false;
  base::Thread thread_;  // last: it uses the others
};

}  // namespace

Maintenance::Maintenance(Engine& engine) : engine_(engine) {}

Maintenance::~Maintenance() {
  stop();
}

void Maintenance::start(bool read_only) {
  housekeeping_ = base::Thread("ingot-house", [this] { housekeeping_loop(); });
  if (read_only) return;
  engine_.medium_->start_upkeep(engine_);
  flushing_ = base::Thread("ingot-flush", [this] { flush_loop(); });
  compacting_ = base::Thread("ingot-compact", [this] { compaction_loop(); });
}

std::uint64_t Maintenance::garbage_bytes() {
  std::uint64_t newest = 0;  // what comes in while we look is not judged
  {
    const std::lock_guard lock(mutex_);
    if (garbage_.empty()) return 0;
    for (const Garbage& garbage : garbage_) newest = std::max(newest, garbage.edit_number);
  }
  std::vector<std::string> names;
  const bool known = !engine_.medium_->files().list("runs", names);
  std::vector<std::string> paths;
  for (const std::string& name : names) paths.push_back(run_path(name));
  std::sort(paths.begin(), paths.end());
  const std::lock_guard lock(mutex_);
  // Another process may have deleted them: whoever has the maintenance lock does.
  if (known) {
    std::erase_if(garbage_, [&](const Garbage& garbage) {
      return garbage.edit_number <= newest && !std::binary_search(paths.begin(), paths.end(), garbage.path);
    });
  }
  std::uint64_t bytes = 0;
  for (const Garbage& garbage : garbage_) bytes += garbage.bytes;
  return bytes;
}

void Maintenance::finish_flushing() {
  // So many sealed memtables are left to others: two segments are what a bucket's tails carry, and what is read soon
  // from a disk.
  constexpr std::size_t kSealedLeft = 1;
  try {
    if (!flushing_.joinable() || !engine_.shared_log()->problem().empty()) return;
    const std::size_t sealed = engine_.hold().state->sealed.size();
    const bool is_leader = !engine_.medium_->keeps_maintenance() && engine_.medium_->try_maintenance();
    if (sealed == 0 || (sealed <= kSealedLeft && !is_leader)) return;
    base::probe("engine: a flush was finished before the end");
    if (engine_.medium_->keeps_maintenance()) {
      (void)flush(Effort::needed);
    } else {
      const base::Duration most = std::min<base::Duration>(engine_.options_.deadline, kClosingMax);
      const Patience patience(*engine_.medium_, base::now() + most);
      (void)flush(Effort::complete);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): left to others it is
  }
}

void Maintenance::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    changed_.notify_all();
  }
  if (housekeeping_.joinable()) housekeeping_.join();
  if (flushing_.joinable()) flushing_.join();
  if (compacting_.joinable()) compacting_.join();
  const std::lock_guard lock(mutex_);  // somebody may still be in settle()
  if (has_role_) engine_.medium_->end_maintenance();
  has_role_ = false;
}

void Maintenance::notify() {
  const std::lock_guard lock(mutex_);
  ++changes_;
  changed_.notify_all();
}

void Maintenance::note_garbage(std::uint64_t edit_number, const SortedRun& sorted) {
  if (!engine_.medium_->deletes_at_once()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& file : sorted.files) {
    garbage_.push_back({edit_number, run_path(file->summary().name), file->summary().file_bytes});
  }
  // Whoever never has the role drops the oldest: the next one to open the store alone sweeps them.
  if (garbage_.size() > kGarbageMax) garbage_.erase(garbage_.begin(), garbage_.end() - kGarbageMax / 2);
}

bool Maintenance::try_role(std::uint64_t edit_number) {
  const std::lock_guard lock(mutex_);
  if (stopping_.load()) return false;
  if (has_role_) return true;
  if (engine_.medium_->try_maintenance()) {
    has_role_ = engine_.medium_->keeps_maintenance();
    return true;
  }
  const base::Instant now = base::now();
  const base::Duration patience = engine_.medium_->maintenance_patience();
  // Edits that come in, or nothing to do for a while: whoever has the lock uses it.
  if (role_wanted_since_ == base::kNever || role_wanted_edit_ != edit_number || now - role_wanted_last_ >= patience) {
    role_wanted_since_ = now;
    role_wanted_edit_ = edit_number;
  }
  role_wanted_last_ = now;
  if (now - role_wanted_since_ < patience) return false;
  base::probe("engine: maintenance without the role");
  return true;
}

void Maintenance::drive(const char* what, std::string& problem, bool (Maintenance::*work)()) {
  base::Duration pause = std::chrono::milliseconds(50);
  std::uint64_t seen = 0;
  while (!stopping_.load()) {
    {
      const std::lock_guard lock(mutex_);
      seen = changes_;
    }
    std::string failure;
    try {
      while (!stopping_.load() && (this->*work)()) {
      }
    } catch (const std::exception& error) {
      if (engine_.closed_.load()) return;  // what a close leaves undone is no trouble
      failure = std::string(what) + ": " + error.what();
    }
    std::unique_lock lock(mutex_);
    if (failure.empty()) {
      pause = std::chrono::milliseconds(50);
      if (!problem.empty()) {
        problem.clear();
        lock.unlock();
        engine_.message(Message::Severity::info, engine_.where() + ": " + what + " works again");
        lock.lock();
      }
      if (changes_ == seen && !stopping_.load())
        changed_.wait_until(lock, base::now() + std::chrono::milliseconds(500));
    } else {
      const bool fresh = problem.empty();
      problem = failure;
      if (fresh) {
        lock.unlock();
        engine_.message(Message::Severity::warning, failure);
        lock.lock();
      }
      // Any change ends the wait early but for stopping; a failing disk is not asked more often than this.
      const base::Instant until = base::now() + pause;
      while (!stopping_.load() && changed_.wait_until(lock, until)) {
      }
      pause = std::min<base::Duration>(pause * 2, std::chrono::seconds(2));
    }
  }
}

void Maintenance::flush_loop() {
  drive("flush", flush_problem_, &Maintenance::flush_some);
}
void Maintenance::compaction_loop() {
  drive("compaction", compaction_problem_, &Maintenance::compact_some);
}

void Maintenance::housekeeping_loop() {
  while (!stopping_.load()) {
    std::string failure;
    try {
      {
        // Not behind a commit that waits: it catches up itself.
        std::unique_lock lock(engine_.commit_mutex_, std::try_to_lock);
        if (lock.owns_lock() && !engine_.broken_down_.load()) engine_.catch_up();
      }
      engine_.epochs_.collect();
      engine_.medium_->publish_pin(engine_.pins_->oldest());
      bool has_role = false;
      {
        const std::lock_guard lock(mutex_);
        has_role = has_role_;
      }
      if (has_role) delete_garbage();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    std::unique_lock lock(mutex_);
    housekeeping_problem_ = failure;
    const base::Instant until = base::now() + kHousekeepingPause;
    while (!stopping_.load() && changed_.wait_until(lock, until)) {
    }
  }
}

std::vector<std::string> Maintenance::problems() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> problems;
  for (const std::string* problem : {&flush_problem_, &compaction_problem_, &housekeeping_problem_}) {
    if (!problem->empty()) problems.push_back(*problem);
  }
  for (const auto& [id, barred] : barred_) {
    const std::string sentence = "compaction leaves out what it can't read: " + barred.why;
    if (std::find(problems.begin(), problems.end(), sentence) == problems.end()) problems.push_back(sentence);
  }
  return problems;
}

std::vector<std::shared_ptr<runs::Run>> Maintenance::open_written(const std::vector<runs::RunSummary>& summaries) {
  std::vector<std::shared_ptr<runs::Run>> runs;
  runs.reserve(summaries.size());
  for (const runs::RunSummary& summary : summaries) runs.push_back(engine_.open_run(summary));
  return runs;
}

// In a bucket nothing is removed because a commit failed: it may still come true. The collector knows when it can't.
void Maintenance::remove_written(const std::vector<runs::RunSummary>& summaries) {
  if (!engine_.medium_->deletes_at_once() && !base::broken(base::Break::bucket_delete_failed_upload)) return;
  for (const runs::RunSummary& summary : summaries)
    (void)engine_.medium_->files().remove(run_path(summary.name)).code();
}

bool Maintenance::commit_written(const Edit& edit, std::uint64_t flushed_before) {
  try {
    if (engine_.commit_edit(edit, flushed_before, open_written(edit.added))) return true;
  } catch (const Error& error) {
    // Not on a disk that is full: there each further try would take more of it.
    if (error.code() == ErrorCode::unavailable) remove_written(edit.added);
    throw;
  }
  remove_written(edit.added);
  return false;
}

// Writes the sealed memtables into one run. False: there is nothing to do (for this process, now).
bool Maintenance::flush_some() {
  const bool flushed = flush(Effort::needed);
  // In a bucket a late one does no harm; in a directory, who has the role by now has written a newer one.
  if (!flushed && checkpoint_is_due_.load() && !engine_.medium_->keeps_maintenance()) after_edit();
  return flushed;
}

bool Maintenance::flush(Effort effort) {
  const std::lock_guard flush_lock(flush_mutex_);
  const bool short_of_room = engine_.shared_log()->short_of_room();
  HeldView held = engine_.hold();
  if (held.state->sealed.empty() && !held.state->active->empty()) {
    // What was erased frees nothing before it has met, in a merge, what it hides; and the log waits for that.
    const bool for_room = short_of_room;
    // A store at rest reads faster, and opens faster, without a memtable.
    const bool for_rest = held.state->active->memory_bytes() >= engine_.sizes_.resting_memtable_bytes && is_idle() &&
                          try_role(held.state->edit_number);
    if (for_room) base::probe("engine: a memtable was sealed early, for room");
    if (for_room || for_rest) {
      engine_.seal_memtable();
      held = engine_.hold();
    }
  }
  const State& state = *held.state;
  if (state.sealed.empty()) return false;
  if (!try_role(state.edit_number) && effort != Effort::complete) return false;
  // On a disk that is nearly full, one at a time: each that is a run frees its stretch of the log for the next.
  std::vector<std::shared_ptr<Memtable>> memtables = state.sealed;
  if (short_of_room) memtables = {state.sealed.back()};

  Version floor = state.floor;
  for (const auto& memtable : memtables) floor = std::max(floor, memtable->version_max());
  std::optional<Flushed> flushed =
      flush_memtables(engine_.medium_->files(), state, memtables, floor, engine_.sizes_.run_file_bytes,
                      [this](const runs::Record&) { return !stopping_.load(); });
  if (!flushed) return false;
  bytes_written_.fetch_add(flushed->bytes, std::memory_order_relaxed);
  Edit edit;
  edit.flushed_segment = memtables.front()->segment();
  if (memtables.size() == state.sealed.size()) edit.flushed_segment = state.active->segment() - 1;
  edit.floor = floor;
  edit.floor_time_micros = state.floor_time_micros;
  edit.added = std::move(flushed->files);
  if (!commit_written(edit, state.flushed_segment)) {
    base::probe("engine: another process had flushed the same segments");
    return true;
  }
  flushes_.fetch_add(1, std::memory_order_relaxed);
  after_edit();
  return true;
}

// Whether nothing was committed for a while, as far as the flush and compaction threads have looked.
bool Maintenance::is_idle() {
  const auto newest = static_cast<std::int64_t>(engine_.visible_version());
  const std::lock_guard lock(mutex_);
  if (last_version_seen_ != newest) {
    last_version_seen_ = newest;
    last_version_change_ = base::now();
  }
  return base::now() - last_version_change_ >= kIdle;
}

bool Maintenance::compact_some() {
  return compact(is_idle() || engine_.shared_log()->short_of_room() ? Effort::idle : Effort::needed);
}

// What the memtables will take on the disk, and what the log may still let in: a merge must leave them that much, or a
// full disk could never be left again.
std::uint64_t Maintenance::flush_needs() {
  std::uint64_t bytes = engine_.shared_log()->short_of_room() ? 0 : engine_.sizes_.segment_bytes;
  const base::EpochDomain::Guard guard(engine_.epochs_);
  const State* state = engine_.state_.load(std::memory_order_acquire);
  bytes += state->active->memory_bytes();
  for (const auto& memtable : state->sealed) bytes += memtable->memory_bytes();
  return bytes;
}

// Merges one window of sorted runs. False: there is nothing to do.
bool Maintenance::compact(Effort effort) {
  const std::lock_guard compaction_lock(compaction_mutex_);
  const HeldView held = engine_.hold();
  const State& state = *held.state;
  {
    const std::lock_guard lock(mutex_);  // what another process has merged away is nobody's problem any more
    std::erase_if(barred_, [&](const auto& barred) {
      return std::none_of(state.sorted_runs.begin(), state.sorted_runs.end(),
                          [&](const SortedRun& sorted) { return sorted.id == barred.first; });
    });
  }
  std::vector<RunSize> sizes;
  for (const SortedRun& sorted : state.sorted_runs) {
    RunSize size{sorted.file_bytes(), sorted.records(), sorted.erased()};
    size.rewrite =
        std::any_of(sorted.files.begin(), sorted.files.end(), [](const auto& file) { return file->wants_rewrite(); });
    size.barred = is_barred(sorted.id);
    sizes.push_back(size);
  }
  const std::optional<Window> window = pick_compaction(sizes, effort, engine_.sizes_.segment_bytes);
  if (!window) return false;
  if (!try_role(state.edit_number) && effort != Effort::complete) return false;

  const bool to_bottom = window->first + window->count == state.sorted_runs.size();
  std::vector<std::unique_ptr<runs::Cursor>> cursors;
  std::vector<const runs::Cursor*> sources;
  std::vector<runs::RangeErasure> erasures;
  Edit edit;
  for (std::size_t i = window->first; i < window->first + window->count; ++i) {
    const SortedRun& sorted = state.sorted_runs[i];
    edit.removed.push_back(sorted.id);
    cursors.push_back(sorted_run_cursor(sorted, true));
    sources.push_back(cursors.back().get());
    for (const auto& file : sorted.files) {
      if (file->has_range_erasures() && !file->readable()) {  // not the same as: it has none
        bar(sorted.id, file->why());
        throw OutputFailed(file->why());
      }
      for (const runs::RangeErasure& erasure : file->range_erasures()) erasures.push_back(erasure);
    }
  }
  const ErasureMap erased(erasures);
  static const std::vector<ErasureMap::Fragment> kNone;
  RunOutput output(engine_.medium_->files(), to_bottom ? kNone : erased.fragments(), engine_.sizes_.run_file_bytes);
  output.leave_free([this] { return flush_needs(); });
  const std::unique_ptr<runs::Cursor> cursor = runs::merge_cursors(std::move(cursors));
  for (cursor->seek_first(); cursor->valid(); cursor->next()) {
    if (stopping_.load()) return false;
    const runs::Record& record = cursor->record();
    const ErasureMap::Fragment* fragment = erased.empty() ? nullptr : erased.over(record.key);
    if (fragment != nullptr && record.version < fragment->version) continue;
    // What had expired before anything above the runs was committed is gone for every snapshot that can still be taken.
    const bool expired = record.expires_micros != 0 && record.expires_micros <= state.floor_time_micros;
    if (record.kind != RecordKind::erased && !expired) {
      output.add(record);
    } else if (!to_bottom) {
      output.add({record.key, record.version, RecordKind::erased, 0, {}});
    }
  }
  if (cursor->failed()) {
    base::probe("engine: a merge met what can't be read");
    std::string why;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const runs::Unreadable* unreadable = sources[i]->unreadable();
      if (unreadable == nullptr) continue;
      why = unreadable->why;
      bar(edit.removed[i], why);
    }
    throw OutputFailed(why);
  }
  unbar(edit.removed);
  edit.added = output.finish();
  bytes_written_.fetch_add(output.bytes(), std::memory_order_relaxed);
  if (!commit_written(edit, 0)) return true;
  compactions_.fetch_add(1, std::memory_order_relaxed);
  after_edit();
  return true;
}

// What can't be read now is not tried again at once, so that merges of all else go on. It may be readable another time.
void Maintenance::bar(std::uint64_t sorted_run, const std::string& why) {
  const std::lock_guard lock(mutex_);
  Barred& barred = barred_[sorted_run];
  barred.pause = std::clamp<base::Duration>(2 * barred.pause, kBarredPauseMin, kBarredPauseMax);
  barred.until = base::now() + barred.pause;
  barred.why = why;
}

void Maintenance::unbar(const std::vector<std::uint64_t>& sorted_runs) {
  const std::lock_guard lock(mutex_);
  for (const std::uint64_t id : sorted_runs) barred_.erase(id);
}

bool Maintenance::is_barred(std::uint64_t sorted_run) {
  const std::lock_guard lock(mutex_);
  const auto found = barred_.find(sorted_run);
  return found != barred_.end() && base::now() < found->second.until;
}

void Maintenance::after_edit() {
  write_newest_checkpoint();
  delete_garbage();
}

// The newest State as a checkpoint; then the log before it is free.
void Maintenance::write_newest_checkpoint() {
  const std::lock_guard checkpoint_lock(checkpoint_mutex_);
  checkpoint_is_due_.store(true);  // until it is there: what throws is tried again
  Checkpoint checkpoint;
  {
    const std::lock_guard lock(engine_.commit_mutex_);
    const State& state = *engine_.state_owner_;
    const std::optional<log::Start> start = engine_.log().start_of(state.flushed_segment + 1);
    // Without it, it is the edit's own segment: the next checkpoint knows.
    if (state.edit_number <= checkpointed_edit_ || !start) {
      checkpoint_is_due_.store(false);
      return;
    }
    checkpoint.edit_number = state.edit_number;
    checkpoint.start = *start;
    checkpoint.floor = state.floor;
    checkpoint.floor_time_micros = state.floor_time_micros;
    for (const SortedRun& sorted : state.sorted_runs) {
      CheckpointSortedRun& entry = checkpoint.sorted_runs.emplace_back();
      entry.id = sorted.id;
      for (const auto& file : sorted.files) entry.files.push_back(file->summary());
    }
    checkpoint.graveyard.assign(engine_.graveyard_.begin(), engine_.graveyard_.end());
  }
  if (const storage::IoError error = engine_.medium_->keep_checkpoint(checkpoint)) {
    throw OutputFailed(engine_.where() + "/checkpoints: " + error.text());
  }
  checkpointed_edit_ = checkpoint.edit_number;
  checkpoint_is_due_.store(false);
  engine_.shared_log()->release(checkpoint.start.segment);
}

void Maintenance::delete_garbage() {
  engine_.epochs_.collect();
  std::uint64_t newest = 0;
  {
    const std::lock_guard lock(mutex_);
    if (garbage_.empty()) return;
    for (const Garbage& garbage : garbage_) newest = std::max(newest, garbage.edit_number);
  }
  std::uint64_t checkpointed = 0;
  for (bool written = false;; written = true) {
    {
      const std::lock_guard lock(checkpoint_mutex_);
      checkpointed = checkpointed_edit_;
    }
    if (checkpointed >= newest || written) break;
    write_newest_checkpoint();  // the edit was another process's, and so was its checkpoint: ours we know
  }
  std::vector<Garbage> ready;
  engine_.medium_->publish_pin(engine_.pins_->oldest());
  const std::uint64_t pinned =
      base::broken(base::Break::engine_delete_early) ? PinRegistry::kNoPin : engine_.medium_->oldest_pin();
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(garbage_, [&](Garbage& garbage) {
      if (garbage.edit_number > checkpointed || garbage.edit_number > pinned) return false;
      ready.push_back(std::move(garbage));
      return true;
    });
  }
  for (const Garbage& garbage : ready) (void)engine_.medium_->files().remove(garbage.path).code();
}

void Maintenance::settle() {
  engine_.seal_memtable();
  // Whether or not another process has the maintenance lock: it does not know that somebody waits.
  while (!stopping_.load() && flush(Effort::complete)) {
  }
  while (!stopping_.load() && compact(Effort::complete)) {
  }
  delete_garbage();
}

// A delay per byte that rises smoothly with the debt: what is not flushed yet, and how many runs a read must look at.
void Maintenance::throttle(std::size_t bytes, base::Instant deadline) {
  constexpr double kNanosPerByteAtFullDebt = 250;  // 4 MB/s
  constexpr base::Duration kDelayMax = std::chrono::milliseconds(1);
  constexpr base::Duration kSleepMin = std::chrono::microseconds(200);
  for (bool waited = false;;) {
    std::uint64_t unflushed = 0;
    std::size_t sorted_runs = 0;
    {
      const base::EpochDomain::Guard guard(engine_.epochs_);
      const State* state = engine_.state_.load(std::memory_order_acquire);
      if (state->sealed.size() < 2 && state->sorted_runs.size() <= 12) return;
      for (const auto& memtable : state->sealed) unflushed += memtable->memory_bytes();
      sorted_runs = state->sorted_runs.size();
    }
    const double hard = static_cast<double>(engine_.memory_budget_) / 2;
    const double by_memory = static_cast<double>(unflushed) / hard;
    const double by_runs = sorted_runs > 12 ? static_cast<double>(sorted_runs - 12) / 24 : 0;
    const double debt = std::max(by_memory, by_runs);
    if (debt < 1 || waited) {
      if (debt < 0.25) return;
      const double share = std::min(1.0, (debt - 0.25) / 0.75);
      auto delay = base::Duration(
          static_cast<std::int64_t>(share * share * kNanosPerByteAtFullDebt * static_cast<double>(bytes)));
      delay = std::min(delay, kDelayMax);
      engine_.delayed_commits_.fetch_add(1, std::memory_order_relaxed);
      engine_.delayed_micros_.fetch_add(static_cast<std::uint64_t>(delay.count() / 1000), std::memory_order_relaxed);
      const std::int64_t owed = owed_nanos_.fetch_add(delay.count(), std::memory_order_relaxed) + delay.count();
      if (owed < kSleepMin.count()) return;
      base::sleep_for(base::Duration(owed_nanos_.exchange(0, std::memory_order_relaxed)));
      return;
    }
    // Memory is full: nothing may be added before something is flushed.
    base::probe("engine: writers waited for a flush");
    waited = by_memory < 1;
    if (!waited) {
      if (base::now() >= deadline) {
        std::string why;
        for (const std::string& problem : problems()) why += " " + problem + ".";
        throw Error(ErrorCode::unavailable,
                    engine_.where() + ": writes wait until memory can be flushed to disk, and it was not within " +
                        std::to_string(engine_.options_.deadline.count()) + " ms." + why +
                        " Nothing was committed; the store goes on by itself when that ends.");
      }
      engine_.require_open();
      base::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace ingot::engine
