// Opening: the place, the header, the newest checkpoint, the log after it.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/machine.h"
#include "base/testing.h"
#include "engine/copy.h"
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

Error place_error(const std::string& where, const storage::IoError& error, const char* doing) {
  switch (error.code()) {
    case EROFS:
      return {ErrorCode::read_only,
              where + ": can't " + doing + ", the file system is mounted read-only. Open it with read_only."};
    case EACCES:
    case EPERM:
      return {ErrorCode::read_only,
              where + ": can't " + doing + ", permission denied. Open it as the user who owns it, or with read_only."};
    default:
      return {ErrorCode::unavailable, where + ": can't " + doing + ": " + error.text()};
  }
}

}  // namespace

Engine::Engine(std::unique_ptr<storage::Directory> directory, std::string where, Options options, const Sizes& sizes)
    : directory_(std::move(directory)),
      where_(std::move(where)),
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
  if (options.salvage) options.read_only = true;
  // In a fork's child nothing of the parent's may be joined, unlocked or closed: there the engine is left as it lies.
  std::shared_ptr<Engine> engine(new Engine(std::move(directory), std::move(where), std::move(options), sizes),
                                 [](Engine* gone) {
                                   if (base::fork_generation() == gone->fork_generation_) delete gone;
                                 });
  engine->open_place();
  engine->open_log();
  return engine;
}

void Engine::open_place() {
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  std::string why;
  Place place = look_at(*directory_, !options_.read_only, header_, healed_by_opening_, why);
  if (place == Place::empty) {
    if (options_.read_only || !options_.create) {
      throw Error(ErrorCode::not_a_store, where_ + " holds no store" +
                                              (options_.read_only ? ", and none is made when opening read-only."
                                                                  : ", and Options::create is off."));
    }
    if (const storage::IoError error = make_store(*directory_, deadline))
      throw place_error(where_, error, "make a store here");
    place = look_at(*directory_, true, header_, healed_by_opening_, why);
  }
  switch (place) {
    case Place::store:
      // A copy that was killed when it was complete; from now on it may not be begun anew.
      if (!options_.read_only) (void)directory_->remove(kCopyingMark).code();
      break;
    case Place::empty:
      throw Error(ErrorCode::unavailable, where_ + ": the store vanished while it was being made");
    case Place::other:
      throw Error(ErrorCode::not_a_store, why + ". Give an empty or a new directory, or a store.");
    case Place::damaged:
      throw Error(ErrorCode::corrupt, why + ". The store's header can't be read, and nothing was changed.");
    case Place::newer_format:
      throw Error(ErrorCode::newer_format, why + ". Open it with that release or a later one; nothing was changed.");
    case Place::failed:
      throw Error(ErrorCode::unavailable, why);
  }
}

std::shared_ptr<runs::Run> Engine::open_run(const runs::RunSummary& summary) {
  return std::make_shared<runs::Run>(*directory_, run_path(summary.name), summary, cache_,
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
  publish_state(std::move(state));
  show(std::max(visible_version_.load(), checkpoint.start.version),
       std::max(visible_time_.load(), checkpoint.start.time_micros));
}

void Engine::open_log() {
  const base::Instant deadline = base::deadline_after(base::now(), options_.deadline);
  cache_ = std::make_shared<runs::BlockCache>(memory_budget_ / 2, epochs_, run_files_max());
  if (options_.read_only) {
    live_ = log::Live::open_read_only(*directory_, header_.store_id);
  } else {
    log::Live::Opened opened = log::Live::open(*directory_, header_.store_id, deadline);
    if (opened.error.code() == EBUSY) {
      throw Error(ErrorCode::unavailable,
                  where_ +
                      ": its file \"live\" was removed while other processes have the store open. Nothing is lost: end "
                      "them, then open it again.");
    }
    if (opened.live == nullptr) throw place_error(where_, opened.error, "open its file \"live\"");
    live_ = std::move(opened.live);
  }
  live_->publish_pin(0);  // until we know what we read, nothing is deleted
  // What lies in runs/ now, and is in no State once the log is read, was left by processes that died: listed while
  // nobody else is in, so that no file of a later one can be among them.
  std::vector<std::string> found_runs;
  std::vector<std::string> unfinished;
  if (!options_.read_only && live_->alone()) {
    (void)directory_->list("runs", found_runs).code();
    unfinished = unfinished_checkpoints(*directory_);
  }

  log::DirectoryLogOptions log_options;
  log_options.read_only = options_.read_only;
  log_options.pass_damage = options_.salvage;
  log_options.store_id = header_.store_id;
  log_options.segment_bytes = sizes_.segment_bytes;
  log_options.on_message = [this](const std::string& text) { message(Message::Severity::warning, text); };

  const std::lock_guard lock(commit_mutex_);
  // The checkpoint may be replaced, and the log behind it recycled, between the two looks.
  constexpr int kTriesMax = 100;
  for (int attempt = 0;; ++attempt) {
    Checkpoint checkpoint;
    std::string why;
    switch (read_newest_checkpoint(*directory_, header_.store_id, !options_.read_only, checkpoint, healed_by_opening_,
                                   why)) {
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
    log_options.start = checkpoint.start;
    log::Read outcome = log::Read::caught_up;
    std::unique_ptr<log::Log> log = log::open_directory_log(
        *directory_, *live_, log_options, [this](const log::Entry& entry) { apply(entry); }, outcome, why);
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
  live_->publish_pin(pins_->oldest());
  maintenance_->sweep(found_runs);
  for (const std::string& path : unfinished) (void)directory_->remove(path).code();
  live_->finish_opening();
  maintenance_->start(options_.read_only);
}

// The log was collected under us: we were away for long. The newest checkpoint has what we missed. Under commit_mutex_.
// Readers see what they saw until the new State is whole. If the world stands in the way, it stays at that: whoever
// looks next tries again.
void Engine::reload_from_checkpoint() {
  live_->publish_pin(pins_->oldest());
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
    return show(log().position().version, log().position().time_micros);
  }
  if (outcome == log::Read::unavailable) {
    throw is_of_newer_release(why) ? newer_release(where_, why) : Error(ErrorCode::unavailable, where_ + ": " + why);
  }
  break_down("it fell behind the log, and the newest checkpoint can't be read: " + why);
  require_open();
}

log::Read Engine::reload(std::string& why) {
  log::DirectoryLogOptions log_options;
  log_options.read_only = options_.read_only;
  log_options.pass_damage = options_.salvage;
  log_options.store_id = header_.store_id;
  log_options.segment_bytes = sizes_.segment_bytes;
  log_options.on_message = [this](const std::string& text) { message(Message::Severity::warning, text); };
  constexpr int kTriesMax = 100;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    Checkpoint checkpoint;
    std::vector<std::string> healed;
    const CheckpointRead found = read_newest_checkpoint(*directory_, header_.store_id, false, checkpoint, healed, why);
    if (found == CheckpointRead::failed) return log::Read::unavailable;
    if (found != CheckpointRead::found && found != CheckpointRead::none) return log::Read::corrupt;
    log_owner_->close();
    load_checkpoint(checkpoint);
    log_options.start = checkpoint.start;
    log::Read outcome = log::Read::caught_up;
    std::shared_ptr<log::Log> log = log::open_directory_log(
        *directory_, *live_, log_options, [this](const log::Entry& entry) { apply(entry); }, outcome, why);
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
