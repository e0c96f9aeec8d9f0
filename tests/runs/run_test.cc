// Runs against a model, and against damage to every sector and every byte.
#include "runs/run.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/random.h"
#include "base/testing.h"
#include "runs/merge.h"
#include "runs/run_format.h"
#include "runs/run_parity.h"
#include "runs/summary.h"
#include "storage/memory_directory.h"

namespace ingot::runs {
namespace {

constexpr const char* kName = "00112233445566778899aabbccddeeff";

struct Stored {
  std::uint64_t version;
  RecordKind kind;
  std::int64_t expires;
  std::string value;
};
using RunFile = Run;  // testing::Test has a Run of its own
using Model = std::map<std::string, Stored>;

class RunTest : public testing::Test {
 protected:
  RunTest() { EXPECT_FALSE(directory_->make_directory("runs")); }

  std::shared_ptr<RunFile> write(const Model& model, Compression compression = Compression::lz4,
                                 const std::string& name = kName, const std::vector<RangeErasure>& erasures = {}) {
    RunWriter writer(*directory_, "runs/" + name, compression);
    for (const auto& [key, stored] : model) {
      EXPECT_FALSE(writer.add({key, stored.version, stored.kind, stored.expires, stored.value}));
    }
    for (const RangeErasure& erasure : erasures) writer.add_range_erasure(erasure);
    RunSummary summary;
    EXPECT_FALSE(writer.finish(summary));
    EXPECT_EQ(summary.records, model.size());
    EXPECT_EQ(summary.name, name);
    return open(summary);
  }
  std::shared_ptr<RunFile> open(const RunSummary& summary) {
    return std::make_shared<RunFile>(*directory_, "runs/" + summary.name, summary, cache_,
                                     [this](const std::string& text) { messages_.push_back(text); });
  }

  static Model random_model(std::uint64_t seed, std::size_t records, std::size_t value_bytes) {
    base::Random random(seed);
    Model model;
    while (model.size() < records) {
      std::string key = "\5space";
      const std::size_t length = random.below(20);
      for (std::size_t i = 0; i < length; ++i) key.push_back(static_cast<char>(random.below(seed % 2 == 0 ? 256 : 3)));
      if (random.below(4) == 0) key += std::to_string(random.next());
      Stored stored{1 + random.below(1000), random.below(10) == 0 ? RecordKind::erased : RecordKind::value,
                    random.below(5) == 0 ? static_cast<std::int64_t>(random.below(1'000'000)) + 1 : 0, ""};
      if (stored.kind == RecordKind::value) {
        stored.value.resize(random.below(value_bytes + 1));
        for (char& c : stored.value) c = static_cast<char>(random.below(7) == 0 ? random.below(256) : 'a');
      }
      model[key] = stored;
    }
    return model;
  }

  static void expect_same(const Record& record, const std::string& key, const Stored& stored) {
    ASSERT_EQ(record.key, key);
    ASSERT_EQ(record.version, stored.version);
    ASSERT_EQ(record.kind, stored.kind);
    ASSERT_EQ(record.expires_micros, stored.expires);
    ASSERT_EQ(record.value, stored.value);
  }

  static void expect_holds(const std::shared_ptr<RunFile>& run, const Model& model) {
    for (const auto& [key, stored] : model) {
      bool used = false;
      ASSERT_EQ(run->get(key, key_hash(key), Io::allowed,
                         [&, &name = key, &wanted = stored](const Record& record) {
                           used = true;
                           expect_same(record, name, wanted);
                         }),
                Lookup::found)
          << run->why();
      ASSERT_TRUE(used);
    }
    for (const bool sequential : {false, true}) {
      const std::unique_ptr<Cursor> cursor = run->cursor(run, sequential);
      cursor->seek_first();
      for (const auto& [key, stored] : model) {
        ASSERT_TRUE(cursor->valid());
        expect_same(cursor->record(), key, stored);
        cursor->next();
      }
      ASSERT_FALSE(cursor->valid());
      ASSERT_FALSE(cursor->failed());
    }
  }

  std::string file_bytes(const std::string& path) {
    std::unique_ptr<storage::File> file;
    EXPECT_FALSE(directory_->open(path, storage::OpenMode::read, file));
    std::uint64_t size = 0;
    EXPECT_FALSE(file->size(size));
    std::string bytes(size, '\0');
    std::size_t got = 0;
    EXPECT_FALSE(file->read_at(0, bytes, got));
    return bytes;
  }
  void overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes) {
    std::unique_ptr<storage::File> file;
    ASSERT_FALSE(directory_->open(path, storage::OpenMode::read_write, file));
    ASSERT_FALSE(file->write_at(offset, bytes));
  }

  base::EpochDomain epochs_;
  std::unique_ptr<storage::Directory> directory_ = storage::make_memory_directory();
  std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>(64 << 20, epochs_);
  std::vector<std::string> messages_;
};

TEST_F(RunTest, HoldsWhatWasWritten) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const std::string name = std::string(30, 'a') + (seed < 10 ? "0" + std::to_string(seed) : std::to_string(seed));
    const Model model = random_model(seed, seed % 3 == 0 ? 20'000 : 300, seed % 4 == 0 ? 3000 : 100);
    const std::shared_ptr<RunFile> run = write(model, static_cast<Compression>(seed % 3), name);
    expect_holds(run, model);
    base::Random random(seed);
    const std::unique_ptr<Cursor> cursor = run->cursor(run, false);
    for (int i = 0; i < 500; ++i) {
      std::string key = "\5space";
      const std::size_t length = random.below(6);
      for (std::size_t k = 0; k < length; ++k) key.push_back(static_cast<char>(random.below(seed % 2 == 0 ? 256 : 3)));
      if (random.below(20) == 0) key = random.below(2) == 0 ? "" : "\xff";
      if (!model.contains(key)) {
        ASSERT_EQ(run->get(key, key_hash(key), Io::allowed, [](const Record&) {}), Lookup::absent);
      }
      auto expected = model.lower_bound(key);
      cursor->seek(key);
      ASSERT_EQ(cursor->valid(), expected != model.end());
      if (cursor->valid()) {
        ASSERT_EQ(cursor->record().key, expected->first);
      }
      // On from there, either way.
      for (int step = 0; step < 5 && cursor->valid(); ++step) {
        if (random.below(2) == 0) {
          cursor->next();
          ++expected;
        } else {
          cursor->previous();
          expected = expected == model.begin() ? model.end() : std::prev(expected);
        }
        ASSERT_EQ(cursor->valid(), expected != model.end());
        if (cursor->valid()) expect_same(cursor->record(), expected->first, expected->second);
      }
      expected = model.lower_bound(key);
      cursor->seek_before(key);
      ASSERT_EQ(cursor->valid(), expected != model.begin());
      if (cursor->valid()) {
        ASSERT_EQ(cursor->record().key, std::prev(expected)->first);
      }
    }
  }
}

TEST_F(RunTest, LongKeysAndValuesAtTheLimits) {
  Model model;
  model[std::string(8192 + 129, 'k')] = {1, RecordKind::value, 0, std::string(8 << 20, 'v')};
  model[std::string(8192 + 129, 'l')] = {2, RecordKind::value, 0, ""};
  model[""] = {3, RecordKind::value, 0, "empty key"};
  expect_holds(write(model), model);
}

TEST_F(RunTest, TheFirstBytesAreAsDocumented) {
  Model model;
  model["ka"] = {7, RecordKind::value, 0, "one"};
  model["kb"] = {9, RecordKind::erased, 0, ""};
  write(model, Compression::none);
  const std::string bytes = file_bytes(std::string("runs/") + kName);
  using namespace std::string_literals;
  EXPECT_EQ(bytes.substr(0, 16), "INGOTRUN\1\0\0\0\0\0\0\0"s);
  EXPECT_EQ(bytes.substr(16, 1), "\0"s) << "not compressed";
  EXPECT_EQ(bytes.substr(17, 20),
            "\2\0\0\0"
            "\1\0\0\0"
            "\7\0\0\0\0\0\0\0"
            "\x44\0\0\0"s)
      << "count, prefix, least version, heap";
  EXPECT_EQ(bytes.substr(17 + 48, 8), "\0\0\0a\0\0\0b"s) << "heads";
  EXPECT_EQ(bytes.substr(17 + 56, 12), "\1\0\0\0\x08\0\0\0\x0c\0\0\0"s) << "offsets";
  EXPECT_EQ(bytes.substr(17 + 68, 12),
            "k"
            "\1\1\0"
            "aone"
            "\2\1\2"
            "b"s)
      << "heap";
  EXPECT_EQ(bytes.substr(bytes.size() - 4096, 8), "INGOTEND");
  EXPECT_EQ(bytes.substr(bytes.size() - 4096), bytes.substr(bytes.size() - 8192, 4096));
}

// Of which the first releases wrote no more.
RunSummary without_index(RunSummary summary) {
  summary.index.reset();
  return summary;
}

TEST_F(RunTest, AnyDamagedSectorIsHealed) {
  const Model model = random_model(3, 3000, 200);
  const RunSummary full = write(model)->summary();
  const std::string path = std::string("runs/") + kName;
  const std::string whole = file_bytes(path);
  for (std::uint64_t sector = 0; sector < whole.size() / kSectorBytes; ++sector) {
    const RunSummary summary = sector % 3 == 0 ? without_index(full) : full;
    overwrite(path, sector * kSectorBytes, std::string(kSectorBytes, sector % 2 == 0 ? '\0' : 'x'));
    const std::shared_ptr<RunFile> run = open(summary);
    expect_holds(run, model);
    const RunCheck checked = run->check();
    EXPECT_TRUE(checked.damage.empty()) << checked.damage.front();
    EXPECT_EQ(checked.records, model.size());
    EXPECT_EQ(checked.healed.size(), 1U) << sector;
    EXPECT_TRUE(run->wants_rewrite());
    overwrite(path, sector * kSectorBytes, whole.substr(sector * kSectorBytes, kSectorBytes));
  }
  EXPECT_FALSE(messages_.empty());
}

TEST_F(RunTest, ABurstOfEightSectorsIsHealed) {
  const Model model = random_model(5, 5000, 200);
  const RunSummary summary = write(model)->summary();
  overwrite(std::string("runs/") + kName, 5 * kSectorBytes, std::string(8 * kSectorBytes, '?'));
  const std::shared_ptr<RunFile> run = open(summary);
  expect_holds(run, model);
  EXPECT_TRUE(run->wants_rewrite());
}

TEST_F(RunTest, WhatCanNotBeHealedIsNamedAndTheRestIsServed) {
  const Model model = random_model(6, 5000, 200);
  const RunSummary summary = write(model)->summary();
  // The same parity group twice: sectors 8 apart.
  overwrite(std::string("runs/") + kName, 5 * kSectorBytes, std::string(kSectorBytes, '?'));
  overwrite(std::string("runs/") + kName, 13 * kSectorBytes, std::string(kSectorBytes, '?'));
  const std::shared_ptr<RunFile> run = open(summary);
  std::size_t failed = 0;
  for (const auto& [key, stored] : model) {
    const Lookup lookup =
        run->get(key, key_hash(key), Io::allowed,
                 [&name = key, &wanted = stored](const Record& record) { expect_same(record, name, wanted); });
    ASSERT_TRUE(lookup == Lookup::found || lookup == Lookup::failed);
    failed += lookup == Lookup::failed ? 1 : 0;
  }
  EXPECT_GT(failed, 0U);
  EXPECT_LT(failed, model.size() / 4);
  EXPECT_NE(run->why().find("beyond healing"), std::string::npos) << run->why();
  const std::unique_ptr<Cursor> cursor = run->cursor(run, true);
  cursor->seek_first();
  while (cursor->valid()) cursor->next();
  EXPECT_TRUE(cursor->failed()) << "a scan must not end as if it were whole";
  const RunCheck checked = run->check();
  EXPECT_FALSE(checked.damage.empty());
}

TEST_F(RunTest, NoFlippedByteEverYieldsWrongData) {
  const Model model = random_model(7, 40, 30);
  const RunSummary summary = write(model)->summary();
  const std::string path = std::string("runs/") + kName;
  const std::string whole = file_bytes(path);
  for (std::uint64_t at = 0; at < whole.size(); at += at < 6000 ? 1 : 97) {
    const char flipped = static_cast<char>(whole[at] ^ 0x40);
    overwrite(path, at, {&flipped, 1});
    expect_holds(open(summary), model);
    overwrite(path, at, whole.substr(at, 1));
  }
}

TEST_F(RunTest, TruncatedFilesFailAndDoNotCrash) {
  const Model model = random_model(8, 500, 50);
  const RunSummary summary = write(model)->summary();
  const std::string path = std::string("runs/") + kName;
  const std::string whole = file_bytes(path);
  for (std::uint64_t length = 0; length < whole.size(); length += 1021) {
    std::unique_ptr<storage::File> file;
    ASSERT_FALSE(directory_->open(path, storage::OpenMode::read_write, file));
    ASSERT_FALSE(file->truncate(length));
    const std::string& key = model.begin()->first;
    // What is there may still be read; but not without a footer, if the summary does not say where the index is.
    const std::shared_ptr<RunFile> run = open(summary);
    const bool is_there = length >= summary.index->meta.offset + summary.index->meta.stored_bytes;
    const Lookup expected = is_there ? Lookup::found : Lookup::failed;
    EXPECT_EQ(run->get(key, key_hash(key), Io::allowed, [](const Record&) {}), expected) << length;
    const RunCheck checked = run->check();
    EXPECT_EQ(checked.damage.empty(), is_there) << length;
    EXPECT_EQ(checked.healed.empty(), !is_there) << length << ": and it is told that something is not there";
    const std::shared_ptr<RunFile> older = open(without_index(summary));
    EXPECT_EQ(older->get(key, key_hash(key), Io::allowed, [](const Record&) {}), Lookup::failed) << length;
    ASSERT_FALSE(file->write_at(0, whole));
  }
}

TEST_F(RunTest, OfWhichTheSummarySaysTooLittleIsFoundByItsFooters) {
  const Model model = random_model(12, 3000, 100);
  const RunSummary summary = write(model)->summary();
  expect_holds(open(without_index(summary)), model);
  overwrite(std::string("runs/") + kName, summary.file_bytes - kSectorBytes, "?");
  expect_holds(open(without_index(summary)), model);
  EXPECT_EQ(messages_.size(), 1U);
  expect_holds(open(summary), model);
  EXPECT_EQ(messages_.size(), 1U) << "who needs no footer looks at none";
}

// All bytes as pass_bytes passes them; nothing unless it passes all.
std::string passed_bytes(const std::shared_ptr<RunFile>& run, Passed& passed) {
  std::string bytes;
  passed = run->pass_bytes([&](std::string_view more) {
    bytes.append(more);
    return true;
  });
  return bytes;
}

TEST_F(RunTest, PassesItsBytesAsTheyWereWrittenWhicheverSectorIsDamaged) {
  const RunSummary summary = write(random_model(14, 12'000, 300))->summary();
  const std::string path = std::string("runs/") + kName;
  const std::string whole = file_bytes(path);
  ASSERT_GT(whole.size(), kChunkSectors * kSectorBytes) << "more than one piece";
  const std::uint64_t covered = summary.index->covered_bytes;
  const std::uint64_t parity_at = covered + kSectorBytes;  // behind one sector of checksums
  Passed passed = Passed::failed;
  EXPECT_EQ(passed_bytes(open(summary), passed), whole);
  EXPECT_EQ(passed, Passed::all);
  EXPECT_TRUE(open(summary)->is_intact());
  for (std::uint64_t at = 0; at < whole.size(); at += kSectorBytes) {
    std::string sector = whole.substr(at, kSectorBytes);
    sector[at / kSectorBytes % kSectorBytes] ^= 4;
    overwrite(path, at, sector);
    const std::shared_ptr<RunFile> run = open(summary);
    const std::string bytes = passed_bytes(run, passed);
    if (at == covered) {  // nothing says what its data were like; but they can be read
      EXPECT_EQ(passed, Passed::damaged);
    } else {
      ASSERT_EQ(passed, Passed::all) << run->why();
      ASSERT_TRUE(bytes == whole) << at;
    }
    EXPECT_EQ(run->wants_rewrite(), at < covered) << "what is needed for healing only is not read";
    EXPECT_FALSE(open(summary)->is_intact()) << at;
    overwrite(path, at, whole.substr(at, kSectorBytes));
  }
  EXPECT_GT(base::probe_count("runs: a run was healed while it was copied"), 0U);
  // More than parity heals.
  overwrite(path, 8 * kSectorBytes, std::string((kParitySectors + 1) * kSectorBytes, 'x'));
  const std::shared_ptr<RunFile> lost = open(summary);
  (void)passed_bytes(lost, passed);
  EXPECT_EQ(passed, Passed::damaged);
  EXPECT_NE(lost->why().find("bytes 32768 to 36863 and 65536 to 69631 are damaged beyond healing"), std::string::npos)
      << lost->why();
  overwrite(path, 0, whole);
  EXPECT_LT(parity_at, whole.size());
}

TEST_F(RunTest, IsNotIntactIfItIsShorterOrLongerOrAnother) {
  const RunSummary summary = write(random_model(15, 100, 300))->summary();
  const std::string path = std::string("runs/") + kName;
  const std::string whole = file_bytes(path);
  std::unique_ptr<storage::File> file;
  ASSERT_FALSE(directory_->open(path, storage::OpenMode::read_write, file));
  ASSERT_FALSE(file->write_at(whole.size(), "x"));
  EXPECT_FALSE(open(summary)->is_intact());
  ASSERT_FALSE(file->truncate(whole.size()));
  EXPECT_TRUE(open(summary)->is_intact());
  ASSERT_FALSE(file->truncate(whole.size() - 1));
  EXPECT_FALSE(open(summary)->is_intact());
  ASSERT_FALSE(directory_->remove(path));
  EXPECT_FALSE(open(summary)->is_intact());
}

TEST_F(RunTest, OfANewerFormatIsSaid) {
  Model model;
  model["k"] = {1, RecordKind::value, 0, "v"};
  RunSummary summary = write(model)->summary();
  const std::string path = std::string("runs/") + kName;
  for (const std::size_t copy : {1U, 2U}) {
    std::string footer = file_bytes(path).substr(summary.file_bytes - copy * kSectorBytes, kFooterBytes - 8);
    base::store_little<std::uint32_t>(footer.data() + 8, kRunFormat + 1);
    base::append_little(footer, block_checksum(footer, base::hash64(kName), 0));
    overwrite(path, summary.file_bytes - copy * kSectorBytes, footer);
  }
  RunSummary newer = summary;
  newer.index->format = kRunFormat + 1;
  for (const RunSummary& said : {without_index(summary), newer}) {
    const std::shared_ptr<RunFile> run = open(said);
    EXPECT_EQ(run->get("k", key_hash("k"), Io::allowed, [](const Record&) {}), Lookup::failed);
    EXPECT_NE(run->why().find("written by a newer release"), std::string::npos) << run->why();
  }
}

// An index that is larger than what the writer keeps in memory: a part of it stands between the data blocks.
TEST_F(RunTest, BlocksMayStandInAnyOrder) {
  RunWriter writer(*directory_, std::string("runs/") + kName, Compression::none);
  const auto key_of = [](std::uint64_t number) {
    std::string key(9000, '\0');
    base::store_big64(key.data(), number);
    return key;
  };
  constexpr std::uint64_t kRecords = 2500;
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    ASSERT_FALSE(writer.add({key_of(i), i + 1, RecordKind::value, 0, "v"}));
  }
  RunSummary summary;
  ASSERT_FALSE(writer.finish(summary));
  EXPECT_EQ(base::probe_count("runs: an index too large for memory stands between data blocks"), 1U);
  const std::shared_ptr<RunFile> run = open(summary);
  for (const bool sequential : {false, true}) {
    const std::unique_ptr<Cursor> cursor = run->cursor(run, sequential);
    cursor->seek_first();
    for (std::uint64_t i = 0; i < kRecords; ++i, cursor->next()) {
      ASSERT_TRUE(cursor->valid());
      ASSERT_EQ(cursor->record().version, i + 1);
    }
    EXPECT_FALSE(cursor->valid());
    EXPECT_FALSE(cursor->failed());
  }
  const RunCheck checked = run->check();
  EXPECT_TRUE(checked.damage.empty() && checked.healed.empty());
  EXPECT_EQ(checked.records, kRecords);
}

TEST_F(RunTest, RangeErasuresAreFoundByKey) {
  Model model;
  model["m"] = {5, RecordKind::value, 0, "v"};
  const std::shared_ptr<RunFile> run =
      write(model, Compression::lz4, kName, {{"b", "d", 3}, {"d", "f", 9}, {"x", "", 4}});
  EXPECT_TRUE(run->has_range_erasures());
  EXPECT_EQ(run->erased_version("a"), 0U);
  EXPECT_EQ(run->erased_version("b"), 3U);
  EXPECT_EQ(run->erased_version("e"), 9U);
  EXPECT_EQ(run->erased_version("f"), 0U);
  EXPECT_EQ(run->erased_version("\xff\xff"), 4U);
  EXPECT_EQ(run->summary().smallest, "b");
  EXPECT_GT(run->summary().largest, std::string(9000, '\xff'));
  EXPECT_EQ(run->range_erasures().size(), 3U);
}

TEST_F(RunTest, ManyAreReadThroughFewOpenFiles) {
  constexpr int kRuns = 30;
  constexpr std::size_t kFiles = 5;
  cache_ = std::make_shared<BlockCache>(64 << 20, epochs_, kFiles);
  std::vector<Model> models;
  std::vector<std::shared_ptr<RunFile>> runs;
  for (int i = 0; i < kRuns; ++i) {
    models.push_back(random_model(static_cast<std::uint64_t>(i + 1), 100, 2000));
    runs.push_back(write(models.back(), Compression::lz4, std::string(30, 'b') + std::to_string(10 + i)));
  }
  // Cursors that are under way meet files that were closed behind them.
  std::vector<std::unique_ptr<Cursor>> cursors;
  for (int i = 0; i < kRuns; ++i) {
    cursors.push_back(runs[static_cast<std::size_t>(i)]->cursor(runs[static_cast<std::size_t>(i)], i % 2 == 0));
    cursors.back()->seek_first();
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    expect_holds(runs[i], models[i]);
    EXPECT_LE(cache_->open_files(), kFiles);
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [key, stored] : models[i]) {
      ASSERT_TRUE(cursors[i]->valid());
      expect_same(cursors[i]->record(), key, stored);
      cursors[i]->next();
    }
    EXPECT_FALSE(cursors[i]->valid());
    EXPECT_FALSE(cursors[i]->failed());
  }
  cursors.clear();
  runs.clear();
  EXPECT_EQ(cache_->open_files(), 0U);
}

TEST_F(RunTest, TheCacheKeepsItsBoundUnderThreads) {
  const Model model = random_model(9, 20'000, 200);
  const RunSummary summary = write(model)->summary();
  std::vector<std::string> keys;
  for (const auto& [key, stored] : model) keys.push_back(key);
  for (const std::uint64_t most : {200'000U, 1'000'000U}) {
    cache_ = std::make_shared<BlockCache>(most, epochs_);
    const std::shared_ptr<RunFile> run = open(summary);
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        base::Random random(t);
        for (int i = 0; i < 5000; ++i) {
          const std::string& key = keys[random.below(keys.size())];
          const Stored& stored = model.at(key);
          if (run->get(key, key_hash(key), Io::allowed, [&](const Record& record) {
                if (record.value != stored.value) wrong.fetch_add(1);
              }) != Lookup::found) {
            wrong.fetch_add(1);
          }
          if (cache_->bytes() + cache_->index_bytes() > most + 100'000) wrong.fetch_add(1);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong.load(), 0U);
    EXPECT_GT(cache_->misses(), 0U);
    EXPECT_GT(cache_->hits(), 0U);
    epochs_.collect();
  }
}

TEST_F(RunTest, WithoutIoItSaysSo) {
  Model model;
  model["k"] = {1, RecordKind::value, 0, "v"};
  const std::shared_ptr<RunFile> run = write(model);
  EXPECT_EQ(run->get("k", key_hash("k"), Io::none, [](const Record&) {}), Lookup::not_cached);
  EXPECT_EQ(run->get("k", key_hash("k"), Io::allowed, [](const Record&) {}), Lookup::found);
  EXPECT_EQ(run->get("k", key_hash("k"), Io::none, [](const Record&) {}), Lookup::found);
}

TEST_F(RunTest, SummariesReadBackAndRefuseEveryTruncation) {
  const Model model = random_model(4, 100, 50);
  const RunSummary summary = write(model)->summary();
  std::string bytes;
  append_summary(bytes, summary);
  RunSummary back;
  base::ByteReader reader(bytes);
  ASSERT_TRUE(take_summary(reader, back));
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(back.name, summary.name);
  EXPECT_EQ(back.records, summary.records);
  EXPECT_EQ(back.largest, summary.largest);
  EXPECT_EQ(back.expires_max, summary.expires_max);
  ASSERT_TRUE(back.index.has_value());
  EXPECT_EQ(back.index->begin, summary.index->begin);
  EXPECT_EQ(back.index->meta.offset, summary.index->meta.offset);
  EXPECT_EQ(back.index->meta.raw_bytes, summary.index->meta.raw_bytes);
  EXPECT_EQ(back.index->covered_bytes, summary.index->covered_bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    base::ByteReader cut(std::string_view(bytes).substr(0, length));
    EXPECT_FALSE(take_summary(cut, back));
  }
  // Places that the file does not have.
  const auto is_refused = [&](auto change) {
    RunSummary wrong = summary;
    change(*wrong.index);
    std::string changed;
    append_summary(changed, wrong);
    base::ByteReader refusing(changed);
    return !take_summary(refusing, back);
  };
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.covered_bytes += kSectorBytes; }));
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.covered_bytes -= 1; }));
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.begin = index.meta.offset + 1; }));
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.begin = 0; }));
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.meta.offset = ~0ULL; }));
  EXPECT_TRUE(is_refused([](IndexPlace& index) { index.meta.stored_bytes = ~0U; }));
  EXPECT_FALSE(is_refused([](IndexPlace& index) { index = {kRunFormat + 1, 7, {}, 13}; })) << "a newer release knows";
}

// A summary as the first releases wrote it, and write it again of what they read.
TEST_F(RunTest, TheFirstSummariesAreRead) {
  using namespace std::string_literals;
  const std::string bytes = "\1\x20"s + kName + "\x80\x40\2\1\0\5\3\4"s + std::string(16, '\0') + "\1a\1b\0"s;
  base::ByteReader reader(bytes);
  RunSummary summary;
  summary.index.emplace();
  ASSERT_TRUE(take_summary(reader, summary));
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(summary.file_bytes, 8192U);
  EXPECT_EQ(summary.records, 2U);
  EXPECT_EQ(summary.version_max, 4U);
  EXPECT_EQ(summary.largest, "b");
  EXPECT_FALSE(summary.index.has_value());
  std::string again;
  append_summary(again, summary);
  EXPECT_EQ(again, bytes);
}

TEST_F(RunTest, TheDeliberateBreaksAreNoticed) {
  const Model model = random_model(11, 500, 100);
  const std::string path = std::string("runs/") + kName;
  {
    base::set_break(base::Break::run_filter_false_negative, true);
    const std::shared_ptr<RunFile> run = write(model);
    base::set_break(base::Break::run_filter_false_negative, false);
    std::size_t missing = 0;
    for (const auto& [key, stored] : model) {
      if (run->get(key, key_hash(key), Io::allowed, [](const Record&) {}) == Lookup::absent) ++missing;
    }
    EXPECT_GT(missing, 0U);
    ASSERT_FALSE(directory_->remove(path));
  }
  {
    base::set_break(base::Break::run_stale_parity, true);
    const RunSummary summary = write(model)->summary();
    base::set_break(base::Break::run_stale_parity, false);
    overwrite(path, 4096, std::string(4096, 'x'));
    std::size_t failed = 0;
    const std::shared_ptr<RunFile> run = open(summary);
    for (const auto& [key, stored] : model) {
      if (run->get(key, key_hash(key), Io::allowed, [](const Record&) {}) == Lookup::failed) ++failed;
    }
    EXPECT_GT(failed, 0U);
    ASSERT_FALSE(directory_->remove(path));
  }
  {
    const RunSummary summary = write(model, Compression::none)->summary();
    const char flipped = '\xee';
    std::size_t wrong = 0;
    base::set_break(base::Break::run_ignore_checksum, true);
    for (std::uint64_t at = 2000; at < 8000 && wrong == 0; at += 61) {
      const std::string before = file_bytes(path).substr(at, 1);
      overwrite(path, at, {&flipped, 1});
      const std::shared_ptr<RunFile> run = open(summary);
      for (const auto& [key, stored] : model) {
        if (run->get(key, key_hash(key), Io::allowed, [&, &wanted = stored](const Record& record) {
              wrong += record.value != wanted.value ? 1 : 0;
            }) != Lookup::found) {
          ++wrong;
        }
      }
      overwrite(path, at, before);
    }
    base::set_break(base::Break::run_ignore_checksum, false);
    EXPECT_GT(wrong, 0U);
  }
}

TEST_F(RunTest, MergesNewestFirstInBothDirections) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    base::Random random(seed);
    const std::size_t sources = 1 + random.below(6);
    Model merged;
    std::vector<std::shared_ptr<RunFile>> runs;
    for (std::size_t i = 0; i < sources; ++i) {
      Model model = random_model(seed * 2 + 1 + i * 100, random.below(200) + 1, 10);
      for (auto& [key, stored] : model) stored.value += std::to_string(i);
      char name[33];
      std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(seed),
                    static_cast<unsigned long long>(i));
      runs.push_back(write(model, Compression::none, name));
      merged.insert(model.begin(), model.end());  // what newer sources said stays
    }
    std::vector<std::unique_ptr<Cursor>> cursors;
    for (const auto& run : runs) cursors.push_back(run->cursor(run, false));
    const std::unique_ptr<Cursor> cursor = merge_cursors(std::move(cursors));
    cursor->seek_first();
    for (const auto& [key, stored] : merged) {
      ASSERT_TRUE(cursor->valid());
      expect_same(cursor->record(), key, stored);
      cursor->next();
    }
    ASSERT_FALSE(cursor->valid());
    cursor->seek_last();
    for (auto expected = merged.rbegin(); expected != merged.rend(); ++expected) {
      ASSERT_TRUE(cursor->valid());
      expect_same(cursor->record(), expected->first, expected->second);
      cursor->previous();
    }
    ASSERT_FALSE(cursor->valid());
    for (int i = 0; i < 200; ++i) {
      auto expected = merged.begin();
      std::advance(expected, static_cast<std::ptrdiff_t>(random.below(merged.size())));
      cursor->seek(expected->first);
      for (int step = 0; step < 8 && expected != merged.end(); ++step) {
        ASSERT_TRUE(cursor->valid());
        expect_same(cursor->record(), expected->first, expected->second);
        if (random.below(2) == 0) {
          cursor->next();
          ++expected;
        } else {
          cursor->previous();
          expected = expected == merged.begin() ? merged.end() : std::prev(expected);
        }
      }
      ASSERT_EQ(cursor->valid(), expected != merged.end());
    }
  }
}

// Keys in memory, one of which can't be read.
class BrokenCursor final : public Cursor {
 public:
  BrokenCursor(std::vector<std::string> keys, std::string broken)
      : keys_(std::move(keys)), broken_(std::move(broken)) {}
  void seek(std::string_view key) override {
    go(static_cast<std::size_t>(std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin()));
  }
  void seek_before(std::string_view key) override {
    go(static_cast<std::size_t>(std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin()) - 1);
  }
  void seek_first() override { go(0); }
  void seek_last() override { go(keys_.size() - 1); }
  void next() override { go(at_ + 1); }
  void previous() override { go(at_ - 1); }
  [[nodiscard]] bool failed() const override { return failed_; }

 private:
  void go(std::size_t at) {
    at_ = at;
    failed_ = at < keys_.size() && keys_[at] == broken_;
    valid_ = at < keys_.size() && !failed_;
    if (valid_) record_.key = keys_[at];
  }
  std::vector<std::string> keys_;
  std::string broken_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

TEST(Merge, NothingIsShownBeyondASourceThatFailed) {
  const std::vector<std::string> newer = {"a", "c", "e", "g"};
  const std::vector<std::string> older = {"a", "b", "c", "d", "e", "f", "g"};
  for (const bool newer_fails : {false, true}) {
    for (const std::string broken : {"a", "c", "e", "g"}) {
      for (const bool backwards : {false, true}) {
        std::vector<std::unique_ptr<Cursor>> sources;
        sources.push_back(std::make_unique<BrokenCursor>(newer, newer_fails ? broken : ""));
        sources.push_back(std::make_unique<BrokenCursor>(older, newer_fails ? "" : broken));
        const std::unique_ptr<Cursor> cursor = merge_cursors(std::move(sources));
        backwards ? cursor->seek_last() : cursor->seek_first();
        while (cursor->valid()) {
          const std::string key(cursor->record().key);
          ASSERT_TRUE(backwards ? key >= broken : key <= broken)
              << key << " is beyond " << broken << (newer_fails ? " of the newer" : " of the older")
              << (backwards ? ", backwards" : "");
          backwards ? cursor->previous() : cursor->next();
        }
        EXPECT_TRUE(cursor->failed());
      }
    }
  }
}

}  // namespace
}  // namespace ingot::runs
