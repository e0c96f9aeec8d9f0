// Historians at work on one store, and what is done to them: each kind of death and sleep, at its moment. Afterwards
// all that they were told and saw is judged.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "child.h"
#include "fault_page.h"
#include "support/history.h"
#include "support/temporary_directory.h"

namespace ingot::testing {

// What happened, over all crews.
struct Tally {
  std::map<std::string, std::uint64_t> kills;   // by kind
  std::map<std::string, std::uint64_t> pauses;  // by kind
  std::uint64_t misses = 0;                     // nobody came to the place in time
  std::uint64_t stores = 0;
  std::uint64_t transactions = 0;  // recorded and checked
  std::uint64_t acknowledged = 0;  // of those: commits that wrote, and were told so
  std::uint64_t unknown = 0;       // … and were not told anything
  std::uint64_t lost = 0;
  std::uint64_t copies = 0;
  std::uint64_t imports = 0;
  std::vector<std::uint64_t> open_micros;

  [[nodiscard]] std::uint64_t all_kills() const;
  // Kinds that have not happened yet.
  [[nodiscard]] std::vector<std::string> missing() const;
  void print() const;
};

class Crew {
 public:
  Crew(std::uint64_t seed, Tally& tally);
  // Every kind of kill and pause once, in random order.
  void suffer();
  // Ends them, and checks everything.
  void judge();

 private:
  void start(std::size_t index);
  // Of one that was killed, or is about to die.
  void bury(std::size_t index, const std::string& kind);
  void replace(std::size_t index, const std::string& kind);
  std::optional<std::size_t> strike(const StrikePlace& place, int signal, int reach);
  std::optional<std::size_t> child_with(std::optional<pid_t> pid) const;
  std::size_t anyone() { return below(children_.size()); }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  void sleep(int from_millis, int to_millis);

  void kill_one();
  void kill_all(bool stop_first);
  void kill_at(const StrikePlace& place);
  void kill_openers(bool alone);
  void pause_one(bool kill);
  void pause_with_lock(const StrikePlace& place, bool kill);
  void kill_copies();
  void kill_imports();
  // Runs the command until it ends by itself, or what it makes is whole; and kills it before that a few times.
  bool command(const Arguments& words, const StrikePlace& place, int reach, const std::function<bool()>& is_whole,
               std::string& said);

  Tally& tally_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  TemporaryDirectory directory_;
  const std::string store_ = directory_.at("store");
  FaultPage faults_{directory_.at("faults"), directory_.path()};
  std::vector<std::string> files_;
  std::vector<std::unique_ptr<Child>> children_;
  std::vector<history::Transaction> readings_;  // of copies
};

}  // namespace ingot::testing
