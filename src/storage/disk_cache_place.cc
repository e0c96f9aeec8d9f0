// Where the disk cache lies on a real disk.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "storage/disk_cache.h"
#include "storage/posix_directory.h"
#include "storage/whole_io.h"

namespace ingot::storage {

namespace {

// With all folders above it.
IoError make_folders(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST && slash == std::string::npos) return IoError(errno);
    if (slash == std::string::npos) return {};
  }
}

// Others could put bytes there that pass for ours: the checksums find damage, not forgery.
IoError look_whose(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return IoError(errno);
  if (!S_ISDIR(status.st_mode)) return IoError(ENOTDIR);
  const bool is_ours = status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return is_ours ? IoError() : IoError(EPERM);
}

}  // namespace

std::optional<std::string> default_disk_cache_path() {
  const char* caches = std::getenv("XDG_CACHE_HOME");
  if (caches != nullptr && caches[0] == '/') return std::string(caches) + "/ingot";
  const char* home = std::getenv("HOME");
  struct stat status {};
  if (home == nullptr || home[0] != '/' || ::stat(home, &status) != 0) return std::nullopt;
  // As with sudo: what root makes there, its owner could not use.
  if (status.st_uid != ::geteuid()) return std::nullopt;
  return std::string(home) + "/.cache/ingot";
}

std::unique_ptr<DiskCache> open_disk_cache(const std::string& path, std::uint64_t bytes_max,
                                           std::function<void(const std::string&)> on_message) {
  const auto open_root = [path](std::unique_ptr<Directory>& root) {
    if (const IoError error = make_folders(path)) return error;
    if (const IoError error = look_whose(path)) return error;
    return open_posix_directory(path, root, Whose::owner);
  };
  const auto tell = [path, hook = std::move(on_message)](const std::string& text) {
    if (hook) hook(path + ": " + text);
  };
  return std::make_unique<DiskCache>(open_root, bytes_max, tell);
}

}  // namespace ingot::storage
