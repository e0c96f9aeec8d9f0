#include "support/history.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

namespace ingot::history {
namespace {

using Kind = Violation::Kind;

// Builds a history by hand: times are positions in it unless said otherwise.
class Story {
 public:
  Transaction& begin(std::uint64_t snapshot) {
    history.push_back({});
    Transaction& transaction = history.back();
    transaction.id = history.size();
    transaction.process = static_cast<std::uint32_t>(history.size() % 3);
    transaction.invoked = clock++;
    transaction.returned = clock++;
    transaction.snapshot = snapshot;
    transaction.outcome = Outcome::committed;
    return transaction;
  }
  Transaction& write(std::uint64_t snapshot, std::uint64_t version, const std::string& key, const std::string& value) {
    Transaction& transaction = begin(snapshot);
    transaction.version = version;
    transaction.writes.push_back({Write::Kind::put, key, value, 0});
    return transaction;
  }
  std::vector<Transaction> history;
  std::int64_t clock = 1;
};

PointRead saw(const std::string& key, const std::string& value) {
  return {key, digest(value), true};
}
PointRead saw_nothing(const std::string& key) {
  return {key, std::nullopt, true};
}
void put(Transaction& transaction, const std::string& key, const std::string& value) {
  transaction.writes.push_back({Write::Kind::put, key, value, 0});
}
void mark(Transaction& transaction) {
  transaction.marker = "marker " + std::to_string(transaction.id);
  put(transaction, transaction.marker, "");
}

// The kinds found, without repetition.
std::vector<Kind> kinds(const std::vector<Violation>& violations) {
  std::vector<Kind> found;
  for (const Violation& violation : violations) {
    EXPECT_FALSE(violation.text.empty());
    if (std::find(found.begin(), found.end(), violation.kind) == found.end()) found.push_back(violation.kind);
  }
  return found;
}

#define EXPECT_GOOD(violations) EXPECT_EQ(explain(violations), "")
#define EXPECT_ONLY(violations, kind)                               \
  do {                                                              \
    const std::vector<Violation> all = violations;                  \
    EXPECT_EQ(kinds(all), std::vector<Kind>{kind}) << explain(all); \
  } while (false)

TEST(History, AGoodOneHasNoViolations) {
  Story story;
  story.write(0, 1, "x", "one").reads = {saw_nothing("x")};
  Transaction& second = story.write(1, 2, "y", "two");
  second.reads = {saw("x", "one")};
  second.ranges = {{"a", "", {{"x", digest("one")}}, true}};
  story.begin(2).ranges = {{"", "", {{"x", digest("one")}, {"y", digest("two")}}, true}};
  Transaction& erases = story.begin(2);
  erases.version = 3;
  erases.writes = {
      {Write::Kind::erase_range, "x", "y", 0}, {Write::Kind::add, "n", "", 5}, {Write::Kind::add, "n", "", -2}};
  const std::string three("\x03\0\0\0\0\0\0\0", 8);
  story.begin(3).reads = {saw_nothing("x"), saw("y", "two"), saw("n", three)};
  FinalState end;
  end.records = {{"y", {"two", 2}}, {"n", {three, 3}}};
  end.version = 3;
  EXPECT_GOOD(check(story.history, end));
}

TEST(History, WhatWasThereBeforeIsPartOfIt) {
  Story story;
  story.write(10, 11, "y", "new").reads = {saw("x", "old")};
  CheckOptions options;
  options.initial = {{"x", "old"}};
  options.initial_version = 10;
  EXPECT_GOOD(check(story.history, std::nullopt, options));
}

TEST(History, ALostUpdateIsAConflict) {
  Story story;
  story.write(0, 1, "n", "1");
  story.write(1, 2, "n", "2").reads = {saw("n", "1")};
  story.write(1, 3, "n", "2").reads = {saw("n", "1")};
  story.history[2].invoked = story.history[1].invoked;  // they ran at once
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::conflict);
  story.history[2].reads[0].validated = false;  // a peek may be outdated
  EXPECT_GOOD(check(story.history, std::nullopt));
}

TEST(History, WriteSkewIsAConflict) {
  Story story;
  Transaction& setup = story.write(0, 1, "a", "on duty");
  put(setup, "b", "on duty");
  story.write(1, 2, "a", "off").reads = {saw("a", "on duty"), saw("b", "on duty")};
  story.write(1, 3, "b", "off").reads = {saw("a", "on duty"), saw("b", "on duty")};
  story.history[2].invoked = story.history[1].invoked;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::conflict);
}

TEST(History, APhantomIsAConflict) {
  Story story;
  story.write(0, 1, "room/1", "a");
  story.write(1, 2, "room/2", "b").ranges = {{"room/", "room0", {{"room/1", digest("a")}}, true}};
  story.write(1, 3, "room/3", "c").ranges = {{"room/", "room0", {{"room/1", digest("a")}}, true}};
  story.history[2].invoked = story.history[1].invoked;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::conflict);
}

TEST(History, ADirtyReadIsAWrongRead) {
  Story story;
  Transaction& lost = story.write(0, 0, "x", "never");
  lost.outcome = Outcome::lost;
  story.begin(0).reads = {saw("x", "never")};
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::read);
}

TEST(History, ASnapshotThatIsNotOfOneVersionIsAWrongRead) {
  Story story;
  Transaction& first = story.write(0, 1, "a", "1");
  put(first, "b", "1");
  Transaction& second = story.write(1, 2, "a", "2");
  put(second, "b", "2");
  story.begin(2).reads = {saw("a", "2"), saw("b", "1")};
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::read);
  // Those that lose have read a version, too.
  story.history[2].outcome = Outcome::lost;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::read);
}

TEST(History, RangesMissNothingAndInventNothing) {
  Story story;
  Transaction& setup = story.write(0, 1, "b", "1");
  put(setup, "d", "2");
  const std::vector<std::vector<std::pair<std::string, std::uint64_t>>> wrong{
      {},
      {{"b", digest("1")}},
      {{"d", digest("2")}},
      {{"b", digest("1")}, {"c", digest("1")}, {"d", digest("2")}},
      {{"b", digest("1")}, {"d", digest("1")}},
      {{"a", digest("1")}, {"b", digest("1")}, {"d", digest("2")}},
      {{"b", digest("1")}, {"d", digest("2")}, {"e", digest("2")}},
  };
  story.begin(1);
  for (const auto& records : wrong) {
    story.history[1].ranges = {{"a", "f", records, true}};
    EXPECT_ONLY(check(story.history, std::nullopt), Kind::read);
  }
  story.history[1].ranges = {{"a", "f", {{"b", digest("1")}, {"d", digest("2")}}, true}, {"bb", "d", {}, true}};
  EXPECT_GOOD(check(story.history, std::nullopt));
}

TEST(History, AStaleReadBreaksRealTime) {
  Story story;
  story.write(0, 1, "x", "1");
  story.begin(0).reads = {saw_nothing("x")};
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::real_time);
  CheckOptions options;
  options.fresh_snapshots = false;
  EXPECT_GOOD(check(story.history, std::nullopt, options));
}

TEST(History, ASnapshotThatIsNotFreshIsHeldToWhatItsOwnProcessKnew) {
  Story story;
  story.write(0, 1, "x", "1").process = 7;
  Transaction& reader = story.begin(0);
  reader.reads = {saw_nothing("x")};
  reader.fresh = false;
  reader.process = 8;
  EXPECT_GOOD(check(story.history, std::nullopt));
  reader.process = 7;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::real_time);
  reader.process = 8;
  reader.fresh = true;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::real_time);
}

TEST(History, AReaderThatHadReturnedIsAWitness) {
  // Nobody acknowledged version 1 before the second reader began, but the first reader had seen it.
  Story story;
  story.write(0, 1, "x", "1").returned = 100;
  story.begin(1).reads = {saw("x", "1")};
  story.begin(0).reads = {saw_nothing("x")};
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::real_time);
}

TEST(History, ACommitBeforeOneThatHadReturnedBreaksRealTime) {
  Story story;
  story.write(0, 2, "x", "2");
  story.write(0, 1, "x", "1");
  CheckOptions options;
  options.fresh_snapshots = false;
  EXPECT_ONLY(check(story.history, std::nullopt, options), Kind::real_time);
  // At the same time, either order is right.
  story.history[1].invoked = story.history[0].invoked;
  EXPECT_GOOD(check(story.history, std::nullopt, options));
}

TEST(History, VersionsAreUniqueDenseAndAboveTheSnapshot) {
  Story twice;
  twice.write(0, 1, "x", "1");
  twice.write(0, 1, "y", "1").invoked = 1;
  EXPECT_ONLY(check(twice.history, std::nullopt), Kind::version);
  Story gap;
  gap.write(0, 1, "x", "1");
  gap.write(1, 3, "x", "1");
  EXPECT_ONLY(check(gap.history, std::nullopt), Kind::version);
  Story old;
  old.write(0, 1, "x", "1");
  old.write(2, 2, "x", "2");
  EXPECT_ONLY(check(old.history, std::nullopt), Kind::version);
}

TEST(History, AfterACrashTheAcknowledgedAreThereAndTheLostAreNot) {
  Story story;
  mark(story.write(0, 1, "x", "1"));
  mark(story.write(1, 2, "x", "2"));
  Transaction& refused = story.write(1, 0, "z", "3");
  mark(refused);
  refused.outcome = Outcome::lost;
  refused.invoked = 3;
  FinalState end;
  end.records = {{"x", {"2", 2}}, {"marker 1", {"", 1}}, {"marker 2", {"", 2}}};
  EXPECT_GOOD(check(story.history, end));

  FinalState missing = end;
  missing.records.erase("marker 2");
  missing.records["x"] = {"1", 1};
  const auto found = kinds(check(story.history, missing));
  EXPECT_NE(std::find(found.begin(), found.end(), Kind::missing), found.end());

  FinalState resurrected = end;
  resurrected.records["marker 3"] = {"", 3};
  resurrected.records["z"] = {"3", 3};
  EXPECT_ONLY(check(story.history, resurrected), Kind::resurrected);

  FinalState partly = end;
  partly.records["z"] = {"3", 0};
  EXPECT_ONLY(check(story.history, partly), Kind::resurrected);

  FinalState invented = end;
  invented.records["q"] = {"?", 2};
  EXPECT_ONLY(check(story.history, invented), Kind::final_state);

  FinalState changed = end;
  changed.records["x"] = {"1", 2};
  EXPECT_ONLY(check(story.history, changed), Kind::final_state);
}

TEST(History, TheUnknownAreThereWhollyOrNotAtAll) {
  Story story;
  mark(story.write(0, 1, "x", "1"));
  Transaction& killed = story.write(1, 0, "x", "2");
  put(killed, "y", "2");
  mark(killed);
  killed.outcome = Outcome::unknown;
  killed.returned = kNeverReturned;

  FinalState without;
  without.records = {{"x", {"1", 1}}, {"marker 1", {"", 1}}};
  EXPECT_GOOD(check(story.history, without));

  FinalState with = without;
  with.records["x"] = {"2", 2};
  with.records["y"] = {"2", 2};
  with.records["marker 2"] = {"", 2};
  EXPECT_GOOD(check(story.history, with));

  FinalState partly = with;
  partly.records.erase("y");
  EXPECT_ONLY(check(story.history, partly), Kind::torn);
  partly = without;
  partly.records["y"] = {"2", 2};
  EXPECT_ONLY(check(story.history, partly), Kind::torn);

  EXPECT_ONLY(check(story.history, std::nullopt), Kind::malformed);

  // What was seen of it once must stay.
  Transaction& reader = story.begin(2);
  reader.reads = {saw("x", "2")};
  EXPECT_GOOD(check(story.history, with));
  EXPECT_ONLY(check(story.history, without), Kind::read);
}

TEST(History, AnIdIsUsedOnce) {
  Story story;
  story.write(0, 1, "x", "1");
  story.write(1, 2, "x", "1").id = 1;
  EXPECT_ONLY(check(story.history, std::nullopt), Kind::malformed);
}

// A store that is right, run with random transactions that overlap; then one thing is made wrong in its history.
struct World {
  std::vector<Transaction> history;
  FinalState end;
};
World random_world(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  World world;
  std::map<std::string, FinalRecord> state;
  std::vector<std::map<std::string, FinalRecord>> states{state};
  std::int64_t clock = 1;
  const auto key_of = [&](std::uint64_t n) { return "key" + std::to_string(n); };
  for (std::uint64_t id = 1; id <= 60; ++id) {
    Transaction transaction;
    transaction.id = id;
    transaction.process = static_cast<std::uint32_t>(below(3));
    transaction.invoked = clock;
    transaction.snapshot = states.size() - 1;
    for (std::uint64_t n = below(3); n != 0; --n) {
      const std::string key = key_of(below(8));
      const auto found = state.find(key);
      transaction.reads.push_back(found == state.end() ? saw_nothing(key) : saw(key, found->second.value));
    }
    if (below(3) == 0) {
      RangeRead range{key_of(below(4)), key_of(4 + below(4)), {}, true};
      for (auto at = state.lower_bound(range.begin); at != state.end() && at->first < range.end; ++at) {
        range.records.emplace_back(at->first, digest(at->second.value));
      }
      transaction.ranges.push_back(range);
    }
    transaction.outcome = below(5) == 0 ? Outcome::lost : Outcome::committed;
    bool unknown = false;
    if (below(4) != 0) {
      mark(transaction);
      for (std::uint64_t n = 1 + below(3); n != 0; --n) put(transaction, key_of(below(8)), std::to_string(random()));
      if (below(6) == 0) transaction.writes.push_back({Write::Kind::erase, key_of(below(8)), {}, 0});
      if (transaction.outcome == Outcome::committed) {
        transaction.version = states.size();
        for (const Write& write : transaction.writes) {
          if (write.kind == Write::Kind::erase) {
            state.erase(write.key);
          } else {
            state[write.key] = {write.value, transaction.version};
          }
        }
        states.push_back(state);
        unknown = below(8) == 0;
      }
    }
    transaction.returned = ++clock;
    ++clock;
    if (unknown) {
      transaction.outcome = Outcome::unknown;
      transaction.version = 0;
      transaction.returned = kNeverReturned;
    }
    world.history.push_back(transaction);
  }
  world.end.records = state;
  world.end.version = states.size() - 1;
  return world;
}

TEST(History, AnyOneWrongReadOrLostWriteIsFound) {
  int changed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const World good = random_world(seed);
    ASSERT_EQ(explain(check(good.history, good.end)), "") << seed;
    std::mt19937_64 random(seed);
    World bad = good;
    Transaction& victim = bad.history[random() % bad.history.size()];
    switch (random() % 4) {
      case 0:
        if (victim.reads.empty()) continue;
        victim.reads[0].value = victim.reads[0].value.has_value() ? std::nullopt : std::optional<std::uint64_t>(7);
        break;
      case 1:
        if (victim.ranges.empty() || victim.ranges[0].records.empty()) continue;
        victim.ranges[0].records.pop_back();
        break;
      case 2:
        if (victim.writes.empty() || victim.outcome == Outcome::lost) continue;
        bad.end.records.erase(victim.marker);
        if (victim.outcome == Outcome::unknown) bad.end.version -= 1;
        break;
      default:
        bad.end.records["key0"].value += "?";
        break;
    }
    ++changed;
    EXPECT_NE(explain(check(bad.history, bad.end)), "") << seed;
  }
  EXPECT_GT(changed, 80);
}

// Lists.

Transaction& append(Story& story, std::vector<ListRead> lists, std::vector<std::string> appends) {
  Transaction& transaction = story.begin(0);
  transaction.lists = std::move(lists);
  transaction.appends = std::move(appends);
  return transaction;
}

void all_at_once(Story& story) {
  for (Transaction& transaction : story.history) {
    transaction.invoked = 1;
    transaction.returned = 100;
  }
}

TEST(HistoryOfLists, AGoodOneHasNoViolations) {
  Story story;
  append(story, {{"x", {}}, {"y", {}}}, {"x", "y"});
  append(story, {{"x", {1}}}, {"x"});
  append(story, {{"x", {1, 2}}, {"y", {1}}}, {});
  append(story, {{"y", {1}}}, {"y"});
  FinalState end;
  end.records = {{"x", {list_value({1, 2}), 0}}, {"y", {list_value({1, 4}), 0}}};
  EXPECT_GOOD(check_lists(story.history, end));
  EXPECT_GOOD(check_lists(story.history, std::nullopt));
}

TEST(HistoryOfLists, ALostUpdateShowsInTheList) {
  Story story;
  append(story, {{"x", {}}}, {"x"});
  append(story, {{"x", {1}}}, {"x"});
  append(story, {{"x", {1}}}, {"x"});
  all_at_once(story);
  EXPECT_ONLY(check_lists(story.history, std::nullopt), Kind::inconsistent_list);
}

TEST(HistoryOfLists, AnIdOfALostTransactionIsADirtyRead) {
  Story story;
  append(story, {{"x", {}}}, {"x"}).outcome = Outcome::lost;
  append(story, {{"x", {1}}}, {});
  EXPECT_ONLY(check_lists(story.history, std::nullopt), Kind::dirty_read);
  story.history[0].outcome = Outcome::unknown;
  EXPECT_GOOD(check_lists(story.history, std::nullopt));
  story.history[1].lists = {{"x", {77}}};
  EXPECT_ONLY(check_lists(story.history, std::nullopt), Kind::dirty_read);
}

TEST(HistoryOfLists, WriteSkewIsACycle) {
  Story story;
  append(story, {{"x", {}}, {"y", {}}}, {"x"});
  append(story, {{"x", {}}, {"y", {}}}, {"y"});
  all_at_once(story);
  FinalState end;
  end.records = {{"x", {list_value({1}), 0}}, {"y", {list_value({2}), 0}}};
  const auto found = check_lists(story.history, end);
  EXPECT_ONLY(found, Kind::cycle);
  EXPECT_EQ(found[0].text.substr(0, 3), "G2:");
}

TEST(HistoryOfLists, AReadOfHalfATransactionIsACycle) {
  Story story;
  append(story, {{"x", {}}, {"y", {}}}, {"x", "y"});
  append(story, {{"x", {1}}, {"y", {}}}, {});
  all_at_once(story);
  FinalState end;
  end.records = {{"x", {list_value({1}), 0}}, {"y", {list_value({1}), 0}}};
  const auto found = check_lists(story.history, end);
  EXPECT_ONLY(found, Kind::cycle);
  EXPECT_EQ(found[0].text.substr(0, 9), "G-single:");
}

TEST(HistoryOfLists, WritesInOppositeOrdersAreACycle) {
  Story story;
  append(story, {}, {"x", "y"});
  append(story, {}, {"x", "y"});
  all_at_once(story);
  FinalState end;
  end.records = {{"x", {list_value({1, 2}), 0}}, {"y", {list_value({2, 1}), 0}}};
  const auto found = check_lists(story.history, end);
  EXPECT_ONLY(found, Kind::cycle);
  EXPECT_EQ(found[0].text.substr(0, 3), "G0:");
}

TEST(HistoryOfLists, TwoThatSawEachOtherAreACycle) {
  Story story;
  append(story, {{"y", {2}}}, {"x"});
  append(story, {{"x", {1}}}, {"y"});
  all_at_once(story);
  const auto found = check_lists(story.history, std::nullopt);
  EXPECT_ONLY(found, Kind::cycle);
  EXPECT_EQ(found[0].text.substr(0, 4), "G1c:");
}

TEST(HistoryOfLists, AStaleReadIsACycleThroughRealTime) {
  Story story;
  append(story, {{"x", {}}}, {"x"});
  append(story, {{"x", {}}}, {});
  FinalState end;
  end.records = {{"x", {list_value({1}), 0}}};
  const auto found = check_lists(story.history, end);
  EXPECT_ONLY(found, Kind::cycle);
  EXPECT_NE(found[0].text.find("real time"), std::string::npos);
  all_at_once(story);
  EXPECT_GOOD(check_lists(story.history, end));
}

TEST(HistoryOfLists, AcknowledgedAppendsAreThereAtTheEndAndUnknownOnesWholly) {
  Story story;
  append(story, {{"x", {}}}, {"x"});
  Transaction& killed = append(story, {{"x", {1}}, {"y", {}}}, {"x", "y"});
  killed.outcome = Outcome::unknown;
  killed.returned = kNeverReturned;
  FinalState end;
  end.records = {{"x", {list_value({1}), 0}}};
  EXPECT_GOOD(check_lists(story.history, end));
  end.records["x"].value = list_value({1, 2});
  EXPECT_ONLY(check_lists(story.history, end), Kind::torn);
  end.records["y"].value = list_value({2});
  EXPECT_GOOD(check_lists(story.history, end));
  end.records["x"].value = list_value({2});
  const auto found = kinds(check_lists(story.history, end));
  EXPECT_NE(std::find(found.begin(), found.end(), Kind::missing), found.end());
}

TEST(HistoryOfLists, ALongHistoryIsCheckedInLinearTime) {
  Story story;
  std::map<std::string, std::vector<std::uint64_t>> lists;
  std::mt19937_64 random(1);
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    const std::string key = "list" + std::to_string(random() % 2000);
    append(story, {{key, lists[key]}}, {key});
    lists[key].push_back(id);
  }
  FinalState end;
  for (const auto& [key, ids] : lists) end.records[key] = {list_value(ids), 0};
  EXPECT_GOOD(check_lists(story.history, end));
}

// Files.

class HistoryFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "ingot-history-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string directory_;
};

TEST_F(HistoryFile, HoldsEverythingThatWasRecorded) {
  const World world = random_world(5);
  {
    Recorder first(path("first"));
    Recorder second(path("second"));
    for (const Transaction& transaction : world.history) {
      Recorder& recorder = transaction.id % 2 == 0 ? first : second;
      recorder.intend(transaction);
      if (transaction.outcome != Outcome::unknown) recorder.returned(transaction);
    }
  }
  std::vector<Violation> violations;
  std::vector<Transaction> history = read_history({path("first"), path("second")}, violations);
  EXPECT_GOOD(violations);
  ASSERT_EQ(history.size(), world.history.size());
  EXPECT_GOOD(check(history, world.end));
  std::sort(history.begin(), history.end(), [](const Transaction& a, const Transaction& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < history.size(); ++i) {
    const Transaction& read = history[i];
    const Transaction& written = world.history[i];
    EXPECT_EQ(read.id, written.id);
    EXPECT_EQ(read.process, written.process);
    EXPECT_EQ(read.invoked, written.invoked);
    EXPECT_EQ(read.returned, written.returned);
    EXPECT_EQ(read.snapshot, written.snapshot);
    EXPECT_EQ(read.outcome, written.outcome);
    EXPECT_EQ(read.version, written.version);
    EXPECT_EQ(read.marker, written.marker);
    ASSERT_EQ(read.reads.size(), written.reads.size());
    ASSERT_EQ(read.ranges.size(), written.ranges.size());
    ASSERT_EQ(read.writes.size(), written.writes.size());
    for (std::size_t j = 0; j < read.writes.size(); ++j) {
      EXPECT_EQ(read.writes[j].key, written.writes[j].key);
      EXPECT_EQ(read.writes[j].value, written.writes[j].value);
    }
  }
}

TEST_F(HistoryFile, SurvivesTheDeathOfItsWriterAndACutOffEnd) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Recorder recorder(path("killed"));
    Story story;
    recorder.intend(story.write(0, 1, "x", "1"));
    recorder.returned(story.history[0]);
    Transaction& second = story.begin(1);
    second.lists = {{"l", {1, 2, 300}}};
    second.appends = {"l"};
    recorder.intend(second);
    raise(SIGKILL);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::vector<Violation> violations;
  std::vector<Transaction> history = read_history({path("killed")}, violations);
  EXPECT_GOOD(violations);
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].outcome, Outcome::committed);
  EXPECT_EQ(history[1].outcome, Outcome::unknown);
  EXPECT_EQ(history[1].returned, kNeverReturned);
  EXPECT_EQ(history[1].lists[0].ids, (std::vector<std::uint64_t>{1, 2, 300}));
  EXPECT_EQ(history[1].appends, std::vector<std::string>{"l"});

  std::filesystem::resize_file(path("killed"), std::filesystem::file_size(path("killed")) - 1);
  history = read_history({path("killed")}, violations);
  EXPECT_GOOD(violations);
  EXPECT_EQ(history.size(), 1U);
}

TEST_F(HistoryFile, DamageIsToldAndNotTakenForAnEnd) {
  {
    Recorder recorder(path("file"));
    Story story;
    for (std::uint64_t version = 1; version <= 5; ++version) {
      recorder.intend(story.write(version - 1, version, "x", "some value"));
    }
  }
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path("file")));
  for (std::size_t at = 0; at < size; at += 7) {
    std::string bytes;
    {
      std::ifstream in(path("file"), std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(in), {});
    }
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    {
      std::ofstream out(path("damaged"), std::ios::binary | std::ios::trunc);
      out << bytes;
    }
    std::vector<Violation> violations;
    const auto history = read_history({path("damaged")}, violations);
    EXPECT_ONLY(violations, Kind::malformed);
    EXPECT_LT(history.size(), 5U);
  }
  std::vector<Violation> violations;
  EXPECT_TRUE(read_history({path("absent")}, violations).empty());
  EXPECT_ONLY(violations, Kind::malformed);
}

}  // namespace
}  // namespace ingot::history
