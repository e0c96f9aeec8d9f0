// The inside of a block: records in key order, laid out so that a look-up is a scan over one-byte tags, and a seek a
// binary search over four-byte heads; keys are compared only where these agree.
//
//   offset  bytes
//        0      4  count
//        4      4  prefix bytes
//        8      8  least version
//       16      4  where the heap begins
//       20     12  zero
//       32      n  tags: one byte of each key's hash; zeros to a multiple of 16
//        …     4n  heads: the first four bytes of each key behind the prefix, big-endian as a number, missing ones zero
//        …   4n+4  offsets of the entries from the heap's begin, and of their end
//        …      …  heap: the prefix that all keys share, then the entries
//
//   an entry: flags (kind in the low two bits, 4: expires) | varint bytes of the key's rest | varint version above the
//   least
//             | u64 expiry, if it expires | rest of the key | value
//
// A block from storage is verified once (verify), and read without checks from then on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runs/record.h"

namespace ingot::runs {

inline constexpr std::size_t kBlockHeaderBytes = 32;

// Gathers sorted records, and makes a block of them.
class BlockBuilder {
 public:
  void add(const Record& record, std::uint64_t hash);
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  // About the bytes that the block would have.
  [[nodiscard]] std::size_t bytes() const { return kBlockHeaderBytes + bytes_.size() + entries_.size() * 24; }
  [[nodiscard]] std::string_view last_key() const;
  // Appends the block to `out`, and begins another.
  void finish(std::string& out);

 private:
  struct Entry {
    std::size_t key_at;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
    std::uint64_t version;
    std::int64_t expires_micros;
    RecordKind kind;
    std::uint8_t tag;
  };
  std::string bytes_;  // keys and values, one after the other
  std::vector<Entry> entries_;
};

// A verified block. Views bytes that somebody else keeps.
class BlockView {
 public:
  BlockView() = default;
  explicit BlockView(const char* bytes);
  // Whether `bytes` can be read as a block, all the way.
  static bool verify(std::string_view bytes);

  [[nodiscard]] std::uint32_t count() const { return count_; }
  // The record of `key`, or count().
  [[nodiscard]] std::uint32_t find(std::string_view key, std::uint64_t hash) const;
  // The first record with a key >= `key`, or count().
  [[nodiscard]] std::uint32_t lower_bound(std::string_view key) const;
  // Fills in `record`; its key is put together in `key`, which keeps the prefix from call to call if `same_block`.
  void read(std::uint32_t index, Record& record, std::string& key, bool same_block) const;
  // All but the key.
  void read_value(std::uint32_t index, Record& record) const;
  [[nodiscard]] std::string_view prefix() const { return {heap_, prefix_bytes_}; }
  [[nodiscard]] std::string_view rest(std::uint32_t index) const;
  void prefetch() const;

 private:
  std::uint32_t count_ = 0;
  std::uint32_t prefix_bytes_ = 0;
  std::uint64_t version_min_ = 0;
  const char* tags_ = nullptr;
  const char* heads_ = nullptr;
  const char* offsets_ = nullptr;
  const char* heap_ = nullptr;
};

// The tag of a key's hash.
inline std::uint8_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint8_t>(hash >> 24);
}

}  // namespace ingot::runs
