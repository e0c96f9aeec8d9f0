// Ranges of a file, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot::base {

/// As "bytes 4096 to 8191 and 16384 to 20479": the pieces of `bytes` each that begin at these offsets, which ascend.
inline std::string ranges_text(const std::vector<std::uint64_t>& offsets, std::uint64_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::uint64_t begin = offsets[i];
    while (i + 1 < offsets.size() && offsets[i + 1] == offsets[i] + bytes) ++i;
    text +=
        (text.empty() ? "bytes " : " and ") + std::to_string(begin) + " to " + std::to_string(offsets[i] + bytes - 1);
  }
  return text;
}

}  // namespace ingot::base
