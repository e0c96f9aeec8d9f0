// Where the command writes: data to stdout, words for people to stderr.
#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "cli/text.h"

namespace ingot::cli {
namespace {

constexpr std::size_t kOutputBufferBytes = 64 * 1024;

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) throw ReaderGone{};
      throw std::system_error(errno, std::generic_category(), "The output can't be written");
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_to_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // nowhere is left to say so
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

void Output::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kOutputBufferBytes) {
    flush();
    if (bytes.size() >= kOutputBufferBytes) {
      write_all(bytes);
      return;
    }
  }
  buffer_ += bytes;
}

void Output::flush() {
  const std::string bytes = std::move(buffer_);
  buffer_.clear();
  write_all(bytes);
}

bool Output::terminal() const {
  return ::isatty(STDOUT_FILENO) == 1;
}

void say(std::string_view sentence) {
  write_to_stderr("ingot: " + std::string(sentence) + '\n');
}

Progress::Progress()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      next_(std::chrono::steady_clock::now() + std::chrono::milliseconds(200)) {}

Progress::~Progress() {
  clear();
}

bool Progress::due() const {
  return terminal_ && std::chrono::steady_clock::now() >= next_;
}

void Progress::show(std::string_view text) {
  if (!due()) return;
  write_to_stderr("\r\x1b[K" + std::string(text));
  shown_ = true;
  next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
}

void Progress::clear() {
  if (shown_) write_to_stderr("\r\x1b[K");
  shown_ = false;
}

std::string share_text(std::uint64_t done, std::uint64_t total) {
  std::string text = bytes_text(done);
  if (total > 0) {
    const auto share =
        static_cast<unsigned>(100 * (static_cast<double>(std::min(done, total)) / static_cast<double>(total)));
    text = std::to_string(share) + " %  " + text + " of " + bytes_text(total);
  }
  return text;
}

}  // namespace ingot::cli
