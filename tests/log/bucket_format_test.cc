// The bytes of a bucket's log against hand-written expectations, what is refused, and names.
#include "log/bucket_format.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace ingot::log {
namespace {

constexpr base::Hash128 kStoreOfBytes{0x0102030405060708, 0x1112131415161718};

std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

SlotEntry a_slot() {
  SlotEntry entry;
  entry.kind = SlotKind::commit;
  entry.slot = 0x21;
  entry.segment = 0x20;
  entry.base_version = 0x31;
  entry.transaction_count = 2;
  entry.time_micros = 0x41;
  entry.nonce = {0xa1, 0xa2};
  entry.link = {0xb1, 0xb2};
  entry.session = {0xc1, 0xc2};
  entry.sequence = 0x51;
  entry.replay_from = 0x11;
  entry.payload_bytes = 5;
  return entry;
}

std::string bytes_of_slot(SlotEntry entry, const base::Hash128& store_id = kStoreOfBytes) {
  const std::string_view parts[] = {"hel", "lo"};
  return encode_slot(entry, parts, store_id);
}

// What is believed only if the hash over it fits, with the hash made to fit.
std::string with_identity(std::string body) {
  char both[32];
  base::store_hash(both, kStoreOfBytes);
  base::store_hash(both + 16, base::hash128(body));
  char identity[16];
  base::store_hash(identity, base::hash128({both, sizeof both}));
  return body.append(identity, sizeof identity);
}
std::string with_hash(std::string body) {
  char hash[16];
  base::store_hash(hash, base::hash128(body));
  return body.append(hash, sizeof hash);
}

constexpr const char* kSlotHeaderHex =
    "494e474f54534c54"                  // INGOTSLT
    "01000000"                          // format
    "010000 00"                         // commit, no flags, zero
    "2100000000000000"                  // slot
    "2000000000000000"                  // segment
    "3100000000000000"                  // base version
    "0200000000000000"                  // transactions, zero
    "4100000000000000"                  // time
    "a100000000000000a200000000000000"  // nonce
    "b100000000000000b200000000000000"  // link
    "c100000000000000c200000000000000"  // session
    "5100000000000000"                  // sequence
    "1100000000000000"                  // replay from
    "0500000000000000";                 // payload bytes

std::string without_spaces(std::string text) {
  std::erase(text, ' ');
  return text;
}

TEST(BucketFormat, AnEntryIsWrittenAsDocumented) {
  const std::string bytes = bytes_of_slot(a_slot());
  ASSERT_EQ(bytes.size(), kSlotFrameBytes + 5);
  EXPECT_EQ(hex_of(bytes.substr(0, 133)), without_spaces(kSlotHeaderHex) + "68656c6c6f");
  EXPECT_EQ(bytes, with_identity(bytes.substr(0, 133)));
  SlotEntry read;
  ASSERT_EQ(decode_slot(bytes, kStoreOfBytes, read), Decoded::good);
  EXPECT_EQ(read.kind, SlotKind::commit);
  EXPECT_EQ(read.slot, 0x21U);
  EXPECT_EQ(read.segment, 0x20U);
  EXPECT_EQ(read.base_version, 0x31U);
  EXPECT_EQ(read.transaction_count, 2U);
  EXPECT_EQ(read.time_micros, 0x41);
  EXPECT_EQ(read.nonce, (base::Hash128{0xa1, 0xa2}));
  EXPECT_EQ(read.link, (base::Hash128{0xb1, 0xb2}));
  EXPECT_EQ(read.session, (base::Hash128{0xc1, 0xc2}));
  EXPECT_EQ(read.sequence, 0x51U);
  EXPECT_EQ(read.replay_from, 0x11U);
  EXPECT_EQ(read.payload, "hello");
  EXPECT_EQ(read.bulk, "");
  EXPECT_EQ(read.identity, base::load_hash(bytes.data() + 133));
}

TEST(BucketFormat, AnEntryWhosePayloadIsAnObjectNamesIt) {
  SlotEntry entry = a_slot();
  entry.payload_bytes = kEntryPayloadBytesMax;
  entry.bulk = "0123456789abcdef0123456789abcdef";
  entry.payload_hash = {0xd1, 0xd2};
  const std::string bytes = encode_slot(entry, {}, kStoreOfBytes);
  ASSERT_EQ(bytes.size(), kSlotFrameBytes + kBulkReferenceBytes);
  EXPECT_EQ(bytes[13], 1);
  EXPECT_EQ(bytes.substr(128, 32), entry.bulk);
  EXPECT_EQ(hex_of(bytes.substr(160, 16)), "d100000000000000d200000000000000");
  SlotEntry read;
  ASSERT_EQ(decode_slot(bytes, kStoreOfBytes, read), Decoded::good);
  EXPECT_EQ(read.bulk, entry.bulk);
  EXPECT_EQ(read.payload_hash, entry.payload_hash);
  EXPECT_EQ(read.payload_bytes, kEntryPayloadBytesMax);
  std::string capital = bytes.substr(0, bytes.size() - 16);
  capital[130] = 'A';
  EXPECT_EQ(decode_slot(with_identity(capital), kStoreOfBytes, read), Decoded::bad) << "no key of ours";
}

TEST(BucketFormat, EachDamagedBitOfAnEntryIsNoticed) {
  const std::string good = bytes_of_slot(a_slot());
  SlotEntry read;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const bool is_format = bit / 8 >= 8 && bit / 8 < 12;
    const Decoded decoded = decode_slot(bad, kStoreOfBytes, read);
    EXPECT_TRUE(decoded == Decoded::bad || (is_format && decoded == Decoded::newer_format)) << bit;
  }
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_EQ(decode_slot(good.substr(0, bytes), kStoreOfBytes, read), Decoded::bad) << bytes;
  }
  EXPECT_EQ(decode_slot(good + "x", kStoreOfBytes, read), Decoded::bad);
  EXPECT_EQ(decode_slot(good, {1, 1}, read), Decoded::bad) << "of another store";
}

TEST(BucketFormat, FieldsThatCanNotBeAreRefusedThoughTheHashFits) {
  const std::vector<std::pair<const char*, std::function<void(SlotEntry&)>>> changes = {
      {"no slot", [](SlotEntry& entry) { entry.slot = 0; }},
      {"no segment", [](SlotEntry& entry) { entry.segment = 0; }},
      {"a later segment", [](SlotEntry& entry) { entry.segment = entry.slot + 1; }},
      {"no version", [](SlotEntry& entry) { entry.base_version = 0; }},
      {"too many versions", [](SlotEntry& entry) { entry.base_version = ~0ULL - 1; }},
      {"a commit of nothing", [](SlotEntry& entry) { entry.transaction_count = 0; }},
      {"an edit of something", [](SlotEntry& entry) { entry.kind = SlotKind::edit; }},
      {"no kind", [](SlotEntry& entry) { entry.kind = static_cast<SlotKind>(0); }},
      {"an unknown kind", [](SlotEntry& entry) { entry.kind = static_cast<SlotKind>(4); }},
      {"a replay from later on", [](SlotEntry& entry) { entry.replay_from = entry.slot + 1; }},
  };
  SlotEntry read;
  for (const auto& [what, change] : changes) {
    SlotEntry entry = a_slot();
    change(entry);
    EXPECT_EQ(decode_slot(bytes_of_slot(entry), kStoreOfBytes, read), Decoded::bad) << what;
  }
  SlotEntry edge = a_slot();
  edge.segment = edge.replay_from = edge.slot;
  EXPECT_EQ(decode_slot(bytes_of_slot(edge), kStoreOfBytes, read), Decoded::good);
  edge.kind = SlotKind::nothing;
  edge.transaction_count = 0;
  EXPECT_EQ(decode_slot(bytes_of_slot(edge), kStoreOfBytes, read), Decoded::good);
  // Reserved bytes, flags, and lengths.
  const std::string good = bytes_of_slot(a_slot());
  const auto set = [&](std::size_t at, std::uint64_t value, std::size_t bytes) {
    std::string body = good.substr(0, good.size() - 16);
    for (std::size_t i = 0; i < bytes; ++i) body[at + i] = static_cast<char>(value >> (8 * i));
    return decode_slot(with_identity(body), kStoreOfBytes, read);
  };
  EXPECT_EQ(set(14, 1, 2), Decoded::bad);
  EXPECT_EQ(set(44, 1, 4), Decoded::bad);
  EXPECT_EQ(set(13, 2, 1), Decoded::bad);
  EXPECT_EQ(set(120, 4, 8), Decoded::bad);
  EXPECT_EQ(set(120, 6, 8), Decoded::bad);
  EXPECT_EQ(set(120, ~0ULL, 8), Decoded::bad);
  EXPECT_EQ(set(120, 5, 8), Decoded::good);
  EXPECT_EQ(set(8, 2, 4), Decoded::newer_format);
  EXPECT_EQ(set(8, 0, 4), Decoded::bad);
  SlotEntry large = a_slot();
  large.bulk = std::string(32, 'a');
  large.payload_bytes = kEntryPayloadBytesMax + 1;
  EXPECT_EQ(decode_slot(encode_slot(large, {}, kStoreOfBytes), kStoreOfBytes, read), Decoded::bad);
}

TEST(BucketFormat, ATailIsWrittenAsDocumented) {
  const std::string bytes = encode_tail({.from = 0x10, .upto = 0x12, .entries = {"one", "", "three"}}, kStoreOfBytes);
  const std::string body = bytes.substr(0, bytes.size() - 16);
  EXPECT_EQ(hex_of(body),
            "494e474f5454414c"                  // INGOTTAL
            "0100000003000000"                  // format, count
            "08070605040302011817161514131211"  // store id
            "1000000000000000"                  // from
            "1200000000000000"                  // upto
            "03000000"
            "6f6e65"
            "00000000"
            "05000000"
            "7468726565");
  EXPECT_EQ(bytes, with_hash(body));
  Tail read;
  ASSERT_EQ(decode_tail(bytes, kStoreOfBytes, read), Decoded::good);
  EXPECT_EQ(read.from, 0x10U);
  EXPECT_EQ(read.upto, 0x12U);
  EXPECT_EQ(read.entries, (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(decode_tail(bytes, {1, 1}, read), Decoded::bad);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(decode_tail(bad, kStoreOfBytes, read), Decoded::good) << bit;
  }
  for (std::size_t count = 0; count < bytes.size(); ++count) {
    EXPECT_EQ(decode_tail(bytes.substr(0, count), kStoreOfBytes, read), Decoded::bad) << count;
  }
  const auto with = [&](std::size_t at, std::uint32_t value) {
    std::string changed = body;
    base::store_little(changed.data() + at, value);
    return decode_tail(with_hash(changed), kStoreOfBytes, read);
  };
  EXPECT_EQ(with(12, 3), Decoded::good);
  EXPECT_EQ(with(12, 2), Decoded::bad);
  EXPECT_EQ(with(12, 0), Decoded::bad);
  EXPECT_EQ(with(12, ~0U), Decoded::bad);
  EXPECT_EQ(with(32, 0), Decoded::bad) << "from slot 0";
  EXPECT_EQ(with(32, 0x13), Decoded::bad) << "backwards";
  EXPECT_EQ(with(48, kSlotBytesMax + 1), Decoded::bad);
  EXPECT_EQ(with(48, 4), Decoded::bad);
  EXPECT_EQ(with(8, 2), Decoded::newer_format);
}

TEST(BucketFormat, ABoundaryIsWrittenAsDocumented) {
  const std::string bytes =
      encode_boundary({.store_id = kStoreOfBytes, .number = 7, .slot = 0x99, .checkpoint = "checkpoints/x"});
  const std::string body = bytes.substr(0, bytes.size() - 16);
  EXPECT_EQ(hex_of(body),
            "494e474f54424e44"                  // INGOTBND
            "0100000000000000"                  // format, zero
            "08070605040302011817161514131211"  // store id
            "0700000000000000"                  // number
            "9900000000000000"                  // slot
            "0d00000000000000"                  // key bytes
            "636865636b706f696e74732f78");
  EXPECT_EQ(bytes, with_hash(body));
  BoundaryObject read;
  ASSERT_EQ(decode_boundary(bytes, read), Decoded::good);
  EXPECT_EQ(read.store_id, kStoreOfBytes);
  EXPECT_EQ(read.number, 7U);
  EXPECT_EQ(read.slot, 0x99U);
  EXPECT_EQ(read.checkpoint, "checkpoints/x");
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(decode_boundary(bad, read), Decoded::good) << bit;
  }
  const auto with = [&](std::size_t at, std::uint64_t value, std::size_t size) {
    std::string changed = body;
    for (std::size_t i = 0; i < size; ++i) changed[at + i] = static_cast<char>(value >> (8 * i));
    return decode_boundary(with_hash(changed), read);
  };
  EXPECT_EQ(with(32, 7, 8), Decoded::good);
  EXPECT_EQ(with(32, 0, 8), Decoded::bad);
  EXPECT_EQ(with(32, 1ULL << 32, 8), Decoded::bad);
  EXPECT_EQ(with(40, 0, 8), Decoded::bad) << "slot 0 is no boundary";
  EXPECT_EQ(with(48, 12, 8), Decoded::bad);
  EXPECT_EQ(with(48, ~0ULL, 8), Decoded::bad);
  EXPECT_EQ(with(12, 1, 4), Decoded::bad);
  EXPECT_EQ(with(8, 2, 4), Decoded::newer_format);
  const auto of_key = [&](std::uint64_t size) {
    const std::string long_key =
        encode_boundary({.store_id = kStoreOfBytes, .number = 7, .slot = 1, .checkpoint = std::string(size, 'c')});
    return decode_boundary(long_key, read);
  };
  EXPECT_EQ(of_key(kBoundaryKeyBytesMax), Decoded::good);
  EXPECT_EQ(of_key(kBoundaryKeyBytesMax + 1), Decoded::bad);
}

TEST(BucketFormat, WhenABoundaryWasSeenIsWrittenAsDocumented) {
  const std::string bytes = encode_seen(
      {.store_id = kStoreOfBytes, .number = 7, .date = std::chrono::sys_seconds(std::chrono::seconds(0x61))});
  ASSERT_EQ(bytes.size(), kSeenBytes);
  const std::string body = bytes.substr(0, 48);
  EXPECT_EQ(hex_of(body),
            "494e474f5453454e"                  // INGOTSEN
            "0100000000000000"                  // format, zero
            "08070605040302011817161514131211"  // store id
            "0700000000000000"                  // number
            "6100000000000000");                // date
  EXPECT_EQ(bytes, with_hash(body));
  SeenObject read;
  ASSERT_EQ(decode_seen(bytes, read), Decoded::good);
  EXPECT_EQ(read.number, 7U);
  EXPECT_EQ(read.date.time_since_epoch().count(), 0x61);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(decode_seen(bad, read), Decoded::good) << bit;
  }
  const auto with_date = [&](std::uint64_t date) {
    std::string changed = body;
    base::store_little(changed.data() + 40, date);
    return decode_seen(with_hash(changed), read);
  };
  EXPECT_EQ(with_date(253'402'300'799), Decoded::good);
  EXPECT_EQ(with_date(253'402'300'800), Decoded::bad);
  EXPECT_EQ(with_date(~0ULL), Decoded::bad);
}

TEST(BucketFormat, NamesAreAsDocumentedAndReadBack) {
  EXPECT_EQ(slot_key(0x1f), "log/000000000000001f");
  EXPECT_EQ(boundary_key(0x1f), "boundary/0000001f");
  EXPECT_EQ(seen_key(0x1f), "seen/0000001f");
  EXPECT_EQ(bulk_key(hex_name({1, 2})), "bulk/00000000000000020000000000000001");
  const CheckpointName checkpoint{.start = 0x21, .boundary = 3, .edit = 0x45, .random = 0x6789};
  EXPECT_EQ(checkpoint_key(checkpoint), "checkpoints/0000000000000021-c-00000003-0000000000000045-0000000000006789");
  EXPECT_EQ(parse_checkpoint_key(checkpoint_key(checkpoint)), checkpoint);
  const TailName tail{.upto = 0x21, .boundary = 3, .random = 0x6789};
  EXPECT_EQ(tail_key(tail), "checkpoints/0000000000000021-t-00000003-0000000000006789");
  EXPECT_EQ(parse_tail_key(tail_key(tail)), tail);
  EXPECT_EQ(parse_slot_key("log/000000000000001f"), 0x1fU);
  for (const char* key : {"log/1f", "log/000000000000001F", "log/0000000000000000", "log/000000000000001f0",
                          "bulk/000000000000001f", ""}) {
    EXPECT_EQ(parse_slot_key(key), std::nullopt) << key;
  }
  EXPECT_EQ(parse_checkpoint_key(tail_key(tail)), std::nullopt);
  EXPECT_EQ(parse_tail_key(checkpoint_key(checkpoint)), std::nullopt);
  EXPECT_EQ(parse_checkpoint_key(checkpoint_key(checkpoint) + "0"), std::nullopt);
  EXPECT_EQ(parse_checkpoint_key(checkpoint_key({.start = 0})), std::nullopt);
}

TEST(BucketFormat, OfTwoCheckpointsTheOneIsNewerThatReplaysLess) {
  const CheckpointName name{.start = 5, .boundary = 9, .edit = 5, .random = 5};
  EXPECT_TRUE(is_newer({.start = 6}, name));
  EXPECT_TRUE(is_newer({.start = 5, .boundary = 0, .edit = 6}, name));
  EXPECT_TRUE(is_newer({.start = 5, .boundary = 0, .edit = 5, .random = 6}, name));
  EXPECT_FALSE(is_newer(name, name));
  EXPECT_FALSE(is_newer({.start = 4, .boundary = 10, .edit = 9, .random = 9}, name));
}

}  // namespace
}  // namespace ingot::log
