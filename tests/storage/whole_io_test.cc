// The loops around system calls, with calls that answer what a script says.
#include "storage/whole_io.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace ingot::storage {
namespace {

// What one call answers: a count (more than was asked: all of it), or an errno.
struct Answer {
  ssize_t count = 0;
  int error = 0;
};
constexpr Answer does(ssize_t count) {
  return {count, 0};
}
constexpr Answer fails(int error) {
  return {-1, error};
}
constexpr ssize_t kAll = 1'000'000;

// A file whose calls answer by a script, and then do all that they are asked.
class ScriptedFile {
 public:
  ScriptedFile(std::string bytes, std::deque<Answer> script) : bytes_(std::move(bytes)), script_(std::move(script)) {}

  IoError read(std::uint64_t offset, std::span<char> out, std::size_t& got) {
    return read_whole(offset, out, got, [&](std::uint64_t at, std::span<char> rest) -> ssize_t {
      const ssize_t count = answer(rest.size());
      if (count <= 0) return count;
      const std::string_view there = std::string_view(bytes_).substr(std::min<std::size_t>(at, bytes_.size()));
      const std::size_t copied = std::min(static_cast<std::size_t>(count), there.size());
      std::copy_n(there.data(), copied, rest.data());
      return static_cast<ssize_t>(copied);
    });
  }
  IoError write(std::uint64_t offset, std::string_view bytes) {
    return write_whole(offset, bytes, [&](std::uint64_t at, std::string_view rest) -> ssize_t {
      const ssize_t count = answer(rest.size());
      if (count <= 0) return count;
      bytes_.resize(std::max<std::size_t>(bytes_.size(), at + static_cast<std::size_t>(count)), '.');
      bytes_.replace(at, static_cast<std::size_t>(count), rest.substr(0, static_cast<std::size_t>(count)));
      return count;
    });
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] bool script_is_over() const { return script_.empty(); }

 private:
  ssize_t answer(std::size_t asked) {
    ++calls_;
    if (script_.empty()) return static_cast<ssize_t>(asked);
    const Answer next = script_.front();
    script_.pop_front();
    errno = next.error;
    return std::min(next.count, static_cast<ssize_t>(asked));
  }
  std::string bytes_;
  std::deque<Answer> script_;
  int calls_ = 0;
};

std::string read_from(ScriptedFile& file, std::uint64_t offset, std::size_t bytes, IoError& error) {
  std::string out(bytes, '?');
  std::size_t got = 0;
  error = file.read(offset, out, got);
  EXPECT_EQ(out.substr(got), std::string(bytes - got, '?')) << "nothing is written behind what was got";
  return out.substr(0, got);
}

TEST(WholeRead, IsMadeOfAnyPieces) {
  for (const ssize_t piece : {1, 2, 3, 7}) {
    ScriptedFile file("0123456789", std::deque<Answer>(9, does(piece)));
    IoError error;
    EXPECT_EQ(read_from(file, 2, 7, error), "2345678");
    EXPECT_FALSE(error);
    EXPECT_EQ(file.calls(), (7 + piece - 1) / piece);
  }
}

TEST(WholeRead, EndsWithTheFile) {
  ScriptedFile file("0123456789", {does(2), fails(EINTR), does(kAll)});
  IoError error;
  EXPECT_EQ(read_from(file, 6, 100, error), "6789");
  EXPECT_FALSE(error);
  EXPECT_EQ(file.calls(), 4) << "a short count is not an end; only zero is";
  EXPECT_EQ(read_from(file, 10, 5, error), "");
  EXPECT_FALSE(error);
}

TEST(WholeRead, OfNothingCallsNobody) {
  ScriptedFile file("0123456789", {fails(EIO)});
  IoError error;
  EXPECT_EQ(read_from(file, 3, 0, error), "");
  EXPECT_FALSE(error);
  EXPECT_EQ(file.calls(), 0);
}

TEST(WholeRead, SaysWhatItGotBeforeAnError) {
  ScriptedFile file("0123456789", {does(3), fails(EIO)});
  IoError error;
  EXPECT_EQ(read_from(file, 0, 10, error), "012");
  EXPECT_EQ(error.code(), EIO);
  EXPECT_EQ(file.calls(), 2) << "an error is not tried again";
}

TEST(WholeRead, GoesOnAfterAnyNumberOfInterruptions) {
  std::deque<Answer> script(500, fails(EINTR));
  script.push_back(does(4));
  script.insert(script.end(), 500, fails(EINTR));
  ScriptedFile file("0123456789", std::move(script));
  IoError error;
  EXPECT_EQ(read_from(file, 1, 9, error), "123456789");
  EXPECT_FALSE(error);
  EXPECT_TRUE(file.script_is_over());
}

TEST(WholeWrite, IsMadeOfAnyPieces) {
  for (const ssize_t piece : {1, 2, 3, 7}) {
    ScriptedFile file("..........", std::deque<Answer>(9, does(piece)));
    EXPECT_FALSE(file.write(2, "abcdefg"));
    EXPECT_EQ(file.bytes(), "..abcdefg.");
    EXPECT_EQ(file.calls(), (7 + piece - 1) / piece);
  }
}

TEST(WholeWrite, OfNothingCallsNobody) {
  ScriptedFile file("", {fails(EIO)});
  EXPECT_FALSE(file.write(0, ""));
  EXPECT_EQ(file.calls(), 0);
}

TEST(WholeWrite, OfWhichACallTakesNothingHasNoRoom) {
  ScriptedFile file("....", {does(2), does(0)});
  EXPECT_EQ(file.write(0, "abcd").code(), ENOSPC);
  EXPECT_EQ(file.bytes(), "ab..");
  EXPECT_EQ(file.calls(), 2) << "it would be asked forever";
}

TEST(WholeWrite, SaysAnErrorThatComesAfterAPart) {
  for (const int code : {EIO, ENOSPC, EDQUOT, EFBIG}) {
    ScriptedFile file("......", {does(2), fails(EINTR), does(1), fails(code)});
    EXPECT_EQ(file.write(0, "abcdef").code(), code);
    EXPECT_EQ(file.bytes(), "abc...");
    EXPECT_EQ(file.calls(), 4);
  }
}

TEST(WholeWrite, GoesOnAfterAnyNumberOfInterruptions) {
  std::deque<Answer> script(500, fails(EINTR));
  script.push_back(does(1));
  script.insert(script.end(), 500, fails(EINTR));
  ScriptedFile file("...", std::move(script));
  EXPECT_FALSE(file.write(0, "abc"));
  EXPECT_EQ(file.bytes(), "abc");
  EXPECT_TRUE(file.script_is_over());
}

TEST(Interruptions, OfAnyCallAreWaitedOut) {
  int calls = 0;
  EXPECT_FALSE(error_of([&] {
    errno = EINTR;
    return ++calls <= 300 ? -1 : 0;
  }));
  EXPECT_EQ(calls, 301);
  EXPECT_EQ(error_of([] {
              errno = EROFS;
              return -1;
            }).code(),
            EROFS);
}

TEST(Interruptions, WithoutAnEndAreAnError) {
  int calls = 0;
  const IoError error = error_of([&] {
    ++calls;
    errno = EINTR;
    return -1;
  });
  EXPECT_EQ(error.code(), EINTR);
  EXPECT_EQ(calls, kInterruptionsMax + 1);
}

}  // namespace
}  // namespace ingot::storage
