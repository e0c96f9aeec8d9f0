#include <cerrno>
#include <cstring>

#include "storage/directory.h"

namespace ingot::storage {

namespace {

// What an errno does not say by its name: whose limit it is.
const char* remedy(int code) {
  switch (code) {
    case EFBIG:
      return ", the limit of this process on the size of a file: see ulimit -f";
    case EMFILE:
      return ", the limit of this process: see ulimit -n";
    default:
      return "";
  }
}

}  // namespace

std::string IoError::text() const {
  if (code_ == 0) return "no error";
  const char* description = ::strerrordesc_np(code_);
  const char* name = ::strerrorname_np(code_);
  return std::string(description != nullptr ? description : "unknown error") + " (" +
         (name != nullptr ? std::string(name) : std::to_string(code_)) + ")" + remedy(code_);
}

IoError File::status(FileStatus& /*status*/) {
  return IoError(ENOTSUP);
}
IoError File::touch() {
  return IoError(ENOTSUP);
}
IoError Directory::status(std::string_view /*path*/, FileStatus& /*status*/) {
  return IoError(ENOTSUP);
}

}  // namespace ingot::storage
