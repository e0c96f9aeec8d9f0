// Encodings and dates.
#include <gtest/gtest.h>

#include "s3/dates.h"
#include "s3/encoding.h"

namespace ingot::s3 {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

TEST(UriEncode, LeavesOnlyWhatIsUnreserved) {
  EXPECT_EQ(uri_encode("AZaz09-._~", Slashes::encoded), "AZaz09-._~");
  EXPECT_EQ(uri_encode("a/b c+d%\xc3\xa4*", Slashes::encoded), "a%2Fb%20c%2Bd%25%C3%A4%2A");
  EXPECT_EQ(uri_encode("a/b c", Slashes::kept), "a/b%20c");
}

TEST(UriDecode, UndoesItAndTakesAPlusForASpace) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(uri_decode(uri_encode(all, Slashes::encoded)), all);
  EXPECT_EQ(uri_decode("a+b%2b%2F"), "a b+/");
}

TEST(UriDecode, RefusesHalfAByte) {
  for (const char* text : {"%", "%1", "a%", "%g0", "%0g", "%%20"}) EXPECT_EQ(uri_decode(text), std::nullopt) << text;
}

TEST(Decimal, TakesDigitsOnly) {
  EXPECT_EQ(decimal("0"), 0U);
  EXPECT_EQ(decimal("18446744073709551615"), ~0ULL);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(decimal(text), std::nullopt) << text;
  }
}

TEST(Printable, IsOneLineOfAscii) {
  EXPECT_EQ(printable("a\nb\x7f\xc3", 10), "a?b??");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
}

TEST(HttpDate, IsReadAsServersWriteIt) {
  EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), sys_days(2013y / 5 / 24));
  EXPECT_EQ(parse_http_date("Thu, 31 Dec 2026 23:59:59 GMT"), sys_days(2027y / 1 / 1) - 1s);
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 12:00:01 GMT"), sys_days(2024y / 2 / 29) + 12h + 1s);
}

TEST(HttpDate, IsNothingElse) {
  for (const char* text :
       {"", "Fri, 24 May 2013 00:00:00", "Fri, 24 May 2013 00:00:00 CET", "Fri, 32 May 2013 00:00:00 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT", "Fri, 24 Mai 2013 00:00:00 GMT", "Fri, 24 May 2013 24:00:00 GMT",
        "Friday, 24-May-13 00:00:00 GMT", "Fri May 24 00:00:00 2013", "Fri, -4 May 2013 00:00:00 GMT",
        "Fri, 24 May 2013 00:60:00 GMT", " Fri, 24 May 2013 00:00:00 GMT"}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

TEST(IsoDate, IsReadWithAnyFraction) {
  const auto expected = sys_days(2013y / 5 / 24) + 1h + 2min + 3s;
  for (const char* text : {"2013-05-24T01:02:03Z", "2013-05-24T01:02:03.000Z", "2013-05-24T01:02:03.123456789Z",
                           "2013-05-24T01:02:03+00:00"}) {
    EXPECT_EQ(parse_iso_date(text), expected) << text;
  }
  EXPECT_EQ(parse_iso_date("2016-12-31T23:59:60Z"), sys_days(2017y / 1 / 1) - 1s);
}

TEST(IsoDate, IsNothingElse) {
  for (const char* text : {"", "2013-05-24", "2013-05-24T01:02:03", "2013-05-24T01:02:03.Z",
                           "2013-05-24T01:02:03+01:00", "2013-05-24 01:02:03Z", "2013-13-24T01:02:03Z",
                           "1913-05-24T01:02:03Z", "2013-05-24T01:02:03Zx", "2013-05-24T01:02:03.1"}) {
    EXPECT_EQ(parse_iso_date(text), std::nullopt) << text;
  }
}

TEST(SigningDate, IsWrittenAsSignaturesHaveIt) {
  EXPECT_EQ(signing_date(sys_days(2013y / 5 / 24)), "20130524T000000Z");
  EXPECT_EQ(signing_date(sys_days(2027y / 1 / 1) - 1s), "20261231T235959Z");
}

}  // namespace
}  // namespace ingot::s3
