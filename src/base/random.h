// Chance. In a testing build a simulation's seed decides all of it.
#pragma once

#include <cstdint>
#include <span>

namespace ingot::base {

/// Fills `out` from the kernel's generator (getrandom): for names and nonces that must never meet again.
void random_bytes(std::span<char> out);

/// Eight bytes of the same.
std::uint64_t random_u64();

/// A fast generator for jitter and sampling, seeded from random_u64 by whoever makes one. Not for names.
/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). One thread at a time.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// 0 … bound-1; bound > 0. The bias is below 2^-32 for bounds below 2^32.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

 private:
  std::uint64_t state_;
};

}  // namespace ingot::base
