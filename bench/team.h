// The engines of one round, each in its own process, taking turns: every row is run by one after another before the
// next row begins, so that a machine that gets slower or faster does so for all.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine.h"
#include "stage.h"
#include "workloads.h"

namespace bench {

// What one engine did in one row of one round: the worker's answer, or {"error": …}.
using Answer = nlohmann::json;

class Team {
 public:
  // directory: exists and is empty; the stores are made below it.
  Team(std::vector<EngineKind> kinds, std::string directory, const Catalog& catalog);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();  // ends the processes and removes their stores

  // Runs one row; `first` says which engine begins. Answers by engine name.
  std::map<std::string, Answer> run(const Workload& workload, std::size_t first);

 private:
  class Member;
  static Answer run_opens(Member& member, const Workload& workload);

  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace bench
