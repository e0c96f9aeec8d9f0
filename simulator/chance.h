// Seeded chance for the simulator: one stream per purpose, so that a change in one (the disk) moves the others (the
// schedule) as little as can be. Draw in statements of their own: the order of two draws in one expression is the
// compiler's choice, and a seed must mean the same run everywhere.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"

namespace ingot::simulator {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) { random_.next(); }
  /// 0 … bound - 1.
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  /// low … high, both possible.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + random_.below(high - low + 1); }
  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }
  bool percent(std::uint64_t n) { return random_.below(100) < n; }
  bool per_million(std::uint64_t n) { return n != 0 && random_.below(1'000'000) < n; }
  std::uint64_t next() { return random_.next(); }
  /// Low … high with each order of magnitude about as likely; low > 0.
  std::uint64_t magnitude(std::uint64_t low, std::uint64_t high) {
    std::uint64_t steps = 0;
    for (std::uint64_t at = low; at < high; at *= 2) ++steps;
    const std::uint64_t base = low << random_.below(steps + 1);
    const std::uint64_t value = base + random_.below(base);
    return value < high ? value : high;
  }
  /// A stream of its own for another purpose.
  Chance fork() { return Chance(random_.next()); }

 private:
  base::Random random_;
};

}  // namespace ingot::simulator
