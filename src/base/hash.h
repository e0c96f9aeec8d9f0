// The one checksum and hash of the project: XXH3 (https://xxhash.com), 64 and 128 bits. Not cryptographic:
// it finds what hardware does to bytes, not what an attacker does.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ingot::base {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);
Hash128 hash128(std::string_view bytes);

inline void store_hash(char* to, const Hash128& hash) {
  __builtin_memcpy(to, &hash.low, 8);
  __builtin_memcpy(to + 8, &hash.high, 8);
}
inline Hash128 load_hash(const char* from) {
  Hash128 hash;
  __builtin_memcpy(&hash.low, from, 8);
  __builtin_memcpy(&hash.high, from + 8, 8);
  return hash;
}

}  // namespace ingot::base
