#include "ingot/key.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "base/random.h"

namespace ingot {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

int sign(int order) {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

template <class T>
int order_of(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

TEST(TupleKey, HasTheBytesOfItsFormatPage) {
  EXPECT_EQ(key(std::string_view("us\0er", 5), -2, 300, 1.5, true),
            bytes_of({0x20, 'u',  's',  0x01, 0x01, 'e', 'r', 0x00, 0x37, 0xfd, 0x3a, 0x01,
                      0x2c, 0x50, 0xbf, 0xf8, 0,    0,   0,   0,    0,    0,    0x61}));
  EXPECT_EQ(key(std::nullopt, 0, false, ""), bytes_of({0x10, 0x38, 0x60, 0x20, 0x00}));
  EXPECT_EQ(key(std::numeric_limits<std::int64_t>::min()), bytes_of({0x30, 0x7f, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(key(std::numeric_limits<std::uint64_t>::max()), bytes_of({0x40, 255, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(key(-1.0), bytes_of({0x50, 0x40, 0x0f, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(key(), "");
}

TEST(TupleKey, TakesEveryKindOfNumberAndString) {
  EXPECT_EQ(key(static_cast<short>(7)), key(7ULL));
  EXPECT_EQ(key(static_cast<unsigned char>(200)), key(200L));
  EXPECT_EQ(key(2.5F), key(2.5));
  EXPECT_EQ(key(std::string("a"), "b"), key(std::string_view("a"), std::string("b")));
  EXPECT_NE(key(1), key(1.0));
}

// The numbers around every change of length, and some in between.
std::vector<std::int64_t> interesting_integers() {
  std::vector<std::int64_t> numbers{0, std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()};
  for (int shift = 0; shift < 63; ++shift) {
    for (const std::int64_t near : {-1, 0, 1}) {
      const std::int64_t number = static_cast<std::int64_t>(1ULL << shift) + near;
      numbers.push_back(number);
      numbers.push_back(-number);
    }
  }
  return numbers;
}

TEST(TupleKey, SortsIntegersByValue) {
  const std::vector<std::int64_t> numbers = interesting_integers();
  for (const std::int64_t a : numbers) {
    for (const std::int64_t b : numbers) {
      ASSERT_EQ(sign(key(a).compare(key(b))), order_of(a, b)) << a << " and " << b;
    }
    const std::uint64_t above = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + 1;
    ASSERT_LT(key(a), key(above));
    ASSERT_LT(key(a), key(std::numeric_limits<std::uint64_t>::max()));
    if (a >= 0) {
      ASSERT_EQ(key(a), key(static_cast<std::uint64_t>(a)));
    }
  }
}

TEST(TupleKey, SortsFloatingPointByValueAndNanLast) {
  using Limits = std::numeric_limits<double>;
  base::Random random(1);
  std::vector<double> numbers{0.0,
                              -0.0,
                              1.0,
                              -1.0,
                              Limits::max(),
                              Limits::lowest(),
                              Limits::min(),
                              -Limits::min(),
                              Limits::denorm_min(),
                              -Limits::denorm_min(),
                              Limits::infinity(),
                              -Limits::infinity()};
  while (numbers.size() < 300) {
    const double number = std::bit_cast<double>(random.next());
    if (!std::isnan(number)) numbers.push_back(number);
  }
  for (const double a : numbers) {
    for (const double b : numbers) ASSERT_EQ(sign(key(a).compare(key(b))), order_of(a, b)) << a << " and " << b;
    ASSERT_LT(key(a), key(Limits::quiet_NaN()));
    ASSERT_LT(key(a), key(-Limits::quiet_NaN()));
  }
  EXPECT_EQ(key(Limits::quiet_NaN()), key(-Limits::signaling_NaN()));
}

TEST(TupleKey, SortsTypesInTheirOrder) {
  const std::vector<std::string> ascending{
      key(std::nullopt),
      key(""),
      key(std::string(50, '\xff')),
      key(std::numeric_limits<std::int64_t>::min()),
      key(std::numeric_limits<std::uint64_t>::max()),
      key(-std::numeric_limits<double>::infinity()),
      key(std::numeric_limits<double>::quiet_NaN()),
      key(false),
      key(true),
  };
  for (std::size_t i = 1; i < ascending.size(); ++i) EXPECT_LT(ascending[i - 1], ascending[i]) << i;
}

std::string random_bytes_of_few(base::Random& random) {
  constexpr char kLetters[] = {'\0', '\x01', '\x02', 'a', '\x20', '\xfe', '\xff'};
  std::string bytes;
  for (std::uint64_t n = random.below(5); n != 0; --n) bytes.push_back(kLetters[random.below(sizeof kLetters)]);
  return bytes;
}

// std::string compares as unsigned bytes, as keys do.
TEST(TupleKey, SortsAsTheTupleDoes) {
  base::Random random(2);
  const std::vector<std::int64_t> integers = interesting_integers();
  using Tuple = std::tuple<std::string, std::int64_t, std::string, bool, double>;
  const auto make = [&] {
    return Tuple{random_bytes_of_few(random), integers[random.below(integers.size())], random_bytes_of_few(random),
                 random.below(2) == 0, static_cast<double>(random.below(5)) - 2.5};
  };
  const auto encode = [](const Tuple& t) { return std::apply([](const auto&... parts) { return key(parts...); }, t); };
  for (int i = 0; i < 20'000; ++i) {
    Tuple a = make();
    Tuple b = make();
    // Most pairs share a beginning, else only the first part would ever be tested.
    const std::uint64_t shared = random.below(6);
    if (shared > 0) std::get<0>(b) = std::get<0>(a);
    if (shared > 1) std::get<1>(b) = std::get<1>(a);
    if (shared > 2) std::get<2>(b) = std::get<2>(a);
    if (shared > 3) std::get<3>(b) = std::get<3>(a);
    ASSERT_EQ(sign(encode(a).compare(encode(b))), order_of(a, b));
  }
}

TEST(TupleKey, ATupleSortsBeforeThoseThatBeginWithIt) {
  base::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = random_bytes_of_few(random);
    const std::string b = random_bytes_of_few(random);
    const std::string longer = key(a, b);
    ASSERT_LT(key(a), longer);
    const Range range = prefix(key(a));
    ASSERT_TRUE(range.begin <= longer && longer < *range.end);
    // … and no tuple with another first part is among them.
    const std::string other = random_bytes_of_few(random);
    const std::string outside = key(other, b);
    ASSERT_EQ(range.begin <= outside && outside < *range.end, other == a);
  }
}

TEST(TupleKey, IsReadBackAsItWasWritten) {
  base::Random random(4);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = random_bytes_of_few(random);
    const auto integer = static_cast<std::int64_t>(random.next() >> random.below(64));
    const std::uint64_t large = random.next() | 1ULL << 63;
    const double number = static_cast<double>(integer) / 3;
    const auto parts = key_parts(key(std::nullopt, text, -integer, large, number, i % 2 == 0));
    ASSERT_TRUE(parts.has_value());
    ASSERT_EQ(parts->size(), 6U);
    EXPECT_EQ((*parts)[0].type, KeyPart::Type::absent);
    EXPECT_EQ((*parts)[1].type, KeyPart::Type::bytes);
    EXPECT_EQ((*parts)[1].bytes, text);
    EXPECT_EQ((*parts)[2].type, KeyPart::Type::integer);
    EXPECT_EQ((*parts)[2].integer, -integer);
    EXPECT_EQ((*parts)[3].type, KeyPart::Type::unsigned_integer);
    EXPECT_EQ((*parts)[3].unsigned_integer, large);
    EXPECT_EQ((*parts)[4].type, KeyPart::Type::floating);
    EXPECT_EQ((*parts)[4].floating, number);
    EXPECT_EQ((*parts)[5].type, KeyPart::Type::boolean);
    EXPECT_EQ((*parts)[5].boolean, i % 2 == 0);
  }
  EXPECT_EQ(key_parts("")->size(), 0U);
  EXPECT_EQ((*key_parts(key(std::numeric_limits<std::int64_t>::min())))[0].integer,
            std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(std::isnan((*key_parts(key(std::nan(""))))[0].floating));
}

TEST(TupleKey, OtherBytesAreNoTuple) {
  const std::vector<std::string> others{
      "plain text",
      bytes_of({0x20, 'a'}),                                             // no end
      bytes_of({0x20, 'a', 0x01, 0x03, 0x00}),                           // an escape of nothing
      bytes_of({0x3a, 0x00, 0x05}),                                      // not the shortest
      bytes_of({0x39}),                                                  // cut off
      bytes_of({0x36, 0xff, 0xfe}),                                      // negative, not the shortest
      bytes_of({0x30, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}),  // below the lowest integer
      bytes_of({0x50, 0x80, 0x00}),                                      // cut off
      bytes_of({0x50, 0x7f, 255, 255, 255, 255, 255, 255, 255}),         // -0
      bytes_of({0x50, 0xff, 0xf8, 0, 0, 0, 0, 0, 1}),                    // another NaN
      bytes_of({0x62}),
      bytes_of({0x00}),
      bytes_of({0xff}),
  };
  for (const std::string& other : others) EXPECT_FALSE(key_parts(other).has_value()) << testing::PrintToString(other);
}

TEST(TupleKey, WhatIsReadBackIsWrittenTheSame) {
  base::Random random(5);
  int tuples = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes;
    constexpr int kLikely[] = {0x10, 0x20, 0x00, 0x01, 0x02, 0x37, 0x38, 0x39, 0x3a, 0x60, 0x61, 'a'};
    for (std::uint64_t n = 1 + random.below(6); n != 0; --n) {
      bytes.push_back(static_cast<char>(kLikely[random.below(std::size(kLikely))]));
    }
    const auto parts = key_parts(bytes);
    if (!parts.has_value()) continue;
    ++tuples;
    std::string again;
    for (const KeyPart& part : *parts) {
      switch (part.type) {
        case KeyPart::Type::absent:
          append_key_part(again, std::nullopt);
          break;
        case KeyPart::Type::bytes:
          append_key_part(again, std::string_view(part.bytes));
          break;
        case KeyPart::Type::integer:
          append_key_part(again, part.integer);
          break;
        case KeyPart::Type::unsigned_integer:
          append_key_part(again, part.unsigned_integer);
          break;
        case KeyPart::Type::floating:
          append_key_part(again, part.floating);
          break;
        case KeyPart::Type::boolean:
          append_key_part(again, part.boolean);
          break;
      }
    }
    ASSERT_EQ(again, bytes);
  }
  EXPECT_GT(tuples, 1000);
}

TEST(Ranges, APrefixCoversExactlyWhatBeginsWithIt) {
  EXPECT_EQ(*prefix("ab").end, "ac");
  EXPECT_EQ(*prefix("a\xff").end, "b");
  EXPECT_FALSE(prefix("\xff\xff").end.has_value());
  EXPECT_EQ(prefix("\xff\xff").begin, "\xff\xff");
  EXPECT_FALSE(prefix("").end.has_value());
  base::Random random(6);
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = random_bytes_of_few(random);
    const std::string other = random.below(2) == 0 ? bytes + random_bytes_of_few(random) : random_bytes_of_few(random);
    const Range range = prefix(bytes);
    const bool inside = range.begin <= other && (!range.end.has_value() || other < *range.end);
    ASSERT_EQ(inside, other.substr(0, bytes.size()) == bytes);
  }
}

TEST(Ranges, EndsAreWhereTheirNamesSay) {
  const auto inside = [](const Range& range, std::string_view wanted) {
    return range.begin <= wanted && (!range.end.has_value() || wanted < *range.end);
  };
  EXPECT_TRUE(inside(all(), ""));
  EXPECT_TRUE(inside(all(), "\xff\xff\xff"));
  EXPECT_TRUE(inside(between("b", "d"), "b"));
  EXPECT_FALSE(inside(between("b", "d"), "d"));
  EXPECT_TRUE(inside(from("b"), "b"));
  EXPECT_FALSE(inside(after("b"), "b"));
  EXPECT_TRUE(inside(after("b"), std::string_view("b\0", 2)));
  EXPECT_FALSE(inside(before("b"), "b"));
  EXPECT_TRUE(inside(before("b"), ""));
}

}  // namespace
}  // namespace ingot
