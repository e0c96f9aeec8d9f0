// A folder of a disk as a directory of its own, a prefix of a bucket as a bucket: several stores in one simulated
// world. A directory also as it is for a user who may only read it, and therefore pins nothing.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/bucket.h"
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

class BelowBucket final : public storage::Bucket {
 public:
  BelowBucket(storage::Bucket& bucket, const std::string& folder) : bucket_(bucket), prefix_(folder + "/") {}
  storage::Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                      std::optional<storage::BucketDate> signed_at, base::Instant deadline) override {
    return bucket_.put(at(key), bytes, mode, signed_at, deadline);
  }
  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant deadline) override {
    return bucket_.get(at(key), range, deadline);
  }
  storage::Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) override {
    storage::Listing listing = bucket_.list(at(prefix), continuation, deadline);
    for (storage::ListedObject& object : listing.objects) object.key.erase(0, prefix_.size());
    return listing;
  }
  storage::Answer remove(std::string_view key, base::Instant deadline) override {
    return bucket_.remove(at(key), deadline);
  }
  storage::Upload begin_upload(std::string_view key, base::Instant deadline) override {
    return bucket_.begin_upload(at(key), deadline);
  }
  storage::Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline) override {
    return bucket_.put_part(at(key), id, number, bytes, deadline);
  }
  storage::Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                base::Instant deadline) override {
    return bucket_.finish_upload(at(key), id, tags, deadline);
  }
  storage::Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) override {
    return bucket_.abort_upload(at(key), id, deadline);
  }
  storage::OpenUploads list_uploads(std::string_view prefix, std::string_view continuation,
                                    base::Instant deadline) override {
    storage::OpenUploads open = bucket_.list_uploads(at(prefix), continuation, deadline);
    for (storage::OpenUpload& upload : open.uploads) upload.key.erase(0, prefix_.size());
    return open;
  }
  void end_by(base::Instant at) override { bucket_.end_by(at); }
  [[nodiscard]] storage::BucketCounts counts() const override { return bucket_.counts(); }
  [[nodiscard]] std::string where() const override { return "s3://simulated/" + prefix_; }

 private:
  [[nodiscard]] std::string at(std::string_view key) const { return prefix_ + std::string(key); }
  storage::Bucket& bucket_;
  const std::string prefix_;
};

}  // namespace ingot::simulator
