// The records of the benchmark: the same bytes for every engine, computed and not stored, so that the harness adds no
// cache misses of its own to what it measures.
//
//   key    16 bytes: the hexadecimal digits of a one-to-one mix of the record's index. So records made in the order of
//          their indexes come in random key order, and neighbouring indexes are far apart.
//   value  100 bytes: 4 of the key's hash, 4 of a generation (little-endian, one more with each update), 92 that
//          compress to about half (46 random bytes twice, as db_bench makes them), chosen by the first 8.
//
// A value tells whether it belongs to its key and is whole, so every read can be checked without knowing what another
// thread has written in between.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline constexpr std::size_t kKeyBytes = 16;
inline constexpr std::size_t kValueBytes = 100;
inline constexpr std::size_t kTagBytes = 8;

using Key = std::array<char, kKeyBytes>;
using ValueBytes = std::array<char, kValueBytes>;

struct Record {
  Key key;
  ValueBytes value;
};

inline std::string_view view(const Key& key) {
  return {key.data(), key.size()};
}
inline std::string_view view(const ValueBytes& value) {
  return {value.data(), value.size()};
}

// One to one on 64 bits (the finalizer of splitmix64).
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// The key of record `index`. Records of a store have indexes below kAbsentFrom.
Key key_of(std::uint64_t index);
inline constexpr std::uint64_t kAbsentFrom = std::uint64_t{1} << 40;

// The value of `key` (16 bytes) in its `generation`.
void make_value(std::string_view key, std::uint32_t generation, ValueBytes& value);

// The generation of a value, or nothing if it is not one of `key`'s. Looks at 8 bytes and the size.
std::optional<std::uint32_t> generation_of(std::string_view key, std::string_view value);

// Whether every byte of the value is right.
bool is_whole(std::string_view key, std::string_view value);

// The value that follows `old` in a read-modify-write: one generation later, or the first if there was none.
void make_successor(std::string_view key, std::optional<std::string_view> old, ValueBytes& value);

// A small fast generator, one a thread (xorshift64*).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix(seed) | 1U) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dU;
  }
  // bound: up to 2^32.
  std::uint64_t below(std::uint64_t bound) { return ((next() >> 32U) * bound) >> 32U; }

 private:
  std::uint64_t state_;
};

// Ranks drawn from a zipfian distribution over `count` ranks (YCSB's: theta 0.99, after Gray et al., SIGMOD 1994).
// A prepared sequence, read from front to back: drawing costs more than some engines take for a read.
class ZipfianRanks {
 public:
  explicit ZipfianRanks(std::uint64_t count);
  std::uint64_t at(std::uint64_t position) const { return ranks_[position & (kLength - 1)]; }

 private:
  static constexpr std::uint64_t kLength = std::uint64_t{1} << 21U;
  std::vector<std::uint32_t> ranks_;
};

}  // namespace bench
