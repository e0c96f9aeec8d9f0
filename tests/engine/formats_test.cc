// The engine's own formats, against bytes written by hand, and against damage.
#include <gtest/gtest.h>

#include <cerrno>

#include "base/bytes.h"
#include "engine/checkpoint.h"
#include "engine/edit.h"
#include "engine/merged_view.h"
#include "engine/mutation.h"
#include "engine/store_header.h"
#include "engine/twin_file.h"
#include "log/faulty_directory.h"
#include "storage/memory_directory.h"

namespace ingot::engine {
namespace {

using namespace std::string_literals;

runs::RunSummary some_summary(const std::string& name) {
  runs::RunSummary summary;
  summary.name = name;
  summary.file_bytes = 4096;
  summary.records = 10;
  summary.version_min = 1;
  summary.version_max = 12;
  summary.smallest = "\1aa";
  summary.largest = "\1az";
  return summary;
}

TEST(MutationFormat, IsAsDocumented) {
  MutationBuffer buffer;
  buffer.put("k", "value", 0);
  buffer.put("k", "v", 258);
  buffer.erase("key");
  buffer.erase_range("a", "b");
  buffer.add("n", -2);
  EXPECT_EQ(buffer.bytes(),
            "\1\1k\5value"
            "\2\1k\2\1\0\0\0\0\0\0\1v"
            "\3\3key"
            "\4\1a\1b"
            "\5\1n\xfe\xff\xff\xff\xff\xff\xff\xff"s);
  EXPECT_EQ(buffer.count(), 5U);
}

TEST(MutationFormat, ReadsBackAndRefusesEveryTruncation) {
  MutationBuffer buffer;
  buffer.put("key", "value", 7);
  const std::string bytes(buffer.bytes());
  Mutation mutation;
  base::ByteReader whole(bytes);
  ASSERT_TRUE(take_mutation(whole, mutation));
  EXPECT_EQ(mutation.key, "key");
  EXPECT_EQ(mutation.value, "value");
  EXPECT_EQ(mutation.expires_micros, 7);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    base::ByteReader cut(std::string_view(bytes).substr(0, length));
    EXPECT_FALSE(take_mutation(cut, mutation)) << length;
  }
  base::ByteReader unknown("\x09\1k");
  EXPECT_FALSE(take_mutation(unknown, mutation));
}

TEST(MutationFormat, StampsAreFilledWithVersionAndOrdinal) {
  MutationBuffer buffer;
  buffer.erase("x");
  buffer.stamp_key("ab"s + std::string(12, '\0'), "v", 0, 12);
  buffer.stamp_value("k", std::string(14, '.'), 0, 1);
  buffer.fill_stamps(0x0102030405060708);
  base::ByteReader reader(buffer.bytes());
  Mutation mutation;
  ASSERT_TRUE(take_mutation(reader, mutation));
  ASSERT_TRUE(take_mutation(reader, mutation));
  EXPECT_EQ(mutation.key, "ab\1\2\3\4\5\6\7\10\0\0\0\1"s);
  ASSERT_TRUE(take_mutation(reader, mutation));
  EXPECT_EQ(mutation.value, ".\1\2\3\4\5\6\7\10\0\0\0\2."s);
  buffer.fill_stamps(1);  // a commit that lost is stamped anew
  base::ByteReader again(buffer.bytes());
  ASSERT_TRUE(take_mutation(again, mutation) && take_mutation(again, mutation));
  EXPECT_EQ(mutation.key, "ab\0\0\0\0\0\0\0\1\0\0\0\1"s);
}

TEST(EditFormat, ReadsBackAndRefusesEveryTruncation) {
  Edit edit;
  edit.number = 300;
  edit.flushed_segment = 7;
  edit.floor = 99;
  edit.floor_time_micros = 1'700'000'000'000'000;
  edit.removed = {1, 2, 300};
  edit.added_id = 300;
  edit.added = {some_summary(std::string(32, 'a')), some_summary(std::string(32, 'b'))};
  const std::string bytes = encode_edit(edit);
  const std::optional<Edit> back = decode_edit(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->number, 300U);
  EXPECT_EQ(back->flushed_segment, 7U);
  EXPECT_EQ(back->floor, 99U);
  EXPECT_EQ(back->floor_time_micros, 1'700'000'000'000'000);
  EXPECT_EQ(back->removed, edit.removed);
  ASSERT_EQ(back->added.size(), 2U);
  EXPECT_EQ(back->added[1].name, std::string(32, 'b'));
  EXPECT_EQ(back->added[1].largest, "\1az");
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_edit(bytes.substr(0, length))) << length;
  EXPECT_TRUE(decode_edit(bytes + "later fields"));
  // Release 0.0.1 began with a 1, and its summaries, too.
  EXPECT_EQ(bytes.substr(0, 1), "\2");
  EXPECT_TRUE(decode_edit("\1" + bytes.substr(1)));
  EXPECT_FALSE(decode_edit(std::string(1, '\0') + bytes.substr(1)));
  EXPECT_FALSE(is_newer_edit(bytes));
  EXPECT_TRUE(is_newer_edit("\3" + bytes.substr(1)));
}

class TwinFile : public testing::Test {
 protected:
  std::string file_bytes(std::string_view path) {
    std::unique_ptr<storage::File> file;
    EXPECT_FALSE(directory_->open(path, storage::OpenMode::read, file));
    std::uint64_t size = 0;
    EXPECT_FALSE(file->size(size));
    std::string bytes(size, '\0');
    std::size_t got = 0;
    EXPECT_FALSE(file->read_at(0, bytes, got));
    return bytes;
  }
  void damage(std::string_view path, std::uint64_t offset, std::string_view bytes) {
    std::unique_ptr<storage::File> file;
    ASSERT_FALSE(directory_->open(path, storage::OpenMode::read_write, file));
    ASSERT_FALSE(file->write_at(offset, bytes));
  }
  std::unique_ptr<storage::Directory> directory_ = storage::make_memory_directory();
};

TEST_F(TwinFile, AnyDamagedSectorOfTheHeaderIsHealedAndRewritten) {
  ASSERT_FALSE(make_folders(*directory_));
  const StoreHeader header{{11, 22}, 333};
  ASSERT_FALSE(write_store_header(*directory_, header));
  const std::string whole = file_bytes("store");
  ASSERT_EQ(whole.size(), 8192U);
  EXPECT_EQ(whole.substr(0, 8), "INGOTSTO");
  EXPECT_EQ(whole.substr(0, 4096), whole.substr(4096));
  for (const std::uint64_t sector : {0U, 1U}) {
    damage("store", sector * 4096, std::string(4096, 'x'));
    StoreHeader read;
    std::vector<std::string> healed;
    std::string why;
    EXPECT_EQ(look_at(*directory_, true, read, healed, why), Place::store);
    EXPECT_EQ(healed.size(), 1U);
    EXPECT_EQ(read.store_id, header.store_id);
    EXPECT_EQ(read.made_micros, 333);
    EXPECT_EQ(file_bytes("store"), whole);
  }
}

TEST_F(TwinFile, ANewerFormatIsToldFromDamage) {
  ASSERT_FALSE(make_folders(*directory_));
  const TwinFormat newer{"INGOTSTO", kStoreFormat + 1, 4096};
  ASSERT_FALSE(write_twin(*directory_, newer, {}, std::string(28, 'n'), "t", "store", ""));
  StoreHeader header;
  std::vector<std::string> healed;
  std::string why;
  EXPECT_EQ(look_at(*directory_, true, header, healed, why), Place::newer_format);
  EXPECT_NE(why.find("newer release"), std::string::npos) << why;
}

// What can't be listed for a moment is not somebody else's.
TEST_F(TwinFile, ADirectoryThatCanNotBeLookedAtIsNotCalledForeign) {
  ASSERT_FALSE(make_folders(*directory_));  // and then whoever made them was killed
  storage::Faults faults;
  storage::FaultyDirectory faulty(*directory_, faults);
  for (const char* folder : {"", "log", "runs", "checkpoints"}) {
    faults.set([&](const storage::Attempted& attempted) {
      return attempted.operation == storage::Operation::list && attempted.path == folder ? EMFILE : 0;
    });
    StoreHeader header;
    std::vector<std::string> healed;
    std::string why;
    EXPECT_EQ(look_at(faulty, true, header, healed, why), Place::failed) << folder << ": " << why;
    EXPECT_NE(why.find("EMFILE"), std::string::npos) << why;
    // Nor is a damaged header.
    std::unique_ptr<storage::File> file;
    ASSERT_FALSE(directory_->open("store", storage::OpenMode::create, file));
    ASSERT_FALSE(file->write_at(0, std::string(8192, 'x')));
    if (std::string(folder) == "log") {
      EXPECT_EQ(look_at(faulty, true, header, healed, why), Place::failed) << why;
    }
    ASSERT_FALSE(directory_->remove("store"));
    faults.clear();
    EXPECT_EQ(look_at(faulty, true, header, healed, why), Place::empty) << why;
  }
}

TEST_F(TwinFile, WhatAPowerLossLeftOfAMakingIsEmpty) {
  ASSERT_FALSE(make_folders(*directory_));
  std::unique_ptr<storage::File> file;
  ASSERT_FALSE(directory_->open("live", storage::OpenMode::create, file));
  StoreHeader header;
  std::vector<std::string> healed;
  std::string why;
  EXPECT_EQ(look_at(*directory_, true, header, healed, why), Place::empty) << why;
}

TEST_F(TwinFile, AForeignFileOfTheNameIsNoStore) {
  std::unique_ptr<storage::File> file;
  ASSERT_FALSE(directory_->open("store", storage::OpenMode::create, file));
  ASSERT_FALSE(file->write_at(0, "groceries"));
  StoreHeader header;
  std::vector<std::string> healed;
  std::string why;
  EXPECT_EQ(look_at(*directory_, true, header, healed, why), Place::other);
}

TEST_F(TwinFile, CheckpointsReadBackHealAndTellDamage) {
  ASSERT_FALSE(make_folders(*directory_));
  const base::Hash128 id{1, 2};
  Checkpoint checkpoint;
  checkpoint.edit_number = 12;
  checkpoint.start = {5, 1000, {7, 8}, 99};
  checkpoint.floor = 900;
  checkpoint.floor_time_micros = 98;
  for (std::uint64_t i = 0; i < 100; ++i) {
    checkpoint.sorted_runs.push_back({i, {some_summary(std::string(32, 'a')), some_summary(std::string(32, 'b'))}});
  }
  ASSERT_FALSE(write_checkpoint(*directory_, id, checkpoint));
  const std::string path = checkpoint_path(12);
  EXPECT_EQ(path, "checkpoints/00000000000000000012");
  const std::string whole = file_bytes(path);
  Checkpoint back;
  std::vector<std::string> healed;
  std::string why;
  for (std::uint64_t sector = 0; sector < whole.size() / 4096; ++sector) {
    damage(path, sector * 4096, std::string(4096, '\0'));
    healed.clear();
    ASSERT_EQ(read_newest_checkpoint(*directory_, id, true, back, healed, why), CheckpointRead::found) << sector;
    EXPECT_EQ(healed.size(), whole.substr(sector * 4096, 4096) == std::string(4096, '\0') ? 0U : 1U);
    EXPECT_EQ(back.sorted_runs.size(), 100U);
    EXPECT_EQ(back.start.version, 1000U);
    EXPECT_EQ(back.start.link, (base::Hash128{7, 8}));
    EXPECT_EQ(file_bytes(path), whole);
  }
  EXPECT_EQ(read_newest_checkpoint(*directory_, {3, 4}, false, back, healed, why), CheckpointRead::damaged)
      << "another store's";
  damage(path, 10, "?");
  damage(path, whole.size() / 2 + 10, "?");
  EXPECT_EQ(read_newest_checkpoint(*directory_, id, true, back, healed, why), CheckpointRead::damaged);
  checkpoint.edit_number = 13;
  ASSERT_FALSE(write_checkpoint(*directory_, id, checkpoint));
  EXPECT_EQ(read_newest_checkpoint(*directory_, id, true, back, healed, why), CheckpointRead::found);
  EXPECT_EQ(back.edit_number, 13U);
  remove_older_checkpoints(*directory_, 13);
  std::vector<std::string> names;
  ASSERT_FALSE(directory_->list("checkpoints", names));
  EXPECT_EQ(names.size(), 1U);
}

TEST_F(TwinFile, TwoThatWriteCheckpointsAtOnceDoNotMixThem) {
  ASSERT_FALSE(make_folders(*directory_));
  const base::Hash128 id{1, 2};
  Checkpoint older;
  older.edit_number = 12;
  Checkpoint newer;
  newer.edit_number = 13;
  // One is about to give its checkpoint its name. Another process begins with its own, and fails, or dies, half way.
  storage::Faults dies;
  dies.set(
      [](const storage::Attempted& attempted) { return attempted.operation == storage::Operation::write ? EIO : 0; });
  storage::FaultyDirectory other(*directory_, dies);
  storage::Faults meanwhile;
  meanwhile.set([&](const storage::Attempted& attempted) {
    if (attempted.operation == storage::Operation::rename) {
      EXPECT_TRUE(write_checkpoint(other, id, older));
    }
    return 0;
  });
  storage::FaultyDirectory one(*directory_, meanwhile);
  EXPECT_FALSE(write_checkpoint(one, id, newer));
  Checkpoint back;
  std::vector<std::string> healed;
  std::string why;
  EXPECT_EQ(read_newest_checkpoint(*directory_, id, true, back, healed, why), CheckpointRead::found) << why;
  EXPECT_EQ(back.edit_number, 13U);
  std::vector<std::string> names;
  ASSERT_FALSE(directory_->list("checkpoints", names));
  EXPECT_EQ(names.size(), 1U) << "what failed leaves nothing behind";
}

TEST(ErasureMap, TheNewestErasureCounts) {
  const ErasureMap map({{"b", "f", 5}, {"d", "h", 9}, {"c", "d", 7}, {"x", "", 3}});
  const auto version_at = [&](std::string_view key) { return map.over(key) == nullptr ? 0 : map.over(key)->version; };
  EXPECT_EQ(version_at("a"), 0U);
  EXPECT_EQ(version_at("b"), 5U);
  EXPECT_EQ(version_at("c"), 7U);
  EXPECT_EQ(version_at("d"), 9U);
  EXPECT_EQ(version_at("g"), 9U);
  EXPECT_EQ(version_at("h"), 0U);
  EXPECT_EQ(version_at("x"), 3U);
  EXPECT_EQ(version_at("\xff\xff"), 3U);
  EXPECT_TRUE(ErasureMap({}).empty());
}

TEST(ErasureMap, SeveralErasuresToTheLastKeyAreApart) {
  for (const bool turned : {false, true}) {
    const ErasureMap map({{"m", "", turned ? 9U : 5U}, {"t", "", turned ? 5U : 9U}, {"x", "", 7}});
    const auto version_at = [&](std::string_view key) { return map.over(key) == nullptr ? 0 : map.over(key)->version; };
    EXPECT_EQ(version_at("a"), 0U);
    EXPECT_EQ(version_at("m"), turned ? 9U : 5U);
    EXPECT_EQ(version_at("t"), 9U);
    EXPECT_EQ(version_at("z"), 9U);
  }
}

}  // namespace
}  // namespace ingot::engine
