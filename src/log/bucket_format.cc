#include "log/bucket_format.h"

#include <cassert>
#include <cstring>

#include "base/bytes.h"

namespace ingot::log {
namespace {

constexpr std::string_view kSlotMagic = "INGOTSLT";
constexpr std::string_view kTailMagic = "INGOTTAL";
constexpr std::string_view kBoundaryMagic = "INGOTBND";
constexpr std::string_view kSeenMagic = "INGOTSEN";
constexpr std::uint8_t kInBulk = 1;
constexpr std::size_t kMagicBytes = 8;
constexpr std::size_t kHashBytes = 16;

void append_hash(std::string& out, const base::Hash128& hash) {
  char bytes[kHashBytes];
  base::store_hash(bytes, hash);
  out.append(bytes, sizeof bytes);
}

void append_head(std::string& out, std::string_view magic) {
  out.append(magic);
  base::append_little(out, kBucketFormat);
}

bool take_hash(base::ByteReader& reader, base::Hash128& hash) {
  std::string_view bytes;
  if (!reader.take_bytes(kHashBytes, bytes)) return false;
  hash = base::load_hash(bytes.data());
  return true;
}

// Magic and format.
Decoded take_head(base::ByteReader& reader, std::string_view magic) {
  std::string_view found;
  std::uint32_t format = 0;
  if (!reader.take_bytes(kMagicBytes, found) || found != magic || !reader.take_little(format) || format == 0) {
    return Decoded::bad;
  }
  return format > kBucketFormat ? Decoded::newer_format : Decoded::good;
}

// Whether the last 16 bytes are the hash of those before them.
bool ends_with_hash(std::string_view bytes) {
  if (bytes.size() < kHashBytes) return false;
  const std::size_t body = bytes.size() - kHashBytes;
  return base::load_hash(bytes.data() + body) == base::hash128(bytes.substr(0, body));
}

base::Hash128 identity_of(std::string_view body, const base::Hash128& store_id) {
  char both[2 * kHashBytes];
  base::store_hash(both, store_id);
  base::store_hash(both + kHashBytes, base::hash128(body));
  return base::hash128({both, sizeof both});
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string hex_digits(std::uint64_t value, std::size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(digits, '0');
  for (std::size_t i = digits; i > 0; --i, value >>= 4) text[i - 1] = kDigits[value & 15];
  return text;
}

// Takes exactly so many hex digits from the front.
bool take_hex(std::string_view& text, std::size_t digits, std::uint64_t& value) {
  if (text.size() < digits || !is_hex(text.substr(0, digits))) return false;
  value = 0;
  for (const char digit : text.substr(0, digits)) {
    value = value << 4 | static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  text.remove_prefix(digits);
  return true;
}

bool take_text(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool is_sound(const SlotEntry& entry, std::uint8_t kind) {
  const bool counts = entry.kind == SlotKind::commit ? entry.transaction_count > 0 : entry.transaction_count == 0;
  const bool versions = entry.base_version > 0 && entry.base_version + entry.transaction_count >= entry.base_version &&
                        entry.base_version + entry.transaction_count < Log::kMustLook;
  return kind >= 1 && kind <= 3 && counts && versions && entry.slot > 0 && entry.segment > 0 &&
         entry.segment <= entry.slot && entry.replay_from <= entry.slot && entry.payload_bytes <= kEntryPayloadBytesMax;
}

}  // namespace

std::string encode_slot(SlotEntry& entry, std::span<const std::string_view> parts, const base::Hash128& store_id) {
  const bool in_bulk = !entry.bulk.empty();
  std::string out;
  out.reserve(kSlotFrameBytes + (in_bulk ? kBulkReferenceBytes : entry.payload_bytes));
  append_head(out, kSlotMagic);
  out.push_back(static_cast<char>(entry.kind));
  out.push_back(static_cast<char>(in_bulk ? kInBulk : 0));
  base::append_little<std::uint16_t>(out, 0);
  base::append_little(out, entry.slot);
  base::append_little(out, entry.segment);
  base::append_little(out, entry.base_version);
  base::append_little(out, entry.transaction_count);
  base::append_little<std::uint32_t>(out, 0);
  base::append_little(out, static_cast<std::uint64_t>(entry.time_micros));
  append_hash(out, entry.nonce);
  append_hash(out, entry.link);
  append_hash(out, entry.session);
  base::append_little(out, entry.sequence);
  base::append_little(out, entry.replay_from);
  base::append_little(out, entry.payload_bytes);
  assert(out.size() == kSlotHeaderBytes);
  if (in_bulk) {
    assert(entry.bulk.size() == kBulkNameBytes);
    out.append(entry.bulk);
    append_hash(out, entry.payload_hash);
  } else {
    for (const std::string_view part : parts) out.append(part);
    assert(out.size() == kSlotHeaderBytes + entry.payload_bytes);
  }
  entry.identity = identity_of(out, store_id);
  append_hash(out, entry.identity);
  return out;
}

Decoded decode_slot(std::string_view bytes, const base::Hash128& store_id, SlotEntry& entry) {
  base::ByteReader reader(bytes);
  if (const Decoded head = take_head(reader, kSlotMagic); head != Decoded::good) return head;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint16_t zero = 0;
  std::uint32_t zeros = 0;
  std::uint64_t time = 0;
  const bool whole = reader.take_little(kind) && reader.take_little(flags) && reader.take_little(zero) &&
                     reader.take_little(entry.slot) && reader.take_little(entry.segment) &&
                     reader.take_little(entry.base_version) && reader.take_little(entry.transaction_count) &&
                     reader.take_little(zeros) && reader.take_little(time) && take_hash(reader, entry.nonce) &&
                     take_hash(reader, entry.link) && take_hash(reader, entry.session) &&
                     reader.take_little(entry.sequence) && reader.take_little(entry.replay_from) &&
                     reader.take_little(entry.payload_bytes);
  if (!whole || zero != 0 || zeros != 0 || flags > kInBulk) return Decoded::bad;
  entry.kind = static_cast<SlotKind>(kind);
  entry.time_micros = static_cast<std::int64_t>(time);
  if (!is_sound(entry, kind)) return Decoded::bad;
  entry.payload = {};
  entry.bulk.clear();
  if (flags == kInBulk) {
    std::string_view name;
    if (!reader.take_bytes(kBulkNameBytes, name) || !is_hex(name) || !take_hash(reader, entry.payload_hash)) {
      return Decoded::bad;
    }
    entry.bulk = name;
  } else if (!reader.take_bytes(entry.payload_bytes, entry.payload)) {
    return Decoded::bad;
  }
  const std::string_view body = bytes.substr(0, bytes.size() - reader.remaining());
  if (reader.remaining() != kHashBytes || !take_hash(reader, entry.identity)) return Decoded::bad;
  return entry.identity == identity_of(body, store_id) ? Decoded::good : Decoded::bad;
}

std::string encode_tail(const Tail& tail, const base::Hash128& store_id) {
  assert(tail.entries.size() == tail.upto - tail.from + 1);
  std::size_t bytes = kTailFrameBytes;
  for (const std::string_view entry : tail.entries) bytes += 4 + entry.size();
  std::string out;
  out.reserve(bytes);
  append_head(out, kTailMagic);
  base::append_little(out, static_cast<std::uint32_t>(tail.entries.size()));
  append_hash(out, store_id);
  base::append_little(out, tail.from);
  base::append_little(out, tail.upto);
  for (const std::string_view entry : tail.entries) {
    base::append_little(out, static_cast<std::uint32_t>(entry.size()));
    out.append(entry);
  }
  append_hash(out, base::hash128(out));
  return out;
}

Decoded decode_tail(std::string_view bytes, const base::Hash128& store_id, Tail& tail) {
  base::ByteReader reader(bytes);
  if (const Decoded head = take_head(reader, kTailMagic); head != Decoded::good) return head;
  std::uint32_t count = 0;
  base::Hash128 of_store;
  const bool whole = reader.take_little(count) && take_hash(reader, of_store) && reader.take_little(tail.from) &&
                     reader.take_little(tail.upto);
  if (!whole || !ends_with_hash(bytes) || !(of_store == store_id)) return Decoded::bad;
  if (count == 0 || count > kTailEntriesMax || tail.from == 0 || tail.upto < tail.from ||
      tail.upto - tail.from != count - 1) {
    return Decoded::bad;
  }
  tail.entries.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t entry_bytes = 0;
    std::string_view entry;
    if (!reader.take_little(entry_bytes) || entry_bytes > kSlotBytesMax || !reader.take_bytes(entry_bytes, entry)) {
      return Decoded::bad;
    }
    tail.entries.push_back(entry);
  }
  return reader.remaining() == kHashBytes ? Decoded::good : Decoded::bad;
}

std::string encode_boundary(const BoundaryObject& boundary) {
  std::string out;
  append_head(out, kBoundaryMagic);
  base::append_little<std::uint32_t>(out, 0);
  append_hash(out, boundary.store_id);
  base::append_little<std::uint64_t>(out, boundary.number);
  base::append_little(out, boundary.slot);
  base::append_little<std::uint64_t>(out, boundary.checkpoint.size());
  out.append(boundary.checkpoint);
  append_hash(out, base::hash128(out));
  return out;
}

Decoded decode_boundary(std::string_view bytes, BoundaryObject& boundary) {
  base::ByteReader reader(bytes);
  if (const Decoded head = take_head(reader, kBoundaryMagic); head != Decoded::good) return head;
  std::uint32_t zero = 0;
  std::uint64_t number = 0;
  std::uint64_t key_bytes = 0;
  std::string_view key;
  const bool whole = reader.take_little(zero) && take_hash(reader, boundary.store_id) && reader.take_little(number) &&
                     reader.take_little(boundary.slot) && reader.take_little(key_bytes);
  if (!whole || !ends_with_hash(bytes) || zero != 0 || number == 0 || number > ~std::uint32_t{0} ||
      boundary.slot == 0 || key_bytes > kBoundaryKeyBytesMax || !reader.take_bytes(key_bytes, key)) {
    return Decoded::bad;
  }
  boundary.number = static_cast<std::uint32_t>(number);
  boundary.checkpoint = key;
  return reader.remaining() == kHashBytes ? Decoded::good : Decoded::bad;
}

std::string encode_seen(const SeenObject& seen) {
  std::string out;
  append_head(out, kSeenMagic);
  base::append_little<std::uint32_t>(out, 0);
  append_hash(out, seen.store_id);
  base::append_little<std::uint64_t>(out, seen.number);
  base::append_little(out, static_cast<std::uint64_t>(seen.date.time_since_epoch().count()));
  append_hash(out, base::hash128(out));
  return out;
}

Decoded decode_seen(std::string_view bytes, SeenObject& seen) {
  base::ByteReader reader(bytes);
  if (const Decoded head = take_head(reader, kSeenMagic); head != Decoded::good) return head;
  std::uint32_t zero = 0;
  std::uint64_t number = 0;
  std::uint64_t date = 0;
  const bool whole = reader.take_little(zero) && take_hash(reader, seen.store_id) && reader.take_little(number) &&
                     reader.take_little(date) && reader.remaining() == kHashBytes;
  // Seconds beyond the year 9999 are no date, and would overflow what is computed with it.
  constexpr std::uint64_t kDateMax = 253'402'300'799;
  if (!whole || !ends_with_hash(bytes) || zero != 0 || number == 0 || number > ~std::uint32_t{0} || date > kDateMax) {
    return Decoded::bad;
  }
  seen.number = static_cast<std::uint32_t>(number);
  seen.date = std::chrono::sys_seconds(std::chrono::seconds(static_cast<std::int64_t>(date)));
  return Decoded::good;
}

bool is_newer(const CheckpointName& one, const CheckpointName& other) {
  if (one.start != other.start) return one.start > other.start;
  if (one.edit != other.edit) return one.edit > other.edit;
  return one.random > other.random;
}

std::string slot_key(std::uint64_t slot) {
  return std::string(kLogPrefix) + hex_digits(slot, 16);
}
std::string bulk_key(std::string_view name) {
  return std::string(kBulkPrefix).append(name);
}
std::string boundary_key(std::uint32_t number) {
  return std::string(kBoundaryPrefix) + hex_digits(number, 8);
}
std::string seen_key(std::uint32_t number) {
  return std::string(kSeenPrefix) + hex_digits(number, 8);
}
std::string checkpoint_key(const CheckpointName& name) {
  return std::string(kCheckpointPrefix) + hex_digits(name.start, 16) + "-c-" + hex_digits(name.boundary, 8) + "-" +
         hex_digits(name.edit, 16) + "-" + hex_digits(name.random, 16);
}
std::string tail_key(const TailName& name) {
  return std::string(kCheckpointPrefix) + hex_digits(name.upto, 16) + "-t-" + hex_digits(name.boundary, 8) + "-" +
         hex_digits(name.random, 16);
}
std::string hex_name(const base::Hash128& bits) {
  return hex_digits(bits.high, 16) + hex_digits(bits.low, 16);
}

std::optional<std::uint64_t> parse_slot_key(std::string_view key) {
  std::uint64_t slot = 0;
  if (!take_text(key, kLogPrefix) || !take_hex(key, 16, slot) || !key.empty() || slot == 0) return std::nullopt;
  return slot;
}

std::optional<CheckpointName> parse_checkpoint_key(std::string_view key) {
  CheckpointName name;
  std::uint64_t boundary = 0;
  const bool good = take_text(key, kCheckpointPrefix) && take_hex(key, 16, name.start) && take_text(key, "-c-") &&
                    take_hex(key, 8, boundary) && take_text(key, "-") && take_hex(key, 16, name.edit) &&
                    take_text(key, "-") && take_hex(key, 16, name.random) && key.empty() && name.start > 0;
  if (!good) return std::nullopt;
  name.boundary = static_cast<std::uint32_t>(boundary);
  return name;
}

std::optional<TailName> parse_tail_key(std::string_view key) {
  TailName name;
  std::uint64_t boundary = 0;
  const bool good = take_text(key, kCheckpointPrefix) && take_hex(key, 16, name.upto) && take_text(key, "-t-") &&
                    take_hex(key, 8, boundary) && take_text(key, "-") && take_hex(key, 16, name.random) &&
                    key.empty() && name.upto > 0;
  if (!good) return std::nullopt;
  name.boundary = static_cast<std::uint32_t>(boundary);
  return name;
}

}  // namespace ingot::log
