// A blocked Bloom filter: each key's bits lie in one 64-byte line, so a look-up is one cache miss. Ten bits a key and
// six probes: about 1 % of absent keys pass. After Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom
// Filters" (2007).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ingot::runs {

inline constexpr std::size_t kFilterLineBytes = 64;
inline constexpr std::size_t kFilterBitsPerKey = 10;
inline constexpr int kFilterProbes = 6;

inline std::size_t filter_lines(std::size_t keys) {
  const std::size_t bits = keys * kFilterBitsPerKey;
  return bits == 0 ? 1 : (bits + kFilterLineBytes * 8 - 1) / (kFilterLineBytes * 8);
}

// The upper half chooses the line, a mix of all of it the bits.
inline std::size_t filter_line(std::uint64_t hash, std::size_t lines) {
  return static_cast<std::size_t>(((hash >> 32) * lines) >> 32);
}

inline void filter_add(char* lines_at, std::size_t lines, std::uint64_t hash) {
  char* line = lines_at + filter_line(hash, lines) * kFilterLineBytes;
  std::uint64_t bits = hash * 0x9e3779b97f4a7c15ULL;
  for (int i = 0; i < kFilterProbes; ++i, bits >>= 9) {
    const std::size_t bit = bits & 511;
    line[bit / 8] = static_cast<char>(line[bit / 8] | (1 << (bit % 8)));
  }
}

inline bool filter_may_hold(const char* lines_at, std::size_t lines, std::uint64_t hash) {
  const char* line = lines_at + filter_line(hash, lines) * kFilterLineBytes;
  std::uint64_t bits = hash * 0x9e3779b97f4a7c15ULL;
  for (int i = 0; i < kFilterProbes; ++i, bits >>= 9) {
    const std::size_t bit = bits & 511;
    if ((line[bit / 8] & (1 << (bit % 8))) == 0) return false;
  }
  return true;
}

}  // namespace ingot::runs
