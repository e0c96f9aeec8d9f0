// Numbers to bytes and back: little-endian for formats, big-endian where bytes must sort as the number does,
// and varints (LEB128, at most 10 bytes). Reading never passes the end of what it was given.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ingot::base {

static_assert(std::endian::native == std::endian::little, "formats are little-endian; a big-endian port swaps here");

template <std::unsigned_integral T>
inline T load_little(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::unsigned_integral T>
inline void store_little(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

inline std::uint64_t load_big64(const char* from) {
  return __builtin_bswap64(load_little<std::uint64_t>(from));
}
inline std::uint32_t load_big32(const char* from) {
  return __builtin_bswap32(load_little<std::uint32_t>(from));
}
inline void store_big64(char* to, std::uint64_t value) {
  store_little(to, __builtin_bswap64(value));
}
inline void store_big32(char* to, std::uint32_t value) {
  store_little(to, __builtin_bswap32(value));
}

template <std::unsigned_integral T>
inline void append_little(std::string& out, T value) {
  char bytes[sizeof value];
  store_little(bytes, value);
  out.append(bytes, sizeof value);
}

inline constexpr int kVarintBytesMax = 10;

/// Writes `value` at `to`, which has room for kVarintBytesMax. Returns the end of what was written.
inline char* store_varint(char* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline int varint_bytes(std::uint64_t value) {
  return value == 0 ? 1 : static_cast<int>((std::bit_width(value) + 6U) / 7U);
}

inline void append_varint(std::string& out, std::uint64_t value) {
  char bytes[kVarintBytesMax];
  out.append(bytes, static_cast<std::size_t>(store_varint(bytes, value) - bytes));
}

/// Reads bytes that came from outside: every take says whether there was enough, and takes nothing if not.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool take_varint(std::uint64_t& value) {
    std::uint64_t result = 0;
    const char* p = at_;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p == end_) return false;
      const auto byte = static_cast<std::uint8_t>(*p++);
      if (shift == 63 && byte > 1) return false;
      result |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        at_ = p;
        value = result;
        return true;
      }
    }
    return false;
  }

  template <std::unsigned_integral T>
  [[nodiscard]] bool take_little(T& value) {
    if (remaining() < sizeof value) return false;
    value = load_little<T>(at_);
    at_ += sizeof value;
    return true;
  }

  [[nodiscard]] bool take_bytes(std::uint64_t count, std::string_view& bytes) {
    if (remaining() < count) return false;
    bytes = {at_, static_cast<std::size_t>(count)};
    at_ += count;
    return true;
  }

  /// A varint length, then that many bytes.
  [[nodiscard]] bool take_sized(std::string_view& bytes) {
    const char* start = at_;
    std::uint64_t count = 0;
    if (take_varint(count) && take_bytes(count, bytes)) return true;
    at_ = start;
    return false;
  }

  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool empty() const { return at_ == end_; }
  [[nodiscard]] const char* position() const { return at_; }

 private:
  const char* at_;
  const char* end_;
};

inline void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace ingot::base
