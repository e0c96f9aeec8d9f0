#include "storage/memory_directory.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

namespace ingot::storage {

namespace {

// What others may be writing through a map meanwhile: word by word, each as it was at one time. `chunk` is aligned.
void copy_mapped(char* chunk, std::size_t offset, std::span<char> out) {
  constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t within = (offset + done) % kWordBytes;
    auto* word = reinterpret_cast<std::uint64_t*>(chunk + offset + done - within);
    const std::uint64_t value = std::atomic_ref(*word).load(std::memory_order_relaxed);
    const std::size_t part = std::min(kWordBytes - within, out.size() - done);
    std::memcpy(out.data() + done, reinterpret_cast<const char*>(&value) + within, part);
    done += part;
  }
}

// Bytes in chunks, so that a growing file is never copied. Where nothing was written there is no chunk: zeros.
class Contents {
 public:
  static constexpr std::size_t kChunkBytes = 64 * 1024;

  std::size_t read(std::uint64_t offset, std::span<char> out) {
    const std::lock_guard lock(mutex_);
    if (offset >= bytes_) return 0;
    const std::size_t count = std::min<std::uint64_t>(out.size(), bytes_ - offset);
    each(offset, count, [&](Chunk& chunk, std::size_t within, std::size_t done, std::size_t part) {
      if (chunk == nullptr) {
        std::memset(out.data() + done, 0, part);
      } else if (is_mapped_) {
        copy_mapped(chunk.get(), within, out.subspan(done, part));
      } else {
        std::memcpy(out.data() + done, chunk.get() + within, part);
      }
    });
    return count;
  }
  void write(std::uint64_t offset, std::string_view from) {
    const std::lock_guard lock(mutex_);
    resize(std::max<std::uint64_t>(bytes_, offset + from.size()));
    each(offset, from.size(), [&](Chunk& chunk, std::size_t within, std::size_t done, std::size_t part) {
      allocate(chunk);
      std::memcpy(chunk.get() + within, from.data() + done, part);
    });
    modified_micros_ = base::wall_micros();
  }
  void truncate(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    resize(bytes);
  }
  std::uint64_t size() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  // For maps: the first bytes, at an address that stays. Only for files of one chunk.
  char* stable(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > bytes_ || bytes > kChunkBytes) return nullptr;
    if (bytes == 0) return nullptr;
    allocate(chunks_.front());
    is_mapped_ = true;
    return chunks_.front().get();
  }
  FileStatus status() {
    const std::lock_guard lock(mutex_);
    return {bytes_, allocated_ * kChunkBytes, modified_micros_, has_name_};
  }
  void touch() {
    const std::lock_guard lock(mutex_);
    modified_micros_ = base::wall_micros();
  }
  void lose_name() {
    const std::lock_guard lock(mutex_);
    has_name_ = false;
  }

  // Locks of the file's ranges.
  struct Lock {
    const void* owner;
    std::uint64_t begin;
    std::uint64_t end;
    LockMode mode;
  };
  bool try_lock(const void* owner, std::uint64_t begin, std::uint64_t end, LockMode mode) {
    const std::lock_guard lock(mutex_);
    if (blocked(owner, begin, end, mode)) return false;
    carve(owner, begin, end);
    locks_.push_back({owner, begin, end, mode});
    return true;
  }
  void unlock(const void* owner, std::uint64_t begin, std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    carve(owner, begin, end);
  }
  bool is_locked(const void* owner, std::uint64_t begin, std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    return blocked(owner, begin, end, LockMode::exclusive);
  }

  base::Mutex wait_mutex;
  base::ConditionVariable woken;

 private:
  using Chunk = std::unique_ptr<char[]>;  // null: zeros

  void allocate(Chunk& chunk) {
    if (chunk != nullptr) return;
    chunk = std::make_unique<char[]>(kChunkBytes);
    ++allocated_;
  }
  void resize(std::uint64_t bytes) {
    if (bytes < bytes_) {
      // What is beyond the end reads as zeros if the file grows again.
      each(bytes, bytes_ - bytes, [](Chunk& chunk, std::size_t within, std::size_t, std::size_t part) {
        if (chunk != nullptr) std::memset(chunk.get() + within, 0, part);
      });
    }
    bytes_ = bytes;
    const std::size_t chunks = static_cast<std::size_t>((bytes + kChunkBytes - 1) / kChunkBytes);
    for (std::size_t gone = chunks; gone < chunks_.size(); ++gone) allocated_ -= chunks_[gone] != nullptr ? 1 : 0;
    chunks_.resize(chunks);
  }
  template <class Use>
  void each(std::uint64_t offset, std::uint64_t count, Use use) {
    for (std::size_t done = 0; done < count;) {
      const std::uint64_t at = offset + done;
      const std::size_t within = static_cast<std::size_t>(at % kChunkBytes);
      const std::size_t part = std::min<std::size_t>(kChunkBytes - within, static_cast<std::size_t>(count - done));
      use(chunks_[static_cast<std::size_t>(at / kChunkBytes)], within, done, part);
      done += part;
    }
  }
  [[nodiscard]] bool blocked(const void* owner, std::uint64_t begin, std::uint64_t end, LockMode mode) const {
    return std::any_of(locks_.begin(), locks_.end(), [&](const Lock& lock) {
      return lock.owner != owner && lock.begin < end && begin < lock.end &&
             (mode == LockMode::exclusive || lock.mode == LockMode::exclusive);
    });
  }
  void carve(const void* owner, std::uint64_t begin, std::uint64_t end) {
    std::vector<Lock> kept;
    for (const Lock& lock : locks_) {
      if (lock.owner != owner || lock.end <= begin || end <= lock.begin) {
        kept.push_back(lock);
        continue;
      }
      if (lock.begin < begin) kept.push_back({owner, lock.begin, begin, lock.mode});
      if (end < lock.end) kept.push_back({owner, end, lock.end, lock.mode});
    }
    locks_ = std::move(kept);
  }

  base::Mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::vector<Chunk> chunks_;
  std::uint64_t allocated_ = 0;
  bool is_mapped_ = false;  // or was
  std::int64_t modified_micros_ = base::wall_micros();
  bool has_name_ = true;
  std::vector<Lock> locks_;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<Contents> contents, bool writable) : contents_(std::move(contents)), writable_(writable) {}
  ~MemoryFile() override { contents_->unlock(this, 0, ~std::uint64_t{0}); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
    got = contents_->read(offset, out);
    return {};
  }
  IoError write_at(std::uint64_t offset, std::string_view bytes) override {
    if (!writable_) return IoError(EBADF);
    contents_->write(offset, bytes);
    return {};
  }
  IoError sync_data() override { return {}; }
  IoError sync() override { return {}; }
  IoError size(std::uint64_t& bytes) override {
    bytes = contents_->size();
    return {};
  }
  IoError truncate(std::uint64_t bytes) override {
    if (!writable_) return IoError(EBADF);
    contents_->truncate(bytes);
    return {};
  }
  IoError status(FileStatus& status) override {
    status = contents_->status();
    return {};
  }
  IoError touch() override {
    contents_->touch();
    return {};
  }
  IoError try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) override {
    if (!writable_ && mode == LockMode::exclusive) return IoError(EBADF);
    taken = contents_->try_lock(this, offset, offset + bytes, mode);
    return {};
  }
  IoError unlock(std::uint64_t offset, std::uint64_t bytes) override {
    contents_->unlock(this, offset, offset + bytes);
    return {};
  }
  IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) override {
    locked = contents_->is_locked(this, offset, offset + bytes);
    return {};
  }

 private:
  std::shared_ptr<Contents> contents_;
  bool writable_;
};

// The waiters of one file share one condition variable: wake-ups for another word are spurious, which is allowed.
class MemoryMap final : public SharedMemory {
 public:
  MemoryMap(std::shared_ptr<Contents> contents, char* data, std::size_t bytes)
      : contents_(std::move(contents)), data_(data), bytes_(bytes) {}
  [[nodiscard]] char* data() override { return data_; }
  [[nodiscard]] std::size_t bytes() const override { return bytes_; }
  bool wait_until(std::size_t offset, std::uint32_t expected, base::Instant deadline) override {
    std::unique_lock lock(contents_->wait_mutex);
    std::atomic_ref<std::uint32_t> word(*reinterpret_cast<std::uint32_t*>(data_ + offset));
    if (word.load(std::memory_order_seq_cst) != expected) return true;
    return contents_->woken.wait_until(lock, deadline);
  }
  void wake_all(std::size_t /*offset*/) override {
    const std::lock_guard lock(contents_->wait_mutex);
    contents_->woken.notify_all();
  }

 private:
  std::shared_ptr<Contents> contents_;
  char* data_;
  std::size_t bytes_;
};

struct Tree {
  base::Mutex mutex;
  std::map<std::string, std::shared_ptr<Contents>, std::less<>> files;
  std::set<std::string, std::less<>> directories;
};

class MemoryDirectory final : public Directory {
 public:
  explicit MemoryDirectory(std::shared_ptr<Tree> tree) : tree_(std::move(tree)) {}

  IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) override {
    const std::lock_guard lock(tree_->mutex);
    auto found = tree_->files.find(path);
    if (mode == OpenMode::create) {
      if (found != tree_->files.end() || tree_->directories.contains(path)) return IoError(EEXIST);
      if (!parent_exists(path)) return IoError(ENOENT);
      found = tree_->files.emplace(path, std::make_shared<Contents>()).first;
    }
    if (found == tree_->files.end()) return IoError(tree_->directories.contains(path) ? EISDIR : ENOENT);
    file = std::make_unique<MemoryFile>(found->second, mode != OpenMode::read);
    return {};
  }
  IoError rename(std::string_view from, std::string_view to) override {
    const std::lock_guard lock(tree_->mutex);
    const auto found = tree_->files.find(from);
    if (found == tree_->files.end() || !parent_exists(to)) return IoError(ENOENT);
    std::shared_ptr<Contents> contents = found->second;
    tree_->files.erase(found);
    const auto replaced = tree_->files.find(to);
    if (replaced != tree_->files.end()) replaced->second->lose_name();
    tree_->files.insert_or_assign(std::string(to), std::move(contents));
    return {};
  }
  IoError remove(std::string_view path) override {
    const std::lock_guard lock(tree_->mutex);
    const auto found = tree_->files.find(path);
    if (found == tree_->files.end()) return IoError(tree_->directories.contains(path) ? EISDIR : ENOENT);
    found->second->lose_name();
    tree_->files.erase(found);
    return {};
  }
  IoError make_directory(std::string_view path) override {
    const std::lock_guard lock(tree_->mutex);
    if (tree_->directories.contains(path) || tree_->files.contains(path)) return IoError(EEXIST);
    if (!parent_exists(path)) return IoError(ENOENT);
    tree_->directories.emplace(path);
    return {};
  }
  IoError list(std::string_view path, std::vector<std::string>& names) override {
    names.clear();
    const std::lock_guard lock(tree_->mutex);
    if (!path.empty() && !tree_->directories.contains(path)) return IoError(ENOENT);
    const std::string prefix = path.empty() ? "" : std::string(path) + "/";
    const auto take = [&](std::string_view name) {
      if (name.size() <= prefix.size() || !name.starts_with(prefix)) return;
      name.remove_prefix(prefix.size());
      if (name.find('/') == std::string_view::npos) names.emplace_back(name);
    };
    for (const auto& [name, contents] : tree_->files) take(name);
    for (const std::string& name : tree_->directories) take(name);
    return {};
  }
  IoError sync_directory(std::string_view path) override {
    const std::lock_guard lock(tree_->mutex);
    return path.empty() || tree_->directories.contains(path) ? IoError() : IoError(ENOENT);
  }
  IoError map(std::string_view path, std::size_t bytes, std::unique_ptr<SharedMemory>& memory) override {
    const std::lock_guard lock(tree_->mutex);
    const auto found = tree_->files.find(path);
    if (found == tree_->files.end()) return IoError(ENOENT);
    char* data = found->second->stable(bytes);
    if (data == nullptr) return IoError(EINVAL);
    memory = std::make_unique<MemoryMap>(found->second, data, bytes);
    return {};
  }
  IoError status(std::string_view path, FileStatus& status) override {
    const std::lock_guard lock(tree_->mutex);
    const auto found = tree_->files.find(path);
    if (found == tree_->files.end()) return IoError(tree_->directories.contains(path) ? EISDIR : ENOENT);
    status = found->second->status();
    return {};
  }
  IoError free_bytes(std::uint64_t& bytes) override {
    bytes = std::uint64_t{1} << 50;
    return {};
  }
  [[nodiscard]] std::string where() const override { return ":memory:"; }
  [[nodiscard]] const std::shared_ptr<Tree>& tree() const { return tree_; }

 private:
  [[nodiscard]] bool parent_exists(std::string_view path) const {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos || tree_->directories.contains(path.substr(0, slash));
  }
  std::shared_ptr<Tree> tree_;
};

}  // namespace

std::unique_ptr<Directory> make_memory_directory() {
  return std::make_unique<MemoryDirectory>(std::make_shared<Tree>());
}

std::unique_ptr<Directory> share_memory_directory(const Directory& directory) {
  return std::make_unique<MemoryDirectory>(dynamic_cast<const MemoryDirectory&>(directory).tree());
}

}  // namespace ingot::storage
