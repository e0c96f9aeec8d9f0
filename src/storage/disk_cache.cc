#include "storage/disk_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/testing.h"
#include "base/thread.h"

namespace ingot::storage {

namespace {

constexpr std::size_t kHeaderBytes = DiskCache::kSlotBytes - DiskCache::kChunkBytes;
constexpr std::uint32_t kSlotMagic = 0x31434349;  // "ICC1"
constexpr base::Duration kTryAgainAfter = std::chrono::minutes(1);
// A file's time is what eviction goes by: this much too old does not matter, and a write costs the disk something.
constexpr base::Duration kTouchEvery = std::chrono::minutes(10);
constexpr std::size_t kStoreIdBytes = 32;
constexpr std::size_t kFileNameBytesMax = 200;  // of file systems: 255

enum class Way : std::uint8_t { reading, writing };

bool is_store_id(std::string_view name) {
  return name.size() == kStoreIdBytes && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Empty: such a key is not cached.
std::string cached_path(std::string_view store_id, std::string_view key) {
  assert(is_store_id(store_id));
  if (key.empty() || key.size() > kFileNameBytesMax) return {};
  std::string path(store_id);
  path.append("/").append(key);
  std::replace(path.begin() + kStoreIdBytes + 1, path.end(), '/', '-');
  return path;
}

}  // namespace

class DiskCache::Implementation {
 public:
  Implementation(OpenRoot opener, std::uint64_t most, std::function<void(const std::string&)> hook)
      : bytes_max_(most), open_root_(std::move(opener)), on_message_(std::move(hook)), unlooked_bytes_(step()) {}

  // The file, made if need be when it is to be written. Null: there is none.
  std::shared_ptr<File> open(Way way, const std::string& path);
  void remove(const std::string& path);
  [[nodiscard]] bool is_off(Way way) {
    const std::lock_guard lock(mutex_);
    return base::now() < off_until_[static_cast<std::size_t>(way)];
  }
  // That something failed which should not: the cache is off that way for a while.
  void trouble(Way way, const IoError& error);
  // That a slot was written.
  void note_written();
  void evict();

  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> evicted{0};

 private:
  struct Cached {
    std::string path;
    std::uint64_t bytes;
    std::int64_t modified_micros;
  };

  [[nodiscard]] std::uint64_t step() const { return bytes_max_ / 32; }
  // Null: it is off.
  std::shared_ptr<Directory> root(Way way);
  void lose_root(const std::shared_ptr<Directory>& lost);
  IoError open_in(Directory& directory, Way way, const std::string& path, std::unique_ptr<File>& file);
  static IoError all_files(Directory& directory, std::vector<Cached>& files);

  const std::uint64_t bytes_max_;
  const OpenRoot open_root_;
  const std::function<void(const std::string&)> on_message_;
  std::atomic<std::uint64_t> unlooked_bytes_;  // written since the last look at how much there is
  std::atomic<bool> evicting_{false};
  base::Mutex mutex_;
  // Guarded by mutex_:
  std::shared_ptr<Directory> root_;
  std::array<base::Instant, 2> off_until_{};
  std::set<int> told_;
};

std::shared_ptr<Directory> DiskCache::Implementation::root(Way way) {
  IoError error;
  {
    const std::lock_guard lock(mutex_);
    if (base::now() < off_until_[static_cast<std::size_t>(way)]) return nullptr;
    if (root_ != nullptr) return root_;
    std::unique_ptr<Directory> opened;
    error = open_root_(opened);
    if (!error) {
      root_ = std::move(opened);
      return root_;
    }
  }
  trouble(Way::reading, error);
  trouble(Way::writing, error);
  return nullptr;
}

void DiskCache::Implementation::lose_root(const std::shared_ptr<Directory>& lost) {
  const std::lock_guard lock(mutex_);
  if (root_ == lost) root_ = nullptr;
}

void DiskCache::Implementation::trouble(Way way, const IoError& error) {
  {
    const std::lock_guard lock(mutex_);
    off_until_[static_cast<std::size_t>(way)] = base::now() + kTryAgainAfter;
    root_ = nullptr;
    if (!told_.insert(error.code()).second) return;
  }
  if (on_message_) {
    on_message_("the cache on the local disk can't be " + std::string(way == Way::reading ? "read" : "written") + ": " +
                error.text() + ". The store works without it, with more requests, and tries it again every minute.");
  }
}

IoError DiskCache::Implementation::open_in(Directory& directory, Way way, const std::string& path,
                                           std::unique_ptr<File>& file) {
  IoError error = directory.open(path, OpenMode::read_write, file);
  if (error.code() != ENOENT || way == Way::reading) return error;
  error = directory.open(path, OpenMode::create, file);
  if (error.code() == ENOENT) {
    error = directory.make_directory(std::string_view(path).substr(0, kStoreIdBytes));
    if (error && error.code() != EEXIST) return error;
    error = directory.open(path, OpenMode::create, file);
  }
  // Another process was faster.
  return error.code() == EEXIST ? directory.open(path, OpenMode::read_write, file) : error;
}

std::shared_ptr<File> DiskCache::Implementation::open(Way way, const std::string& path) {
  // Twice, for the whole cache may have been removed while its folder was open.
  for (int again = 0; again < 2; ++again) {
    const std::shared_ptr<Directory> directory = root(way);
    if (directory == nullptr) return nullptr;
    std::unique_ptr<File> file;
    const IoError error = open_in(*directory, way, path, file);
    if (!error) return file;
    if (error.code() != ENOENT) {
      trouble(way, error);
      return nullptr;
    }
    if (way == Way::reading) return nullptr;
    lose_root(directory);
  }
  return nullptr;
}

void DiskCache::Implementation::remove(const std::string& path) {
  const std::shared_ptr<Directory> directory = root(Way::writing);
  if (directory == nullptr) return;
  const IoError error = directory->remove(path);
  if (error && error.code() != ENOENT) trouble(Way::writing, error);
}

void DiskCache::Implementation::note_written() {
  written.fetch_add(1, std::memory_order_relaxed);
  if (unlooked_bytes_.fetch_add(kSlotBytes, std::memory_order_relaxed) >= step()) evict();
}

IoError DiskCache::Implementation::all_files(Directory& directory, std::vector<Cached>& files) {
  std::vector<std::string> stores;
  if (const IoError error = directory.list("", stores)) return error;
  for (const std::string& store : stores) {
    if (!is_store_id(store)) continue;  // not ours
    std::vector<std::string> names;
    if (directory.list(store, names)) continue;
    for (const std::string& name : names) {
      const std::string path = store + "/" + name;
      FileStatus status;
      const IoError error = directory.status(path, status);
      if (error.code() == ENOTSUP) return error;
      if (!error) files.push_back({path, status.allocated_bytes, status.modified_micros});
    }
  }
  return {};
}

void DiskCache::Implementation::evict() {
  if (evicting_.exchange(true)) return;  // another thread is at it
  const std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> until_done(
      &evicting_, [](std::atomic<bool>* evicting) { evicting->store(false); });
  unlooked_bytes_.store(0, std::memory_order_relaxed);
  const std::shared_ptr<Directory> directory = root(Way::writing);
  if (directory == nullptr) return;
  std::vector<Cached> files;
  std::uint64_t free = 0;
  IoError error = all_files(*directory, files);
  if (!error) error = directory->free_bytes(free);
  // Who can't see how much there is must not add to it.
  if (error) return trouble(Way::writing, error);
  std::uint64_t total = 0;
  for (const Cached& file : files) total += file.bytes;
  const std::uint64_t limit = std::min(bytes_max_, (total + free) / 2);
  if (total <= limit - limit / 8) return;
  std::sort(files.begin(), files.end(),
            [](const Cached& a, const Cached& b) { return a.modified_micros < b.modified_micros; });
  for (const Cached& file : files) {
    if (total <= limit - limit / 4) break;
    // First its bytes, for others may have it open; then its name.
    std::unique_ptr<File> opened;
    if (!directory->open(file.path, OpenMode::read_write, opened)) (void)opened->truncate(0).code();
    if (!directory->remove(file.path)) evicted.fetch_add(1, std::memory_order_relaxed);
    total -= file.bytes;
  }
}

class DiskCache::CachedObject final : public DiskCache::Object {
 public:
  CachedObject(std::shared_ptr<Implementation> cache, std::string path)
      : cache_(std::move(cache)), path_(std::move(path)), seed_(base::hash64(path_)) {}

  std::optional<std::string_view> read(std::uint64_t chunk, std::string& slot) override {
    const std::optional<std::string_view> bytes = read_slot(chunk, slot);
    (bytes.has_value() ? cache_->hits : cache_->misses).fetch_add(1, std::memory_order_relaxed);
    return bytes;
  }

  bool write(std::uint64_t chunk, std::string_view bytes) override {
    assert(!bytes.empty() && bytes.size() <= kChunkBytes);
    const std::shared_ptr<File> file = file_to_write();
    if (file == nullptr) return false;
    std::string slot(8, '\0');
    base::append_little(slot, kSlotMagic);
    base::append_little(slot, static_cast<std::uint32_t>(bytes.size()));
    slot.append(bytes);
    base::store_little(slot.data(), checksum(chunk, slot));
    if (const IoError error = file->write_at(chunk * kSlotBytes, slot)) {
      give_up(file);
      cache_->evict();  // a full disk is a bound, too
      cache_->trouble(Way::writing, error);
      return false;
    }
    cache_->note_written();
    return true;
  }

  void drop(std::uint64_t chunk) override {
    const std::shared_ptr<File> file = opened(Way::reading);
    if (file == nullptr) return;
    if (!file->write_at(chunk * kSlotBytes, std::string(kHeaderBytes, '\0'))) return;
    give_up(file);
    cache_->remove(path_);
  }

 private:
  [[nodiscard]] std::uint64_t checksum(std::uint64_t chunk, std::string_view slot) const {
    return base::hash64(slot.substr(8), seed_ ^ (chunk * 0x9e3779b97f4a7c15ULL));
  }

  std::optional<std::string_view> read_slot(std::uint64_t chunk, std::string& slot) {
    const std::shared_ptr<File> file = opened(Way::reading);
    if (file == nullptr) return std::nullopt;
    slot.resize(kSlotBytes);
    std::size_t got = 0;
    if (file->read_at(chunk * kSlotBytes, slot, got)) {
      base::probe("disk cache: a file could not be read, and was removed");
      give_up(file);
      cache_->remove(path_);
      return std::nullopt;
    }
    if (got < kHeaderBytes || base::load_little<std::uint32_t>(slot.data() + 8) != kSlotMagic) return std::nullopt;
    const std::size_t bytes = base::load_little<std::uint32_t>(slot.data() + 12);
    if (bytes == 0 || bytes > got - kHeaderBytes) return std::nullopt;
    slot.resize(kHeaderBytes + bytes);
    if (checksum(chunk, slot) != base::load_little<std::uint64_t>(slot.data()) &&
        !base::broken(base::Break::cache_ignore_checksum)) {
      base::probe("disk cache: a chunk was damaged");
      return std::nullopt;
    }
    touch(*file);
    return std::string_view(slot).substr(kHeaderBytes);
  }

  std::shared_ptr<File> opened(Way way) {
    const std::lock_guard lock(mutex_);
    if (file_ == nullptr) file_ = cache_->open(way, path_);
    return file_;
  }
  // One that was evicted takes room, and nobody else would find what is in it.
  std::shared_ptr<File> file_to_write() {
    if (cache_->is_off(Way::writing)) return nullptr;
    std::shared_ptr<File> file = opened(Way::writing);
    FileStatus status;
    if (file == nullptr || (!file->status(status) && status.has_name)) return file;
    base::probe("disk cache: a file was evicted while it was open");
    give_up(file);
    return opened(Way::writing);
  }
  void give_up(const std::shared_ptr<File>& file) {
    const std::lock_guard lock(mutex_);
    if (file_ == file) file_ = nullptr;
  }
  void touch(File& file) {
    const base::Instant now = base::now();
    base::Instant before = touched_.load(std::memory_order_relaxed);
    if (now - before < kTouchEvery || !touched_.compare_exchange_strong(before, now)) return;
    (void)file.touch().code();
  }

  const std::shared_ptr<Implementation> cache_;
  const std::string path_;
  const std::uint64_t seed_;
  std::atomic<base::Instant> touched_{base::Instant{} - kTouchEvery};
  base::Mutex mutex_;
  std::shared_ptr<File> file_;  // guarded by mutex_
};

DiskCache::DiskCache(OpenRoot open_root, std::uint64_t bytes_max, std::function<void(const std::string&)> on_message)
    : implementation_(std::make_shared<Implementation>(std::move(open_root), bytes_max, std::move(on_message))) {}

DiskCache::~DiskCache() = default;

std::unique_ptr<DiskCache::Object> DiskCache::object(std::string_view store_id, std::string_view key) {
  std::string path = cached_path(store_id, key);
  if (path.empty()) return nullptr;
  return std::make_unique<CachedObject>(implementation_, std::move(path));
}

void DiskCache::remove(std::string_view store_id, std::string_view key) {
  const std::string path = cached_path(store_id, key);
  if (!path.empty()) implementation_->remove(path);
}

void DiskCache::evict() {
  implementation_->evict();
}

DiskCache::Counts DiskCache::counts() const {
  const Implementation& self = *implementation_;
  return {self.hits.load(std::memory_order_relaxed), self.misses.load(std::memory_order_relaxed),
          self.written.load(std::memory_order_relaxed), self.evicted.load(std::memory_order_relaxed)};
}

}  // namespace ingot::storage
