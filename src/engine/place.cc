#include "engine/place.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "engine/bucket_medium.h"
#include "engine/bucket_target.h"
#include "engine/directory_target.h"
#include "ingot/error.h"
#include "s3/location.h"
#include "s3/open_bucket.h"
#include "storage/disk_cache.h"
#include "storage/memory_directory.h"
#include "storage/posix_directory.h"

namespace ingot::engine {

namespace {

namespace fs = std::filesystem;

// "S3://bucket", "s3:/bucket", "s3a://bucket", "https://…": what is no address that we know must not become a
// directory.
bool looks_like_an_address(std::string_view where) {
  where.remove_prefix(std::min(where.find_first_not_of(' '), where.size()));
  const auto is_of_a_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+';
  };
  const auto scheme_end = std::ranges::find_if_not(where, is_of_a_scheme);
  const std::string_view rest = where.substr(static_cast<std::size_t>(scheme_end - where.begin()));
  return rest.size() < where.size() &&
         (rest == ":" || rest.starts_with(":/") || rest.starts_with(":\\") || where.starts_with("arn:"));
}

void refuse_address(const std::string& where, const char* doing) {
  if (!looks_like_an_address(where)) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(doing) + " \"" + where +
                  "\": this is no address of a bucket, which is as s3://bucket/prefix. If a "
                  "directory is meant: ./" +
                  where);
}

[[noreturn]] void throw_path_error(const std::string& where, int code, const char* doing) {
  const std::string text = where + ": can't " + doing + ": " + storage::IoError(code).text();
  switch (code) {
    case ENOENT:
      throw Error(ErrorCode::not_a_store, text + ". Its parent directory does not exist; make that first.");
    case ENOTDIR:
      throw Error(ErrorCode::not_a_store, text + ". A part of the path is a file.");
    case EACCES:
    case EPERM:
      throw Error(ErrorCode::invalid_argument,
                  text + ". It belongs to another user; give this one permission, or open another directory.");
    case EROFS:
      throw Error(ErrorCode::read_only, text + ". The file system is mounted read-only.");
    case ENAMETOOLONG:
    case ELOOP:
      throw Error(ErrorCode::invalid_argument, text);
    default:
      throw Error(ErrorCode::unavailable, text);
  }
}

// Locks and shared memory between processes do not work, or lie, on a network file system.
void refuse_network(const std::string& where) {
  storage::FileSystemKind kind;
  if (const storage::IoError error = storage::file_system_kind(where, kind))
    throw_path_error(where, error.code(), "look at the file system");
#ifdef INGOT_TESTING
  // There is no network file system on a test machine: the tests say what statfs shall have answered.
  if (const char* magic = std::getenv("INGOT_TESTING_FILE_SYSTEM"))
    kind = storage::file_system_kind_of(std::strtoull(magic, nullptr, 0));
#endif
  if (!kind.network) return;
  throw Error(ErrorCode::invalid_argument,
              where + ": is on a network file system (" + kind.name +
                  "), where locks between processes can be lost without a sign. Put the store on a local disk.");
}

void make_directory(const std::string& where) {
  std::error_code error;
  fs::create_directory(where, error);
  if (error) throw_path_error(where, error.value(), "make the directory");
  // Its name must survive a power loss as well as what will stand in it. Where the parent may not be read, it can't be
  // synced; the file system's own rules must do.
  const fs::path parent = fs::absolute(where, error).lexically_normal();
  const std::string above =
      (parent.has_filename() ? parent.parent_path() : parent.parent_path().parent_path()).string();
  std::unique_ptr<storage::Directory> directory;
  if (error || storage::open_posix_directory(above, directory)) return;
  if (const storage::IoError failed = directory->sync_directory(""))
    throw_path_error(where, failed.code(), "sync its parent directory");
}

}  // namespace

std::unique_ptr<storage::Directory> open_directory_at(const std::string& where) {
  refuse_network(where);
  std::unique_ptr<storage::Directory> directory;
  if (const storage::IoError error = storage::open_posix_directory(where, directory))
    throw_path_error(where, error.code(), "open it");
  return directory;
}

bool is_bucket(const std::string& where) {
  return s3::is_location(where);
}

std::unique_ptr<Medium> bucket_medium_at(const Medium::Setting& setting) {
  std::unique_ptr<storage::Bucket> bucket = s3::open_bucket(setting.where);
  const Options& options = setting.options;
  std::unique_ptr<storage::DiskCache> cache;
  if (options.cache_directory != "none") {
    std::optional<std::string> path = options.cache_directory;
    if (path->empty()) path = storage::default_disk_cache_path();
    const std::uint64_t bytes = options.cache_bytes == 0 ? storage::DiskCache::kBytesMaxDefault : options.cache_bytes;
    if (path) cache = storage::open_disk_cache(*path, bytes, setting.on_message);
  }
  return make_bucket_medium(std::move(bucket), std::move(cache), setting);
}

std::unique_ptr<storage::Directory> directory_at(const std::string& where, const Options& options) {
  if (where.empty()) throw Error(ErrorCode::invalid_argument, "open: the path of the store is empty");
  if (where.find('\0') != std::string::npos) throw Error(ErrorCode::invalid_argument, "open: the path has a zero byte");
  if (where == ":memory:") return storage::make_memory_directory();
  std::error_code error;
  const fs::file_status status = fs::status(where, error);
  if (status.type() == fs::file_type::not_found) {
    refuse_address(where, "open");
    if (options.read_only || !options.create) {
      throw Error(ErrorCode::not_a_store, where + " does not exist" +
                                              (options.read_only ? ", and nothing is made when opening read-only."
                                                                 : ", and Options::create is off."));
    }
    make_directory(where);
  } else if (error) {
    throw_path_error(where, error.value(), "look at it");
  } else if (status.type() != fs::file_type::directory) {
    throw Error(ErrorCode::not_a_store,
                where + " is not a directory. Give a directory: a new one, an empty one, or a store.");
  }
  return open_directory_at(where);
}

std::unique_ptr<CopyTarget> copy_target_at(const std::string& where, const Sizes& sizes) {
  if (is_bucket(where)) return make_bucket_target(s3::open_bucket(where), where, sizes);
  if (where.empty() || where == ":memory:") {
    throw Error(ErrorCode::invalid_argument, "copy to \"" + where + "\": name a directory that does not exist yet");
  }
  std::error_code error;
  const fs::file_status status = fs::status(where, error);
  if (status.type() == fs::file_type::not_found) {
    refuse_address(where, "copy to");
    make_directory(where);
  } else if (error) {
    throw_path_error(where, error.value(), "look at it");
  } else if (status.type() != fs::file_type::directory) {
    throw Error(ErrorCode::invalid_argument,
                "copy to " + where + ": it is a file. Name a directory that does not exist yet.");
  }
  return make_directory_target(open_directory_at(where), where, sizes);
}

}  // namespace ingot::engine
