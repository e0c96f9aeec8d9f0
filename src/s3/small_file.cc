#include "s3/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace ingot::s3 {

namespace {

SmallFile failed_file(int error) {
  SmallFile file;
  const bool is_absent = error == ENOENT || error == ENOTDIR;
  file.kind = is_absent ? SmallFile::Kind::absent : SmallFile::Kind::unreadable;
  file.error = std::generic_category().message(error);
  return file;
}

}  // namespace

SmallFile read_small_file(const std::string& path, std::size_t bytes_max) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0) return failed_file(errno);
  SmallFile file;
  file.kind = SmallFile::Kind::there;
  std::array<char, 16384> buffer{};
  while (file.text.size() <= bytes_max) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) file = failed_file(errno);
    if (got <= 0) break;
    file.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(descriptor);
  if (file.text.size() <= bytes_max) return file;
  SmallFile refused;
  refused.kind = SmallFile::Kind::unreadable;
  refused.error = "it is larger than " + std::to_string(bytes_max) + " bytes";
  return refused;
}

}  // namespace ingot::s3
