// The one seam under the engine for a local store: a directory of files, as POSIX has it, and nothing more.
// Implementations: PosixDirectory (the real one), MemoryDirectory (":memory:" and tests), and the simulator's disk; and
// BucketFiles, for immutable files that are objects in a bucket (bucket_files.h).
//
// Paths are relative to the directory's root, use '/', and hold only [a-z0-9._-]: they are made by the engine, never
// by a user. Every call may fail with an errno; nothing here throws, retries (but for EINTR and short I/O) or
// decides. Thread safety: everything may be called from any thread; a File's reads and writes may overlap.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "base/time.h"

namespace ingot::storage {

/// What a call on storage came to: zero, or the errno that it failed with.
class [[nodiscard]] IoError {
 public:
  IoError() = default;
  explicit IoError(int code) : code_(code) {}
  explicit operator bool() const { return code_ != 0; }
  [[nodiscard]] int code() const { return code_; }
  /// As "No space left on device (ENOSPC)".
  [[nodiscard]] std::string text() const;

 private:
  int code_ = 0;
};

enum class LockMode { shared, exclusive };

/// What a reader means to do.
enum class Reading {
  again,     ///< here and there, and maybe again
  soon,      ///< the same, and it is waited for: where that takes long, it is begun now
  once,      ///< in order, and not again: nothing of it need be kept for others
  original,  ///< the same, and from where it lies, not from a copy: to check it
};

/// What there is to know of a file without reading it.
struct FileStatus {
  std::uint64_t bytes = 0;            ///< its size
  std::uint64_t allocated_bytes = 0;  ///< what it takes on the disk; holes take nothing
  std::int64_t modified_micros = 0;   ///< when it was last written or touched, by the machine's clock
  bool has_name = true;               ///< false: it was removed, and is only open still
};

/// An open file. Closed by its destructor; its locks go with it.
class File {
 public:
  virtual ~File() = default;
  /// Reads until `out` is full or the file ends; `got` says how much.
  virtual IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) = 0;
  /// Writes all of `bytes`, or fails, having written any part of them.
  virtual IoError write_at(std::uint64_t offset, std::string_view bytes) = 0;
  /// fdatasync. After an error nothing is known of what was written since the last success, and calling again proves
  /// nothing.
  virtual IoError sync_data() = 0;
  /// fsync.
  virtual IoError sync() = 0;
  virtual IoError size(std::uint64_t& bytes) = 0;
  virtual IoError truncate(std::uint64_t bytes) = 0;
  /// Tells that these bytes will be read soon / not any more. Hints only, and they do not wait.
  virtual void will_read(std::uint64_t /*offset*/, std::uint64_t /*bytes*/, Reading /*how*/) {}
  virtual void wont_read(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) {}
  /// How much one read may bring at about the price of a small one: who will need the neighbours reads them along, and
  /// no more than that.
  [[nodiscard]] virtual std::size_t worthwhile_bytes() const { return 512UL * 1024; }
  /// Tells that what was read there is damaged. True: it was a copy, which is dropped; the next read may bring better.
  virtual bool distrust(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) { return false; }
  /// ENOTSUP where there is no such thing.
  virtual IoError status(FileStatus& status);
  /// Says that the file was used now: modified_micros.
  virtual IoError touch();

  /// Open-file-description locks (F_OFD_SETLK): owned by this File, released when it closes or its process dies.
  /// Two Files of one process exclude each other. Converting shared to exclusive and back is atomic.
  /// `taken` says whether it was got; does not wait.
  virtual IoError try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) = 0;
  virtual IoError unlock(std::uint64_t offset, std::uint64_t bytes) = 0;
  /// Whether somebody else's lock stands in the way of an exclusive one (F_OFD_GETLK).
  virtual IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) = 0;
};

/// A file mapped shared between processes, for `live` alone: small, and never trusted.
/// A word in it can be waited on by other processes (futex).
class SharedMemory {
 public:
  virtual ~SharedMemory() = default;
  [[nodiscard]] virtual char* data() = 0;
  [[nodiscard]] virtual std::size_t bytes() const = 0;
  /// As base::WaitWord::wait_until, on the aligned 32-bit word at `offset`, across processes.
  virtual bool wait_until(std::size_t offset, std::uint32_t expected, base::Instant deadline) = 0;
  virtual void wake_all(std::size_t offset) = 0;
};

enum class OpenMode {
  read,        ///< existing, for reading
  read_write,  ///< existing, for both
  create,      ///< new (EEXIST if it is there), for both
};

class Directory {
 public:
  virtual ~Directory() = default;
  virtual IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) = 0;
  /// Atomic; replaces `to`. Durable once the directories are synced.
  virtual IoError rename(std::string_view from, std::string_view to) = 0;
  virtual IoError remove(std::string_view path) = 0;
  virtual IoError make_directory(std::string_view path) = 0;
  /// Names (not paths) in a subdirectory ("" is the root), unordered.
  virtual IoError list(std::string_view path, std::vector<std::string>& names) = 0;
  /// Makes names created, renamed or removed in it durable. "" is the root.
  virtual IoError sync_directory(std::string_view path) = 0;
  /// Maps the first `bytes` of an existing file, which is at least that long.
  virtual IoError map(std::string_view path, std::size_t bytes, std::unique_ptr<SharedMemory>& memory) = 0;
  /// ENOTSUP where there is no such thing.
  virtual IoError status(std::string_view path, FileStatus& status);
  /// Whether a read may be a request over a network, so that several are better begun at once.
  [[nodiscard]] virtual bool is_remote() const { return false; }
  /// Bytes that an unprivileged writer can still take.
  virtual IoError free_bytes(std::uint64_t& bytes) = 0;
  /// For messages: where this is, as the user knows it.
  [[nodiscard]] virtual std::string where() const = 0;
};

}  // namespace ingot::storage
