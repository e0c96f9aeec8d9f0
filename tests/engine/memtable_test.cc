// The memtable against naive models: one thread with random operations, and one writer with readers at fixed versions.
#include "engine/memtable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/testing.h"
#include "engine/arena.h"
#include "engine/memtable_erasures.h"
#include "engine/memtable_tree.h"

namespace ingot::engine {
namespace {

constexpr std::uint64_t kNewest = ~0ULL;

std::string counter_bytes(std::int64_t value) {
  std::string bytes;
  base::append_little(bytes, static_cast<std::uint64_t>(value));
  return bytes;
}

std::int64_t counter_value(std::string_view value) {
  char bytes[8] = {};
  std::memcpy(bytes, value.data(), std::min<std::size_t>(value.size(), sizeof bytes));
  return static_cast<std::int64_t>(base::load_little<std::uint64_t>(bytes));
}

// What each key's operations say, replayed one by one.
class Model {
 public:
  struct Operand {
    std::int64_t time;
    std::int64_t delta;
  };
  struct State {
    enum class Kind { nothing, value, erased, operands } kind = Kind::nothing;
    std::uint64_t version = 0;
    std::int64_t expires = 0;
    std::string value;
    std::vector<Operand> operands;
  };

  void put(const std::string& key, std::uint64_t version, std::int64_t expires, const std::string& value) {
    keys_.insert(key);
    steps_.push_back({Step::Op::put, version, key, {}, value, expires, 0, 0});
  }
  void erase(const std::string& key, std::uint64_t version) {
    keys_.insert(key);
    steps_.push_back({Step::Op::erase, version, key, {}, {}, 0, 0, 0});
  }
  void add(const std::string& key, std::uint64_t version, std::int64_t time, std::int64_t delta) {
    keys_.insert(key);
    steps_.push_back({Step::Op::add, version, key, {}, {}, 0, time, delta});
  }
  void erase_range(const std::string& begin, const std::string& end, std::uint64_t version) {
    steps_.push_back({Step::Op::erase_range, version, begin, end, {}, 0, 0, 0});
  }

  [[nodiscard]] State state(const std::string& key, std::uint64_t version) const {
    State state;
    for (const Step& step : steps_) {
      if (step.version > version) break;
      if (!step.touches(key)) continue;
      apply(step, state);
    }
    return state;
  }
  [[nodiscard]] bool changed_after(const std::string& key, std::uint64_t version) const {
    return std::any_of(steps_.begin(), steps_.end(),
                       [&](const Step& step) { return step.version > version && step.touches(key); });
  }
  [[nodiscard]] bool range_changed_after(const std::string& begin, const std::string& end,
                                         std::uint64_t version) const {
    return std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
      if (step.version <= version) return false;
      if (step.op != Step::Op::erase_range) return begin <= step.key && (end.empty() || step.key < end);
      return (step.end.empty() || begin < step.end) && (end.empty() || step.key < end);
    });
  }
  [[nodiscard]] const std::set<std::string>& keys() const { return keys_; }

 private:
  struct Step {
    enum class Op { put, erase, add, erase_range } op;
    std::uint64_t version;
    std::string key;
    std::string end;
    std::string value;
    std::int64_t expires;
    std::int64_t time;
    std::int64_t delta;
    [[nodiscard]] bool touches(const std::string& other) const {
      if (op != Op::erase_range) return key == other;
      return key <= other && (end.empty() || other < end);
    }
  };
  static void apply(const Step& step, State& state) {
    using Kind = State::Kind;
    state.version = step.version;
    switch (step.op) {
      case Step::Op::put:
        state = {Kind::value, step.version, step.expires, step.value, {}};
        return;
      case Step::Op::erase:
      case Step::Op::erase_range:
        state = {Kind::erased, step.version, 0, {}, {}};
        return;
      case Step::Op::add:
        if (state.kind == Kind::nothing || state.kind == Kind::operands) {
          state.kind = Kind::operands;
          state.operands.push_back({step.time, step.delta});
        } else if (state.kind == Kind::erased || (state.expires != 0 && state.expires <= step.time)) {
          state = {Kind::value, step.version, 0, counter_bytes(step.delta), {}};
        } else {
          state.value = counter_bytes(counter_value(state.value) + step.delta);
        }
        return;
    }
  }
  std::vector<Step> steps_;
  std::set<std::string> keys_;
};

// Keys that are hard for a tree with cut-off prefixes and short heads.
std::string random_key(base::Random& random, int style) {
  std::string key("\x04Rows", 5);
  switch (style) {
    case 0: {  // few letters, many prefixes of each other
      constexpr char kLetters[] = {'\0', 'a', 'b', '\xff'};
      for (std::uint64_t n = random.below(9); n != 0; --n) key.push_back(kLetters[random.below(4)]);
      return key;
    }
    case 1:  // decimal numbers
      return key + std::to_string(100000 + random.below(3000));
    case 2: {  // groups with long equal middles
      key += static_cast<char>('a' + random.below(5));
      key += "/a long part that all keys share/";
      return key + std::to_string(random.below(400));
    }
    default: {  // several spaces
      key[4] = static_cast<char>('a' + random.below(20));
      char bytes[8];
      base::store_big64(bytes, random.next());
      return key.append(bytes, 1 + random.below(3));
    }
  }
}

class MemtableModel : public testing::TestWithParam<int> {};

void expect_same(const Memtable& table, const Model& model, const std::string& key, std::uint64_t version,
                 base::Random& random) {
  const Model::State expected = model.state(key, version);
  Memtable::Found found;
  const bool has = table.get(key, version, found);
  ASSERT_EQ(has, expected.kind != Model::State::Kind::nothing) << key << " at " << version;
  if (!has) return;
  ASSERT_EQ(found.version, expected.version) << key;
  switch (expected.kind) {
    case Model::State::Kind::value:
      ASSERT_EQ(found.kind, RecordKind::value);
      ASSERT_EQ(found.value, expected.value);
      ASSERT_EQ(found.expires_micros, expected.expires);
      return;
    case Model::State::Kind::erased:
      ASSERT_EQ(found.kind, RecordKind::erased);
      return;
    default: {
      ASSERT_EQ(found.kind, RecordKind::add);
      bool present = random.below(4) != 0;
      const bool base_present = present;
      const auto base_value = static_cast<std::int64_t>(random.below(1000));
      const std::int64_t base_expires = random.below(3) == 0
                                            ? 0
                                            : expected.operands[random.below(expected.operands.size())].time +
                                                  static_cast<std::int64_t>(random.below(3)) - 1;
      std::int64_t value = base_value;
      std::int64_t expires = base_expires;
      for (const Model::Operand& operand : expected.operands) {
        if (!present || (expires != 0 && expires <= operand.time)) {
          value = 0;
          expires = 0;
        }
        value += operand.delta;
        present = true;
      }
      std::int64_t folded_expires = -1;
      ASSERT_EQ(table.fold(found, base_present, base_value, base_expires, folded_expires), value) << key;
      ASSERT_EQ(folded_expires, expires) << key;
      return;
    }
  }
}

// The live records of [begin, end) by cursor and erasures, as a merge of many tables would see them.
using Live = std::vector<std::pair<std::string, std::uint64_t>>;

void expect_record(const Memtable& table, const Memtable::Cursor& cursor, const Model& model, std::uint64_t version) {
  const runs::Record& record = cursor.record();
  const Model::State expected = model.state(std::string(record.key), version);
  std::uint64_t erased = 0;
  for (const runs::RangeErasure& erasure : table.erasures(version)) {
    if (erasure.begin <= record.key && (erasure.end.empty() || record.key < erasure.end)) erased = erasure.version;
  }
  ASSERT_EQ(erased, table.erased_version(record.key, version));
  if (record.version < erased || record.kind == RecordKind::erased) {
    ASSERT_EQ(expected.kind, Model::State::Kind::erased) << record.key;
    return;
  }
  ASSERT_EQ(record.version, expected.version);
  if (record.kind == RecordKind::value) {
    ASSERT_EQ(expected.kind, Model::State::Kind::value);
    ASSERT_EQ(record.value, expected.value);
    ASSERT_EQ(record.expires_micros, expected.expires);
  } else {
    ASSERT_EQ(expected.kind, Model::State::Kind::operands);
    std::int64_t sum = 0;
    for (const Model::Operand& operand : expected.operands) sum += operand.delta;
    ASSERT_EQ(counter_value(record.value), sum);
    ASSERT_NE(cursor.node(), nullptr);
  }
}

TEST_P(MemtableModel, AnswersAsAReplayOfItsOperationsDoes) {
  const int style = GetParam();
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed * 100 + static_cast<std::uint64_t>(style));
    Memtable table(7);
    Model model;
    std::uint64_t version = 0;
    std::int64_t time = 1000;
    std::uint64_t records = 0;
    const std::uint64_t operations = 1500;
    const bool ranges = seed % 2 == 0;
    for (std::uint64_t i = 0; i < operations; ++i) {
      if (random.below(3) != 0) {
        ++version;
        time += static_cast<std::int64_t>(random.below(3));
      }
      if (version == 0) continue;
      const std::string key = random_key(random, style);
      const std::uint64_t what = random.below(100);
      if (what < 50) {
        const std::int64_t expires = random.below(3) == 0 ? time + static_cast<std::int64_t>(random.below(20)) : 0;
        const std::string value = counter_bytes(static_cast<std::int64_t>(random.next())).substr(0, random.below(9)) +
                                  std::string(random.below(4), 'x');
        table.put(key, version, expires, value);
        model.put(key, version, expires, value);
        ++records;
      } else if (what < 60) {
        table.erase(key, version);
        model.erase(key, version);
        ++records;
      } else if (what < 95 || !ranges) {
        const auto delta = static_cast<std::int64_t>(random.below(2000)) - 1000;
        table.add(key, version, time, delta);
        model.add(key, version, time, delta);
        ++records;
      } else {
        std::string end = random.below(8) == 0 ? std::string() : random_key(random, style);
        std::string begin = key;
        if (!end.empty() && end < begin) std::swap(begin, end);
        table.erase_range(begin, end, version);
        if (begin != end) model.erase_range(begin, end, version);
      }
    }
    ASSERT_GE(table.records(), records);
    ASSERT_EQ(table.version_max(), version);

    const std::vector<std::string> keys(model.keys().begin(), model.keys().end());
    for (int probe = 0; probe < 500; ++probe) {
      const std::uint64_t at = random.below(4) == 0 ? kNewest : random.below(version + 2);
      const std::string key = random.below(4) == 0 ? random_key(random, style) : keys[random.below(keys.size())];
      expect_same(table, model, key, at, random);
      if (HasFatalFailure()) return;
      ASSERT_EQ(table.changed_after(key, at), model.changed_after(key, at)) << key << " after " << at;
      std::string begin = random_key(random, style);
      std::string end = random.below(6) == 0 ? std::string() : random_key(random, style);
      if (!end.empty() && end < begin) std::swap(begin, end);
      const std::uint64_t after = version - std::min(version, random.below(random.below(2) == 0 ? 5 : version));
      ASSERT_EQ(table.range_changed_after(begin, end, after),
                begin != end && model.range_changed_after(begin, end, after));
    }

    // Whole walks, forwards and backwards, at a few versions.
    for (const std::uint64_t at : {kNewest, version / 2, std::uint64_t{3}, std::uint64_t{0}}) {
      const auto cursor = table.cursor(at);
      std::vector<std::string> forward;
      for (cursor->seek_first(); cursor->valid(); cursor->next()) {
        expect_record(table, *cursor, model, at);
        if (HasFatalFailure()) return;
        forward.emplace_back(cursor->record().key);
      }
      ASSERT_TRUE(std::is_sorted(forward.begin(), forward.end()));
      std::vector<std::string> backward;
      for (cursor->seek_last(); cursor->valid(); cursor->previous()) backward.emplace_back(cursor->record().key);
      std::reverse(backward.begin(), backward.end());
      ASSERT_EQ(forward, backward);
      const std::set<std::string> present(forward.begin(), forward.end());
      ASSERT_EQ(present.size(), forward.size());
      for (const std::string& key : keys) {
        const auto kind = model.state(key, at).kind;
        if (kind == Model::State::Kind::value || kind == Model::State::Kind::operands) {
          ASSERT_TRUE(present.count(key)) << key;
        }
      }

      // Seeks, and turns of direction.
      for (int probe = 0; probe < 60; ++probe) {
        const std::string key = random.below(2) == 0 ? random_key(random, style) : keys[random.below(keys.size())];
        auto expected = std::lower_bound(forward.begin(), forward.end(), key);
        cursor->seek(key);
        if (random.below(2) == 0) {
          cursor->seek_before(key);
          if (expected == forward.begin()) {
            ASSERT_FALSE(cursor->valid());
            continue;
          }
          --expected;
        }
        for (int step = 0; step < 30; ++step) {
          ASSERT_EQ(cursor->valid(), expected != forward.end());
          if (!cursor->valid()) break;
          ASSERT_EQ(cursor->record().key, *expected);
          if (random.below(2) == 0) {
            cursor->next();
            ++expected;
          } else {
            cursor->previous();
            if (expected == forward.begin()) {
              ASSERT_FALSE(cursor->valid());
              break;
            }
            --expected;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Keys, MemtableModel, testing::Values(0, 1, 2, 3));

TEST(Memtable, AnEmptyTableSaysNothing) {
  const Memtable table(3);
  Memtable::Found found;
  EXPECT_EQ(table.segment(), 3U);
  EXPECT_TRUE(table.empty());
  EXPECT_FALSE(table.get("key", kNewest, found));
  EXPECT_FALSE(table.changed_after("key", 0));
  EXPECT_FALSE(table.range_changed_after("", "", 0));
  EXPECT_TRUE(table.erasures(kNewest).empty());
  EXPECT_EQ(table.version_max(), 0U);
  const auto cursor = table.cursor(kNewest);
  cursor->seek_first();
  EXPECT_FALSE(cursor->valid());
  cursor->seek_last();
  EXPECT_FALSE(cursor->valid());
  cursor->seek("a");
  EXPECT_FALSE(cursor->valid());
  cursor->seek_before("a");
  EXPECT_FALSE(cursor->valid());
}

TEST(Memtable, AnErasureHidesWhatItsOwnTransactionPutBeforeIt) {
  Memtable table(1);
  Memtable::Found found;
  table.put("a", 5, 0, "before");
  table.add("b", 5, 100, 1);
  table.erase_range("a", "c", 5);
  table.put("b", 5, 0, "after");
  ASSERT_TRUE(table.get("a", 5, found));
  EXPECT_EQ(found.kind, RecordKind::erased);
  ASSERT_TRUE(table.get("b", 5, found));
  EXPECT_EQ(found.kind, RecordKind::value);
  EXPECT_EQ(found.value, "after");
  table.add("a", 5, 100, 7);
  ASSERT_TRUE(table.get("a", 5, found));
  EXPECT_EQ(found.kind, RecordKind::value);
  EXPECT_EQ(found.value, counter_bytes(7));
}

TEST(Memtable, AnAddKeepsTheExpiryOfALivingBaseAndBeginsAnewOnAnExpiredOne) {
  Memtable table(1);
  Memtable::Found found;
  table.put("n", 1, 50, counter_bytes(10));
  table.add("n", 2, 49, 5);
  ASSERT_TRUE(table.get("n", kNewest, found));
  EXPECT_EQ(found.value, counter_bytes(15));
  EXPECT_EQ(found.expires_micros, 50);
  table.add("n", 3, 50, 5);  // an expiry at the time of the commit has passed
  ASSERT_TRUE(table.get("n", kNewest, found));
  EXPECT_EQ(found.value, counter_bytes(5));
  EXPECT_EQ(found.expires_micros, 0);
  ASSERT_TRUE(table.get("n", 2, found));
  EXPECT_EQ(found.value, counter_bytes(15));
}

TEST(Memtable, ABaseOfAnotherLengthCountsByItsFirstEightBytes) {
  Memtable table(1);
  Memtable::Found found;
  table.put("short", 1, 0, std::string("\x05", 1));
  table.put("long", 1, 0, counter_bytes(6) + "tail");
  table.put("empty", 1, 0, "");
  for (const char* key : {"short", "long", "empty"}) table.add(key, 2, 0, 1);
  ASSERT_TRUE(table.get("short", kNewest, found));
  EXPECT_EQ(found.value, counter_bytes(6));
  ASSERT_TRUE(table.get("long", kNewest, found));
  EXPECT_EQ(found.value, counter_bytes(7));
  ASSERT_TRUE(table.get("empty", kNewest, found));
  EXPECT_EQ(found.value, counter_bytes(1));
}

TEST(Memtable, ABaseBelowThatExpiresBetweenOperandsCountsForTheEarlierOnesOnly) {
  Memtable table(1);
  for (std::uint64_t i = 1; i <= 10; ++i) table.add("n", i, static_cast<std::int64_t>(i * 10), 1);
  Memtable::Found found;
  ASSERT_TRUE(table.get("n", kNewest, found));
  std::int64_t expires = -1;
  EXPECT_EQ(table.fold(found, true, 100, 10, expires), 10);  // gone by the first operand
  EXPECT_EQ(expires, 0);
  EXPECT_EQ(table.fold(found, true, 100, 101, expires), 110);  // outlives the last
  EXPECT_EQ(expires, 101);
  EXPECT_EQ(table.fold(found, true, 100, 100, expires), 1);
  EXPECT_EQ(expires, 0);
  EXPECT_EQ(table.fold(found, true, 100, 45, expires), 6);  // operands at 50 … 100 began anew
  EXPECT_EQ(expires, 0);
  ASSERT_TRUE(table.get("n", 4, found));
  EXPECT_EQ(table.fold(found, true, 100, 45, expires), 104);
  EXPECT_EQ(expires, 45);
}

TEST(Memtable, AnyOfManyVersionsOfOneKeyIsFound) {
  Memtable table(1);
  constexpr std::uint64_t kVersions = 200'000;  // each looked for one by one would take hours
  for (std::uint64_t i = 1; i <= kVersions; ++i) {
    table.add("sum", 2 * i, static_cast<std::int64_t>(i), 1);
    table.put("last", 2 * i, 0, std::to_string(i));
  }
  Memtable::Found found;
  EXPECT_FALSE(table.get("last", 1, found));
  EXPECT_FALSE(table.get("sum", 1, found));
  for (std::uint64_t version = 2; version <= 2 * kVersions + 1; ++version) {
    const std::uint64_t count = version / 2;
    ASSERT_TRUE(table.get("last", version, found));
    ASSERT_EQ(found.value, std::to_string(count));
    ASSERT_TRUE(table.get("sum", version, found));
    std::int64_t expires = 0;
    // A base that expired at half of the operands' time.
    const auto half = static_cast<std::int64_t>(count / 2 + 1);
    ASSERT_EQ(table.fold(found, true, 1000, half, expires), static_cast<std::int64_t>(count) - half + 1);
  }
}

TEST(Memtable, HoldsLargeKeysAndValues) {
  Memtable table(1);
  const std::string key(kInternalKeyBytesMax, 'k');
  const std::string value(kValueBytesMax, 'v');
  table.put(key, 1, 0, value);
  table.put(key.substr(1), 2, 0, "");
  Memtable::Found found;
  ASSERT_TRUE(table.get(key, kNewest, found));
  EXPECT_EQ(found.value, value);
  ASSERT_TRUE(table.get(key.substr(1), kNewest, found));
  EXPECT_EQ(found.value, "");
  EXPECT_GE(table.memory_bytes(), kValueBytesMax);
}

TEST(Memtable, NodesTakeLittleMemoryBesideTheRecords) {
  for (const bool ascending : {false, true}) {
    base::Random random(5);
    Memtable table(1);
    const std::string value(100, 'v');
    constexpr std::uint64_t kRecords = 50'000;
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      std::string key("\x05users", 6);
      char bytes[8];
      base::store_big64(bytes, ascending ? i : random.next());
      table.put(key.append(bytes, 8), i + 1, 0, value);
    }
    // A record is 24 + 14 + 100 bytes, rounded up to 144. Retired nodes that were never used again would show here.
    const std::uint64_t overhead = table.memory_bytes() / kRecords - 144;
    EXPECT_LT(overhead, ascending ? 20U : 40U);
  }
}

TEST(Memtable, TenThousandErasuresAnswerAsAListDoes) {
  base::Random random(11);
  Memtable table(1);
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  std::vector<Range> ranges;
  const auto key_of = [](std::uint64_t number) {
    char bytes[8];
    base::store_big64(bytes, number);
    return std::string("\x01s", 2).append(bytes, 8);
  };
  constexpr std::uint64_t kErasures = 10'000;
  constexpr std::uint64_t kKeys = 100'000;
  for (std::uint64_t i = 0; i < kErasures; ++i) {
    const std::uint64_t begin = random.below(kKeys);
    const std::uint64_t end = begin + 1 + random.below(i % 100 == 0 ? kKeys : 50);
    ranges.push_back({begin, end});
    table.erase_range(key_of(begin), key_of(end), i + 1);
  }
  ASSERT_EQ(table.erasures(kNewest).size(), kErasures);
  ASSERT_EQ(table.erasures(1234).size(), 1234U);
  EXPECT_EQ(table.erasures(1234).back().version, 1234U);
  for (int probe = 0; probe < 3000; ++probe) {
    const std::uint64_t key = random.below(kKeys);
    const std::uint64_t at = probe % 2 == 0 ? kErasures : random.below(kErasures + 1);
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < at; ++i) {
      if (ranges[i].begin <= key && key < ranges[i].end) expected = i + 1;
    }
    Memtable::Found found;
    ASSERT_EQ(table.get(key_of(key), at, found), expected != 0);
    if (expected != 0) {
      ASSERT_EQ(found.version, expected);
      ASSERT_EQ(found.kind, RecordKind::erased);
    }
    const std::uint64_t end = key + 1 + random.below(20);
    const std::uint64_t after = kErasures - random.below(2000);
    bool changed = false;
    for (std::uint64_t i = after; i < kErasures; ++i) changed |= ranges[i].begin < end && key < ranges[i].end;
    ASSERT_EQ(table.range_changed_after(key_of(key), key_of(end), after), changed);
  }
}

// A record outside of any memtable, as the tree takes it.
const RecordNode* make_record(Arena& arena, const std::string& key, std::uint64_t version) {
  auto* record = new (arena.allocate(sizeof(RecordNode) + key.size()))
      RecordNode{version, nullptr, 0, static_cast<std::uint16_t>(key.size()), RecordKind::erased, 0};
  std::memcpy(reinterpret_cast<char*>(record + 1), key.data(), key.size());
  return record;
}

TEST(MemtableTree, AWalkThatTheWriterOvertakesStartsOver) {
  Arena arena;
  MemtableTree tree(arena);
  base::Random random(3);
  std::uint64_t version = 0;
  const auto insert_some = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = std::to_string(random.next());
      if (tree.locate(key) == nullptr) tree.insert(make_record(arena, key, ++version));
    }
  };
  insert_some(500);
  const std::uint64_t before = base::probe_count("memtable: a walk was overtaken by the writer");
  std::size_t visits = 0;
  tree.visit_newer("", "", 0, [&](const RecordNode&) {
    if (++visits == 3) insert_some(10'000);
    return true;
  });
  EXPECT_GT(base::probe_count("memtable: a walk was overtaken by the writer"), before);
  EXPECT_GE(visits, 10'500U);  // those of the walk that went wrong come on top

  // The same in the midst of a look-up, and of a cursor's look at a leaf.
  const std::string key = std::to_string(base::Random(3).next());  // the first of all
  const auto while_the_writer_is_fast = [&](const char* probe, auto look) {
    const std::uint64_t overtaken = base::probe_count(probe);
    bool done = false;
    base::set_interlude([&] {
      if (!std::exchange(done, true)) insert_some(10'000);
    });
    look();
    base::set_interlude(nullptr);
    EXPECT_GT(base::probe_count(probe), overtaken) << probe;
  };
  while_the_writer_is_fast("memtable: a look-up was overtaken by the writer",
                           [&] { EXPECT_NE(tree.find(key), nullptr); });
  while_the_writer_is_fast("memtable: a cursor was overtaken by the writer", [&] {
    MemtableTree::LeafCopy copy;
    tree.read_leaf(key, Side::from, copy);
    ASSERT_LT(copy.position, copy.count);
    EXPECT_EQ(copy.records.at(copy.position)->key(), key);
  });
}

// One writer and several readers. What each version does is known before: readers need no locks to know what is right.
TEST(MemtableThreads, ReadersAtAnyPublishedVersionSeeExactlyIt) {
  constexpr std::uint64_t kVersions = 60'000;
  constexpr std::uint64_t kKeys = 12'000;
  constexpr int kReaders = 3;
  struct Event {
    std::uint64_t version;
    bool erased;
  };
  std::vector<std::vector<Event>> history(kKeys);
  struct Operation {
    std::uint64_t first;
    std::uint64_t last;  // exclusive; a range erasure if it is not first
  };
  std::vector<Operation> operations(kVersions + 1);
  base::Random random(42);
  for (std::uint64_t version = 1; version <= kVersions; ++version) {
    const std::uint64_t first = random.below(kKeys);
    const bool range = random.below(200) == 0;
    const std::uint64_t last = range ? std::min(kKeys, first + 1 + random.below(40)) : first;
    operations[version] = {first, last};
    if (!range) history[first].push_back({version, random.below(10) == 0});
    for (std::uint64_t key = first; key < last; ++key) history[key].push_back({version, true});
  }
  const auto key_of = [](std::uint64_t number) {
    std::string digits = std::to_string(number * 7919 % 1'000'003);
    digits.insert(0, 7 - digits.size(), '0');
    return std::string("\x05items", 6) + digits;
  };
  // In key order, for range erasures and walks.
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; i < kKeys; ++i) keys.push_back(key_of(i));
  std::sort(keys.begin(), keys.end());

  Memtable table(1);
  std::atomic<std::uint64_t> published{0};
  std::atomic<bool> failed{false};
  const auto expected = [&](std::uint64_t key, std::uint64_t version) -> std::optional<Event> {
    const auto& events = history[key];
    auto after = std::upper_bound(events.begin(), events.end(), version,
                                  [](std::uint64_t wanted, const Event& event) { return wanted < event.version; });
    if (after == events.begin()) return std::nullopt;
    return after[-1];
  };
  const auto check_get = [&](std::uint64_t key, std::uint64_t version) {
    Memtable::Found found;
    const bool has = table.get(keys[key], version, found);
    const std::optional<Event> event = expected(key, version);
    return has == event.has_value() &&
           (!has || (found.version == event->version && (found.kind == RecordKind::erased) == event->erased &&
                     (event->erased || found.value == std::to_string(event->version))));
  };
  const auto check_walk = [&](std::uint64_t version, std::uint64_t from, bool backwards) {
    const auto cursor = table.cursor(version);
    const std::vector<runs::RangeErasure> erasures = table.erasures(version);
    std::vector<std::pair<std::string, std::uint64_t>> seen;
    backwards ? cursor->seek_before(keys[from]) : cursor->seek(keys[from]);
    for (int i = 0; cursor->valid() && i < 400; ++i, backwards ? cursor->previous() : cursor->next()) {
      const runs::Record& record = cursor->record();
      if (record.kind == RecordKind::erased || table.erased_version(record.key, version) > record.version) continue;
      seen.emplace_back(record.key, record.version);
    }
    if (!cursor->valid() && seen.empty()) return true;
    std::size_t index = 0;
    for (std::uint64_t key = from; index < seen.size() && (backwards ? key-- > 0 : key < kKeys);) {
      const std::optional<Event> event = expected(key, version);
      if (event.has_value() && !event->erased) {
        if (seen[index].first != keys[key] || seen[index].second != event->version) return false;
        ++index;
      }
      if (!backwards) ++key;
    }
    return index == seen.size();
  };

  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&, reader] {
      base::Random chance(static_cast<std::uint64_t>(reader) + 1);
      for (bool last = false; !last && !failed.load();) {
        const std::uint64_t newest = published.load(std::memory_order_acquire);
        last = newest == kVersions;
        if (newest == 0) continue;
        const std::uint64_t version = chance.below(2) == 0 ? newest : 1 + chance.below(newest);
        bool good = true;
        for (int i = 0; i < 50; ++i) good = good && check_get(chance.below(kKeys), version);
        good = good && check_walk(version, chance.below(kKeys), chance.below(2) == 0);
        for (int i = 0; i < 20; ++i) {
          const std::uint64_t key = chance.below(kKeys);
          const bool said = table.changed_after(keys[key], version);
          const auto& events = history[key];
          const bool must = std::any_of(events.begin(), events.end(), [&](const Event& event) {
            return event.version > version && event.version <= newest;
          });
          const bool may = !events.empty() && events.back().version > version;
          const bool range_said = table.range_changed_after(keys[key], keys[key] + '\0', version);
          good = good && (!must || (said && range_said)) && (may || (!said && !range_said));
        }
        if (!good) failed.store(true);
      }
    });
  }
  for (std::uint64_t version = 1; version <= kVersions && !failed.load(std::memory_order_relaxed); ++version) {
    const Operation& operation = operations[version];
    if (operation.last > operation.first) {
      table.erase_range(keys[operation.first], keys[operation.last - 1] + '\0', version);
    } else {
      const auto& events = history[operation.first];
      const auto event = std::lower_bound(events.begin(), events.end(), version,
                                          [](const Event& a, std::uint64_t wanted) { return a.version < wanted; });
      if (event->erased) {
        table.erase(keys[operation.first], version);
      } else {
        table.put(keys[operation.first], version, 0, std::to_string(version));
      }
    }
    published.store(version, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_FALSE(failed.load());
}

}  // namespace
}  // namespace ingot::engine
