#include "ingot/value.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <string>
#include <utility>

namespace ingot {
namespace {

std::string text_of(std::size_t size, char first) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return text;
}

TEST(Value, KeepsWhatItWasMadeOfOnBothSidesOfTheInlineLimit) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, Value::kInlineBytes, Value::kInlineBytes + 1, std::size_t{100'000}}) {
    std::string text = text_of(size, 'a');
    const Value value(text);
    const std::string expected = text;
    text.assign(size, 'x');
    EXPECT_EQ(value.view(), expected);
    EXPECT_EQ(value.size(), size);
    EXPECT_EQ(value.empty(), size == 0);
    EXPECT_EQ(value.str(), expected);
    EXPECT_EQ(value, std::string_view(expected));
    const std::string_view converted = value;
    EXPECT_EQ(converted, expected);
    const char* inside = reinterpret_cast<const char*>(&value);
    EXPECT_EQ(value.data() >= inside && value.data() < inside + sizeof value, size <= Value::kInlineBytes);
  }
}

TEST(Value, CopiesAndMovesBetweenAllSizes) {
  const std::size_t sizes[] = {0, 5, Value::kInlineBytes, Value::kInlineBytes + 1, 1000};
  for (const std::size_t from : sizes) {
    for (const std::size_t to : sizes) {
      const std::string a = text_of(from, 'a');
      const std::string b = text_of(to, 'c');
      const Value source(a);
      Value target(b);
      target = source;
      EXPECT_EQ(target.view(), a);
      EXPECT_EQ(source.view(), a);
      const Value copied(source);
      EXPECT_EQ(copied, source);

      Value other(b);
      Value moved(std::move(other));
      EXPECT_EQ(moved.view(), b);
      EXPECT_TRUE(other.empty());  // NOLINT(bugprone-use-after-move): a moved-from value is empty
      moved = std::move(target);
      EXPECT_EQ(moved.view(), a);
      EXPECT_TRUE(target.empty());  // NOLINT(bugprone-use-after-move)
      target.assign(b);
      EXPECT_EQ(target.view(), b);
    }
  }
}

TEST(Value, MayBeAssignedAPieceOfItself) {
  const std::string text = text_of(500, 'a');
  for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{450}}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{40}, std::size_t{300}}) {
      Value value(text);
      value.assign(value.view().substr(begin, size));
      EXPECT_EQ(value.view(), std::string_view(text).substr(begin, size));
    }
  }
  Value inside(text_of(50, 'a'));
  inside.assign(inside.view().substr(3, 20));
  EXPECT_EQ(inside.view(), std::string_view(text).substr(3, 20));
  Value& same = inside;
  inside = same;
  EXPECT_EQ(inside.view(), std::string_view(text).substr(3, 20));
  inside = std::move(same);
  EXPECT_EQ(inside.view(), std::string_view(text).substr(3, 20));
}

TEST(Value, IsACounterByItsFirstEightBytes) {
  EXPECT_EQ(Value().counter(), 0);
  EXPECT_EQ(Value(std::string_view("\x01", 1)).counter(), 1);
  EXPECT_EQ(Value(std::string_view("\x00\x01", 2)).counter(), 256);
  EXPECT_EQ(Value(std::string(8, '\xff')).counter(), -1);
  EXPECT_EQ(Value(std::string(7, '\0') + "\x80").counter(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Value(std::string_view("\x02\0\0\0\0\0\0\0and more", 16)).counter(), 2);
  EXPECT_EQ(Value(std::string(8, '\x01') + std::string(200, 'x')).counter(), 0x0101010101010101);
}

TEST(Value, IsPrintedAsItsBytes) {
  std::ostringstream out;
  out << Value("text");
  EXPECT_EQ(out.str(), "text");
}

}  // namespace
}  // namespace ingot
