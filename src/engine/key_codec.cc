// Tuple keys: docs/formats/keys.md. The bytes of a key sort as its parts do.
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "ingot/key.h"

namespace ingot {

namespace {

// The first byte of a part. Types are ordered by it; integers by their length too, which grows with their distance from
// zero.
constexpr unsigned char kAbsent = 0x10;
constexpr unsigned char kBytes = 0x20;
constexpr unsigned char kZero = 0x38;  // 0x30 … 0x37: negative, 8 … 1 bytes; 0x39 … 0x40: positive, 1 … 8 bytes
constexpr unsigned char kIntegerMin = kZero - 8;
constexpr unsigned char kIntegerMax = kZero + 8;
constexpr unsigned char kFloating = 0x50;
constexpr unsigned char kFalse = 0x60;
constexpr unsigned char kTrue = 0x61;

// Inside bytes. The end is below all else, so that a string sorts before those that begin with it; and it is no part of
// what stands for another byte, so that no key begins with a tuple's bytes but those that begin with the tuple.
constexpr char kEnd = '\0';
constexpr char kEscape = '\x01';  // then 0x01 for 0x00, or 0x02 for 0x01

constexpr std::uint64_t kSignBit = 1ULL << 63;
constexpr std::uint64_t kNan = 0x7ff8000000000000ULL;  // the one NaN that keys have
constexpr std::uint64_t kInfinity = 0x7ff0000000000000ULL;

void append_type(std::string& key, unsigned char type) {
  key.push_back(static_cast<char>(type));
}

// The lowest `count` bytes, highest first.
void append_big(std::string& key, std::uint64_t number, int count) {
  char bytes[8];
  base::store_big64(bytes, number);
  key.append(bytes + 8 - count, static_cast<std::size_t>(count));
}

int byte_count(std::uint64_t magnitude) {
  return static_cast<int>((std::bit_width(magnitude) + 7) / 8);
}

std::uint64_t take_big(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

// Each of these takes the rest of a part off `key`, behind its type. False: append_key_part never writes that.

bool take_bytes(std::string_view& key, std::string& bytes) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i] == kEnd) {
      key.remove_prefix(i + 1);
      return true;
    }
    if (key[i] != kEscape) {
      bytes.push_back(key[i]);
      continue;
    }
    if (++i == key.size() || (key[i] != '\x01' && key[i] != '\x02')) return false;
    bytes.push_back(static_cast<char>(key[i] - 1));
  }
  return false;
}

bool take_integer(std::string_view& key, unsigned char type, KeyPart& part) {
  const bool negative = type < kZero;
  const int count = negative ? kZero - type : type - kZero;
  if (key.size() < static_cast<std::size_t>(count)) return false;
  std::uint64_t magnitude = take_big(key.substr(0, static_cast<std::size_t>(count)));
  key.remove_prefix(static_cast<std::size_t>(count));
  if (negative) magnitude = ~magnitude & (count == 8 ? ~0ULL : (1ULL << (8 * count)) - 1);
  if (byte_count(magnitude) != count) return false;  // not the shortest form
  if (negative && magnitude > kSignBit) return false;
  if (!negative && magnitude >= kSignBit) {
    part.type = KeyPart::Type::unsigned_integer;
    part.unsigned_integer = magnitude;
    return true;
  }
  part.type = KeyPart::Type::integer;
  part.integer = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

bool take_floating(std::string_view& key, double& number) {
  if (key.size() < 8) return false;
  const std::uint64_t ordered = base::load_big64(key.data());
  key.remove_prefix(8);
  const std::uint64_t bits = (ordered & kSignBit) != 0 ? ordered ^ kSignBit : ~ordered;
  if (bits == kSignBit) return false;                                // -0 is written as 0
  if ((bits & ~kSignBit) > kInfinity && bits != kNan) return false;  // another NaN
  number = std::bit_cast<double>(bits);
  return true;
}

}  // namespace

void append_key_part(std::string& key, std::string_view bytes) {
  append_type(key, kBytes);
  for (const char byte : bytes) {
    const auto number = static_cast<unsigned char>(byte);
    if (number > 1) {
      key.push_back(byte);
    } else {
      key.push_back(kEscape);
      key.push_back(static_cast<char>(number + 1));
    }
  }
  key.push_back(kEnd);
}

void append_key_part(std::string& key, std::uint64_t number) {
  const int count = byte_count(number);
  append_type(key, static_cast<unsigned char>(kZero + count));
  append_big(key, number, count);
}

void append_key_part(std::string& key, std::int64_t number) {
  if (number >= 0) {
    append_key_part(key, static_cast<std::uint64_t>(number));
    return;
  }
  const std::uint64_t magnitude = 0 - static_cast<std::uint64_t>(number);
  const int count = byte_count(magnitude);
  append_type(key, static_cast<unsigned char>(kZero - count));
  append_big(key, ~magnitude, count);
}

void append_key_part(std::string& key, double number) {
  std::uint64_t bits = std::bit_cast<std::uint64_t>(number);
  if ((bits & ~kSignBit) > kInfinity) bits = kNan;
  if (bits == kSignBit) bits = 0;  // -0 equals 0
  append_type(key, kFloating);
  append_big(key, (bits & kSignBit) != 0 ? ~bits : bits ^ kSignBit, 8);
}

void append_key_part(std::string& key, bool value) {
  append_type(key, value ? kTrue : kFalse);
}

void append_key_part(std::string& key, std::nullopt_t) {
  append_type(key, kAbsent);
}

std::optional<std::vector<KeyPart>> key_parts(std::string_view key) {
  std::vector<KeyPart> parts;
  while (!key.empty()) {
    const auto type = static_cast<unsigned char>(key.front());
    key.remove_prefix(1);
    KeyPart part;
    if (type == kAbsent) {
      part.type = KeyPart::Type::absent;
    } else if (type == kBytes) {
      part.type = KeyPart::Type::bytes;
      if (!take_bytes(key, part.bytes)) return std::nullopt;
    } else if (type >= kIntegerMin && type <= kIntegerMax) {
      if (!take_integer(key, type, part)) return std::nullopt;
    } else if (type == kFloating) {
      part.type = KeyPart::Type::floating;
      if (!take_floating(key, part.floating)) return std::nullopt;
    } else if (type == kFalse || type == kTrue) {
      part.type = KeyPart::Type::boolean;
      part.boolean = type == kTrue;
    } else {
      return std::nullopt;
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

Range prefix(std::string_view bytes) {
  Range range{std::string(bytes), std::nullopt};
  std::string end(bytes);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return range;  // nothing sorts after all that begin with 0xff…
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  range.end = std::move(end);
  return range;
}

}  // namespace ingot
