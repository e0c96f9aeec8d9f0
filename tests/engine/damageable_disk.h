// A directory in memory that is copied in no time (its pages are shared until they are written), and that can be
// damaged: a test takes one image of a store, and damages a copy of it for each place that there is.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/directory.h"
#include "storage/memory_directory.h"

namespace ingot::testing {

inline constexpr std::uint64_t kPageBytes = 4096;

// Bytes by pages; a page that is null holds zeros.
class PagedFile {
 public:
  PagedFile() = default;
  PagedFile(const PagedFile& other) : bytes_(other.bytes_), pages_(other.pages_), unreadable_(other.unreadable_) {}
  PagedFile& operator=(const PagedFile&) = delete;

  std::uint64_t size() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  storage::IoError read(std::uint64_t offset, std::span<char> out, std::size_t& got) {
    const std::lock_guard lock(mutex_);
    got = 0;
    if (offset >= bytes_) return {};
    const std::size_t count = std::min<std::uint64_t>(out.size(), bytes_ - offset);
    for (std::uint64_t page = offset / kPageBytes; page <= (offset + count - 1) / kPageBytes; ++page) {
      if (unreadable_.contains(page)) return storage::IoError(EIO);
    }
    while (got < count) {
      const std::uint64_t at = offset + got;
      const std::size_t part = std::min<std::uint64_t>(kPageBytes - at % kPageBytes, count - got);
      const Page& page = pages_[at / kPageBytes];
      if (page == nullptr) {
        std::memset(out.data() + got, 0, part);
      } else {
        std::memcpy(out.data() + got, page->data() + at % kPageBytes, part);
      }
      got += part;
    }
    return {};
  }
  // A page that is written in whole is readable again, as on a disk.
  void write(std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ = std::max<std::uint64_t>(bytes_, offset + bytes.size());
    pages_.resize((bytes_ + kPageBytes - 1) / kPageBytes);
    while (!bytes.empty()) {
      const std::size_t part = std::min<std::uint64_t>(kPageBytes - offset % kPageBytes, bytes.size());
      Page& page = pages_[offset / kPageBytes];
      if (part == kPageBytes) unreadable_.erase(offset / kPageBytes);
      const std::string_view now = bytes.substr(0, part);
      if (page != nullptr || now.find_first_not_of('\0') != std::string_view::npos) {
        auto changed =
            page == nullptr ? std::make_shared<std::string>(kPageBytes, '\0') : std::make_shared<std::string>(*page);
        changed->replace(offset % kPageBytes, part, now);
        page = std::move(changed);
      }
      offset += part;
      bytes.remove_prefix(part);
    }
  }
  void make_unreadable(std::uint64_t page) {
    const std::lock_guard lock(mutex_);
    unreadable_.insert(page);
  }

 private:
  using Page = std::shared_ptr<const std::string>;
  std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::vector<Page> pages_;
  std::set<std::uint64_t> unreadable_;
};

class DamageableDisk {
 public:
  DamageableDisk() = default;
  // What another machine would find: without the locks and the memory of the processes that have it open.
  [[nodiscard]] std::shared_ptr<DamageableDisk> copy() {
    auto other = std::make_shared<DamageableDisk>();
    const std::lock_guard lock(mutex_);
    other->folders_ = folders_;
    for (const auto& [path, file] : files_) other->files_[path] = std::make_shared<PagedFile>(*file);
    return other;
  }
  std::shared_ptr<PagedFile> file(std::string_view path) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : found->second;
  }
  std::vector<std::string> paths() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [path, file] : files_) all.push_back(path);
    return all;
  }
  std::string bytes(std::string_view path) {
    std::string all(file(path)->size(), '\0');
    std::size_t got = 0;
    if (file(path)->read(0, all, got)) return {};
    return all;
  }
  void refuse_runs(bool refuse) { refuses_runs_ = refuse; }  // no file can be made in runs/: nothing is flushed

 private:
  friend class DamageableDirectory;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<PagedFile>, std::less<>> files_;
  std::set<std::string, std::less<>> folders_;
  std::unique_ptr<storage::Directory> shared_ = storage::make_memory_directory();  // what is locked or mapped
  std::atomic<bool> refuses_runs_{false};
};

class DamageableDirectory : public storage::Directory {
 public:
  // Without `may_write` it is as for a user who may only read it.
  explicit DamageableDirectory(std::shared_ptr<DamageableDisk> disk, bool may_write = true)
      : disk_(std::move(disk)), may_write_(may_write) {}

  storage::IoError open(std::string_view path, storage::OpenMode mode, std::unique_ptr<storage::File>& file) override {
    if (!may_write_ && mode != storage::OpenMode::read) return storage::IoError(EACCES);
    if (is_shared(path)) return disk_->shared_->open(path, mode, file);
    const std::lock_guard lock(disk_->mutex_);
    auto found = disk_->files_.find(path);
    if (mode == storage::OpenMode::create) {
      if (disk_->refuses_runs_ && path.starts_with("runs/")) return storage::IoError(ENOSPC);
      if (found != disk_->files_.end()) return storage::IoError(EEXIST);
      found = disk_->files_.emplace(path, std::make_shared<PagedFile>()).first;
    }
    if (found == disk_->files_.end()) return storage::IoError(ENOENT);
    file = std::make_unique<Opened>(found->second);
    return {};
  }
  storage::IoError rename(std::string_view from, std::string_view to) override {
    const std::lock_guard lock(disk_->mutex_);
    const auto found = disk_->files_.find(from);
    if (found == disk_->files_.end()) return storage::IoError(ENOENT);
    std::shared_ptr<PagedFile> file = found->second;
    disk_->files_.erase(found);
    disk_->files_.insert_or_assign(std::string(to), std::move(file));
    return {};
  }
  storage::IoError remove(std::string_view path) override {
    if (is_shared(path)) return disk_->shared_->remove(path);
    const std::lock_guard lock(disk_->mutex_);
    const auto found = disk_->files_.find(path);
    if (found == disk_->files_.end()) return storage::IoError(ENOENT);
    disk_->files_.erase(found);
    return {};
  }
  storage::IoError make_directory(std::string_view path) override {
    const std::lock_guard lock(disk_->mutex_);
    return disk_->folders_.emplace(path).second ? storage::IoError() : storage::IoError(EEXIST);
  }
  storage::IoError list(std::string_view path, std::vector<std::string>& names) override {
    names.clear();
    const std::lock_guard lock(disk_->mutex_);
    if (!path.empty() && !disk_->folders_.contains(path)) return storage::IoError(ENOENT);
    const std::string prefix = path.empty() ? "" : std::string(path) + "/";
    const auto take = [&](const std::string& whole) {
      if (!whole.starts_with(prefix) || whole.find('/', prefix.size()) != std::string::npos) return;
      names.push_back(whole.substr(prefix.size()));
    };
    for (const auto& [name, file] : disk_->files_) take(name);
    for (const std::string& name : disk_->folders_) take(name);
    return {};
  }
  storage::IoError sync_directory(std::string_view) override { return {}; }
  storage::IoError map(std::string_view path, std::size_t bytes,
                       std::unique_ptr<storage::SharedMemory>& memory) override {
    return disk_->shared_->map(path, bytes, memory);
  }
  storage::IoError free_bytes(std::uint64_t& bytes) override {
    bytes = std::uint64_t{1} << 40;
    return {};
  }
  [[nodiscard]] std::string where() const override { return "/damaged"; }

 private:
  class Opened final : public storage::File {
   public:
    explicit Opened(std::shared_ptr<PagedFile> file) : file_(std::move(file)) {}
    storage::IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
      return file_->read(offset, out, got);
    }
    storage::IoError write_at(std::uint64_t offset, std::string_view bytes) override {
      file_->write(offset, bytes);
      return {};
    }
    storage::IoError sync_data() override { return {}; }
    storage::IoError sync() override { return {}; }
    storage::IoError size(std::uint64_t& bytes) override {
      bytes = file_->size();
      return {};
    }
    storage::IoError truncate(std::uint64_t) override { return storage::IoError(ENOSYS); }
    storage::IoError try_lock(std::uint64_t, std::uint64_t, storage::LockMode, bool& taken) override {
      taken = true;  // one process at a time
      return {};
    }
    storage::IoError unlock(std::uint64_t, std::uint64_t) override { return storage::IoError(ENOSYS); }
    storage::IoError is_locked(std::uint64_t, std::uint64_t, bool&) override { return storage::IoError(ENOSYS); }

   private:
    std::shared_ptr<PagedFile> file_;
  };
  static bool is_shared(std::string_view path) { return path == "live" || path == "making"; }

  std::shared_ptr<DamageableDisk> disk_;
  const bool may_write_;
};

}  // namespace ingot::testing
