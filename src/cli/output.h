// Where the command writes: data to stdout, words for people to stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::cli {

/// Nobody reads our output any more (`ingot scan … | head`): the end, but no error.
class ReaderGone {};

/// Buffered standard output. Every write is checked: a full disk behind `>` is an error, not a short file.
class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  /// throws ReaderGone.  std::system_error: it can't be written
  void write(std::string_view bytes);
  void line(std::string_view text) {
    write(text);
    write("\n");
  }
  void flush();
  [[nodiscard]] bool terminal() const;

 private:
  std::string buffer_;
};

/// "ingot: <sentence>" on stderr.
void say(std::string_view sentence);

/// A line on stderr that is written over as work goes on; nothing at all unless stderr is a terminal.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Shows `text`, at most ten times a second.
  void show(std::string_view text);
  [[nodiscard]] bool due() const;
  /// Takes the line away, so that other words can follow.
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_;
};

/// "  43 %  1.2 GiB of 2.8 GiB"
std::string share_text(std::uint64_t done, std::uint64_t total);

}  // namespace ingot::cli
