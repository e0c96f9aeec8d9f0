// What a bucket's log is read from: any bytes may stand in an object. The decoders of entries, tails, boundaries and
// notes must refuse them, or read what encodes to the same bytes. Half of the time the hashes are made to fit, so that
// what lies behind them is reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "log/bucket_format.h"

using namespace ingot;

namespace {

constexpr base::Hash128 kStore{1, 2};
constexpr std::size_t kHashBytes = 16;

void require(bool holds) {
  if (!holds) std::abort();
}

// The last 16 bytes become what the format wants there.
std::string sealed(std::string_view bytes, bool is_slot) {
  std::string body(bytes.substr(0, bytes.size() < kHashBytes ? 0 : bytes.size() - kHashBytes));
  base::Hash128 hash = base::hash128(body);
  if (is_slot) {
    char both[2 * kHashBytes];
    base::store_hash(both, kStore);
    base::store_hash(both + kHashBytes, hash);
    hash = base::hash128({both, sizeof both});
  }
  char end[kHashBytes];
  base::store_hash(end, hash);
  return body.append(end, sizeof end);
}

void read_slot(std::string_view bytes) {
  log::SlotEntry entry;
  if (log::decode_slot(bytes, kStore, entry) != log::Decoded::good) return;
  const std::string_view parts[] = {entry.payload};
  require(log::encode_slot(entry, parts, kStore) == bytes);
}

void read_tail(std::string_view bytes) {
  log::Tail tail;
  if (log::decode_tail(bytes, kStore, tail) != log::Decoded::good) return;
  for (const std::string_view entry : tail.entries) read_slot(entry);
  require(log::encode_tail(tail, kStore) == bytes);
}

void read_boundary(std::string_view bytes) {
  log::BoundaryObject boundary;
  if (log::decode_boundary(bytes, boundary) == log::Decoded::good) require(log::encode_boundary(boundary) == bytes);
}

void read_seen(std::string_view bytes) {
  log::SeenObject seen;
  if (log::decode_seen(bytes, seen) == log::Decoded::good) require(log::encode_seen(seen) == bytes);
}

void read_names(std::string_view key) {
  if (const auto slot = log::parse_slot_key(key); slot.has_value()) require(log::slot_key(*slot) == key);
  if (const auto name = log::parse_checkpoint_key(key); name.has_value()) require(log::checkpoint_key(*name) == key);
  if (const auto name = log::parse_tail_key(key); name.has_value()) require(log::tail_key(*name) == key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool seals = (data[0] & 1) != 0;
  read_names(bytes);
  read_slot(seals ? sealed(bytes, true) : bytes);
  const std::string rest = seals ? sealed(bytes, false) : std::string(bytes);
  read_tail(rest);
  read_boundary(rest);
  read_seen(rest);
  return 0;
}
