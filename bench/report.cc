// See report.h.
#include "report.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace bench {
namespace {

using nlohmann::json;

constexpr int kColumn = 15;

double median(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  const std::size_t middle = figures.size() / 2;
  return figures.size() % 2 == 1 ? figures[middle] : (figures[middle - 1] + figures[middle]) / 2;
}

// (largest - smallest) / median, in per cent.
double spread(const std::vector<double>& figures) {
  const auto [least, most] = std::minmax_element(figures.begin(), figures.end());
  return 100 * (*most - *least) / median(figures);
}

std::string format(const char* pattern, double number) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, number);
  return text;
}

std::string rate_text(double rate) {
  if (rate >= 1e6) return format("%.2f M", rate / 1e6);
  if (rate >= 1e4) return format("%.0f k", rate / 1e3);
  if (rate >= 1e3) return format("%.1f k", rate / 1e3);
  return format("%.0f", rate);
}

std::string time_text(double nanoseconds) {
  if (nanoseconds >= 1e9) return format("%.2f s", nanoseconds / 1e9);
  if (nanoseconds >= 1e6) return format("%.1f ms", nanoseconds / 1e6);
  if (nanoseconds >= 1e4) return format("%.0f us", nanoseconds / 1e3);
  return format("%.2f us", nanoseconds / 1e3);
}

std::string bytes_text(double bytes) {
  return format("%.0f MiB", bytes / 0x1p20);
}

const char* durability_text(Durability durability) {
  return durability == Durability::disk ? "disk" : "process";
}

const char* unit_text(Unit unit) {
  switch (unit) {
    case Unit::operations:
      return "operations/s";
    case Unit::records:
      return "records/s";
    case Unit::scans:
      return "scans/s";
    case Unit::milliseconds:
      return "ms";
  }
  return "";
}

void print_heading(const std::vector<EngineKind>& kinds, const char* what) {
  std::printf("\n%-30s %-8s %2s", what, "commits", "th");
  for (const EngineKind& kind : kinds) std::printf(" %*s", kColumn, kind.name.c_str());
}

void print_beginning(const Workload& workload) {
  std::printf("%-30s %-8s %2llu", workload.summary.c_str(), durability_text(workload.durability),
              static_cast<unsigned long long>(workload.threads));
}

}  // namespace

Report::Report(std::vector<EngineKind> kinds, Scale scale, Machine machine)
    : kinds_(std::move(kinds)), scale_(scale), machine_(std::move(machine)) {}

void Report::add(const Workload& workload, const std::map<std::string, Answer>& answers) {
  auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) { return r.workload.name == workload.name; });
  if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{workload, {}});
  for (const auto& [engine, answer] : answers) {
    row->rounds[engine].push_back(answer);
    if (answer.contains("error")) {
      problems_.push_back(workload.name + ", " + engine + ": " + answer["error"].get<std::string>());
      std::fprintf(stderr, "ingot-bench: %s\n", problems_.back().c_str());
    }
  }
  if (workload.deterministic) check_checksums(workload, answers);
}

void Report::check_checksums(const Workload& workload, const std::map<std::string, Answer>& answers) {
  const Answer* first = nullptr;
  for (const auto& [engine, answer] : answers) {
    if (answer.contains("error")) continue;
    if (first == nullptr) first = &answer;
    if (answer["checksum"] == (*first)["checksum"]) continue;
    problems_.push_back(workload.name + ": the engines read different things");
    std::fprintf(stderr, "ingot-bench: %s\n", problems_.back().c_str());
    return;
  }
}

std::vector<double> Report::figures(const Row& row, const std::string& engine, const std::string& field) const {
  std::vector<double> found;
  const auto rounds = row.rounds.find(engine);
  if (rounds == row.rounds.end()) return found;
  for (const Answer& answer : rounds->second) {
    if (answer.contains(field)) found.push_back(answer[field].get<double>());
  }
  return found;
}

std::optional<Report::Best> Report::against_best_peer(const Row& row) const {
  const std::vector<double> own = figures(row, "ingot", "rate");
  if (own.empty()) return std::nullopt;
  const bool less_is_better = row.workload.unit == Unit::milliseconds;
  std::optional<Best> best;
  for (const EngineKind& kind : kinds_) {
    const std::vector<double> peer = figures(row, kind.name, "rate");
    if (kind.name == "ingot" || peer.empty()) continue;
    const double ratio = less_is_better ? median(peer) / median(own) : median(own) / median(peer);
    if (!best || ratio < best->ratio) best = Best{kind.name, ratio};
  }
  return best;
}

void Report::print_settings() const {
  std::printf("%s, %u cores, %s memory, %s, %s, load %.1f\n", machine_.processor.c_str(), machine_.cores,
              bytes_text(static_cast<double>(machine_.memory_bytes)).c_str(), machine_.kernel.c_str(),
              machine_.file_system.c_str(), machine_.load);
  std::printf("%llu records of %zu + %zu bytes\n", static_cast<unsigned long long>(scale_.records), kKeyBytes,
              kValueBytes);
  for (const EngineKind& kind : kinds_) {
    std::printf("  %s %s (%s)\n    %s\n    disk: %s\n    process: %s\n    read-modify-write: %s\n", kind.name.c_str(),
                kind.version.c_str(), kind.build.c_str(), kind.settings.c_str(), kind.disk.c_str(),
                kind.process.c_str(), kind.advance.c_str());
  }
#ifndef NDEBUG
  std::printf("WARNING: built with assertions. Figures of such a build mean nothing: use scripts/bench.sh.\n");
#endif
}

void Report::print_tables() const {
  print_rates();
  print_latencies();
  print_space();
  for (const std::string& problem : problems_) std::printf("\nFAILED: %s\n", problem.c_str());
}

void Report::print_rates() const {
  print_heading(kinds_, "a second; medians, spread");
  std::printf("  ingot : best peer\n");
  for (const Row& row : rows_) {
    print_beginning(row.workload);
    for (const EngineKind& kind : kinds_) {
      const std::vector<double> rates = figures(row, kind.name, "rate");
      std::string cell = rates.empty() ? "failed" : rate_text(median(rates));
      if (!rates.empty() && row.workload.unit == Unit::milliseconds) cell = format("%.2f ms", median(rates));
      if (rates.size() > 1) cell += format(" %3.0f%%", spread(rates));
      std::printf(" %*s", kColumn, cell.c_str());
    }
    if (const std::optional<Best> best = against_best_peer(row)) {
      std::printf("  %6.2f %s", best->ratio, best->peer.c_str());
    }
    std::printf("\n");
  }
}

void Report::print_latencies() const {
  for (const auto& [field, title] : {std::pair{"p50", "latency, median"}, std::pair{"p99", "latency, 99 %"},
                                     std::pair{"p99_9", "latency, 99.9 %"}, std::pair{"max", "latency, longest"}}) {
    print_heading(kinds_, title);
    std::printf("\n");
    for (const Row& row : rows_) {
      if (row.workload.unit == Unit::milliseconds) continue;
      print_beginning(row.workload);
      for (const EngineKind& kind : kinds_) {
        const std::vector<double> times = figures(row, kind.name, field);
        std::printf(" %*s", kColumn, times.empty() ? "failed" : time_text(median(times)).c_str());
      }
      std::printf("\n");
    }
  }
}

// After the rows that change what a store holds, and after the first reads.
void Report::print_space() const {
  for (const auto& [field, title] :
       {std::pair{"disk_bytes", "on disk, once quiet"}, std::pair{"written_bytes", "written to disk by the row"},
        std::pair{"anonymous_bytes", "memory, once quiet"}, std::pair{"mapped_bytes", "of files mapped"}}) {
    print_heading(kinds_, title);
    std::printf("\n");
    for (const Row& row : rows_) {
      const std::string& name = row.workload.name;
      const bool tells = name == "put" || name == "load-ascending" || name == "load" || name == "get" ||
                         name == "ycsb-a" || name == "ycsb-e";
      if (!tells) continue;
      print_beginning(row.workload);
      for (const EngineKind& kind : kinds_) {
        const std::vector<double> bytes = figures(row, kind.name, field);
        std::printf(" %*s", kColumn, bytes.empty() ? "failed" : bytes_text(median(bytes)).c_str());
      }
      std::printf("\n");
    }
  }
}

nlohmann::json Report::to_json() const {
  json engines = json::array();
  for (const EngineKind& kind : kinds_) {
    engines.push_back({{"name", kind.name},
                       {"version", kind.version},
                       {"build", kind.build},
                       {"settings", kind.settings},
                       {"disk", kind.disk},
                       {"process", kind.process},
                       {"read_modify_write", kind.advance}});
  }
  json rows = json::array();
  for (const Row& row : rows_) {
    json results = json::object();
    for (const auto& [engine, answers] : row.rounds) {
      json result = {{"rounds", answers}};
      const std::vector<double> rates = figures(row, engine, "rate");
      if (!rates.empty()) {
        result["median"] = median(rates);
        result["spread_percent"] = spread(rates);
      }
      results[engine] = result;
    }
    json described = {{"workload", row.workload.name},
                      {"summary", row.workload.summary},
                      {"durability", durability_text(row.workload.durability)},
                      {"threads", row.workload.threads},
                      {"unit", unit_text(row.workload.unit)},
                      {"engines", results}};
    if (const std::optional<Best> best = against_best_peer(row)) {
      described["best_peer"] = best->peer;
      described["ingot_to_best_peer"] = best->ratio;
    }
    rows.push_back(described);
  }
#ifdef NDEBUG
  constexpr bool kAssertions = false;
#else
  constexpr bool kAssertions = true;
#endif
  return {{"machine",
           {{"processor", machine_.processor},
            {"cores", machine_.cores},
            {"memory_bytes", machine_.memory_bytes},
            {"kernel", machine_.kernel},
            {"file_system", machine_.file_system},
            {"load", machine_.load}}},
          {"records", scale_.records},
          {"key_bytes", kKeyBytes},
          {"value_bytes", kValueBytes},
          {"seconds", scale_.seconds},
          {"built_with_assertions", kAssertions},
          {"engines", engines},
          {"rows", rows},
          {"problems", problems_}};
}

}  // namespace bench
