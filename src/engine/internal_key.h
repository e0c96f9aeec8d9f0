// Internal keys: what memtables, runs and the log know a record by. A space's records lie together:
//
//   offset  bytes
//        0      1  length of the space's name, 1 … kSpaceNameBytesMax
//        1      n  the name
//      1+n      …  the user's key
//
// Length first: no name's range can lie inside another's, and the end of a space is its prefix plus one.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "ingot/limits.h"

namespace ingot::engine {

inline constexpr std::size_t kInternalKeyBytesMax = 1 + kSpaceNameBytesMax + kKeyBytesMax;
static_assert(kSpaceNameBytesMax < 255, "the byte after a prefix must exist");

inline std::string space_prefix(std::string_view space) {
  std::string prefix;
  prefix.reserve(1 + space.size());
  prefix.push_back(static_cast<char>(space.size()));
  prefix.append(space);
  return prefix;
}

// The first key after all that begin with `prefix`. A space's prefix never consists of 0xff alone.
inline std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

// The name of the space that an internal key lies in; empty if the key is malformed.
inline std::string_view space_of(std::string_view internal_key) {
  if (internal_key.empty()) return {};
  const auto length = static_cast<unsigned char>(internal_key.front());
  if (internal_key.size() < 1U + length) return {};
  return internal_key.substr(1, length);
}

// An internal key made for one call, on the stack if it is short.
class InternalKey {
 public:
  InternalKey(std::string_view space, std::string_view key) : size_(1 + space.size() + key.size()) {
    char* to = inline_;
    if (size_ > sizeof inline_) {
      heap_ = std::make_unique<char[]>(size_);
      to = heap_.get();
    }
    to[0] = static_cast<char>(space.size());
    std::memcpy(to + 1, space.data(), space.size());
    if (!key.empty()) std::memcpy(to + 1 + space.size(), key.data(), key.size());
    data_ = to;
  }
  InternalKey(const InternalKey&) = delete;
  InternalKey& operator=(const InternalKey&) = delete;
  operator std::string_view() const { return {data_, size_}; }  // NOLINT(google-explicit-constructor)

 private:
  std::size_t size_;
  const char* data_;
  std::unique_ptr<char[]> heap_;
  char inline_[192];
};

}  // namespace ingot::engine
