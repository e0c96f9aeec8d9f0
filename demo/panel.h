// What there is to see while the crowd works: on a terminal a panel that is drawn over itself, elsewhere a line a
// second.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "crowd.h"

namespace demo {

class Panel {
 public:
  Panel(Crowd& crowd, std::chrono::seconds duration);
  // Every 100 ms.
  void tick();
  // The cursor goes below the panel.
  void finish();

 private:
  void draw(double seconds);
  void print_line(double seconds);
  void sample(double seconds);

  Crowd& crowd_;
  std::chrono::seconds duration_;
  Clock::time_point begun_;
  bool terminal_;
  bool unicode_;
  int ticks_ = 0;
  bool drawn_ = false;
  std::vector<std::deque<int>> history_;  // for each slot: commits in 200 ms, or kKilled
  std::uint64_t most_ = 1;                // in any of them
  // Of the last second or so.
  std::uint64_t commits_before_ = 0;
  std::uint64_t reads_before_ = 0;
  double seconds_before_ = 0;
  double commits_rate_ = 0;
  double reads_rate_ = 0;
};

// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number);
// Microseconds, readable: "87 µs", "1.2 ms".
std::string shown_micros(double micros);

}  // namespace demo
