// Small files that matter (the store's header, checkpoints) are written twice, in one file, on sectors of their own:
// any damage to one copy is healed from the other.
//
// A copy begins with an 8-byte magic, u32 format, u32 zero, u64 payload bytes, and the hash of what identifies the file
// (`salt`), this header and the payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/directory.h"

namespace ingot::engine {

inline constexpr std::uint64_t kTwinHeaderBytes = 40;

enum class TwinRead : std::uint8_t { good, healed, missing, damaged, newer_format, failed };

struct TwinFormat {
  std::string_view magic;  // 8 bytes
  std::uint32_t format;
  std::uint64_t payload_bytes_max;
};

// One copy, padded to sectors.
std::string encode_twin(const TwinFormat& format, std::string_view salt, std::string_view payload);
// Takes one copy apart; `payload` views `bytes`.
TwinRead decode_twin(const TwinFormat& format, std::string_view salt, std::string_view bytes,
                     std::string_view& payload);

// Writes `temporary`, syncs it, renames it to `path`, and syncs the directory `parent` ("" is the root).
storage::IoError write_twin(storage::Directory& directory, const TwinFormat& format, std::string_view salt,
                            std::string_view payload, std::string_view temporary, std::string_view path,
                            std::string_view parent);
// Reads and verifies both copies; with `heal`, a damaged one is written anew in place. `why` for a person.
TwinRead read_twin(storage::Directory& directory, const TwinFormat& format, std::string_view salt,
                   std::string_view path, bool heal, std::string& payload, std::string& why);

}  // namespace ingot::engine
