// A directory whose operations fail when a test says so. Wraps another; what does not fail passes through.
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/directory.h"

namespace ingot::storage {

enum class Operation { open, rename, remove, list, make_directory, sync_directory, map, read, write, sync, size, lock };

// What is about to happen. `path` is where the file was opened, whatever it is called now.
struct Attempted {
  Operation operation;
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// Asked before each operation: 0, or the errno that it is to fail with.
using Decide = std::function<int(const Attempted&)>;

// Shared by all handles of a test.
class Faults {
 public:
  void set(Decide decide) {
    const std::lock_guard guard(mutex_);
    decide_ = std::move(decide);
  }
  void clear() { set({}); }
  // A write that fails has written this much of it.
  std::uint64_t partial_bytes = 0;

  IoError ask(const Attempted& attempted) {
    Decide decide;
    {
      const std::lock_guard guard(mutex_);
      decide = decide_;
    }
    return decide ? IoError(decide(attempted)) : IoError();
  }

 private:
  std::mutex mutex_;
  Decide decide_;
};

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> file, std::string path, Faults& faults)
      : file_(std::move(file)), path_(std::move(path)), faults_(faults) {}
  IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
    if (const auto failed = faults_.ask({Operation::read, path_, offset, out.size()})) {
      got = 0;
      return failed;
    }
    return file_->read_at(offset, out, got);
  }
  IoError write_at(std::uint64_t offset, std::string_view bytes) override {
    if (const auto failed = faults_.ask({Operation::write, path_, offset, bytes.size()})) {
      const std::uint64_t part = std::min<std::uint64_t>(faults_.partial_bytes, bytes.size());
      if (part > 0) (void)file_->write_at(offset, bytes.substr(0, part));
      return failed;
    }
    return file_->write_at(offset, bytes);
  }
  IoError sync_data() override {
    if (const auto failed = faults_.ask({Operation::sync, path_})) return failed;
    return file_->sync_data();
  }
  IoError sync() override {
    if (const auto failed = faults_.ask({Operation::sync, path_})) return failed;
    return file_->sync();
  }
  IoError size(std::uint64_t& bytes) override { return file_->size(bytes); }
  IoError truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
  IoError status(FileStatus& status) override { return file_->status(status); }
  IoError touch() override { return file_->touch(); }
  IoError try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) override {
    if (const auto failed = faults_.ask({Operation::lock, path_, offset, bytes})) return failed;
    return file_->try_lock(offset, bytes, mode, taken);
  }
  IoError unlock(std::uint64_t offset, std::uint64_t bytes) override { return file_->unlock(offset, bytes); }
  IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) override {
    return file_->is_locked(offset, bytes, locked);
  }

 private:
  std::unique_ptr<File> file_;
  std::string path_;
  Faults& faults_;
};

class FaultyDirectory final : public Directory {
 public:
  FaultyDirectory(Directory& directory, Faults& faults) : directory_(directory), faults_(faults) {}
  IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) override {
    if (const auto failed = faults_.ask({Operation::open, std::string(path)})) return failed;
    std::unique_ptr<File> inner;
    if (const auto failed = directory_.open(path, mode, inner)) return failed;
    file = std::make_unique<FaultyFile>(std::move(inner), std::string(path), faults_);
    return {};
  }
  IoError rename(std::string_view from, std::string_view to) override {
    if (const auto failed = faults_.ask({Operation::rename, std::string(to)})) return failed;
    return directory_.rename(from, to);
  }
  IoError remove(std::string_view path) override {
    if (const auto failed = faults_.ask({Operation::remove, std::string(path)})) return failed;
    return directory_.remove(path);
  }
  IoError make_directory(std::string_view path) override {
    if (const auto failed = faults_.ask({Operation::make_directory, std::string(path)})) return failed;
    return directory_.make_directory(path);
  }
  IoError list(std::string_view path, std::vector<std::string>& names) override {
    if (const auto failed = faults_.ask({Operation::list, std::string(path)})) return failed;
    return directory_.list(path, names);
  }
  IoError sync_directory(std::string_view path) override {
    if (const auto failed = faults_.ask({Operation::sync_directory, std::string(path)})) return failed;
    return directory_.sync_directory(path);
  }
  IoError map(std::string_view path, std::size_t bytes, std::unique_ptr<SharedMemory>& memory) override {
    if (const auto failed = faults_.ask({Operation::map, std::string(path)})) return failed;
    return directory_.map(path, bytes, memory);
  }
  IoError status(std::string_view path, FileStatus& status) override { return directory_.status(path, status); }
  IoError free_bytes(std::uint64_t& bytes) override { return directory_.free_bytes(bytes); }
  [[nodiscard]] std::string where() const override { return directory_.where(); }

 private:
  Directory& directory_;
  Faults& faults_;
};

}  // namespace ingot::storage
