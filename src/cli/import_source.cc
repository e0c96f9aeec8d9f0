// Bytes to import, and lines of them, with bounded memory whatever the file holds.
#include "cli/import_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace ingot::cli {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

[[noreturn]] void fail(const char* clause) {
  throw std::system_error(errno, std::generic_category(), clause);
}

}  // namespace

std::size_t DescriptorSource::read(char* to, std::size_t count) {
  for (;;) {
    // A pipe may be silent for ever: wait for it and for the signal. Files are always ready.
    pollfd waits[2] = {{descriptor_, POLLIN, 0}, {stop_, POLLIN, 0}};
    const int ready = ::poll(waits, stop_ >= 0 ? 2 : 1, -1);
    if (ready < 0 && errno != EINTR) fail("The input can't be waited for");
    if (stop_ >= 0 && waits[1].revents != 0) return 0;
    if (ready <= 0 || waits[0].revents == 0) continue;
    const ssize_t bytes = ::read(descriptor_, to, count);
    if (bytes >= 0) return static_cast<std::size_t>(bytes);
    if (errno != EINTR && errno != EAGAIN) fail("The input can't be read");
  }
}

void DescriptorSource::seek(std::uint64_t offset) {
  if (::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) fail("The input can't be read from its middle");
}

std::size_t MemorySource::read(char* to, std::size_t count) {
  const std::size_t taken = std::min(count, bytes_.size() - at_);
  std::memcpy(to, bytes_.data() + at_, taken);
  at_ += taken;
  return taken;
}

void MemorySource::seek(std::uint64_t offset) {
  at_ = static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes_.size()));
}

LineReader::LineReader(ByteSource& source, std::size_t line_bytes_max)
    : source_(source), line_bytes_max_(line_bytes_max) {}

bool LineReader::fill() {
  if (ended_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  const std::size_t had = buffer_.size();
  buffer_.resize(had + kChunkBytes);
  const std::size_t bytes = source_.read(buffer_.data() + had, kChunkBytes);
  buffer_.resize(had + bytes);
  ended_ = bytes == 0;
  return !ended_;
}

LineReader::Outcome LineReader::next(std::string_view& line) {
  std::size_t searched = begin_;
  bool too_long = false;
  std::size_t end = std::string::npos;
  for (;;) {
    end = buffer_.find('\n', searched);
    if (end != std::string::npos) break;
    if (buffer_.size() - begin_ > line_bytes_max_) {  // give up what is held of it, and look for its end only
      too_long = true;
      offset_ += buffer_.size() - begin_;
      buffer_.clear();
      begin_ = 0;
    }
    const std::size_t held = buffer_.size() - begin_;
    if (!fill()) break;
    searched = begin_ + held;
  }
  const bool newline = end != std::string::npos;
  if (!newline) end = buffer_.size();
  const std::size_t bytes = end - begin_;
  if (!newline && bytes == 0 && !too_long) return Outcome::end;
  line = std::string_view(buffer_).substr(begin_, bytes);
  too_long = too_long || bytes > line_bytes_max_;
  begin_ = end + (newline ? 1 : 0);
  offset_ += bytes + (newline ? 1 : 0);
  ++line_number_;
  if (too_long) line = {};
  return too_long ? Outcome::too_long : Outcome::line;
}

std::string_view LineReader::peek(std::size_t count) {
  count = std::min(count, kPeekBytesMax);
  while (buffer_.size() - begin_ < count && fill()) {
  }
  return std::string_view(buffer_).substr(begin_, count);
}

void LineReader::skip(std::size_t count) {
  const std::size_t taken = std::min(count, buffer_.size() - begin_);
  begin_ += taken;
  offset_ += taken;
}

void LineReader::seek(std::uint64_t offset, std::uint64_t line_number) {
  source_.seek(offset);
  buffer_.clear();
  begin_ = 0;
  ended_ = false;
  offset_ = offset;
  line_number_ = line_number;
}

}  // namespace ingot::cli
