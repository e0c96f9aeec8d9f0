// Opening: the header, the newest checkpoint, the log after it.
#include <algorithm>
#include <utility>

#include "base/machine.h"
#include "base/testing.h"
#include "engine/directory_medium.h"
#include "engine/engine.h"
#include "engine/maintenance.h"
#include "engine/newer_release.h"
#include "engine/run_output.h"
#include "ingot/error.h"

namespace ingot::engine {

namespace {

constexpr std::uint64_t kMemoryBytesDefaultMax = 8ULL << 30;

constexpr const char* kSalvage =
    "To read the rest, open it with Options::salvage, or use `ingot export --salvage` or `ingot copy --salvage`.";

std::uint64_t memory_budget(const Options& options, const Sizes& sizes) {
  if (options.memory_bytes != 0) return options.memory_bytes;
  return std::clamp(base::machine_memory_bytes() / 4, sizes.memory_bytes_min, kMemoryBytesDefaultMax);
}

// How many files of runs are open at once. A quarter of what the process may have: an application has sockets, too.
std::size_t run_files_max() {
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(base::process_open_files_max() / 4, 64, 4096));
}

}  // namespace

Engine::Engine(std::string where, Options options, const Sizes& sizes)
    : where_(std::move(where)),
      options_(std::move(options)),
      sizes_(sizes),
      fork_generation_(base::fork_generation()),
      memory_budget_(memory_budget(options_, sizes_)),
      pins_(std::make_shared<PinRegistry>()) {
  if (options_.memory_bytes != 0 && options_.memory_bytes < sizes_.memory_bytes_min) {
    throw Error(ErrorCode::invalid_argument, where_ + ": memory_bytes is " + std::to_string(options_.memory_bytes) +
                                                 ", the least is " + std::to_string(sizes_.memory_bytes_min) +
                                                 " (0: decided by the library)");
  }
  if (options_.deadline.count() < 0) {
    throw Error(ErrorCode::invalid_argument, where_ + ": the deadline is negative");
  }
}

std::shared_ptr<Engine> Engine::open(std::unique_ptr<storage::Directory> directory, std::string where, Options options,
                                     const Sizes& sizes) {
  return open_on([&](const Medium::Setting& setting) { return make_directory_medium(std::move(directory), setting); },
                 std::move(where), std::move(options), sizes);
}

std::shared_ptr<Engine> Engine::open_on(
    base::FunctionRef<std::unique_ptr<Medium>(const Medium::Setting& setting)> make_medium, std::string where,
    Options options, const Sizes& sizes) {
  if (options.salvage) options.read_only = true;
  // In a fork's child nothing of the parent's may be joined, unlocked or closed: there the engine is left as it lies.
  std::shared_ptr<Engine> engine(new Engine(std::move(where), std::move(options), sizes), [](Engine* gone) {
    if (base::fork_generation() == gone->fork_generation_) delete gone;
  });
  engine->medium_ =
      make_medium({engine->where_, engine->options_, engine->sizes_, [self = engine.get()](const std::string& text) {
                     self->message(Message::Severity::warning, text);
                   }});
  const base::Instant deadline = base::deadline_after(base::now(), engine->options_.deadline);
  engine->remote_ = !engine->medium_->deletes_at_once();
  engine->header_ = engine->medium_->find_or_make(engine->healed_by_opening_, deadline);
  engine->open_log();
  return engine;
}

std::shared_ptr<runs::Run> Engine::open_run(const runs::RunSummary& summary) {
  return std::make_shared<runs::Run>(medium_->files(), run_path(summary.name), summary, cache_,
                                     [this](const std::string& text) {
                                       message(Message::Severity::warning, text);
                                       // What was healed is rewritten at once, and not when somebody looks next.
                                       if (maintenance_ != nullptr) maintenance_->notify();
                                     });
}

void Engine::load_checkpoint(const Checkpoint& checkpoint) {
  auto state = State::make(pins_, checkpoint.edit_number);
  state->active = std::make_shared<Memtable>(checkpoint.start.segment);
  state->floor = checkpoint.floor;
  state->floor_time_micros = checkpoint.floor_time_micros;
  state->flushed_segment = checkpoint.start.segment - 1;
  for (const CheckpointSortedRun& entry : checkpoint.sorted_runs) {
    SortedRun& sorted = state->sorted_runs.emplace_back();
    sorted.id = entry.id;
    for (const runs::RunSummary& summary : entry.files) sorted.files.push_back(open_run(summary));
  }
  state->note_erasures();
  graveyard_.assign(checkpoint.graveyard.begin(), checkpoint.graveyard.end());
  publish_state(std::move(state));
  show(std::max(visible_version_.load(), checkpoint.start.version),
       std::max(visible_time_.load(), checkpoint.start.time_micros));
}

void Engine::open_log() {
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  cache_ = std::make_shared<runs::BlockCache>(memory_budget_ / 2, epochs_, run_files_max());
  medium_->join(deadline);

  const std::lock_guard lock(commit_mutex_);
  // The checkpoint may be replaced, and the log behind it recycled, between the two looks.
  constexpr int kTriesMax = 100;
  for (int attempt = 0;; ++attempt) {
    Checkpoint checkpoint;
    std::string why;
    switch (medium_->newest_checkpoint(true, checkpoint, healed_by_opening_, why)) {
      case CheckpointRead::found:
      case CheckpointRead::none:
        break;
      case CheckpointRead::newer_format:
        throw Error(ErrorCode::newer_format, why + ". Open it with that release or a later one; nothing was changed.");
      case CheckpointRead::damaged:
        throw Error(ErrorCode::corrupt, why + ". Nothing was changed.");
      case CheckpointRead::failed:
        throw Error(ErrorCode::unavailable, why);
    }
    load_checkpoint(checkpoint);
    log::Read outcome = log::Read::caught_up;
    std::shared_ptr<log::Log> log = medium_->open_log(
        checkpoint.start, [this](const log::Entry& entry) { apply(entry); }, outcome, why);
    require_open();
    if (log != nullptr) {
      const std::lock_guard figures_lock(figures_mutex_);
      log_owner_ = std::move(log);
      log_.store(log_owner_.get(), std::memory_order_release);
      break;
    }
    if (is_of_newer_release(why)) throw newer_release(where_, why);
    if (outcome == log::Read::corrupt) {
      throw Error(ErrorCode::corrupt, where_ + ": " + why + ". Nothing was changed. " + kSalvage);
    }
    if (outcome == log::Read::unavailable) {
      const bool unreadable = why.find("(EIO)") != std::string::npos;
      throw Error(ErrorCode::unavailable,
                  where_ + ": " + why + (unreadable ? std::string(". If that stays so: ") + kSalvage : ""));
    }
    if (attempt == kTriesMax)
      throw Error(ErrorCode::unavailable, where_ + ": checkpoints are replaced faster than they can be read");
  }
  twin_files_healed_ = healed_by_opening_.size();
  for (const std::string& sentence : healed_by_opening_) message(Message::Severity::warning, sentence);
  maintenance_ = std::make_unique<Maintenance>(*this);
  medium_->publish_pin(pins_->oldest());
  std::vector<std::string_view> names;
  for (const SortedRun& sorted : state_owner_->sorted_runs) {
    for (const auto& file : sorted.files) names.push_back(file->summary().name);
  }
  std::sort(names.begin(), names.end());
  medium_->finish_opening(names);
  maintenance_->start(options_.read_only);
}

// The log was collected under us: we were away for long. The newest checkpoint has what we missed. Under commit_mutex_.
// Readers see what they saw until the new State is whole. If the world stands in the way, it stays at that: whoever
// looks next tries again.
void Engine::reload_from_checkpoint() {
  medium_->publish_pin(pins_->oldest());
  std::string why;
  log::Read outcome = log::Read::unavailable;
  reloading_from_ = state_owner_;
  try {
    outcome = reload(why);
  } catch (...) {
    break_down_half_way("it fell behind the log, and could not read the newest checkpoint");
    throw;
  }
  std::shared_ptr<State> made = std::exchange(state_owner_, std::exchange(reloading_from_, nullptr));
  require_open();
  if (outcome == log::Read::caught_up) {
    publish_state(std::move(made));
    show(log().position().version, log().position().time_micros);
    return settle_collected();
  }
  if (outcome == log::Read::unavailable) {
    throw is_of_newer_release(why) ? newer_release(where_, why) : Error(ErrorCode::unavailable, where_ + ": " + why);
  }
  break_down("it fell behind the log, and the newest checkpoint can't be read: " + why);
  require_open();
}

// What had been left undecided stood in a slot that is gone: rows tell. Under commit_mutex_.
void Engine::settle_collected() {
  std::vector<base::Hash128> sessions;
  {
    const std::lock_guard lock(undecided_mutex_);
    for (const Attempted& attempted : undecided_) {
      if (!attempted.decided && (sessions.empty() || sessions.back() != attempted.session))
        sessions.push_back(attempted.session);
    }
  }
  for (const base::Hash128& session : sessions) {
    const std::optional<SessionRow> row = read_session(session);
    const std::lock_guard lock(undecided_mutex_);
    // All that are open were for one slot: if the row is one of them, the others are not there.
    const auto is_open = [&](const Attempted& attempted) {
      return !attempted.decided && attempted.session == session && attempted.slot != kNeverSettled;
    };
    const bool is_ours = row && std::any_of(undecided_.begin(), undecided_.end(), [&](const Attempted& attempted) {
                           return is_open(attempted) && attempted.sequence == row->sequence;
                         });
    for (Attempted& attempted : undecided_) {
      if (!is_open(attempted)) continue;
      RowSays says = row_says(row, attempted.sequence);
      if (is_ours && says == RowSays::unknown) says = RowSays::not_kept;
      const bool has_expired = attempted.time_micros + kSessionRowMicros <= visible_time_.load();
      if (!row && has_expired) {
        base::probe("engine: a commit was asked for after its row had expired");
        says = RowSays::unknown;
      }
      if (says == RowSays::unknown) {
        attempted.slot = kNeverSettled;
        continue;
      }
      attempted.decided = true;
      if (says == RowSays::kept) attempted.base_version = row->base_version;
    }
  }
}

log::Read Engine::reload(std::string& why) {
  constexpr int kTriesMax = 100;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    Checkpoint checkpoint;
    std::vector<std::string> healed;
    const CheckpointRead found = medium_->newest_checkpoint(false, checkpoint, healed, why);
    if (found == CheckpointRead::failed) return log::Read::unavailable;
    if (found != CheckpointRead::found && found != CheckpointRead::none) return log::Read::corrupt;
    log_owner_->close();
    load_checkpoint(checkpoint);
    log::Read outcome = log::Read::caught_up;
    std::shared_ptr<log::Log> log = medium_->open_log(
        checkpoint.start, [this](const log::Entry& entry) { apply(entry); }, outcome, why);
    if (log != nullptr) {
      const std::lock_guard figures_lock(figures_mutex_);
      std::shared_ptr<log::Log> old = std::move(log_owner_);
      log_owner_ = std::move(log);
      log_.store(log_owner_.get(), std::memory_order_release);
      epochs_.retire([old]() mutable { old.reset(); });
      return log::Read::caught_up;
    }
    if (outcome != log::Read::gone) return outcome;
  }
  why = "checkpoints are replaced faster than they can be read";
  return log::Read::unavailable;
}

}  // namespace ingot::engine
