// Mutations, as transactions gather them and the log carries them. The payload of a commit entry:
//
//   byte        kPayloadFormat
//   then for each transaction:  u32 bytes of its mutations, then the mutations
//   a mutation:  byte op | varint key bytes | key | by op:
//     put          varint value bytes | value
//     put_expiring u64 expiry (µs since 1970) | varint value bytes | value
//     erase        nothing
//     erase_range  varint end bytes | end       (the key is the begin; an empty end: to the last key)
//     add          u64 delta (two's complement)
//
// Versionstamps are filled in before the entry is made: a reader never sees a hole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace ingot::engine {

inline constexpr char kPayloadFormat = 1;

enum class MutationKind : std::uint8_t { put = 1, put_expiring = 2, erase = 3, erase_range = 4, add = 5 };

struct Mutation {
  MutationKind kind = MutationKind::put;
  std::string_view key;
  std::string_view value;  // erase_range: the end
  std::int64_t expires_micros = 0;
  std::int64_t delta = 0;
};

// Takes the next mutation off `reader`. False: the bytes are not a mutation.
[[nodiscard]] inline bool take_mutation(base::ByteReader& reader, Mutation& mutation) {
  std::uint8_t op = 0;
  if (!reader.take_little(op) || !reader.take_sized(mutation.key)) return false;
  mutation.kind = static_cast<MutationKind>(op);
  mutation.expires_micros = 0;
  mutation.value = {};
  std::uint64_t number = 0;
  switch (mutation.kind) {
    case MutationKind::put_expiring:
      if (!reader.take_little(number)) return false;
      mutation.expires_micros = static_cast<std::int64_t>(number);
      return reader.take_sized(mutation.value);
    case MutationKind::put:
    case MutationKind::erase_range:
      return reader.take_sized(mutation.value);
    case MutationKind::erase:
      return true;
    case MutationKind::add:
      if (!reader.take_little(number)) return false;
      mutation.delta = static_cast<std::int64_t>(number);
      return true;
  }
  return false;
}

// The mutations of one transaction, in the order they were made, in the log's form.
class MutationBuffer {
 public:
  void put(std::string_view key, std::string_view value, std::int64_t expires_micros) {
    start(expires_micros == 0 ? MutationKind::put : MutationKind::put_expiring, key);
    if (expires_micros != 0) base::append_little(bytes_, static_cast<std::uint64_t>(expires_micros));
    base::append_sized(bytes_, value);
  }
  void erase(std::string_view key) {
    start(MutationKind::erase, key);
    ++erasures_;
  }
  void erase_range(std::string_view begin, std::string_view end) {
    ++erasures_;
    start(MutationKind::erase_range, begin);
    base::append_sized(bytes_, end);
  }
  void add(std::string_view key, std::int64_t delta) {
    start(MutationKind::add, key);
    base::append_little(bytes_, static_cast<std::uint64_t>(delta));
  }
  // The versionstamp of the mutation just made is to be written into the last bytes of its key …
  void stamp_key(std::string_view key, std::string_view value, std::int64_t expires_micros, std::size_t stamp_bytes) {
    put(key, value, expires_micros);
    // The key starts after the op and its length.
    const std::size_t begin = last_ + 1 + static_cast<std::size_t>(base::varint_bytes(key.size()));
    stamps_.push_back({begin + key.size() - stamp_bytes, count_ - 1});
  }
  // … or into its value at `offset`.
  void stamp_value(std::string_view key, std::string_view value, std::int64_t expires_micros, std::size_t offset) {
    put(key, value, expires_micros);
    stamps_.push_back({bytes_.size() - value.size() + offset, count_ - 1});
  }

  // Writes the version into all stamps.
  void fill_stamps(std::uint64_t version) {
    for (const Stamp& stamp : stamps_) {
      base::store_big64(bytes_.data() + stamp.offset, version);
      base::store_big32(bytes_.data() + stamp.offset + 8, stamp.ordinal);
    }
  }

  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] bool only_erases() const { return erasures_ == count_; }
  void clear() {
    erasures_ = 0;
    bytes_.clear();
    stamps_.clear();
    count_ = 0;
  }

 private:
  struct Stamp {
    std::size_t offset;
    std::uint32_t ordinal;
  };
  void start(MutationKind kind, std::string_view key) {
    last_ = bytes_.size();
    ++count_;
    bytes_.push_back(static_cast<char>(kind));
    base::append_sized(bytes_, key);
  }
  std::string bytes_;
  std::vector<Stamp> stamps_;
  std::size_t last_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t erasures_ = 0;  // of them
};

}  // namespace ingot::engine
