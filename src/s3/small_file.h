// Files of settings and tokens, read whole.
#pragma once

#include <string>

namespace ingot::s3 {

struct SmallFile {
  enum class Kind { there, absent, unreadable };
  Kind kind = Kind::absent;
  std::string text;
  std::string error;  ///< if unreadable: why, as "Permission denied" or "it is larger than 65536 bytes"
};

SmallFile read_small_file(const std::string& path, std::size_t bytes_max);

}  // namespace ingot::s3
