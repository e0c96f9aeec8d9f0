// What a store lies on, as the engine needs it: a directory with its log and its locks (directory_medium.h), or a
// bucket (bucket_medium.h). It knows where the header, the checkpoints, the log and the runs are, and who may delete
// what; nothing of what they mean.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/checkpoint.h"
#include "engine/sizes.h"
#include "engine/store_header.h"
#include "ingot/options.h"
#include "ingot/status.h"
#include "log/log.h"
#include "storage/bucket.h"
#include "storage/directory.h"

namespace ingot::engine {

class Engine;

class Medium {
 public:
  // What it is opened with; the engine's own, which outlive it.
  struct Setting {
    const std::string& where;  // as the user gave it
    const Options& options;
    const Sizes& sizes;
    std::function<void(const std::string&)> on_message;  // warnings for people; any thread
  };

  virtual ~Medium() = default;

  // --- Opening: in this order, by one thread.

  // Finds the store, or makes it if the options allow. A sentence for each place that was healed. Throws Error.
  virtual StoreHeader find_or_make(std::vector<std::string>& healed, base::Instant deadline) = 0;
  // Takes part, so that others know of us. Throws Error.
  virtual void join(base::Instant deadline) = 0;
  // These two also by a handle that fell behind. `healing`: what is damaged may be written anew.
  virtual CheckpointRead newest_checkpoint(bool healing, Checkpoint& checkpoint, std::vector<std::string>& healed,
                                           std::string& why) = 0;
  // The log after `start`, which is passed to `sink`. Null: `outcome` and `why` say why; gone: the checkpoint was
  // replaced meanwhile, look again.
  virtual std::shared_ptr<log::Log> open_log(const log::Start& start, const log::Sink& sink, log::Read& outcome,
                                             std::string& why) = 0;
  // The log is read. `names`: of all runs that the newest State has, sorted; others that were found are leftovers.
  virtual void finish_opening(const std::vector<std::string_view>& names) = 0;

  // --- From then on: any thread.

  // Where run files are: "runs/<name>".
  [[nodiscard]] virtual storage::Directory& files() = 0;
  // Until when, by the store's clock, an edit may name this run, which files() has written: after that it may be
  // collected. Nothing: for ever.
  [[nodiscard]] virtual std::optional<storage::BucketDate> adoptable_until(const std::string& name) const = 0;
  // Makes it the checkpoint to open with, durably. Older ones are removed, or will be.
  virtual storage::IoError keep_checkpoint(const Checkpoint& checkpoint) = 0;
  // The header once more, for check(). False: `why`.
  virtual bool check_header(std::vector<std::string>& healed, std::string& why) = 0;

  // Who flushes and merges: at most one process of all, if it can be helped. Does not wait. Whether, once it is this
  // one, it stays so until end_maintenance; else it is asked each time.
  virtual bool try_maintenance() = 0;
  virtual void end_maintenance() = 0;
  [[nodiscard]] virtual bool keeps_maintenance() const = 0;
  // How long others leave it to that one.
  [[nodiscard]] virtual base::Duration maintenance_patience() const = 0;

  // Whether a file is deleted as soon as nobody can read it any more: then pins say who reads what. Else it is
  // collected after the grace period, by what checkpoints say was removed (Checkpoint::graveyard).
  [[nodiscard]] virtual bool deletes_at_once() const = 0;
  // What edits up to this one have removed is collected, by whomever; 0: not known.
  [[nodiscard]] virtual std::uint64_t collected_edit() { return 0; }
  virtual void publish_pin(std::uint64_t edit_number) = 0;
  [[nodiscard]] virtual std::uint64_t oldest_pin() = 0;

  // Requests, their cost, and what else there is to say; added to `stats`.
  virtual void add_stats(Stats& stats) const = 0;

  // Threads of its own, for a handle that writes. `engine` outlives stop().
  virtual void start_upkeep(Engine& engine) = 0;
  // Nobody waits for the world any more: calls under way end soon. Then threads are ended.
  virtual void stop() = 0;
  // The end, after the log's: lets go of everything.
  virtual void leave() = 0;
};

}  // namespace ingot::engine
