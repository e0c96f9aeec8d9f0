// The rounds' answers as medians: a table for people, JSON for programs.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine.h"
#include "stage.h"
#include "system.h"
#include "team.h"
#include "workloads.h"

namespace bench {

class Report {
 public:
  Report(std::vector<EngineKind> kinds, Scale scale, Machine machine);

  // The answers to one row in one round.
  void add(const Workload& workload, const std::map<std::string, Answer>& answers);

  // Nothing failed, and where answers depend on the data alone they were the same.
  [[nodiscard]] bool good() const { return problems_.empty(); }

  void print_settings() const;
  void print_tables() const;
  [[nodiscard]] nlohmann::json to_json() const;

 private:
  struct Row {
    Workload workload;
    std::map<std::string, std::vector<Answer>> rounds;  // by engine
  };
  struct Best {
    std::string peer;
    double ratio = 0;  // above 1: Ingot is that many times as fast
  };

  [[nodiscard]] std::vector<double> figures(const Row& row, const std::string& engine, const std::string& field) const;
  [[nodiscard]] std::optional<Best> against_best_peer(const Row& row) const;
  void check_checksums(const Workload& workload, const std::map<std::string, Answer>& answers);
  void print_rates() const;
  void print_latencies() const;
  void print_space() const;

  std::vector<EngineKind> kinds_;
  Scale scale_;
  Machine machine_;
  std::vector<Row> rows_;
  std::vector<std::string> problems_;
};

}  // namespace bench
