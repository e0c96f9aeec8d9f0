// What happened, step by step: every event goes into a running hash, which is the same for a seed in every build, and
// the last ones are kept for whoever looks at a failure. No addresses, no real time, nothing in hash-table order.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/time.h"

namespace ingot::simulator {

class Trace {
 public:
  /// `print`: where each event goes as it happens; null: nowhere.
  explicit Trace(std::FILE* print) : print_(print) {}

  /// Who acts, for the events that follow.
  void set_place(base::Instant now, std::uint32_t process, std::uint32_t fiber) {
    now_ = now;
    process_ = process;
    fiber_ = fiber;
  }

  /// `what` is a literal. `detail` is cut to what fits.
  void event(const char* what, std::uint64_t a = 0, std::uint64_t b = 0, std::string_view detail = {});

  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t events() const { return count_; }
  /// The last events, a line each, but for mere switches of fibers; `most`: at most so many. For a person.
  [[nodiscard]] std::string tail(std::size_t most) const;
  /// The same, straight to a file descriptor; for a signal handler (allocates nothing).
  void write_tail(int descriptor, std::size_t most) const;

 private:
  struct Event {
    const char* what = "";
    std::int64_t at = 0;
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::uint32_t process = 0;
    std::uint32_t fiber = 0;
    std::array<char, 40> detail{};
  };
  static bool is_switch(const Event& event);
  [[nodiscard]] std::uint64_t tail_start(std::size_t most) const;
  static int format(const Event& event, char* out, std::size_t bytes);

  static constexpr std::size_t kKept = 4096;
  std::FILE* print_;
  base::Instant now_{};
  std::uint32_t process_ = 0;
  std::uint32_t fiber_ = 0;
  std::uint64_t hash_ = 0x9ae1'6a3b'2f90'404f;
  std::uint64_t count_ = 0;
  std::array<Event, kKept> last_;
};

}  // namespace ingot::simulator
