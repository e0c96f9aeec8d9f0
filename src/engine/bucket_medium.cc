#include "engine/bucket_medium.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"
#include "base/testing.h"
#include "engine/bucket_header.h"
#include "engine/collector.h"
#include "engine/engine.h"
#include "engine/run_output.h"
#include "ingot/error.h"
#include "log/bucket_log.h"
#include "storage/bucket_files.h"
#include "storage/persist.h"

namespace ingot::engine {

namespace {

using storage::Outcome;

// Whoever began the newest segment flushes the ones before it, and merges. Others leave it to that one for longer than
// an upload takes; if it has died, they do it.
constexpr base::Duration kOthersPatience = std::chrono::seconds(20);
// Nobody waits for a checkpoint.
constexpr base::Duration kCheckpointPatience = std::chrono::minutes(1);
// A look that is for tidiness only.
constexpr base::Duration kLookPatience = std::chrono::seconds(10);
// So long the opening of a bucket that is away says nothing.
constexpr base::Duration kSilence = std::chrono::seconds(3);
// So much longer the requests go on that are under way at a close: a tail, most likely, which spares others its slots.
constexpr base::Duration kClosingPatience = std::chrono::seconds(5);
// A process that lives shorter than this leaves collecting to others.
constexpr base::Duration kFirstLook = std::chrono::seconds(2);
// How often it is looked whether there is enough to collect, while things are written.
constexpr base::Duration kLookEvery = std::chrono::minutes(10);
constexpr base::Duration kAfterTrouble = std::chrono::minutes(1);

// S3 Standard in us-east-1, at list price; a list costs as much as a put, and removing is free.
constexpr double kDollarsPerPut = 5.00 / 1e6;
constexpr double kDollarsPerGet = 0.40 / 1e6;

class BucketMedium final : public Medium, private Collector::Place {
 public:
  BucketMedium(std::unique_ptr<storage::Bucket> bucket, std::unique_ptr<storage::DiskCache> cache,
               const Setting& setting)
      : bucket_(std::move(bucket)), cache_(std::move(cache)), setting_(setting) {}
  ~BucketMedium() override {
    stop();
    log_.reset();
  }

  StoreHeader find_or_make(std::vector<std::string>& /*healed*/, base::Instant deadline) override {
    look_and_say(deadline);
    // Somebody may be making it just now.
    constexpr int kLooksMax = 3;
    for (int looks = 1;
         looks < kLooksMax && opening_.outcome == log::BucketOpening::Outcome::no_store && opening_.objects != 0;
         ++looks) {
      look(deadline);
    }
    if (opening_.outcome == log::BucketOpening::Outcome::no_store) {
      const Options& options = setting_.options;
      if (options.read_only || !options.create || opening_.objects != 0) {
        const storage::Got mark = storage::persist(
            deadline, [&](base::Instant end_of_try) { return bucket_->get(kCopyingMark, {}, end_of_try); });
        if (mark.outcome == Outcome::done) throw Error(ErrorCode::not_a_store, setting_.where + kCopyUnderWay + ".");
      }
      if (options.read_only || !options.create) {
        throw Error(ErrorCode::not_a_store, setting_.where + " holds no store" +
                                                (options.read_only ? ", and none is made when opening read-only."
                                                                   : ", and Options::create is off."));
      }
      if (opening_.objects != 0) {
        throw Error(ErrorCode::corrupt, setting_.where +
                                            ": the object \"store\" is gone, and checkpoints are there. Nothing was "
                                            "changed. If it was deleted, bring it back (from a version of it).");
      }
      BucketHeader header;
      header.store.store_id = {base::random_u64(), base::random_u64()};
      header.store.made_micros = base::wall_micros();
      header.grace = setting_.sizes.grace;
      make_bucket_store(*bucket_, pool_, header, setting_.where, deadline);
      look(deadline);
      if (opening_.outcome == log::BucketOpening::Outcome::no_store)
        throw Error(ErrorCode::unavailable, setting_.where + ": the store vanished while it was being made");
    }
    switch (decode_bucket_header(opening_.store, header_)) {
      case HeaderRead::good:
        break;
      case HeaderRead::newer_format:
        throw Error(ErrorCode::newer_format,
                    setting_.where +
                        ": the store was written by a newer release. Open it with that release "
                        "or a later one; nothing was changed.");
      case HeaderRead::damaged:
        throw Error(ErrorCode::not_a_store,
                    setting_.where + ": its object \"store\" is not the header of a store. Nothing was changed.");
    }
    const base::Duration patience = std::max<base::Duration>(setting_.options.deadline, std::chrono::seconds(1));
    storage::BucketFiles::Options files;
    files.store_id = log::hex_name(header_.store.store_id);
    files.patience = patience;
    files.clock = [this]() -> std::optional<storage::BucketDate> {
      const std::shared_ptr<log::BucketLog> log = bucket_log();
      if (log == nullptr) return {};
      return std::chrono::floor<std::chrono::seconds>(
          std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(log->clock_micros())));
    };
    files_ = storage::make_bucket_files(*bucket_, pool_, cache_.get(), std::move(files));
    return header_.store;
  }

  void join(base::Instant /*deadline*/) override {}

  CheckpointRead newest_checkpoint(bool /*healing*/, Checkpoint& checkpoint, std::vector<std::string>& /*healed*/,
                                   std::string& why) override {
    log::BucketOpening opening;
    const CheckpointRead read = read_newest_checkpoint(opening, checkpoint, why);
    const std::lock_guard lock(mutex_);  // check() reads one, too, while others may open anew
    opening_ = std::move(opening);
    return read;
  }

  CheckpointRead read_newest_checkpoint(log::BucketOpening& opening, Checkpoint& checkpoint, std::string& why) {
    checkpoint = {};
    std::set<std::string> unreadable;
    bool has_looked = false;
    {
      const std::lock_guard lock(mutex_);
      has_looked = std::exchange(looked_, false);
      if (has_looked) opening = std::exchange(opening_, {});
    }
    for (;; has_looked = false) {
      if (!has_looked) {
        opening =
            log::open_bucket(*bucket_, pool_, unreadable, base::deadline_after(base::now(), setting_.options.deadline));
      }
      why = opening.why;
      switch (opening.outcome) {
        case log::BucketOpening::Outcome::opened:
          break;
        case log::BucketOpening::Outcome::no_store:
          why = setting_.where + ": the store is gone";
          return CheckpointRead::failed;
        case log::BucketOpening::Outcome::unavailable:
          why = setting_.where + ": " + why;
          return CheckpointRead::failed;
        case log::BucketOpening::Outcome::corrupt:
          why = setting_.where + ": " + why;
          return CheckpointRead::damaged;
      }
      if (!opening.checkpoint) {
        if (unreadable.empty()) return CheckpointRead::none;
        why = setting_.where + "/" + *unreadable.begin() + ": damaged, and there is no other checkpoint";
        return CheckpointRead::damaged;
      }
      switch (decode_checkpoint(header_.store.store_id, opening.checkpoint_bytes, checkpoint)) {
        case CheckpointRead::found:
          return CheckpointRead::found;
        case CheckpointRead::newer_format:
          why = setting_.where + "/" + opening.checkpoint_key + " was written by a newer release";
          return CheckpointRead::newer_format;
        default:
          base::probe("engine: a checkpoint in the bucket could not be read, and an older one was taken");
          unreadable.insert(opening.checkpoint_key);
          checkpoint = {};
      }
    }
  }

  std::shared_ptr<log::Log> open_log(const log::Start& start, const log::Sink& sink, log::Read& outcome,
                                     std::string& why) override {
    log::BucketLogOptions options;
    options.read_only = setting_.options.read_only;
    options.store_id = header_.store.store_id;
    options.start = start;
    {
      const std::lock_guard lock(mutex_);
      options.opening = std::exchange(opening_, {});
    }
    options.grace = header_.grace;
    options.on_message = setting_.on_message;
    options.segment_bytes = setting_.sizes.segment_bytes;
    std::shared_ptr<log::BucketLog> log =
        log::open_bucket_log(*bucket_, pool_, std::move(options), sink,
                             base::deadline_after(base::now(), setting_.options.deadline), outcome, why);
    if (log == nullptr) return nullptr;
    const std::lock_guard lock(mutex_);
    log_ = log;
    return log;
  }

  void finish_opening(const std::vector<std::string_view>& /*names*/) override {}

  storage::Directory& files() override { return *files_; }

  // A put can come true as long after its signature as a server sits on it, and what it names must be there then: a
  // quarter of the grace, the window of signatures and that together must be less than the grace.
  std::optional<storage::BucketDate> adoptable_until(const std::string& name) const override {
    const std::optional<storage::BucketDate> begun = files_->begun(run_path(name));
    return begun ? *begun + header_.grace / 4 : storage::BucketDate{};
  }

  storage::IoError keep_checkpoint(const Checkpoint& checkpoint) override {
    const std::shared_ptr<log::BucketLog> log = bucket_log();
    log::CheckpointName name;
    name.start = checkpoint.start.segment;
    name.boundary = log->confirmation().number;
    name.edit = checkpoint.edit_number;
    name.random = base::random_u64();
    const std::string key = log::checkpoint_key(name);
    std::optional<Checkpoint> shorter = without_collected(checkpoint);
    const std::string bytes = encode_checkpoint(header_.store.store_id, shorter ? *shorter : checkpoint);
    const base::Instant deadline = base::now() + kCheckpointPatience;
    const storage::Answer answer = storage::persist(
        deadline,
        [&](base::Instant end_of_try) { return bucket_->put(key, bytes, storage::PutMode::create, {}, end_of_try); },
        [this] { return stopping(); });
    // `exists`: an earlier try of ours, for nobody else has the name.
    if (answer.outcome == Outcome::refused) return storage::IoError(EACCES);
    if (answer.outcome != Outcome::done && answer.outcome != Outcome::exists) return storage::IoError(ETIMEDOUT);
    for (const CheckpointSortedRun& sorted : checkpoint.sorted_runs) {
      for (const runs::RunSummary& summary : sorted.files) files_->forget_begun(run_path(summary.name));
    }
    std::string superseded;
    {
      const std::lock_guard lock(mutex_);
      superseded = std::exchange(own_checkpoint_, key);
      if (superseded == held_checkpoint_) superseded.clear();
      wrote_checkpoint_ = true;
      changed_.notify_all();
    }
    if (!superseded.empty()) {
      // Whoever was about to read it finds it gone, and looks for the newest again.
      pool_.start(storage::Urgency::bulk, [this, superseded] {
        (void)bucket_->remove(superseded, base::now() + std::chrono::seconds(30)).outcome;
      });
    }
    return {};
  }

  // Without what others have collected: a process that lives for a moment has its graveyard from the checkpoint before,
  // and knows only the newest boundary. Nothing: it is as it is.
  std::optional<Checkpoint> without_collected(const Checkpoint& checkpoint) {
    if (checkpoint.graveyard.empty()) return {};
    look_what_is_collected();
    const std::uint64_t collected = collected_edit();
    const auto is_collected = [&](const RemovedRun& removed) { return removed.edit_number <= collected; };
    if (!is_collected(checkpoint.graveyard.front())) return {};
    std::optional<Checkpoint> shorter(checkpoint);
    std::erase_if(shorter->graveyard, is_collected);
    return shorter;
  }

  void look_what_is_collected() {
    const std::shared_ptr<log::BucketLog> log = bucket_log();
    const std::optional<log::Boundary> boundary = log->boundary();
    if (!boundary || boundary->number < 2) return;
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(looked_before_, boundary->number) == boundary->number) return;
    }
    const storage::Got got = bucket_->get(log::boundary_key(boundary->number - 1), {}, base::now() + kLookPatience);
    log::BoundaryObject before;
    if (got.outcome != Outcome::done || log::decode_boundary(got.bytes, before) != log::Decoded::good) return;
    const std::optional<log::CheckpointName> name = log::parse_checkpoint_key(before.checkpoint);
    const std::lock_guard lock(mutex_);
    if (name && before.store_id == header_.store.store_id) collected_edit_ = std::max(collected_edit_, name->edit);
  }

  bool check_header(std::vector<std::string>& /*healed*/, std::string& why) override {
    const base::Instant deadline = base::deadline_after(base::now(), setting_.options.deadline);
    const storage::Got got = storage::persist(
        deadline, [&](base::Instant end_of_try) { return bucket_->get(log::kStoreKey, {}, end_of_try); });
    BucketHeader header;
    if (got.outcome != Outcome::done) {
      why = setting_.where + "/store: " + got.why;
    } else if (decode_bucket_header(got.bytes, header) != HeaderRead::good ||
               header.store.store_id != header_.store.store_id) {
      why = setting_.where + "/store: it is not this store's header any more";
    } else {
      return true;
    }
    return false;
  }

  bool try_maintenance() override {
    const std::shared_ptr<log::BucketLog> log = bucket_log();
    return log != nullptr && log->leads();
  }
  void end_maintenance() override {}
  bool keeps_maintenance() const override { return false; }
  base::Duration maintenance_patience() const override { return kOthersPatience; }

  bool deletes_at_once() const override { return false; }

  // A boundary is made when all is collected that the one before it let go.
  std::uint64_t collected_edit() override {
    const std::shared_ptr<log::BucketLog> log = bucket_log();
    const std::optional<log::Boundary> boundary = log == nullptr ? std::nullopt : log->boundary();
    const std::lock_guard lock(mutex_);
    if (boundary && boundary->number > boundary_) {
      collected_edit_ = std::max(collected_edit_, boundary_edit_);
      boundary_ = boundary->number;
      if (const auto name = log::parse_checkpoint_key(boundary->checkpoint)) boundary_edit_ = name->edit;
    }
    return collected_edit_;
  }
  void publish_pin(std::uint64_t /*edit_number*/) override {}
  std::uint64_t oldest_pin() override { return 0; }

  void add_stats(Stats& stats) const override {
    const storage::BucketCounts counts = bucket_->counts();
    stats.bucket.puts = counts.puts;
    stats.bucket.gets = counts.gets;
    stats.bucket.lists = counts.lists;
    stats.bucket.removes = counts.removes;
    stats.bucket.bytes_sent = counts.bytes_sent;
    stats.bucket.bytes_received = counts.bytes_received;
    stats.bucket.undecided = counts.undecided;
    stats.bucket.throttled = counts.throttled;
    if (const std::shared_ptr<log::BucketLog> log = bucket_log()) {
      const log::LogStats log_stats = log->stats();
      stats.bucket.lost_races = log_stats.appends_lost;
      stats.bucket.hedged = log_stats.puts_hedged;
    }
    const storage::BucketFiles::Counts files = files_->counts();
    stats.bucket.reads_fetched = files.reads_fetched;
    stats.bucket.dollars = static_cast<double>(counts.puts + counts.lists) * kDollarsPerPut +
                           static_cast<double>(counts.gets) * kDollarsPerGet;
  }

  void start_upkeep(Engine& engine) override {
    Collector::Place& place = *this;
    collector_ = std::make_unique<Collector>(engine, *bucket_, header_.store.store_id, header_.grace, place);
    collecting_ = base::Thread("ingot-collect", [this] { collect(); });
  }

  void stop() override {
    std::shared_ptr<log::BucketLog> log;
    {
      const std::lock_guard lock(mutex_);
      stopping_.store(true);
      log = log_;
      changed_.notify_all();
    }
    bucket_->end_by(base::now() + kClosingPatience);
    if (files_ != nullptr) files_->stop();
    if (log != nullptr) log->close();
    if (collecting_.joinable()) collecting_.join();
  }

  void leave() override {
    const std::lock_guard lock(mutex_);
    log_.reset();
  }

 private:
  // The first time. A bucket that is away may be back any moment, but whoever waits for it should know.
  void look_and_say(base::Instant deadline) {
    const base::Instant silent_until = base::now() + kSilence;
    if (silent_until >= deadline) return look(deadline);
    opening_ = log::open_bucket(*bucket_, pool_, {}, silent_until);
    const bool is_away = opening_.outcome == log::BucketOpening::Outcome::unavailable;
    if (!is_away || opening_.is_refused || base::now() >= deadline) return judge_opening();
    const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - base::now());
    setting_.on_message(setting_.where + ": it is waited for, up to " + std::to_string(left.count()) +
                        " s more: " + opening_.why);
    look(deadline);
  }

  void look(base::Instant deadline) {
    opening_ = log::open_bucket(*bucket_, pool_, {}, deadline);
    judge_opening();
  }

  void judge_opening() {
    looked_ = true;
    if (opening_.outcome == log::BucketOpening::Outcome::unavailable)
      throw Error(ErrorCode::unavailable, setting_.where + ": " + opening_.why);
    if (opening_.outcome == log::BucketOpening::Outcome::corrupt)
      throw Error(ErrorCode::corrupt, setting_.where + ": " + opening_.why + ". Nothing was changed.");
  }

  // Collector::Place
  std::shared_ptr<log::BucketLog> bucket_log() const override {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::string hold_own_checkpoint() override {
    const std::lock_guard lock(mutex_);
    held_checkpoint_ = own_checkpoint_;
    return held_checkpoint_;
  }
  bool stopping() const override { return stopping_.load(); }

  void collect() {
    base::Instant due = base::now() + kFirstLook;
    base::Instant looked = base::now();
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        for (;;) {
          const base::Instant at = wrote_checkpoint_ ? std::min(due, looked + kLookEvery) : due;
          if (stopping_.load() || base::now() >= at) break;
          changed_.wait_until(lock, at);
        }
        if (stopping_.load()) return;
        wrote_checkpoint_ = false;
      }
      looked = base::now();
      std::string trouble;
      try {
        const std::optional<base::Duration> pause = collector_->step();
        due = pause ? base::deadline_after(base::now(), *pause) : base::kNever;
      } catch (const std::exception& error) {
        trouble = error.what();
        due = base::now() + kAfterTrouble;
      }
      const bool fresh = !trouble.empty() && trouble != trouble_ && !stopping_.load();
      trouble_ = trouble;
      if (fresh) setting_.on_message("collecting garbage: " + trouble + "; tried again in a minute");
    }
  }

  const std::unique_ptr<storage::Bucket> bucket_;
  const std::unique_ptr<storage::DiskCache> cache_;
  const Setting setting_;
  mutable base::Mutex mutex_;
  base::ConditionVariable changed_;
  std::atomic<bool> stopping_{false};
  BucketHeader header_;
  log::BucketOpening opening_;  // the newest; once it is opened: under mutex_
  bool looked_ = false;         // opening_ is fresh
  std::string own_checkpoint_;  // the newest that this process wrote; under mutex_
  std::string held_checkpoint_;
  bool wrote_checkpoint_ = false;  // since the collector looked; under mutex_
  std::uint32_t boundary_ = 0;     // the newest that collected_edit has seen; under mutex_
  std::uint64_t boundary_edit_ = 0;
  std::uint32_t looked_before_ = 0;  // the boundary whose predecessor was looked at; under mutex_
  std::uint64_t collected_edit_ = 0;
  std::string trouble_;        // the collector's
  storage::RequestPool pool_;  // ends before the bucket, and after whoever uses it
  std::unique_ptr<storage::BucketFiles> files_;
  std::shared_ptr<log::BucketLog> log_;  // under mutex_
  std::unique_ptr<Collector> collector_;
  base::Thread collecting_;
};

}  // namespace

std::unique_ptr<Medium> make_bucket_medium(std::unique_ptr<storage::Bucket> bucket,
                                           std::unique_ptr<storage::DiskCache> cache, const Medium::Setting& setting) {
  return std::make_unique<BucketMedium>(std::move(bucket), std::move(cache), setting);
}

}  // namespace ingot::engine
