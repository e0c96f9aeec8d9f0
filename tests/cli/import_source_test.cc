#include "cli/import_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace ingot::cli {
namespace {

std::vector<std::string> lines_of(std::string_view text, std::size_t line_bytes_max = 100) {
  MemorySource source(text);
  LineReader reader(source, line_bytes_max);
  std::vector<std::string> lines;
  std::string_view line;
  for (;;) {
    const auto outcome = reader.next(line);
    if (outcome == LineReader::Outcome::end) break;
    lines.push_back(outcome == LineReader::Outcome::too_long ? "TOO LONG" : std::string(line));
    EXPECT_EQ(reader.line_number(), lines.size());
  }
  EXPECT_EQ(reader.offset(), text.size());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, TheLastLineNeedsNoNewline) {
  EXPECT_EQ(lines_of(""), Lines{});
  EXPECT_EQ(lines_of("\n"), Lines{""});
  EXPECT_EQ(lines_of("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("a\n\nb\n"), (Lines{"a", "", "b"}));
}

TEST(LineReader, ALineThatIsTooLongIsPassedOverAndTheNextIsWhole) {
  const std::string fits(100, 'x'), longer(101, 'x'), huge(3'000'000, 'y');
  EXPECT_EQ(lines_of(fits + "\nb\n"), (Lines{fits, "b"}));
  EXPECT_EQ(lines_of(longer + "\nb\n"), (Lines{"TOO LONG", "b"}));
  EXPECT_EQ(lines_of("a\n" + huge + "\nb"), (Lines{"a", "TOO LONG", "b"}));
  EXPECT_EQ(lines_of(huge), Lines{"TOO LONG"});
  EXPECT_EQ(lines_of(fits), Lines{fits});
}

TEST(LineReader, GoesOnAtAnOffsetThatItHadSaid) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i) + "\n";
  MemorySource source(text);
  LineReader reader(source, 100);
  std::string_view line;
  for (int i = 0; i < 70'000; ++i) reader.next(line);
  const auto offset = reader.offset(), number = reader.line_number();
  MemorySource again(text);
  LineReader later(again, 100);
  later.peek(10);  // what it held is dropped
  later.seek(offset, number);
  ASSERT_EQ(later.next(line), LineReader::Outcome::line);
  EXPECT_EQ(line, "line 70000");
  EXPECT_EQ(later.line_number(), 70'001u);
}

TEST(LineReader, PeekTakesNothing) {
  MemorySource source("abc\ndef\n");
  LineReader reader(source, 100);
  EXPECT_EQ(reader.peek(3), "abc");
  EXPECT_EQ(reader.peek(100), "abc\ndef\n");
  std::string_view line;
  reader.next(line);
  EXPECT_EQ(line, "abc");
}

TEST(DescriptorSource, AReadEndsWhenTheStopDescriptorIsReadable) {
  int silent[2], stop[2];
  ASSERT_EQ(::pipe2(silent, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(stop, O_CLOEXEC), 0);
  ASSERT_EQ(::write(stop[1], "x", 1), 1);
  DescriptorSource source(silent[0], stop[0]);
  char byte;
  EXPECT_EQ(source.read(&byte, 1), 0u);
  for (const int end : {silent[0], silent[1], stop[0], stop[1]}) ::close(end);
}

}  // namespace
}  // namespace ingot::cli
