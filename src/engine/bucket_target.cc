// Two copies to one place can't be told apart, nor kept apart, as by a lock: requests of the dead may still be on the
// wire. So nothing is removed before the header is there. It is created if absent: whoever's it is has made the store,
// and then removes what was there before and its checkpoint does not name; the others find it, and end. Runs that they
// share are the same.
//
// A run of the right name and size is whole, for an object appears whole or not at all, and each that was sent was
// verified before: it is not read again.
#include "engine/bucket_target.h"

#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "base/random.h"
#include "base/testing.h"
#include "base/time.h"
#include "engine/bucket_header.h"
#include "engine/bucket_medium.h"
#include "engine/engine.h"
#include "engine/run_output.h"
#include "ingot/error.h"
#include "ingot/options.h"
#include "log/bucket_format.h"
#include "storage/bucket_files.h"
#include "storage/bucket_retry.h"
#include "storage/persist.h"
#include "storage/request_pool.h"

namespace ingot::engine {

namespace {

using storage::Outcome;
using storage::PutMode;

// Nobody waits at the keyboard for a checkpoint, and it may have megabytes.
constexpr base::Duration kPutPatience = std::chrono::minutes(5);

class BucketTarget final : public CopyTarget {
 public:
  BucketTarget(std::unique_ptr<storage::Bucket> bucket, std::string where, const Sizes& sizes)
      : bucket_(std::move(bucket)), where_(std::move(where)), sizes_(sizes) {
    header_.store.store_id.low = base::random_u64();
    header_.store.store_id.high = base::random_u64();
    header_.grace = sizes_.grace;
    storage::BucketFiles::Options files;
    files.store_id = log::hex_name(header_.store.store_id);
    files_ = storage::make_bucket_files(*bucket_, pool_, nullptr, std::move(files));
  }

  void take(const StoreHeader& source) override {
    const storage::Got there = get(log::kStoreKey);
    if (there.outcome == Outcome::done) {
      BucketHeader header;
      if (decode_bucket_header(there.bytes, header) == HeaderRead::good && header.store.store_id == source.store_id)
        throw Error(ErrorCode::invalid_argument, "copy to " + where_ + ": that is the store which is to be copied.");
      throw taken();
    }
    require(there, {Outcome::absent});
    if (is_marked()) return;
    bool marked = false;
    list("", [&](const storage::ListedObject& object) {
      if (marked || object.key.starts_with(kProbePrefix)) return;
      // What a copy had sent that was killed may arrive while we look.
      marked = object.key == kCopyingMark || is_marked();
      if (marked) return;
      throw Error(ErrorCode::invalid_argument, "copy to " + where_ + ": it holds other objects (\"" + object.key +
                                                   "\"). Name a prefix of its own, as s3://bucket/copy.");
    });
    if (marked) return;
    require_conditions(*bucket_, pool_, "copy to " + where_, deadline());
    put(kCopyingMark, "A copy of a store is under way here, or was interrupted. Run it again, and it goes on.\n");
  }

  storage::Directory& files() override { return *files_; }
  bool is_remote() const override { return true; }
  void stop() override {
    stop_.stop();
    bucket_->end_by(base::now());
    files_->stop();
  }

  bool has(const runs::RunSummary& run) override {
    const auto left = left_.find(run_path(run.name));
    return left != left_.end() && left->second == run.file_bytes;
  }

  void drop_others(const std::vector<std::string_view>& /*names*/) override {
    left_.clear();
    list(kRunsPrefix, [&](const storage::ListedObject& object) { left_[object.key] = object.bytes; });
  }

  void prepare(const Checkpoint& checkpoint) override {
    std::set<std::string, std::less<>> named;
    for (const std::string_view run : run_names(checkpoint)) named.insert(run_path(run));
    log::CheckpointName name;
    name.start = checkpoint.start.segment;
    name.edit = checkpoint.edit_number;
    name.random = base::random_u64();
    checkpoint_key_ = log::checkpoint_key(name);
    named.insert(checkpoint_key_);
    put(checkpoint_key_, encode_checkpoint(header_.store.store_id, checkpoint));
    leftovers_ = find_leftovers(named);
  }

  void finish() override {
    header_.store.made_micros = base::wall_micros();
    if (!create_bucket_header(*bucket_, header_, where_, deadline())) {  // else it is a store from here on
      base::probe("engine: another copy to the same place in a bucket was faster");
      (void)bucket_->remove(checkpoint_key_, deadline()).outcome;
      throw taken();
    }
    remove_leftovers();
    // Opened once, which shows that it opens.
    files_.reset();
    const auto make_medium = [this](const Medium::Setting& setting) {
      return make_bucket_medium(std::move(bucket_), nullptr, setting);
    };
    Engine::open_on(make_medium, where_, {.read_only = true}, sizes_)->close();
  }

 private:
  [[nodiscard]] static base::Instant deadline() { return base::deadline_after(base::now(), Options().deadline); }

  void require(const storage::Answer& answer, std::initializer_list<Outcome> expected) const {
    for (const Outcome outcome : expected) {
      if (answer.outcome == outcome) return;
    }
    throw Error(ErrorCode::unavailable,
                "copy to " + where_ + ": " + answer.why +
                    (answer.outcome == Outcome::refused ? remedy_of_refusal(answer) : ".") +
                    " What is there is kept: run it again when that is mended, and it goes on.");
  }
  [[nodiscard]] Error taken() const {
    return {ErrorCode::invalid_argument, "copy to " + where_ +
                                             ": a store is there already. If a copy to it was killed: it was whole by "
                                             "then. Name a prefix that does not exist yet."};
  }

  bool is_marked() {
    const storage::Got mark = get(kCopyingMark);
    require(mark, {Outcome::done, Outcome::absent});
    return mark.outcome == Outcome::done;
  }
  // Calls `request` with how long a try of it, with a body of so many bytes, may take; again and again until that is
  // settled, or it is to stop. Returns the last answer.
  template <class Request>
  auto ask(base::Instant until, std::size_t bytes, Request request) {
    storage::Retry retry(stop_, until);
    for (;;) {
      auto answer = request(retry.try_until(bytes));
      if (storage::is_settled(answer.outcome) || !retry.again(answer)) return answer;
    }
  }
  storage::Got get(std::string_view key) {
    return ask(deadline(), 0, [&](base::Instant until) { return bucket_->get(key, {}, until); });
  }
  // `exists` is an earlier delivery, for nobody else has the name; or it says the same.
  void put(std::string_view key, std::string_view bytes) {
    require(ask(base::now() + kPutPatience, bytes.size(),
                [&](base::Instant until) { return bucket_->put(key, bytes, PutMode::create, {}, until); }),
            {Outcome::done, Outcome::exists});
  }
  template <class Visit>
  void list(std::string_view prefix, Visit visit) {
    std::string continuation;
    do {
      storage::Listing page =
          ask(deadline(), 0, [&](base::Instant until) { return bucket_->list(prefix, continuation, until); });
      require(page, {Outcome::done});
      for (const storage::ListedObject& object : page.objects) visit(object);
      continuation = std::move(page.continuation);
    } while (!continuation.empty());
  }

  struct Leftovers {
    std::vector<std::string> keys;
    std::vector<storage::OpenUpload> uploads;
  };
  // What other copies have left, and `named` has not. Before it is a store: what comes later may be its writers'.
  Leftovers find_leftovers(const std::set<std::string, std::less<>>& named) {
    Leftovers found;
    for (const std::string_view prefix : {kRunsPrefix, log::kCheckpointPrefix}) {
      list(prefix, [&](const storage::ListedObject& object) {
        if (!named.contains(object.key)) found.keys.push_back(object.key);
      });
    }
    found.keys.emplace_back(kCopyingMark);
    std::string continuation;
    do {
      storage::OpenUploads page = ask(
          deadline(), 0, [&](base::Instant until) { return bucket_->list_uploads(kRunsPrefix, continuation, until); });
      if (page.outcome != Outcome::done) break;  // some servers can't: their own rules must do
      found.uploads.insert(found.uploads.end(), page.uploads.begin(), page.uploads.end());
      continuation = std::move(page.continuation);
    } while (!continuation.empty());
    return found;
  }
  // As well as can be: what stays is in nobody's way, and is collected like all that nothing names.
  void remove_leftovers() {
    for (const std::string& key : leftovers_.keys) {
      const storage::Answer removed =
          ask(deadline(), 0, [&](base::Instant until) { return bucket_->remove(key, until); });
      if (removed.outcome != Outcome::done) return;
    }
    for (const storage::OpenUpload& upload : leftovers_.uploads) {
      const storage::Answer aborted =
          ask(deadline(), 0, [&](base::Instant until) { return bucket_->abort_upload(upload.key, upload.id, until); });
      if (aborted.outcome != Outcome::done && aborted.outcome != Outcome::absent) return;
    }
  }

  std::unique_ptr<storage::Bucket> bucket_;
  const std::string where_;
  const Sizes sizes_;
  BucketHeader header_;
  storage::StopSign stop_;
  storage::RequestPool pool_;  // ends before the bucket, and after whoever uses it
  std::unique_ptr<storage::BucketFiles> files_;
  std::map<std::string, std::uint64_t, std::less<>> left_;  // runs that are there: key, bytes
  std::string checkpoint_key_;
  Leftovers leftovers_;
};

}  // namespace

std::unique_ptr<CopyTarget> make_bucket_target(std::unique_ptr<storage::Bucket> bucket, std::string where,
                                               const Sizes& sizes) {
  return std::make_unique<BucketTarget>(std::move(bucket), std::move(where), sizes);
}

}  // namespace ingot::engine
