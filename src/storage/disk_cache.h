// Pieces of immutable objects on the local disk, so that they need not be fetched again: by this process or another,
// today or tomorrow. A cache, and nothing more: whatever is missing, torn, damaged, foreign or old in it is a miss.
//
//   <root>/<store id, 32 hex>/<the object's key with '-' for '/'>     one sparse file for each object
//
// A file has a slot for each chunk of kChunkBytes of its object, at chunk number × kSlotBytes:
//   offset  bytes
//        0      8  checksum of all that follows, seeded with the store's id, the object's key and the chunk's number
//        8      4  magic and format
//       12      4  bytes of the object in this chunk; less than kChunkBytes: here the object ends
//       16      …  they
//
// 1. A chunk is believed only with its checksum. So nothing needs a sync, a lock or an order: two who write the same
//    chunk write the same bytes, and what a crash tore, a stranger changed or a disk lost is fetched again.
// 2. All processes of a user share it, and any of them evicts: each looks when it has written a thirty-second of the
//    bound, and if more than seven eighths are taken, the files that were not used for the longest go (their times are
//    touched now and then), until three quarters are left. So four that write at once stay below the bound. A file that
//    is evicted while it is open is empty from then on; whoever has it open makes a new one with the next chunk.
// 3. It takes no more than half of what it and the disk's free room come to.
// 4. If the disk is full, read-only or gone, the cache is just off, for reading or for writing, and is tried again
// after
//    a minute. The hook is told once for each reason.
//
// Over a storage::Directory, so that the simulator can run it. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/directory.h"

namespace ingot::storage {

class DiskCache {
 public:
  static constexpr std::size_t kChunkBytes = 16UL * 1024;
  static constexpr std::size_t kSlotBytes = kChunkBytes + 16;
  static constexpr std::uint64_t kBytesMaxDefault = 10ULL << 30;

  struct Counts {
    std::uint64_t hits = 0;     ///< chunks
    std::uint64_t misses = 0;   ///< chunks
    std::uint64_t written = 0;  ///< chunks
    std::uint64_t evicted = 0;  ///< files
  };

  /// Opens the root, making it if need be. Called when the cache is first used, and again after trouble.
  using OpenRoot = std::function<IoError(std::unique_ptr<Directory>&)>;

  /// Touches nothing yet.
  ///   bytes_max   of all stores' files together, as the disk counts them
  ///   on_message  told why the cache is off; may be null
  DiskCache(OpenRoot open_root, std::uint64_t bytes_max, std::function<void(const std::string&)> on_message);
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  /// The cached chunks of one object. Thread-safe. Holds a file open once it was used.
  class Object {
   public:
    virtual ~Object() = default;
    /// The bytes of a chunk, which lie in `slot`; nothing: a miss.
    virtual std::optional<std::string_view> read(std::uint64_t chunk, std::string& slot) = 0;
    /// `bytes`: kChunkBytes, or fewer at the end of the object. False: the cache did not take it.
    virtual bool write(std::uint64_t chunk, std::string_view bytes) = 0;
    /// That chunk is not what it should be.
    virtual void drop(std::uint64_t chunk) = 0;
  };
  /// Makes no system call. Null: such a key is not cached. It must not outlive the cache.
  [[nodiscard]] std::unique_ptr<Object> object(std::string_view store_id, std::string_view key);
  /// The object is gone: so is what was cached of it.
  void remove(std::string_view store_id, std::string_view key);

  /// Evicts, whether it is due or not.
  void evict();
  [[nodiscard]] Counts counts() const;

 private:
  class Implementation;
  class CachedObject;
  std::shared_ptr<Implementation> implementation_;
};

/// $XDG_CACHE_HOME/ingot, or ~/.cache/ingot; nothing if neither can be said, or the home is somebody else's.
std::optional<std::string> default_disk_cache_path();

/// A cache in this folder, which is made with the folders above it (mode 0700) when it is first used. One that others
/// may write to is not used.
std::unique_ptr<DiskCache> open_disk_cache(const std::string& path, std::uint64_t bytes_max,
                                           std::function<void(const std::string&)> on_message);

}  // namespace ingot::storage
