#include "crew.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include "historian.h"
#include "ingot/ingot.h"

namespace ingot::testing {

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kHistorians = 2;
#else
constexpr std::size_t kHistorians = 4;
#endif
constexpr auto kPatience = 20s;  // for somebody to come to a place
constexpr int kImportLines = 20'000;

// Moments of the engine's work. "/log/0": a segment that is in use; its name is a number.
constexpr StrikePlace kPlaces[] = {
    {"commit, before its write", kHistorianThread, "/log/0", only(Call::write)},
    {"commit, after its write", kHistorianThread, "/log/0", only(Call::write), true},
    {"commit, before its sync", kHistorianThread, "/log/0", only(Call::sync)},
    {"commit, after its sync", kHistorianThread, "/log/0", only(Call::sync), true},
    {"commit, just returned", "", "commit returned", only(Call::told)},
    {"commit, just recorded", "", "commit recorded", only(Call::told)},
    {"new segment of the log", "", "/log/spare", only(Call::rename)},
    {"new segment, renamed", "", "/log/spare", only(Call::rename), true},
    {"flush, writing the run", "ingot-flush", "/runs/", Call::write | Call::sync | Call::open},
    {"flush, its edit", "ingot-flush", "/log/0", Call::write | Call::sync, true},
    {"compaction, writing the run", "ingot-compact", "/runs/", Call::write | Call::sync | Call::open},
    {"compaction, its edit", "ingot-compact", "/log/0", Call::write | Call::sync, true},
    {"checkpoint", "", "/checkpoints/", Call::write | Call::sync | Call::rename},
    {"checkpoint, renamed", "", "/checkpoints/", only(Call::rename), true},
    {"deletion of a run", "", "/runs/", only(Call::unlink), true},
};
constexpr StrikePlace kWithLock[] = {
    {"with the lock, before its write", kHistorianThread, "/log/0", only(Call::write)},
    {"with the lock, before its sync", kHistorianThread, "/log/0", only(Call::sync)},
};
constexpr const char* kOtherKills[] = {"log made ahead", "at random", "all at once", "all at once, stopped", "opening",
                                       "recovery",       "stopped",   "ingot copy",  "ingot import"};
constexpr const char* kOtherPauses[] = {"at random"};
constexpr StrikePlace kMaking = {"log made ahead", "", "/log/new", Call::write | Call::sync | Call::open};
constexpr StrikePlace kOpening = {"opening", kOpeningThread, "/store", kAnyCall};

}  // namespace

std::uint64_t Tally::all_kills() const {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : kills) sum += count;
  return sum;
}

std::vector<std::string> Tally::missing() const {
  std::vector<std::string> kinds;
  const auto need = [&](const auto& counts, const char* kind, const char* what) {
    if (counts.count(kind) == 0) kinds.push_back(what + std::string(kind));
  };
  for (const StrikePlace& place : kPlaces) need(kills, place.name, "kill: ");
  for (const char* kind : kOtherKills) need(kills, kind, "kill: ");
  for (const StrikePlace& place : kWithLock) {
    need(kills, place.name, "kill: ");
    need(pauses, place.name, "pause: ");
  }
  for (const char* kind : kOtherPauses) need(pauses, kind, "pause: ");
  return kinds;
}

void Tally::print() const {
  std::cout << all_kills() << " kills\n";
  for (const auto& [kind, count] : kills)
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(count), kind.c_str());
  std::uint64_t all_pauses = 0;
  for (const auto& [kind, count] : pauses) all_pauses += count;
  std::cout << all_pauses << " pauses\n";
  for (const auto& [kind, count] : pauses)
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(count), kind.c_str());
  std::vector<std::uint64_t> sorted = open_micros;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](std::size_t percent) {
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
  };
  std::cout << acknowledged << " commits acknowledged, " << unknown << " unknown, " << lost << " lost to others; "
            << transactions << " transactions checked, on " << stores << " stores\n"
            << copies << " copies and " << imports << " imports completed after kills and checked; " << misses
            << " places not reached in time\n"
            << sorted.size() << " opens: p50 " << at(50) << " us, p99 " << at(99) << " us\n";
}

Crew::Crew(std::uint64_t seed, Tally& tally) : tally_(tally), seed_(seed), random_(seed), children_(kHistorians) {
  ++tally_.stores;
  // Later segments of the log are old ones again: those that make the store make the first.
  arm(faults_->strike, kMaking, SIGKILL, 1 + static_cast<int>(below(20)));
  for (std::size_t i = 0; i < children_.size(); ++i) start(i);
  if (const auto victim = child_with(struck(faults_->strike, kPatience))) replace(*victim, kMaking.name);
}

void Crew::start(std::size_t index) {
  const std::string number = std::to_string(files_.size());
  files_.push_back(directory_.at("history." + number));
  children_[index] = std::make_unique<Child>(
      "historian", Arguments{store_, number, files_.back(), std::to_string(random_())}, faults_.environment());
}

void Crew::bury(std::size_t index, const std::string& kind) {
  Child& child = *children_[index];
  const int status = child.wait();
  for (const std::string& line : child.last_lines()) {
    EXPECT_EQ(line.rfind("open ", 0), 0U) << line;
    if (line.rfind("open ", 0) == 0) tally_.open_micros.push_back(std::stoull(line.substr(5)));
  }
  EXPECT_EQ(status, -SIGKILL) << "it ended by itself";
  ++tally_.kills[kind];
}

void Crew::replace(std::size_t index, const std::string& kind) {
  bury(index, kind);
  start(index);
}

void Crew::sleep(int from_millis, int to_millis) {
  std::this_thread::sleep_for(
      std::chrono::milliseconds(from_millis + static_cast<int>(below(static_cast<std::uint64_t>(to_millis)))));
}

// Who was struck, if anybody came there in time.
std::optional<std::size_t> Crew::strike(const StrikePlace& place, int signal, int reach) {
  arm(faults_->strike, place, signal, 1 + static_cast<int>(below(static_cast<std::uint64_t>(reach))));
  const std::optional<std::size_t> victim = child_with(struck(faults_->strike, kPatience));
  tally_.misses += victim ? 0 : 1;
  return victim;
}

std::optional<std::size_t> Crew::child_with(std::optional<pid_t> pid) const {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (pid && children_[i]->pid() == *pid) return i;
  }
  EXPECT_FALSE(pid) << "a stranger was struck";
  return std::nullopt;
}

void Crew::kill_one() {
  const std::size_t index = anyone();
  children_[index]->signal(SIGKILL);
  replace(index, "at random");
}

void Crew::kill_all(bool stop_first) {
  if (stop_first) {
    for (const auto& child : children_) child->signal(SIGSTOP);
    sleep(1, 20);
  }
  for (const auto& child : children_) child->signal(SIGKILL);
  for (std::size_t i = 0; i < children_.size(); ++i) bury(i, stop_first ? "all at once, stopped" : "all at once");
  for (std::size_t i = 0; i < children_.size(); ++i) start(i);
}

void Crew::kill_at(const StrikePlace& place) {
  if (const auto index = strike(place, SIGKILL, 5)) replace(*index, place.name);
}

// Again and again, each a little further on or back.
void Crew::kill_openers(bool alone) {
  std::vector<std::size_t> dead = {anyone()};
  if (alone) {
    dead.clear();
    for (std::size_t i = 0; i < children_.size(); ++i) dead.push_back(i);
  }
  for (const std::size_t index : dead) children_[index]->signal(SIGKILL);
  for (const std::size_t index : dead) bury(index, alone ? "all at once" : "at random");
  const std::size_t index = dead.front();
  for (int i = 0; i < 4; ++i) {
    const int number = 1 + static_cast<int>(below(alone ? 60 : 30));
    arm(faults_->strike, kOpening, SIGKILL, number);
    start(index);
    // It opens, or dies of it; or one that was started before it does.
    const std::optional<std::string> line = children_[index]->line(60s);
    const bool opened = line && line->rfind("open ", 0) == 0;
    if (opened) tally_.open_micros.push_back(std::stoull(line->substr(5)));
    const std::optional<std::size_t> victim = child_with(struck(faults_->strike, 0s));
    EXPECT_TRUE(opened || victim == index) << line.value_or("nothing was said");
    if (victim) bury(*victim, alone ? "recovery" : "opening");
    if (victim == index) continue;
    if (victim) start(*victim);
    children_[index]->signal(SIGKILL);
    bury(index, "at random");
  }
  for (const std::size_t gone : dead) start(gone);
}

void Crew::pause_one(bool kill) {
  const std::size_t index = anyone();
  children_[index]->signal(SIGSTOP);
  if (!children_[index]->wait_until_stopped()) return;
  sleep(5, 100);
  children_[index]->signal(kill ? SIGKILL : SIGCONT);
  if (kill) return replace(index, "stopped");
  ++tally_.pauses["at random"];
}

void Crew::pause_with_lock(const StrikePlace& place, bool kill) {
  const auto index = strike(place, SIGSTOP, 20);
  if (!index) return;
  EXPECT_TRUE(children_[*index]->wait_until_stopped());
  sleep(20, 150);
  children_[*index]->signal(kill ? SIGKILL : SIGCONT);
  if (kill) return replace(*index, place.name);
  ++tally_.pauses[place.name];
}

bool Crew::command(const Arguments& words, const StrikePlace& place, int reach, const std::function<bool()>& is_whole,
                   std::string& said) {
  constexpr int kKillsMax = 3;
  for (int kills = 0;; ++kills) {
    if (is_whole()) return true;
    if (kills < kKillsMax) {
      arm(faults_->strike, place, SIGKILL, 1 + static_cast<int>(below(static_cast<std::uint64_t>(reach))));
    }
    Child child = Child::program(words, faults_.environment());
    said.clear();
    for (const std::string& line : child.last_lines()) said += line;
    const int status = child.wait();
    const bool killed = struck(faults_->strike, 0s).has_value();
    if (!killed || kills == kKillsMax) {
      EXPECT_EQ(status, 0) << place.name << ": " << said;
      return status == 0;
    }
    EXPECT_EQ(status, -SIGKILL) << place.name;
    ++tally_.kills[place.name];
  }
}

// A copy while the others write and are killed no less; it is a reading of the whole store, at one version.
void Crew::kill_copies() {
  const std::string name = "/copy" + std::to_string(readings_.size());
  const std::string copy = directory_.path() + name;
  const std::int64_t invoked = history_nanos();
  std::string said;
  const StrikePlace place = {"ingot copy", "", name.c_str(), kAnyCall};
  // One that is killed after its last step is whole, and not begun again.
  const auto is_whole = [&] {
    return access((copy + "/store").c_str(), F_OK) == 0 && access((copy + "/copying").c_str(), F_OK) != 0;
  };
  if (!command({INGOT_COMMAND, "-s", store_, "copy", copy, "--json"}, place, 60, is_whole, said)) return;
  const std::int64_t returned = history_nanos();
  {
    const Store store = open(copy, {.create = false});
    readings_.push_back(
        as_reading(final_state(store), ~static_cast<std::uint64_t>(readings_.size()), invoked, returned));
    EXPECT_EQ(ballast_trouble(store), "");
    EXPECT_TRUE(store.check().clean());
  }
  ++tally_.copies;
  std::filesystem::remove_all(copy);
}

void Crew::kill_imports() {
  const std::string lines = directory_.at("lines.jsonl");
  if (access(lines.c_str(), F_OK) != 0) {
    std::ofstream file(lines);
    for (int i = 0; i < kImportLines; ++i) file << "{\"id\":" << i << ",\"text\":\"record number " << i << "\"}\n";
  }
  const std::string name = "/imported" + std::to_string(tally_.imports);
  const std::string target = directory_.path() + name;
  std::string said;
  const StrikePlace place = {"ingot import", "", name.c_str(), kAnyCall};
  const auto never = [] { return false; };
  if (!command({INGOT_COMMAND, "-s", target, "import", "lines", lines, "--key", "id", "--json"}, place, 120, never,
               said)) {
    return;
  }
  EXPECT_NE(said.find("\"records\":" + std::to_string(kImportLines) + ","), std::string::npos) << said;
  // All of it again, if it was killed when the last batch was in; but never a part.
  EXPECT_TRUE(said.find("\"replaced\":0,") != std::string::npos ||
              said.find("\"replaced\":" + std::to_string(kImportLines) + ",") != std::string::npos)
      << "a line was read twice: " << said;
  {
    const Store store = open(target, {.create = false});
    int count = 0;
    for (Scan scan = Space("lines").scan(store); scan.next(); ++count) {
      EXPECT_NE(scan.value().find("\"id\":" + std::string(scan.key()) + ","), std::string_view::npos) << scan.key();
    }
    EXPECT_EQ(count, kImportLines);
    EXPECT_TRUE(store.check().clean());
  }
  ++tally_.imports;
  std::filesystem::remove_all(target);
}

void Crew::suffer() {
  std::vector<std::function<void()>> deck;
  for (const StrikePlace& place : kPlaces) deck.emplace_back([this, &place] { kill_at(place); });
  for (const StrikePlace& place : kWithLock) {
    deck.emplace_back([this, &place] { pause_with_lock(place, false); });
    deck.emplace_back([this, &place] { pause_with_lock(place, true); });
  }
  for (int i = 0; i < 6; ++i) deck.emplace_back([this] { kill_one(); });
  for (const bool yes : {false, true}) {
    deck.emplace_back([this, yes] { kill_all(yes); });
    deck.emplace_back([this, yes] { kill_openers(yes); });
    deck.emplace_back([this, yes] { pause_one(yes); });
  }
  deck.emplace_back([this] { kill_copies(); });
  deck.emplace_back([this] { kill_imports(); });
  std::shuffle(deck.begin(), deck.end(), random_);
  for (const auto& card : deck) {
    sleep(20, 80);
    card();
    if (::testing::Test::HasFailure()) return;
  }
}

void Crew::judge() {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    children_[i]->signal(SIGKILL);
    bury(i, "at random");
  }
  std::vector<std::string> files;
  for (const std::string& file : files_) {
    for (int thread = 0; thread < kHistorianThreads; ++thread) files.push_back(history_file(file, thread));
  }
  // Who was killed before its first commit has no file.
  std::erase_if(files, [](const std::string& file) { return access(file.c_str(), F_OK) != 0; });
  std::vector<history::Violation> violations;
  std::vector<history::Transaction> all = history::read_history(files, violations);
  all.insert(all.end(), readings_.begin(), readings_.end());
  tally_.transactions += all.size();
  for (const history::Transaction& one : all) {
    const bool wrote = !one.writes.empty();
    tally_.acknowledged += wrote && one.outcome == history::Outcome::committed ? 1 : 0;
    tally_.unknown += wrote && one.outcome == history::Outcome::unknown ? 1 : 0;
    tally_.lost += one.outcome == history::Outcome::lost ? 1 : 0;
  }
  const Store store = open(store_, {.create = false});
  const history::FinalState state = final_state(store);
  EXPECT_EQ(history::explain(violations), "");
  EXPECT_EQ(history::explain(history::check(all, state)), "") << "seed " << seed_;
  EXPECT_EQ(history::explain(history::check_lists(all, state)), "") << "seed " << seed_;
  EXPECT_EQ(ballast_trouble(store), "");
  const CheckReport report = store.check();
  EXPECT_TRUE(report.clean()) << (report.damage.empty() ? "healed" : report.damage[0]);
}

}  // namespace ingot::testing
