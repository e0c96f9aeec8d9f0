// The log as its owner sees it: append, read, reopen, two handles.
#include "log_fixture.h"

namespace ingot::log {
namespace {

TEST(Log, WhatWasAppendedIsReadBackInOrderAfterAReopen) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  std::vector<std::string> expected;
  {
    Handle first;
    ASSERT_TRUE(first.open(directory)) << first.why;
    for (int i = 0; i < 50; ++i)
      ASSERT_EQ(first.append(numbered(i, 50 + 37 * i), i % 3 == 0), Append::kept) << first.log->why();
    expected = first.payloads;
    EXPECT_EQ(first.log->published(), 50U);
    first.close();
  }
  Handle second;
  ASSERT_TRUE(second.open(directory)) << second.why;
  EXPECT_EQ(second.payloads, expected);
  EXPECT_EQ(second.log->published(), 50U);
  EXPECT_EQ(second.log->durable(), 50U);
}

TEST(Log, AKillLosesNothingThatWasKept) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  std::vector<std::string> expected;
  for (int round = 0; round < 20; ++round) {
    Handle handle;
    ASSERT_TRUE(handle.open(directory)) << handle.why;
    ASSERT_EQ(handle.payloads, expected) << round;
    for (int i = 0; i < round; ++i) ASSERT_EQ(handle.append(numbered(i, 500), (i + round) % 4 == 0), Append::kept);
    expected = handle.payloads;
    handle.drop();
  }
}

TEST(Log, SegmentsFollowEachOtherAndEachEntryKnowsItsHome) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle writer;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(writer.append(numbered(i, 5000), i % 7 == 0), Append::kept) << writer.log->why();
  EXPECT_GT(writer.homes.back(), 4U);
  const auto start = writer.log->start_of(3);
  ASSERT_TRUE(start);
  writer.close();
  Handle reader;
  ASSERT_TRUE(reader.open(directory)) << reader.why;
  EXPECT_EQ(reader.payloads, writer.payloads);
  EXPECT_EQ(reader.homes, writer.homes);
  reader.close();
  Handle later;
  ASSERT_TRUE(later.open(directory, false, *start)) << later.why;
  EXPECT_EQ(later.homes.front(), 3U);
  EXPECT_EQ(later.payloads.back(), writer.payloads.back());
}

TEST(Log, AnEntryLargerThanASegmentGetsOneOfItsOwn) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle writer;
  ASSERT_TRUE(writer.open(directory)) << writer.why;
  for (const bool durable : {true, false}) {
    ASSERT_EQ(writer.append("small", durable), Append::kept);
    ASSERT_EQ(writer.append(numbered(1, 3 << 20), durable), Append::kept) << writer.log->why();
    ASSERT_EQ(writer.append(numbered(2, 200 << 10), durable), Append::kept) << writer.log->why();
  }
  writer.drop();
  Handle reader;
  ASSERT_TRUE(reader.open(directory)) << reader.why;
  EXPECT_EQ(reader.payloads, writer.payloads);
}

TEST(Log, TwoHandlesAgreeOnOneOrder) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle a;
  Handle b;
  ASSERT_TRUE(a.open(directory)) << a.why;
  ASSERT_TRUE(b.open(directory)) << b.why;
  EXPECT_TRUE(a.live->alone());
  EXPECT_FALSE(b.live->alone());
  EXPECT_EQ(a.live->handles(), 2U);
  for (int i = 0; i < 100; ++i) {
    Handle& turn = i % 3 == 0 ? a : b;
    ASSERT_EQ(turn.commit(numbered(i, 900), i % 2 == 0), Append::kept) << turn.log->why();
  }
  EXPECT_EQ(a.read(), Read::caught_up);
  EXPECT_EQ(b.read(), Read::caught_up);
  EXPECT_EQ(a.payloads, b.payloads);
  EXPECT_EQ(a.homes, b.homes);
}

TEST(Log, WhoHasNotReadEverythingLoses) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle a;
  Handle b;
  ASSERT_TRUE(a.open(directory)) << a.why;
  ASSERT_TRUE(b.open(directory)) << b.why;
  ASSERT_EQ(a.append("first"), Append::kept);
  EXPECT_EQ(b.append("second"), Append::lost);
  EXPECT_EQ(b.read(), Read::caught_up);
  EXPECT_EQ(b.payloads, std::vector<std::string>{"first"});
  EXPECT_EQ(b.append("second"), Append::kept);
}

TEST(Log, EditsTakeNoVersionAndAreReadLikeCommits) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle a;
  Handle b;
  ASSERT_TRUE(a.open(directory)) << a.why;
  ASSERT_TRUE(b.open(directory)) << b.why;
  ASSERT_EQ(a.append("one"), Append::kept);
  ASSERT_EQ(a.append("edit", true, EntryKind::edit), Append::kept);
  EXPECT_EQ(a.log->published(), 1U);
  EXPECT_EQ(b.read(), Read::caught_up);
  EXPECT_EQ(b.payloads, (std::vector<std::string>{"one", "edit"}));
}

TEST(Log, ACopyOfAStoreBeginsAtItsVersion) {
  const auto memory = storage::make_memory_directory();
  storage::Directory& directory = *memory;
  Handle copy;
  const Start start{1, 41, {7, 8}, 1000};
  ASSERT_TRUE(copy.open(directory, false, start)) << copy.why;
  EXPECT_EQ(copy.log->published(), 41U);
  ASSERT_EQ(copy.append("next"), Append::kept);
  EXPECT_EQ(copy.log->published(), 42U);
  copy.close();
  Handle again;
  ASSERT_TRUE(again.open(directory, false, start)) << again.why;
  EXPECT_EQ(again.payloads, std::vector<std::string>{"next"});
}

}  // namespace
}  // namespace ingot::log
