#include "engine/directory_medium.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/testing.h"
#include "engine/run_output.h"
#include "ingot/error.h"
#include "log/directory_log.h"
#include "log/live.h"

namespace ingot::engine {

namespace {

// Another process has the maintenance lock and does not use it: then it is done without. Doing it twice is harmless.
constexpr base::Duration kRolePatience = std::chrono::seconds(2);

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

class DirectoryMedium final : public Medium {
 public:
  DirectoryMedium(std::unique_ptr<storage::Directory> directory, const Setting& setting)
      : directory_(std::move(directory)), setting_(setting) {}

  StoreHeader find_or_make(std::vector<std::string>& healed, base::Instant deadline) override {
    const std::string& where = setting_.where;
    const Options& options = setting_.options;
    std::string why;
    Place place = look_at(*directory_, !options.read_only, header_, healed, why);
    if (place == Place::empty) {
      if (options.read_only || !options.create) {
        throw Error(ErrorCode::not_a_store, where + " holds no store" +
                                                (options.read_only ? ", and none is made when opening read-only."
                                                                   : ", and Options::create is off."));
      }
      if (const storage::IoError error = make_store(*directory_, deadline))
        throw place_error(where, error, "make a store here");
      place = look_at(*directory_, true, header_, healed, why);
    }
    switch (place) {
      case Place::store:
        // A copy that was killed when it was complete; from now on it may not be begun anew.
        if (!options.read_only) (void)directory_->remove(kCopyingMark).code();
        return header_;
      case Place::empty:
        throw Error(ErrorCode::unavailable, where + ": the store vanished while it was being made");
      case Place::other:
        throw Error(ErrorCode::not_a_store, why + ". Give an empty or a new directory, or a store.");
      case Place::damaged:
        throw Error(ErrorCode::corrupt, why + ". The store's header can't be read, and nothing was changed.");
      case Place::newer_format:
        throw Error(ErrorCode::newer_format, why + ". Open it with that release or a later one; nothing was changed.");
      case Place::failed:
        break;
    }
    throw Error(ErrorCode::unavailable, why);
  }

  void join(base::Instant deadline) override {
    if (setting_.options.read_only) {
      live_ = log::Live::open_read_only(*directory_, header_.store_id);
    } else {
      log::Live::Opened opened = log::Live::open(*directory_, header_.store_id, deadline);
      if (opened.error.code() == EBUSY) {
        throw Error(
            ErrorCode::unavailable,
            setting_.where +
                ": its file \"live\" was removed while other processes have the store open. Nothing is lost: end "
                "them, then open it again.");
      }
      if (opened.live == nullptr) throw place_error(setting_.where, opened.error, "open its file \"live\"");
      live_ = std::move(opened.live);
    }
    live_->publish_pin(0);  // until we know what we read, nothing is deleted
    // What lies in runs/ now, and is in no State once the log is read, was left by processes that died: listed while
    // nobody else is in, so that no file of a later one can be among them.
    if (setting_.options.read_only || !live_->alone()) return;
    (void)directory_->list("runs", found_runs_).code();
    unfinished_ = unfinished_checkpoints(*directory_);
  }

  CheckpointRead newest_checkpoint(bool healing, Checkpoint& checkpoint, std::vector<std::string>& healed,
                                   std::string& why) override {
    return read_newest_checkpoint(*directory_, header_.store_id, healing && !setting_.options.read_only, checkpoint,
                                  healed, why);
  }

  std::shared_ptr<log::Log> open_log(const log::Start& start, const log::Sink& sink, log::Read& outcome,
                                     std::string& why) override {
    log::DirectoryLogOptions options;
    options.read_only = setting_.options.read_only;
    options.pass_damage = setting_.options.salvage;
    options.store_id = header_.store_id;
    options.segment_bytes = setting_.sizes.segment_bytes;
    options.on_message = setting_.on_message;
    options.start = start;
    return log::open_directory_log(*directory_, *live_, options, sink, outcome, why);
  }

  void finish_opening(const std::vector<std::string_view>& names) override {
    for (const std::string& name : found_runs_) {
      if (std::binary_search(names.begin(), names.end(), std::string_view(name))) continue;
      base::probe("engine: swept a run that nothing names");
      (void)directory_->remove(run_path(name)).code();
    }
    for (const std::string& path : unfinished_) (void)directory_->remove(path).code();
    live_->finish_opening();
  }

  storage::Directory& files() override { return *directory_; }

  std::optional<storage::BucketDate> adoptable_until(const std::string& /*name*/) const override { return {}; }
  storage::IoError keep_checkpoint(const Checkpoint& checkpoint) override {
    if (const storage::IoError error = write_checkpoint(*directory_, header_.store_id, checkpoint)) return error;
    remove_older_checkpoints(*directory_, checkpoint.edit_number);
    return {};
  }

  bool check_header(std::vector<std::string>& healed, std::string& why) override {
    StoreHeader header;
    return look_at(*directory_, !setting_.options.read_only, header, healed, why) == Place::store;
  }

  bool try_maintenance() override { return live_->try_maintenance(); }
  void end_maintenance() override {
    if (live_ != nullptr) live_->end_maintenance();
  }
  bool keeps_maintenance() const override { return true; }
  base::Duration maintenance_patience() const override { return kRolePatience; }

  bool deletes_at_once() const override { return true; }
  void publish_pin(std::uint64_t edit_number) override { live_->publish_pin(edit_number); }
  std::uint64_t oldest_pin() override { return live_->oldest_pin(); }
  void add_stats(Stats& /*stats*/) const override {}
  void start_upkeep(Engine& /*engine*/) override {}
  void stop() override {}
  void leave() override { live_.reset(); }

 private:
  const std::unique_ptr<storage::Directory> directory_;
  const Setting setting_;
  StoreHeader header_;
  std::unique_ptr<log::Live> live_;
  std::vector<std::string> found_runs_;
  std::vector<std::string> unfinished_;
};

}  // namespace

std::unique_ptr<Medium> make_directory_medium(std::unique_ptr<storage::Directory> directory,
                                              const Medium::Setting& setting) {
  return std::make_unique<DirectoryMedium>(std::move(directory), setting);
}

}  // namespace ingot::engine
