/// Keys made of parts, and ranges of keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ingot {

/// Appends one part of a tuple key, so that the bytes of whole keys sort as the tuples do: part by part; strings
/// by bytes, numbers by value, false before true, a tuple before those that begin with it. Parts of different
/// types sort by type: absent, bytes, integers, floating point, bool. An integer and a double are different keys
/// even when equal. Layout: docs/formats/keys.md. The whole key may have kKeyBytesMax bytes, which is checked when it
/// is used: a string takes 2 bytes more than it has (and one for each byte 0 or 1 in it), an integer 1 to 9, a
/// double 9.
void append_key_part(std::string& key, std::string_view bytes);
void append_key_part(std::string& key, std::int64_t number);
void append_key_part(std::string& key, std::uint64_t number);
void append_key_part(std::string& key, double number);  // NaN sorts after all other numbers
void append_key_part(std::string& key, bool value);
void append_key_part(std::string& key, std::nullopt_t absent);

namespace detail {
template <class Part>
void append_any_part(std::string& key, const Part& part) {
  if constexpr (std::is_same_v<Part, bool> || std::is_same_v<Part, std::nullopt_t>) {
    append_key_part(key, part);
  } else if constexpr (std::is_floating_point_v<Part>) {
    append_key_part(key, static_cast<double>(part));
  } else if constexpr (std::is_integral_v<Part> && std::is_signed_v<Part>) {
    append_key_part(key, static_cast<std::int64_t>(part));
  } else if constexpr (std::is_integral_v<Part>) {
    append_key_part(key, static_cast<std::uint64_t>(part));
  } else {
    append_key_part(key, std::string_view(part));
  }
}
}  // namespace detail

/// A key from parts: `key("user", 42, "mail")`. Strings, integers, floating point, bool, std::nullopt.
template <class... Parts>
std::string key(const Parts&... parts) {
  std::string result;
  (detail::append_any_part(result, parts), ...);
  return result;
}

/// One part of a tuple key, read back.
struct KeyPart {
  enum class Type { absent, bytes, integer, unsigned_integer, floating, boolean };
  Type type = Type::absent;
  std::string bytes;                   ///< bytes
  std::int64_t integer = 0;            ///< integer; also unsigned_integer where it fits
  std::uint64_t unsigned_integer = 0;  ///< only above the largest std::int64_t
  double floating = 0;                 ///< floating
  bool boolean = false;                ///< boolean
};

/// The parts of a key made by key(), or nothing if `key` was not made so.
std::optional<std::vector<KeyPart>> key_parts(std::string_view key);

/// The keys from `begin` (included) to `end` (not included), in byte order. No `end`: to the last key. Bounds may have
/// one byte more than the longest key.
struct Range {
  std::string begin;
  std::optional<std::string> end;
};

/// Every key.
inline Range all() {
  return {};
}
/// The keys from `begin` on, up to but without `end`.
inline Range between(std::string_view begin, std::string_view end) {
  return {std::string(begin), std::string(end)};
}
/// The keys from `begin` on.
inline Range from(std::string_view begin) {
  return {std::string(begin), std::nullopt};
}
/// The keys after `key`.
inline Range after(std::string_view key) {
  return {std::string(key) + '\0', std::nullopt};
}
/// The keys before `end`.
inline Range before(std::string_view end) {
  return {{}, std::string(end)};
}
/// The keys that begin with `bytes`.
Range prefix(std::string_view bytes);

}  // namespace ingot
