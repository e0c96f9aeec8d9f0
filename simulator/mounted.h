// A process's way to the disk of its machine, and to the bucket: an engine owns what it is opened on, these are the
// world's.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "storage/bucket.h"
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

class MountedBucket final : public storage::Bucket {
 public:
  explicit MountedBucket(storage::Bucket& bucket) : bucket_(bucket) {}
  storage::Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                      std::optional<storage::BucketDate> signed_at, base::Instant deadline) override {
    return bucket_.put(key, bytes, mode, signed_at, capped(deadline));
  }
  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant deadline) override {
    return bucket_.get(key, range, capped(deadline));
  }
  storage::Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) override {
    return bucket_.list(prefix, continuation, capped(deadline));
  }
  storage::Answer remove(std::string_view key, base::Instant deadline) override {
    return bucket_.remove(key, capped(deadline));
  }
  storage::Upload begin_upload(std::string_view key, base::Instant deadline) override {
    return bucket_.begin_upload(key, capped(deadline));
  }
  storage::Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline) override {
    return bucket_.put_part(key, id, number, bytes, capped(deadline));
  }
  storage::Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                base::Instant deadline) override {
    return bucket_.finish_upload(key, id, tags, capped(deadline));
  }
  storage::Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) override {
    return bucket_.abort_upload(key, id, capped(deadline));
  }
  storage::OpenUploads list_uploads(std::string_view prefix, std::string_view continuation,
                                    base::Instant deadline) override {
    return bucket_.list_uploads(prefix, continuation, capped(deadline));
  }
  // Those under way go on to their own deadlines.
  void end_by(base::Instant at) override { end_ = std::min(end_.load(), at); }
  [[nodiscard]] storage::BucketCounts counts() const override { return bucket_.counts(); }
  [[nodiscard]] std::string where() const override { return bucket_.where(); }

 private:
  [[nodiscard]] base::Instant capped(base::Instant deadline) const { return std::min(deadline, end_.load()); }

  storage::Bucket& bucket_;
  std::atomic<base::Instant> end_{base::kNever};
};

}  // namespace ingot::simulator
