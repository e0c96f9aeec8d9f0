#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/testing.h"
#include "engine/maintenance.h"
#include "engine/newer_release.h"
#include "engine/run_output.h"

namespace ingot::engine {

// A call that uses the log, or `live`, outside of the locks that close takes.
class Engine::LogUse {
 public:
  explicit LogUse(Engine& engine) : engine_(engine) {
    engine_.require_open();
    engine_.log_uses_.fetch_add(1, std::memory_order_seq_cst);
    if (!engine_.closed_.load(std::memory_order_seq_cst)) return;
    engine_.log_uses_.fetch_sub(1, std::memory_order_release);
    engine_.require_open();
  }
  ~LogUse() { engine_.log_uses_.fetch_sub(1, std::memory_order_release); }
  LogUse(const LogUse&) = delete;
  LogUse& operator=(const LogUse&) = delete;

 private:
  Engine& engine_;
};

Engine::~Engine() {
  try {
    close();
  } catch (const std::exception& error) {
    message(Message::Severity::warning, where_ + ": closing: " + error.what());
  }
}

void Engine::require_open() const {
  if (base::fork_generation() != fork_generation_) {
    throw Error(ErrorCode::closed,
                where_ + ": opened before fork(), and this is the child. Open it again in the child.");
  }
  if (closed_.load(std::memory_order_acquire))
    throw Error(ErrorCode::closed, where_ + ": the store is closed. Open it again.");
  if (broken_down_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(figures_mutex_);
    if (is_of_newer_release(broken_why_)) throw newer_release(where_, broken_why_);
    throw Error(ErrorCode::closed, where_ + ": stopped before anything wrong was written, because " + broken_why_ +
                                       ". Open it again; if that says the same, keep the directory and report it.");
  }
}

void Engine::require_writable() const {
  require_open();
  if (options_.read_only) throw Error(ErrorCode::read_only, where_ + ": opened with read_only. Open it for writing.");
}

void Engine::message(Message::Severity severity, const std::string& text) const {
  if (!options_.on_message) return;
  const std::lock_guard lock(message_mutex_);
  try {
    options_.on_message({severity, text});
  } catch (...) {  // NOLINT(bugprone-empty-catch): the application's hook must not end our threads
  }
}

std::shared_ptr<log::Log> Engine::shared_log() const {
  const std::lock_guard lock(figures_mutex_);
  return log_owner_;
}

std::int64_t Engine::clock_micros() const {
  if (!remote_) return base::wall_micros();
  const base::EpochDomain::Guard guard(epochs_);
  const log::Log* log = log_.load(std::memory_order_acquire);
  return log == nullptr ? visible_time_.load(std::memory_order_relaxed) : log->clock_micros();
}

void Engine::refresh(bool fresh) {
  require_open();
  const auto look = [this] {
    const base::EpochDomain::Guard guard(epochs_);
    if (closed_.load(std::memory_order_seq_cst)) require_open();  // close waits for guards that came before it
    return log_.load(std::memory_order_acquire)->published();
  };
  Version published = look();
  if (remote_ && (fresh || published == log::Log::kMustLook)) {
    look_for_news(fresh);
    published = look();
  }
  if (published <= visible_version_.load(std::memory_order_acquire)) return;
  if (base::broken(base::Break::engine_stale_snapshot)) return;
  // Others published it: we catch up. If the lock is taken, its holder has caught up or does so now, and soon shows it.
  while (visible_version_.load(std::memory_order_acquire) < published) {
    if (commit_mutex_.try_lock()) {
      const std::lock_guard lock(commit_mutex_, std::adopt_lock);
      catch_up();
      return;
    }
    visible_waiters_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t word = visible_word_.value().load(std::memory_order_acquire);
    if (visible_version_.load(std::memory_order_seq_cst) < published) {
      visible_word_.wait_until(word, base::now() + std::chrono::microseconds(200));
    }
    visible_waiters_.fetch_sub(1, std::memory_order_relaxed);
    require_open();
    if (published == log::Log::kMustLook) published = look();
  }
}

// Asks the bucket. What is not to be fresh does not wait for one that is slow or away: it goes on with what is known.
void Engine::look_for_news(bool fresh) {
  constexpr base::Duration kPatience = std::chrono::seconds(1);
  const LogUse use(*this);
  const base::Duration patience =
      fresh ? base::Duration(options_.deadline) : std::min(base::Duration(options_.deadline), kPatience);
  const std::shared_ptr<log::Log> log = shared_log();
  const log::Read outcome = log->look(base::deadline_after(base::now(), patience));
  if (outcome == log::Read::unavailable) {
    if (!fresh) return;
    throw Error(ErrorCode::unavailable, where_ + ": can't ask for news: " + log->why());
  }
  const std::lock_guard lock(commit_mutex_);
  catch_up();
}

HeldView Engine::hold() {
  const base::EpochDomain::Guard guard(epochs_);
  for (;;) {
    HeldView held;
    held.version = visible_version_.load(std::memory_order_acquire);
    const State* state = state_.load(std::memory_order_seq_cst);
    if (held.version < state->floor) {  // flushed in between: look again
      base::spin_pause();
      continue;
    }
    held.time_micros = std::max(clock_micros(), visible_time_.load(std::memory_order_relaxed));
    held.state = state->shared_from_this();
    return held;
  }
}

bool Engine::get_newest(std::string_view key, base::FunctionRef<void(const Seen&)> use) {
  refresh();
  std::string why;
  {
    const base::EpochDomain::Guard guard(epochs_);
    View view;
    for (;; base::spin_pause()) {
      view.version = visible_version_.load(std::memory_order_acquire);
      view.state = state_.load(std::memory_order_seq_cst);
      if (view.version >= view.state->floor) break;
    }
    view.time_micros = std::max(clock_micros(), visible_time_.load(std::memory_order_relaxed));
    const Got got = get(view, key, runs::Io::none, use, why);
    if (got != Got::not_cached && got != Got::failed) return got == Got::found;
  }
  // It has to wait for storage, and nobody waits inside a guard.
  const HeldView held = hold();
  return get_at(held.view(), key, use);
}

bool Engine::get_at(const View& view, std::string_view key, base::FunctionRef<void(const Seen&)> use) const {
  std::string why;
  const Got got = get(view, key, runs::Io::allowed, use, why);
  if (got == Got::failed) throw_read_failure(why);
  return got == Got::found;
}

std::function<void(const std::string&)> Engine::on_lost() {
  if (!options_.salvage) return {};
  return [self = shared_from_this()](const std::string& why) {
    {
      constexpr std::size_t kLostMax = 1000;
      const std::lock_guard lock(self->figures_mutex_);
      if (self->lost_.size() == kLostMax || !self->lost_.insert(why).second) return;
    }
    self->message(Message::Severity::warning, why + "; passed over");
  };
}

void Engine::throw_read_failure(const std::string& why) const {
  if (is_of_newer_release(why)) throw newer_release(where_, why);
  // A run names what the world answered; a file that is gone was deleted under a handle that could not pin it.
  if (why.find("(ENOENT)") != std::string::npos) {
    throw Error(ErrorCode::expired,
                where_ + ": this snapshot has outlived the files it reads: " + why + ". Take another one.");
  }
  for (const char* transient : {"(EMFILE)", "(ENFILE)", "(ENOMEM)", "(EIO)", "(ESTALE)", "(EACCES)", "(ETIMEDOUT)",
                                "(ENETUNREACH)", "(ECANCELED)"}) {
    if (why.find(transient) != std::string::npos) {
      throw Error(ErrorCode::unavailable, where_ + ": " + why + ". Try again; if it stays so, the device has lost it.");
    }
  }
  throw Error(ErrorCode::corrupt, where_ + ": " + why);
}

Health Engine::health() const {
  Health health;
  if (broken_down_.load()) {
    const std::lock_guard lock(figures_mutex_);
    health.problems.push_back("stopped, because " + broken_why_);
  }
  if (base::fork_generation() != fork_generation_) {
    health.problems.emplace_back("opened before fork(), and this is the child");
  } else if (closed_.load()) {
    health.problems.emplace_back("the store is closed");
  } else {
    for (std::string& problem : maintenance_->problems()) health.problems.push_back(std::move(problem));
    if (std::string problem = shared_log()->problem(); !problem.empty()) health.problems.push_back(std::move(problem));
    const std::lock_guard lock(figures_mutex_);
    health.problems.insert(health.problems.end(), lost_.begin(), lost_.end());
  }
  health.good = health.problems.empty();
  return health;
}

Stats Engine::stats() const {
  require_open();
  Stats stats;
  stats.version = visible_version();
  stats.commits = commits_.load(std::memory_order_relaxed);
  stats.groups = groups_.load(std::memory_order_relaxed);
  stats.conflicts = conflicts_.load(std::memory_order_relaxed);
  {
    const std::lock_guard lock(figures_mutex_);
    for (const auto& [space, count] : conflicts_by_space_) stats.conflicts_by_space.push_back({space, count});
  }
  const log::LogStats log_stats = shared_log()->stats();
  stats.syncs = log_stats.syncs;
  stats.log_bytes = log_stats.segment_bytes;
  stats.bytes_written_log = log_stats.bytes_written;
  stats.memory_budget_bytes = memory_budget_;
  stats.cache_bytes = cache_->bytes();
  stats.index_bytes = cache_->index_bytes();
  stats.cache_hits = cache_->hits();
  stats.cache_misses = cache_->misses();
  const HeldView held = const_cast<Engine*>(this)->hold();
  stats.memtable_bytes = held.state->active->memory_bytes();
  for (const auto& memtable : held.state->sealed) stats.memtable_bytes += memtable->memory_bytes();
  stats.memory_bytes = stats.memtable_bytes + stats.cache_bytes + stats.index_bytes;
  for (const SortedRun& sorted : held.state->sorted_runs) {
    stats.runs += sorted.files.size();
    stats.run_bytes += sorted.file_bytes();
  }
  stats.pinned_bytes = maintenance_->garbage_bytes();
  stats.flushes = maintenance_->flushes();
  stats.compactions = maintenance_->compactions();
  stats.bytes_committed = bytes_committed_.load(std::memory_order_relaxed);
  stats.bytes_written_runs = maintenance_->bytes_written();
  stats.blocks_healed = cache_->healed() + log_stats.entries_healed + twin_files_healed_;
  stats.delayed_commits = delayed_commits_.load(std::memory_order_relaxed);
  stats.delayed_microseconds = delayed_micros_.load(std::memory_order_relaxed);
  medium_->add_stats(stats);
  return stats;
}

CheckReport Engine::check(base::FunctionRef<void(std::uint64_t done, std::uint64_t total)> progress) {
  const LogUse use(*this);
  refresh();
  CheckReport report;
  std::vector<std::string>& healed = report.healed_places;
  {
    const std::lock_guard lock(figures_mutex_);
    healed = std::exchange(healed_by_opening_, {});
  }
  std::string why;
  if (!medium_->check_header(healed, why)) report.damage.push_back(why);
  const HeldView held = hold();
  std::uint64_t total = 0;
  std::uint64_t done = 0;
  std::vector<std::shared_ptr<runs::Run>> files;
  for (const SortedRun& sorted : held.state->sorted_runs) {
    for (const auto& file : sorted.files) {
      files.push_back(file);
      total += file->summary().file_bytes;
    }
  }
  Checkpoint checkpoint;
  switch (medium_->newest_checkpoint(true, checkpoint, healed, why)) {
    case CheckpointRead::found:
    case CheckpointRead::none:
      break;
    default:
      report.damage.push_back(why);
  }
  report.files = files.size() + 2;
  std::vector<std::string> healed_in_log;
  std::vector<std::string> damaged_in_log;
  shared_log()->check(checkpoint.start, report.log_entries, report.bytes, healed_in_log, damaged_in_log);
  for (const std::string& sentence : healed_in_log) healed.push_back(where_ + "/" + sentence);
  for (const std::string& sentence : damaged_in_log) report.damage.push_back(where_ + ": " + sentence);
  for (const auto& file : files) {
    require_open();
    runs::RunCheck checked = file->check();
    report.bytes += checked.bytes;
    report.records += checked.records;
    healed.insert(healed.end(), checked.healed.begin(), checked.healed.end());
    report.damage.insert(report.damage.end(), checked.damage.begin(), checked.damage.end());
    done += file->summary().file_bytes;
    progress(done, total);
  }
  report.healed = healed.size();
  if (maintenance_ != nullptr && report.healed != 0) maintenance_->notify();
  return report;
}

void Engine::sync() {
  const LogUse use(*this);
  if (options_.read_only) return;
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  for (;;) {
    const std::shared_ptr<log::Log> log = shared_log();
    if (log->sync(deadline)) return;
    // If we had fallen behind, it is being opened anew: then that one has what was to be synced.
    {
      const std::lock_guard lock(commit_mutex_);
      catch_up();
    }
    if (shared_log() != log) continue;
    throw Error(ErrorCode::unavailable, where_ + ": can't sync: " + log->why());
  }
}

void Engine::settle() {
  require_writable();
  const LogUse use(*this);
  refresh();
  try {
    maintenance_->settle();
  } catch (const OutputFailed& failure) {
    throw Error(ErrorCode::unavailable, where_ + ": can't settle: " + failure.what() +
                                            ". Nothing is lost; it is tried again in the background.");
  }
}

void Engine::close() {
  const bool is_ours = base::fork_generation() == fork_generation_;
  if (is_ours && maintenance_ != nullptr && !closed_.load() && !broken_down_.load()) maintenance_->finish_flushing();
  if (closed_.exchange(true)) return;
  if (!is_ours) return;            // threads, locks and descriptors are the parent's
  if (medium_ == nullptr) return;  // it could not even be looked for
  medium_->stop();
  if (maintenance_ != nullptr) maintenance_->stop();
  if (const std::shared_ptr<log::Log> log = shared_log()) log->close();
  // Other threads may have come in before `closed_` was set, and may still use `live`: those that append or catch up,
  // those that only ask for the published version, and all else.
  {
    const std::lock_guard append_lock(append_mutex_);
    const std::lock_guard lock(commit_mutex_);
    visible_word_.wake_all();
  }
  while (log_uses_.load(std::memory_order_acquire) != 0) base::sleep_for(std::chrono::milliseconds(1));
  std::atomic<bool> left{false};
  epochs_.retire([&left] { left.store(true); });
  while (!left.load()) {
    base::yield_thread();
    epochs_.collect();
  }
  medium_->leave();
}

}  // namespace ingot::engine
