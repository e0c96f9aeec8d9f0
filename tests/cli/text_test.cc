#include "cli/text.h"

#include <gtest/gtest.h>

namespace ingot::cli {
namespace {

TEST(Utf8, WhatIsNoCharacterIsRefused) {
  EXPECT_TRUE(is_utf8("plain, ä, €, 😀, and enough of it to take the fast way"));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xe2\x82z", "12345678\xff"}) {
    EXPECT_FALSE(is_utf8(bad)) << escaped(bad);
  }
  EXPECT_TRUE(is_utf8("\xf4\x8f\xbf\xbf"));
  EXPECT_TRUE(is_utf8("\xed\x9f\xbf\xee\x80\x80"));
}

TEST(Escaped, EveryByteCanBeToldFromTheText) {
  EXPECT_EQ(escaped("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
  EXPECT_EQ(escaped(std::string_view("\0\x1b\x7f", 3)), "\\x00\\x1b\\x7f");
  EXPECT_EQ(escaped("ä\xff€"), "ä\\xff€");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xc2\\x9b") << "a terminal takes U+009B for the beginning of a command";
}

TEST(Shown, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(shown("short"), "short");
  EXPECT_EQ(shown("äöüäöü", 3), "äöü…");
  EXPECT_EQ(shown(std::string(1000, 'x'), 5), "xxxxx…");
}

TEST(Base64, IsReadBackAndHasOneFormEach) {
  // RFC 4648, section 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    std::string out;
    append_base64(out, bytes);
    EXPECT_EQ(out, text);
    EXPECT_EQ(out.size(), base64_bytes(std::string_view(bytes).size()));
    EXPECT_EQ(from_base64(text), bytes);
  }
  for (const char* bad : {"Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9v\n", "Z-_v"}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
}

TEST(Hex, PairsOfDigitsOnly) {
  EXPECT_EQ(from_hex("00ffAb"), std::string("\0\xff\xab", 3));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Numbers, AreReadWholeAndInRange) {
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  EXPECT_FALSE(parse_integer("-9223372036854775809"));
  EXPECT_EQ(parse_integer("+5"), 5);
  EXPECT_FALSE(parse_integer("+-5"));
  EXPECT_FALSE(parse_integer("5x"));
  EXPECT_FALSE(parse_integer(""));
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_unsigned("18446744073709551616"));
  EXPECT_FALSE(parse_unsigned("-1"));
  EXPECT_FALSE(parse_floating("inf"));
  EXPECT_FALSE(parse_floating("1e999"));
}

TEST(Durations, HaveAUnitAndALimit) {
  using std::chrono::microseconds;
  EXPECT_EQ(parse_duration("90s"), microseconds(90'000'000));
  EXPECT_EQ(parse_duration("5m"), microseconds(300'000'000));
  EXPECT_EQ(parse_duration("1.5h"), microseconds(5'400'000'000));
  EXPECT_EQ(parse_duration("2d"), microseconds(172'800'000'000));
  EXPECT_EQ(parse_duration("250ms"), microseconds(250'000));
  EXPECT_EQ(parse_duration("1us"), microseconds(1));
  for (const char* bad :
       {"", "5", "s", "0s", "-1s", "1y", "1.2.3s", "1 h", "1h ", "0.1us", "99999999d", "1e3s", "infs"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  EXPECT_EQ(parse_duration("36500d"), kDurationMax);
  EXPECT_FALSE(parse_duration("36501d"));
}

TEST(Times, AreReadBackToTheMicrosecond) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_text(951'782'400'000'001), "2000-02-29T00:00:00.000001Z");
  EXPECT_EQ(time_text(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(parse_time("2000-02-29T00:00:00.000001Z"), 951'782'400'000'001);
  EXPECT_EQ(parse_time("2000-02-29T00:00:00Z"), 951'782'400'000'000);
  EXPECT_EQ(parse_time("2000-02-29T00:00:00.5Z"), 951'782'400'500'000);
  for (const std::int64_t micros :
       {std::int64_t{1}, std::int64_t{1'700'000'000'123'456}, std::int64_t{4'102'444'799'999'999},
        std::int64_t{-62'135'596'800'000'000}, std::int64_t{253'402'300'800'000'000}}) {
    EXPECT_EQ(parse_time(time_text(micros)), micros) << time_text(micros);
  }
  for (const char* bad : {"", "2000-02-30T00:00:00Z", "2001-02-29T00:00:00Z", "2000-13-01T00:00:00Z",
                          "2000-00-01T00:00:00Z", "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:00",
                          "2000-01-01 00:00:00Z", "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00.1234567Z",
                          "20000-1-01T00:00:00Z", "2000-01-01T00:00:00+01:00", "999999-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

TEST(Sizes, ReadWell) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(counted(1, "record"), "1 record");
  EXPECT_EQ(counted(0, "record"), "0 records");
}

}  // namespace
}  // namespace ingot::cli
