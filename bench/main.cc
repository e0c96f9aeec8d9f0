// ingot-bench: Ingot and its peers on the same work, in turn, with the answers checked. docs/benchmarks.md explains it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "report.h"
#include "stage.h"
#include "system.h"
#include "team.h"
#include "workloads.h"

namespace bench {
namespace {

volatile std::sig_atomic_t interrupted = 0;

struct Arguments {
  std::vector<std::string> engines;
  std::vector<std::string> workloads;
  std::uint64_t records = 0;  // 0: by `quick`
  int rounds = 1;
  double seconds = 0;  // 0: by `quick`
  std::string directory = ".";
  std::string json_file;
  bool quick = false;
  bool list = false;
};

// A directory of our own below the given one, gone at the end.
class Workplace {
 public:
  explicit Workplace(const std::string& parent) {
    std::filesystem::create_directories(parent);
    path_ = parent + "/ingot-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("can't make a directory in " + parent);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Those of `all` whose names are wanted, in the order of `all`. A name that ends with '*' means all that begin so.
template <class Named>
std::vector<Named> select(const std::vector<Named>& all, const std::vector<std::string>& wanted, const char* what) {
  if (wanted.empty()) return all;
  const auto matches = [](const std::string& pattern, const std::string& name) {
    if (!pattern.empty() && pattern.back() == '*') return name.rfind(pattern.substr(0, pattern.size() - 1), 0) == 0;
    return pattern == name;
  };
  for (const std::string& pattern : wanted) {
    if (std::none_of(all.begin(), all.end(), [&](const Named& named) { return matches(pattern, named.name); })) {
      throw std::runtime_error("no " + std::string(what) + " \"" + pattern + "\" in this build; see --list");
    }
  }
  std::vector<Named> selected;
  for (const Named& named : all) {
    if (std::any_of(wanted.begin(), wanted.end(), [&](const auto& pattern) { return matches(pattern, named.name); })) {
      selected.push_back(named);
    }
  }
  return selected;
}

void list() {
  std::printf("engines:\n");
  for (const EngineKind& kind : engine_kinds()) {
    std::printf("  %-20s %s (%s)\n", kind.name.c_str(), kind.version.c_str(), kind.build.c_str());
  }
  std::printf("workloads:\n");
  for (const Workload& workload : workloads()) {
    std::printf("  %-20s %s, %llu thread(s), commits: %s\n", workload.name.c_str(), workload.summary.c_str(),
                static_cast<unsigned long long>(workload.threads),
                workload.durability == Durability::disk ? "disk" : "process");
  }
}

int run(const Arguments& arguments) {
  const std::vector<EngineKind> kinds = select(engine_kinds(), arguments.engines, "engine");
  const std::vector<Workload> rows = select(workloads(), arguments.workloads, "workload");
  const Workplace workplace(arguments.directory);
  Scale scale;
  if (arguments.quick) scale = {.records = 200'000, .seconds = 0.25};
  if (arguments.records > 0) scale.records = arguments.records;
  if (arguments.seconds > 0) scale.seconds = arguments.seconds;

  Report report(kinds, scale, describe_machine(workplace.path()));
  report.print_settings();
  std::fflush(stdout);
  const Catalog catalog(scale);
  const bool progress = ::isatty(STDERR_FILENO) != 0;
  for (int round = 0; round < arguments.rounds && interrupted == 0; ++round) {
    Team team(kinds, workplace.path(), catalog);
    for (const Workload& workload : rows) {
      if (interrupted != 0) break;
      if (progress) std::fprintf(stderr, "\rround %d: %-20s", round + 1, workload.name.c_str());
      report.add(workload, team.run(workload, static_cast<std::size_t>(round)));
    }
  }
  if (progress) std::fprintf(stderr, "\r%40s\r", "");
  report.print_tables();
  if (interrupted != 0) std::printf("\nStopped by a signal: medians are of the rounds that were done.\n");
  if (!arguments.json_file.empty()) {
    std::ofstream file(arguments.json_file);
    file << report.to_json().dump(1) << "\n";
    if (!file.flush()) throw std::runtime_error("can't write " + arguments.json_file);
  }
  if (interrupted != 0) return 130;
  return report.good() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
  bench::Arguments arguments;
  CLI::App app("Measures Ingot and its peers on the same work, in turn, checks their answers, and prints ratios.");
  app.add_option("--engines", arguments.engines, "which (default: all built in)")->delimiter(',');
  app.add_option("--workloads", arguments.workloads, "which rows, * at the end allowed (default: all)")->delimiter(',');
  app.add_option("--records", arguments.records, "how many (default 1,000,000)")->check(CLI::Range(1'000, 1 << 30));
  app.add_option("--rounds", arguments.rounds, "how often; medians are printed (default 1)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", arguments.seconds, "of each row (default 1)")->check(CLI::Range(0.05, 3600.0));
  app.add_option("--directory", arguments.directory, "where the stores are made, and removed (default: here)");
  app.add_option("--json", arguments.json_file, "writes everything into this file too");
  app.add_flag("--quick", arguments.quick, "200,000 records, a quarter second a row: about a minute, rougher");
  app.add_flag("--list", arguments.list, "shows engines and workloads, and ends");
  CLI11_PARSE(app, count, words);
  const auto interrupt = [](int) { bench::interrupted = 1; };
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  try {
    if (arguments.list) {
      bench::list();
      return EXIT_SUCCESS;
    }
    return bench::run(arguments);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "ingot-bench: %s\n", failure.what());
    return 2;
  }
}
