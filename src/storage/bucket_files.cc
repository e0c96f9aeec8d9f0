#include "storage/bucket_files.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "storage/bucket_pieces.h"
#include "storage/bucket_retry.h"
#include "storage/bucket_tasks.h"
#include "storage/bucket_upload.h"

namespace ingot::storage {

namespace {

// Files made through one directory of which something is remembered: far more than can be on their way into the list of
// runs at once.
constexpr std::size_t kRememberedMax = 4096;

class ObjectFile final : public File {
 public:
  ObjectFile(BucketPieces& pieces, std::shared_ptr<BucketPieces::Object> object)
      : pieces_(pieces), object_(std::move(object)) {}

  IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
    return pieces_.read(object_, offset, out, got);
  }
  IoError size(std::uint64_t& bytes) override { return pieces_.size(*object_, bytes); }
  void will_read(std::uint64_t offset, std::uint64_t bytes, Reading how) override {
    pieces_.will_read(object_, offset, bytes, how);
  }
  void wont_read(std::uint64_t offset, std::uint64_t bytes) override { pieces_.wont_read(*object_, offset, bytes); }
  [[nodiscard]] std::size_t worthwhile_bytes() const override { return BucketFiles::kGetBytesMax; }
  bool distrust(std::uint64_t offset, std::uint64_t bytes) override {
    pieces_.distrust(*object_, offset, bytes);
    return true;
  }

  IoError write_at(std::uint64_t /*offset*/, std::string_view /*bytes*/) override { return IoError(EBADF); }
  IoError sync_data() override { return {}; }
  IoError sync() override { return {}; }
  IoError truncate(std::uint64_t /*bytes*/) override { return IoError(ENOTSUP); }
  IoError try_lock(std::uint64_t /*offset*/, std::uint64_t /*bytes*/, LockMode /*mode*/, bool& /*taken*/) override {
    return IoError(ENOTSUP);
  }
  IoError unlock(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) override { return IoError(ENOTSUP); }
  IoError is_locked(std::uint64_t /*offset*/, std::uint64_t /*bytes*/, bool& /*locked*/) override {
    return IoError(ENOTSUP);
  }

 private:
  BucketPieces& pieces_;
  const std::shared_ptr<BucketPieces::Object> object_;
};

class FilesOfBucket final : public BucketFiles {
 public:
  FilesOfBucket(Bucket& bucket, RequestPool& pool, DiskCache* cache, Options options)
      : bucket_(bucket),
        cache_(cache),
        options_(std::move(options)),
        tasks_(pool),
        pieces_(bucket, tasks_, stop_, cache, options_.store_id, options_.patience) {}
  ~FilesOfBucket() override {
    stop();
    tasks_.wait();
  }
  FilesOfBucket(const FilesOfBucket&) = delete;
  FilesOfBucket& operator=(const FilesOfBucket&) = delete;

  IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) override;
  IoError remove(std::string_view path) override;
  IoError list(std::string_view path, std::vector<std::string>& names) override;

  // A bucket has no folders, and what was answered is durable.
  IoError make_directory(std::string_view /*path*/) override { return {}; }
  IoError sync_directory(std::string_view /*path*/) override { return {}; }
  IoError rename(std::string_view /*from*/, std::string_view /*to*/) override { return IoError(ENOTSUP); }
  IoError map(std::string_view /*path*/, std::size_t /*bytes*/, std::unique_ptr<SharedMemory>& /*memory*/) override {
    return IoError(ENOTSUP);
  }
  IoError free_bytes(std::uint64_t& bytes) override {
    bytes = std::uint64_t{1} << 60;
    return {};
  }
  [[nodiscard]] std::string where() const override { return bucket_.where(); }
  [[nodiscard]] bool is_remote() const override { return true; }

  [[nodiscard]] std::optional<BucketDate> begun(std::string_view path) const override {
    const std::lock_guard lock(mutex_);
    const auto found = written_.find(path);
    return found == written_.end() ? std::nullopt : found->second.what.begun;
  }
  void forget_begun(std::string_view path) override {
    const std::lock_guard lock(mutex_);
    const auto found = written_.find(path);
    if (found != written_.end()) written_.erase(found);
  }
  void stop() override {
    stop_.stop();
    pieces_.wake();
  }
  [[nodiscard]] Counts counts() const override {
    const BucketPieces::Counts& read = pieces_.counts();
    return {read.reads.load(std::memory_order_relaxed), read.reads_fetched.load(std::memory_order_relaxed),
            read.gets.load(std::memory_order_relaxed), uploads_.load(std::memory_order_relaxed)};
  }

 private:
  void remember(const std::string& path, const Written& written) {
    if (written.is_finished) uploads_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (written_.size() == kRememberedMax) {  // the oldest goes: the newest are still to be named by an edit
      const auto is_older = [](const auto& one, const auto& other) { return one.second.number < other.second.number; };
      written_.erase(std::min_element(written_.begin(), written_.end(), is_older));
    }
    written_.insert_or_assign(path, Remembered{written, ++remembered_});
  }

  struct Remembered {
    Written what;
    std::uint64_t number;  // counts them
  };

  Bucket& bucket_;
  DiskCache* const cache_;
  const Options options_;
  StopSign stop_;
  BucketTasks tasks_;
  BucketPieces pieces_;
  std::atomic<std::uint64_t> uploads_{0};
  mutable base::Mutex mutex_;
  // Guarded by mutex_:
  std::map<std::string, Remembered, std::less<>> written_;
  std::uint64_t remembered_ = 0;
};

IoError FilesOfBucket::open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) {
  switch (mode) {
    case OpenMode::read:
      file = std::make_unique<ObjectFile>(pieces_, pieces_.object(path));
      return {};
    case OpenMode::create:
      file = make_upload({bucket_, tasks_, stop_, cache_, options_.store_id, options_.upload_patience, options_.clock},
                         path, [this, name = std::string(path)](const Written& written) { remember(name, written); });
      return {};
    case OpenMode::read_write:
      break;
  }
  return IoError(ENOTSUP);
}

IoError FilesOfBucket::remove(std::string_view path) {
  if (cache_ != nullptr) cache_->remove(options_.store_id, path);
  {
    const std::lock_guard lock(mutex_);
    const auto found = written_.find(path);
    if (found != written_.end()) {
      const Written written = found->second.what;
      written_.erase(found);
      // What was given up before anything was sent: for that nobody should have to wait while the bucket is away.
      if (!written.is_finished && !written.may_be_there) return {};
    }
  }
  Retry retry(stop_, base::deadline_after(base::now(), options_.patience));
  for (;;) {
    if (stop_.stopped()) return IoError(ECANCELED);
    const Answer answer = bucket_.remove(path, retry.try_until(0));
    if (answer.outcome == Outcome::done) return {};
    if (!retry.again(answer)) return retry.error();
  }
}

IoError FilesOfBucket::list(std::string_view path, std::vector<std::string>& names) {
  names.clear();
  const std::string prefix = path.empty() ? "" : std::string(path) + "/";
  std::string continuation;
  do {
    Retry retry(stop_, base::deadline_after(base::now(), options_.patience));  // of each page
    for (;;) {
      if (stop_.stopped()) return IoError(ECANCELED);
      Listing listing = bucket_.list(prefix, continuation, retry.try_until(0));
      if (listing.outcome != Outcome::done) {
        if (!retry.again(listing)) return retry.error();
        continue;
      }
      for (const ListedObject& object : listing.objects) {
        std::string_view name = object.key;
        if (!name.starts_with(prefix)) continue;
        name.remove_prefix(prefix.size());
        if (name.find('/') == std::string_view::npos) names.emplace_back(name);
      }
      // The same page again and again is no listing.
      if (!continuation.empty() && listing.continuation == continuation) return IoError(EIO);
      continuation = std::move(listing.continuation);
      break;
    }
  } while (!continuation.empty());
  return {};
}

}  // namespace

std::unique_ptr<BucketFiles> make_bucket_files(Bucket& bucket, RequestPool& pool, DiskCache* cache,
                                               BucketFiles::Options options) {
  return std::make_unique<FilesOfBucket>(bucket, pool, cache, std::move(options));
}

}  // namespace ingot::storage
