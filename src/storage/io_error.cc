#include <cstring>

#include "storage/directory.h"

namespace ingot::storage {

std::string IoError::text() const {
  if (code_ == 0) return "no error";
  const char* description = ::strerrordesc_np(code_);
  const char* name = ::strerrorname_np(code_);
  return std::string(description != nullptr ? description : "unknown error") + " (" +
         (name != nullptr ? std::string(name) : std::to_string(code_)) + ")";
}

}  // namespace ingot::storage
