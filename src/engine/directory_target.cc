#include "engine/directory_target.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "base/epoch.h"
#include "base/random.h"
#include "base/testing.h"
#include "base/time.h"
#include "engine/engine.h"
#include "engine/run_output.h"
#include "ingot/error.h"
#include "ingot/options.h"
#include "log/directory_log.h"
#include "log/live.h"

namespace ingot::engine {

namespace {

class DirectoryTarget final : public CopyTarget {
 public:
  DirectoryTarget(std::unique_ptr<storage::Directory> directory, std::string where, const Sizes& sizes)
      : directory_(std::move(directory)), where_(std::move(where)), sizes_(sizes) {}

  void take(const StoreHeader& source) override {
    (void)look();
    const bool began = lock_mark();
    // Again, now that no other copy can come to its end meanwhile.
    const bool whole = look();
    if (whole && began) {
      require(directory_->remove(kCopyingMark));
      throw taken();
    }
    if (whole && header_.store_id == source.store_id)
      throw Error(ErrorCode::invalid_argument, "copy to " + where_ + ": that is the store which is to be copied.");
    if (whole) {
      base::probe("engine: a copy that was whole but for its mark was begun anew");
      require(directory_->remove("store"));  // first: without it nothing of the rest is a store's
    }
    require(make_folders(*directory_));  // makes both changes of names durable
    for (const std::string_view folder : {"log", "checkpoints"}) {
      std::vector<std::string> files;
      require(directory_->list(folder, files));
      for (const std::string& file : files) require(directory_->remove(std::string(folder) + "/" + file));
    }
  }

  storage::Directory& files() override { return *directory_; }
  bool is_remote() const override { return false; }
  void stop() override {}

  bool has(const runs::RunSummary& run) override {
    const auto left = left_.find(run.name);
    if (left == left_.end()) return false;
    const std::string path = run_path(run.name);
    if (is_whole(run, path)) return true;
    base::probe("engine: a copy threw away a run that an earlier one had left");
    require(directory_->remove(path));
    left_.erase(left);
    return false;
  }

  void drop_others(const std::vector<std::string_view>& names) override {
    std::vector<std::string> there;
    require(directory_->list("runs", there));
    left_.clear();
    for (std::string& name : there) {
      if (std::binary_search(names.begin(), names.end(), std::string_view(name))) {
        left_.insert(std::move(name));
      } else {
        (void)directory_->remove(run_path(name)).code();  // what stays is swept by who opens the copy
      }
    }
  }

  void prepare(const Checkpoint& checkpoint) override {
    const std::uint64_t first = base::random_u64();
    header_.store_id = {first, base::random_u64()};
    header_.made_micros = base::wall_micros();
    drop_others(run_names(checkpoint));  // what was begun and not used
    require(directory_->sync_directory("runs"));
    require(write_checkpoint(*directory_, header_.store_id, checkpoint));
    make_log(header_.store_id, checkpoint.start);
  }

  void finish() override {
    require(write_store_header(*directory_, header_));  // from here on it is a store
    require(directory_->remove(kCopyingMark));
    require(directory_->sync_directory(""));
    mark_.reset();
    // Opened once, which shows that it opens.
    Engine::open(std::move(directory_), where_, {.read_only = true}, sizes_)->close();
  }

 private:
  void require(const storage::IoError& error) const {
    if (error) {
      throw Error(ErrorCode::unavailable, "copy to " + where_ + ": " + error.text() +
                                              ". What is there is kept: run it again when that is mended, and it goes "
                                              "on.");
    }
  }
  [[nodiscard]] Error taken() const {
    return {ErrorCode::invalid_argument, "copy to " + where_ +
                                             ": a store is there already. If a copy to it was killed: it was whole by "
                                             "then. Name a directory that does not exist yet."};
  }

  // Who opens it read-only can't.
  void make_log(const base::Hash128& store_id, const log::Start& start) {
    const log::Live::Opened opened =
        log::Live::open(*directory_, store_id, base::deadline_after(base::now(), Options().deadline));
    require(opened.error);
    log::DirectoryLogOptions options;
    options.store_id = store_id;
    options.start = start;
    options.segment_bytes = sizes_.segment_bytes;
    log::Read outcome = log::Read::caught_up;
    std::string why;
    const std::unique_ptr<log::Log> log = log::open_directory_log(
        *directory_, *opened.live, options, [](const log::Entry&) {}, outcome, why);
    if (log == nullptr)
      throw Error(ErrorCode::unavailable, "copy to " + where_ + ": " + why + ". Run it again, and it goes on.");
    log->close();
  }

  // Whether a whole store is there (then header_ is its), which is a copy that kept its mark. Throws if it may not be
  // touched.
  bool look() {
    std::vector<std::string> names;
    require(directory_->list("", names));
    std::vector<std::string> healed;
    std::string why;
    const Place place = look_at(*directory_, false, header_, healed, why);
    if (place == Place::failed) throw Error(ErrorCode::unavailable, "copy to " + why);
    const bool whole = place != Place::empty && place != Place::other;
    if (std::find(names.begin(), names.end(), kCopyingMark) != names.end()) return whole;
    if (whole) {
      // The copy that took the mark away may have been killed before that was durable.
      (void)directory_->sync_directory("").code();
      throw taken();
    }
    if (place == Place::empty) return false;
    throw Error(ErrorCode::invalid_argument, "copy to " + why + ". Name a directory that does not exist yet.");
  }

  // Whether the mark was not there before.
  bool lock_mark() {
    bool began = true;
    storage::IoError error = directory_->open(kCopyingMark, storage::OpenMode::create, mark_);
    if (error.code() == EEXIST) {
      began = false;
      error = directory_->open(kCopyingMark, storage::OpenMode::read_write, mark_);
    }
    require(error);
    bool locked = false;
    require(mark_->try_lock(0, 1, storage::LockMode::exclusive, locked));
    if (locked) return began;
    throw Error(ErrorCode::unavailable,
                "copy to " + where_ + ": another copy to it is under way. Let it end, or name another directory.");
  }

  bool is_whole(const runs::RunSummary& run, const std::string& path) {
    if (!base::broken(base::Break::copy_adopt_unsynced)) {
      // Whoever wrote it may have been killed before that.
      std::unique_ptr<storage::File> file;
      require(directory_->open(path, storage::OpenMode::read_write, file));
      if (file->sync()) return false;
    }
    if (base::broken(base::Break::copy_adopt_unverified)) return true;
    return runs::Run(*directory_, path, run, cache_, {}).is_intact();
  }

  std::unique_ptr<storage::Directory> directory_;
  const std::string where_;
  const Sizes sizes_;
  std::unique_ptr<storage::File> mark_;      // locked
  StoreHeader header_;                       // of what was there; then its own
  std::set<std::string, std::less<>> left_;  // names in runs/
  base::EpochDomain epochs_;
  const std::shared_ptr<runs::BlockCache> cache_ = std::make_shared<runs::BlockCache>(0, epochs_);
};

}  // namespace

std::unique_ptr<CopyTarget> make_directory_target(std::unique_ptr<storage::Directory> directory, std::string where,
                                                  const Sizes& sizes) {
  return std::make_unique<DirectoryTarget>(std::move(directory), std::move(where), sizes);
}

}  // namespace ingot::engine
