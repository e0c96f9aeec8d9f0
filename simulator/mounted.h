// A process's way to the disk of its machine: an engine owns its directory, the disk is the world's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/directory.h"

namespace ingot::simulator {

class Mounted final : public storage::Directory {
 public:
  explicit Mounted(storage::Directory& disk) : disk_(disk) {}
  storage::IoError open(std::string_view path, storage::OpenMode mode, std::unique_ptr<storage::File>& file) override {
    return disk_.open(path, mode, file);
  }
  storage::IoError rename(std::string_view from, std::string_view to) override { return disk_.rename(from, to); }
  storage::IoError remove(std::string_view path) override { return disk_.remove(path); }
  storage::IoError make_directory(std::string_view path) override { return disk_.make_directory(path); }
  storage::IoError list(std::string_view path, std::vector<std::string>& names) override {
    return disk_.list(path, names);
  }
  storage::IoError sync_directory(std::string_view path) override { return disk_.sync_directory(path); }
  storage::IoError map(std::string_view path, std::size_t bytes,
                       std::unique_ptr<storage::SharedMemory>& memory) override {
    return disk_.map(path, bytes, memory);
  }
  storage::IoError status(std::string_view path, storage::FileStatus& status) override {
    return disk_.status(path, status);
  }
  storage::IoError free_bytes(std::uint64_t& bytes) override { return disk_.free_bytes(bytes); }
  [[nodiscard]] std::string where() const override { return disk_.where(); }

 private:
  storage::Directory& disk_;
};

}  // namespace ingot::simulator
