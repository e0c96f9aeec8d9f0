// Bytes to import, and lines of them, with bounded memory whatever the file holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::cli {

/// Where bytes come from. Used by one thread.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// Up to `count` bytes into `to`; 0 at the end.   throws std::system_error
  virtual std::size_t read(char* to, std::size_t count) = 0;
  /// Goes on at `offset`.   throws std::system_error: it can't (a pipe)
  virtual void seek(std::uint64_t offset) = 0;
};

/// An open descriptor, which stays the caller's. A read ends early, as if the file did, once `stop` is readable.
class DescriptorSource final : public ByteSource {
 public:
  explicit DescriptorSource(int descriptor, int stop = -1) : descriptor_(descriptor), stop_(stop) {}
  std::size_t read(char* to, std::size_t count) override;
  void seek(std::uint64_t offset) override;

 private:
  int descriptor_;
  int stop_;
};

/// Bytes in memory.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::size_t read(char* to, std::size_t count) override;
  void seek(std::uint64_t offset) override;

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Lines of a source. Holds one line of at most `line_bytes_max`, and a chunk.
class LineReader {
 public:
  LineReader(ByteSource& source, std::size_t line_bytes_max);

  enum class Outcome {
    line,
    too_long,  ///< passed over to its end, and counted
    end,
  };
  /// The next line, without its newline (the last one may have none). The view ends with the next call.
  Outcome next(std::string_view& line);

  /// The first bytes that are not read yet, up to `count` (at most kPeekBytesMax), without taking them.
  std::string_view peek(std::size_t count);
  static constexpr std::size_t kPeekBytesMax = 64 * 1024;

  /// Takes `count` bytes that were peeked at, and which hold no newline.
  void skip(std::size_t count);

  /// Where the line after the last one begins.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  /// The number of the last line, from 1.
  [[nodiscard]] std::uint64_t line_number() const { return line_number_; }
  [[nodiscard]] std::size_t line_bytes_max() const { return line_bytes_max_; }
  void limit_lines(std::size_t line_bytes_max) { line_bytes_max_ = line_bytes_max; }
  /// Goes to `offset`, where the line after number `line_number` begins.
  void seek(std::uint64_t offset, std::uint64_t line_number);

 private:
  bool fill();  // false at the end

  ByteSource& source_;
  std::size_t line_bytes_max_;
  std::string buffer_;
  std::size_t begin_ = 0;  // what is in front of it was given out
  bool ended_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t line_number_ = 0;
};

}  // namespace ingot::cli
