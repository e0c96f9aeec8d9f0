// The bytes of the tail's segment that are not known durable yet, as they stand in the file: built here, written from
// here, and kept until a sync has succeeded, because after one that failed the page cache can't be trusted.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "log/segment_format.h"

namespace ingot::log {

/// One thread at a time.
class GroupImage {
 public:
  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] std::uint64_t bytes() const { return end_ - begin_; }

  /// Forgets all, and goes on at `offset`.
  void restart(std::uint64_t offset) {
    begin_ = end_ = offset;
    if (capacity_ > kKeptBytesMax) {
      buffer_.reset();
      capacity_ = 0;
    }
  }
  /// Forgets what is before `offset`.
  void drop_before(std::uint64_t offset) {
    if (offset <= begin_) return;
    if (offset >= end_) return restart(offset);
    std::memmove(buffer_.get(), buffer_.get() + (offset - begin_), end_ - offset);
    begin_ = offset;
  }
  /// Forgets what is at `offset` and behind.
  void cut(std::uint64_t offset) { end_ = offset < begin_ ? begin_ : (offset < end_ ? offset : end_); }

  /// Room up to `offset`; what is between the old end and the new one is undefined.
  void extend(std::uint64_t offset) {
    const std::uint64_t needed = offset - begin_;
    if (needed > capacity_) {
      const std::uint64_t grown = needed > 2 * capacity_ ? needed : 2 * capacity_;
      std::unique_ptr<char[]> larger(new char[grown]);  // not zeroed: it is all written before it is used
      if (end_ > begin_) std::memcpy(larger.get(), buffer_.get(), end_ - begin_);
      buffer_ = std::move(larger);
      capacity_ = grown;
    }
    if (offset > end_) end_ = offset;
  }
  /// Zeros from the end up to `offset`.
  void pad(std::uint64_t offset) {
    const std::uint64_t from = end_;
    extend(offset);
    if (offset > from) std::memset(at(from), 0, offset - from);
  }
  [[nodiscard]] char* at(std::uint64_t offset) { return buffer_.get() + (offset - begin_); }
  [[nodiscard]] std::string_view view(std::uint64_t from, std::uint64_t to) const {
    return {buffer_.get() + (from - begin_), static_cast<std::size_t>(to - from)};
  }

 private:
  static constexpr std::uint64_t kKeptBytesMax = 16ULL << 20;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t capacity_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace ingot::log
