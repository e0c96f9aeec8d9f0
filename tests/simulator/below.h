// A folder of a disk as a directory of its own: several stores on one simulated disk. Also as it is for a user who may
// only read it, and therefore pins nothing.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/directory.h"

namespace ingot::simulator {

enum class May { read, write };

class Below : public storage::Directory {
 public:
  Below(storage::Directory& disk, std::string folder, May may = May::write)
      : disk_(disk), folder_(std::move(folder)), may_(may) {}
  storage::IoError open(std::string_view path, storage::OpenMode mode, std::unique_ptr<storage::File>& file) override {
    if (may_ == May::read && mode != storage::OpenMode::read) return storage::IoError(EACCES);
    return disk_.open(at(path), mode, file);
  }
  storage::IoError rename(std::string_view from, std::string_view to) override {
    return disk_.rename(at(from), at(to));
  }
  storage::IoError remove(std::string_view path) override { return disk_.remove(at(path)); }
  storage::IoError make_directory(std::string_view path) override { return disk_.make_directory(at(path)); }
  storage::IoError list(std::string_view path, std::vector<std::string>& names) override {
    return disk_.list(at(path), names);
  }
  storage::IoError sync_directory(std::string_view path) override { return disk_.sync_directory(at(path)); }
  storage::IoError map(std::string_view path, std::size_t bytes,
                       std::unique_ptr<storage::SharedMemory>& memory) override {
    return disk_.map(at(path), bytes, memory);
  }
  storage::IoError free_bytes(std::uint64_t& bytes) override { return disk_.free_bytes(bytes); }
  [[nodiscard]] std::string where() const override { return disk_.where() + "/" + folder_; }

 private:
  [[nodiscard]] std::string at(std::string_view path) const {
    return path.empty() ? folder_ : folder_ + "/" + std::string(path);
  }
  storage::Directory& disk_;
  const std::string folder_;
  const May may_;
};

}  // namespace ingot::simulator
