// The bytes of segments, entries and parity against hand-written expectations, and what is refused.
#include "log/parity.h"
#include "log/segment_format.h"
#include "log_fixture.h"

namespace ingot::log {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

SegmentHeader a_segment() {
  SegmentHeader header;
  header.store_id = {0x0102030405060708, 0x1112131415161718};
  header.number = 3;
  header.bytes = kSegmentBytes;
  header.start = {41, 42, 43, {0x21, 0x22}};
  return header;
}

EntryHeader an_entry() {
  EntryHeader header;
  header.kind = RecordKind::commit;
  header.payload_bytes = 5;
  header.sequence = 7;
  header.base_version = 8;
  header.transaction_count = 2;
  header.time_micros = 9;
  header.durable_mark = 6;
  header.nonce = {0xa1, 0xa2};
  header.link = {0xb1, 0xb2};
  header.home = 3;
  return header;
}

TEST(SegmentFormat, TheHeaderIsWrittenAsDocumented) {
  std::string bytes(kSegmentHeaderBytes, '?');
  encode_segment_header(a_segment(), bytes.data());
  EXPECT_EQ(hex(std::string_view(bytes).substr(0, 88)),
            "494e474f54534547"                  // INGOTSEG
            "0100000000000000"                  // format, zero
            "08070605040302011817161514131211"  // store id
            "0300000000000000"                  // number
            "0000000100000000"                  // 16 MiB
            "2900000000000000"                  // sequence
            "2a00000000000000"                  // version
            "2b00000000000000"                  // time
            "21000000000000002200000000000000");
  EXPECT_EQ(base::load_little<std::uint64_t>(bytes.data() + 88), base::hash64(std::string_view(bytes).substr(0, 88)));
  SegmentHeader read;
  ASSERT_EQ(decode_segment_header(bytes.data(), read), HeaderCheck::good);
  EXPECT_EQ(read.number, 3U);
  EXPECT_EQ(read.start, a_segment().start);
}

TEST(SegmentFormat, EachDamagedBitOfTheHeaderIsNoticed) {
  std::string good(kSegmentHeaderBytes, '\0');
  encode_segment_header(a_segment(), good.data());
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    SegmentHeader read;
    EXPECT_EQ(decode_segment_header(bad.data(), read), HeaderCheck::bad) << bit;
  }
}

TEST(SegmentFormat, ANewerFormatIsSaidAndSizesAreBounded) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  encode_segment_header(a_segment(), bytes.data());
  const auto reseal = [&] { base::store_little<std::uint64_t>(bytes.data() + 88, base::hash64({bytes.data(), 88})); };
  SegmentHeader read;
  base::store_little<std::uint32_t>(bytes.data() + 8, 2);
  reseal();
  EXPECT_EQ(decode_segment_header(bytes.data(), read), HeaderCheck::newer_format);
  base::store_little<std::uint32_t>(bytes.data() + 8, 1);
  for (const auto& [size, expected] :
       std::vector<std::pair<std::uint64_t, HeaderCheck>>{{kSegmentBytesMin, HeaderCheck::good},
                                                          {kSegmentBytesMin - kSectorBytes, HeaderCheck::bad},
                                                          {kSegmentBytesMax, HeaderCheck::good},
                                                          {kSegmentBytesMax + kSectorBytes, HeaderCheck::bad},
                                                          {kSegmentBytesMin + 1, HeaderCheck::bad}}) {
    base::store_little<std::uint64_t>(bytes.data() + 40, size);
    reseal();
    EXPECT_EQ(decode_segment_header(bytes.data(), read), expected) << size;
  }
}

TEST(SegmentFormat, AnEntryIsWrittenAsDocumented) {
  const PlaceSeed seed(kStore, 3);
  std::string bytes(entry_bytes(5), '?');
  encode_entry_header(an_entry(), bytes.data());
  bytes.replace(kEntryHeaderBytes, 5, "hello");
  const base::Hash128 identity = finish_entry(bytes.data(), 5, seed, 8192);
  ASSERT_EQ(bytes.size(), 128U);  // 104 + 5 + 16, rounded up to 16
  EXPECT_EQ(hex(std::string_view(bytes).substr(8, 101)),
            "49475445"                          // IGTE
            "010001"                            // format, commit
            "00"                                // zero
            "0500000000000000"                  // payload bytes
            "0700000000000000"                  // sequence
            "0800000000000000"                  // base version
            "0200000000000000"                  // transactions, zero
            "0900000000000000"                  // time
            "0600000000000000"                  // durable mark
            "a100000000000000a200000000000000"  // nonce
            "b100000000000000b200000000000000"  // link
            "0300000000000000"                  // home
            "68656c6c6f");
  EXPECT_EQ(identity, base::hash128(std::string_view(bytes).substr(8, 101)));
  EXPECT_EQ(base::load_hash(bytes.data() + 109), identity);
  EXPECT_EQ(hex(std::string_view(bytes).substr(125)), "000000");
  EntryHeader read;
  ASSERT_EQ(decode_entry_header(bytes.data(), seed, 8192, bytes.size(), read), HeaderCheck::good);
  EXPECT_EQ(read.payload_bytes, 5U);
  EXPECT_EQ(read.link, an_entry().link);
  base::Hash128 found;
  EXPECT_TRUE(check_identity(bytes.data(), 5, found));
  EXPECT_EQ(found, identity);
}

TEST(SegmentFormat, AnEntryIsOneOnlyWhereItWasWritten) {
  const PlaceSeed seed(kStore, 3);
  std::string bytes(entry_bytes(5), '\0');
  encode_entry_header(an_entry(), bytes.data());
  finish_entry(bytes.data(), 5, seed, 8192);
  EntryHeader read;
  EXPECT_EQ(decode_entry_header(bytes.data(), seed, 8192, 128, read), HeaderCheck::good);
  EXPECT_EQ(decode_entry_header(bytes.data(), seed, 8208, 128, read), HeaderCheck::bad);
  EXPECT_EQ(decode_entry_header(bytes.data(), PlaceSeed(kStore, 4), 8192, 128, read), HeaderCheck::bad);
  EXPECT_EQ(decode_entry_header(bytes.data(), PlaceSeed({1, 1}, 3), 8192, 128, read), HeaderCheck::bad);
  EXPECT_EQ(decode_entry_header(bytes.data(), seed, 8192, 127, read), HeaderCheck::bad) << "it would pass the end";
}

TEST(SegmentFormat, EachDamagedBitOfAnEntryIsNoticed) {
  const PlaceSeed seed(kStore, 3);
  std::string good(entry_bytes(5), '\0');
  encode_entry_header(an_entry(), good.data());
  finish_entry(good.data(), 5, seed, 8192);
  for (std::size_t bit = 0; bit < 8 * (kEntryFrameBytes + 5); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EntryHeader read;
    base::Hash128 identity;
    const bool believed = decode_entry_header(bad.data(), seed, 8192, 128, read) == HeaderCheck::good &&
                          check_identity(bad.data(), read.payload_bytes, identity);
    EXPECT_FALSE(believed) << bit;
  }
}

TEST(SegmentFormat, APayloadLongerThanTheLimitIsNoEntry) {
  const PlaceSeed seed(kStore, 3);
  for (const auto& [kind, limit] : std::vector<std::pair<RecordKind, std::uint64_t>>{
           {RecordKind::commit, kEntryPayloadBytesMax}, {RecordKind::parity, kParityPayloadBytesMax}}) {
    for (const std::uint64_t more : {0, 1}) {
      EntryHeader header = an_entry();
      header.kind = kind;
      header.payload_bytes = limit + more;
      std::string bytes(kEntryHeaderBytes, '\0');
      encode_entry_header(header, bytes.data());
      base::store_little<std::uint64_t>(bytes.data(), seed.place(bytes.data(), 8192));
      EntryHeader read;
      EXPECT_EQ(decode_entry_header(bytes.data(), seed, 8192, ~0ULL, read),
                more == 0 ? HeaderCheck::good : HeaderCheck::bad);
    }
  }
}

TEST(ParityFormat, ASmallGroupIsCopied) {
  const std::string group = "the bytes of a group";
  std::string payload(parity_payload_bytes(group.size()), '?');
  encode_parity(8192, group, payload.data());
  EXPECT_EQ(hex(std::string_view(payload).substr(0, 24)),
            "00200000000000001400000000000000"
            "0100000000000000");
  EXPECT_EQ(base::load_little<std::uint32_t>(payload.data() + 24), static_cast<std::uint32_t>(base::hash64(group)));
  EXPECT_EQ(payload.substr(32), group);
}

TEST(ParityFormat, ColumnsAreTheXorOfInterleavedSectors) {
  std::string group;
  for (std::size_t sector = 0; sector < 10; ++sector)
    group += std::string(kSectorBytes, static_cast<char>(1 << (sector % 8)));
  group.resize(group.size() - 100);
  ASSERT_EQ(parity_columns(group.size()), 2U);
  std::string payload(parity_payload_bytes(group.size()), '?');
  encode_parity(8192, group, payload.data());
  const std::size_t columns = 24 + 40;
  EXPECT_EQ(payload.size(), columns + 2 * kSectorBytes);
  EXPECT_EQ(payload[columns], static_cast<char>(1 ^ 4 ^ 16 ^ 64 ^ 1));                      // sectors 0 2 4 6 8
  EXPECT_EQ(payload[columns + kSectorBytes], static_cast<char>(2 ^ 8 ^ 32 ^ 128 ^ 2));      // sectors 1 3 5 7 9
  EXPECT_EQ(payload[columns + 2 * kSectorBytes - 1], static_cast<char>(2 ^ 8 ^ 32 ^ 128));  // 9 ends before
}

TEST(ParityFormat, OneDamagedSectorInEachColumnIsRebuilt) {
  for (const std::size_t sectors : {1, 2, 3, 8, 9, 32, 33, 200, 1200}) {
    std::string group;
    for (std::size_t index = 0; index < sectors * kSectorBytes - 77; ++index)
      group += static_cast<char>(index * 31 >> 3);
    std::string payload(parity_payload_bytes(group.size()), '?');
    encode_parity(8192, group, payload.data());
    Parity parity;
    ASSERT_TRUE(decode_parity(payload, 8192 + sector_up(group.size()), parity));
    const std::size_t burst = std::min<std::size_t>(parity_columns(group.size()), sectors);
    for (std::size_t first = 0; first + burst <= sectors; first += 1 + sectors / 20) {
      std::string damaged = group;
      for (std::size_t sector = first; sector < first + burst; ++sector) damaged[sector * kSectorBytes + 11] ^= 0x10;
      const Rebuilt rebuilt = rebuild_group(parity, damaged.data());
      EXPECT_TRUE(rebuilt.whole) << sectors << " " << first;
      EXPECT_EQ(rebuilt.sectors.size(), burst);
      EXPECT_EQ(damaged, group);
    }
    if (sectors > parity_columns(group.size())) {
      std::string damaged = group;
      damaged[0] ^= 1;
      damaged[parity_columns(group.size()) * kSectorBytes] ^= 1;
      EXPECT_FALSE(rebuild_group(parity, damaged.data()).whole) << "two in one column";
    }
  }
}

TEST(ParityFormat, WhatCantBeAGroupIsRefused) {
  const std::string group(5000, 'x');
  std::string payload(parity_payload_bytes(group.size()), '?');
  encode_parity(8192, group, payload.data());
  Parity parity;
  EXPECT_TRUE(decode_parity(payload, 16384, parity));
  EXPECT_FALSE(decode_parity(payload, 12288, parity)) << "the group would reach behind its parity";
  EXPECT_FALSE(decode_parity(std::string_view(payload).substr(0, 23), 16384, parity));
  EXPECT_FALSE(decode_parity(std::string_view(payload).substr(0, payload.size() - 1), 16384, parity));
  for (const std::size_t field : {0, 10, 16}) {
    std::string bad = payload;
    bad[field] = static_cast<char>(bad[field] + 1);
    EXPECT_FALSE(decode_parity(bad, 16384, parity)) << field;
  }
}

}  // namespace
}  // namespace ingot::log
