// Lines of text over a socket, between the benchmark and its engines' processes.
#pragma once

#include <optional>
#include <string>

namespace bench {

class LineChannel {
 public:
  explicit LineChannel(int descriptor) : descriptor_(descriptor) {}
  LineChannel(LineChannel&& other) noexcept;
  LineChannel& operator=(LineChannel&&) = delete;
  ~LineChannel();

  // Throws std::runtime_error when the other side is gone.
  void write_line(const std::string& line);
  // The next line; nothing when the other side has ended, or after `milliseconds` (-1: never gives up).
  std::optional<std::string> read_line(int milliseconds);
  // Whether read_line would return at once.
  [[nodiscard]] bool readable() const;

 private:
  int descriptor_;
  std::string pending_;
};

}  // namespace bench
