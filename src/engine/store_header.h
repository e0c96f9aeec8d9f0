// The store's header: the file `store`, which makes a directory a store. Written once, last of all when a store is
// made. A twin file (twin_file.h), magic "INGOTSTO"; payload: 16 store id | u64 made at (µs) | u32 flags (0). Also: how
// a directory is told to be a store, an empty place, or something else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "storage/directory.h"

namespace ingot::engine {

inline constexpr std::uint32_t kStoreFormat = 1;
inline constexpr std::string_view kCopyingMark = "copying";  // is there while a copy to this place is under way
inline constexpr const char* kCopyUnderWay =
    " holds a copy that is under way, or was interrupted, and is no store yet: run the copy again, and it goes on";

struct StoreHeader {
  base::Hash128 store_id;
  std::int64_t made_micros = 0;
};

enum class Place : std::uint8_t {
  store,    // it holds a store
  empty,    // nothing, or what an interrupted making left: a store can be made here
  other,    // somebody else's files
  damaged,  // a store whose header can't be read
  newer_format,
  failed,  // the world's fault
};

// What is at `directory`. `why` for a person. What was healed is added to `healed`, a sentence each.
Place look_at(storage::Directory& directory, bool heal, StoreHeader& header, std::vector<std::string>& healed,
              std::string& why);

// Makes the folders of a store, without its header.
storage::IoError make_folders(storage::Directory& directory);
// Writes the header: from here on it is a store.
storage::IoError write_store_header(storage::Directory& directory, const StoreHeader& header);

// Makes a store in an empty place, unless another process is faster; waits for that one until `deadline`.
storage::IoError make_store(storage::Directory& directory, base::Instant deadline);

}  // namespace ingot::engine
