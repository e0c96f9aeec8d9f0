// ingot-bench-bucket: a store in a bucket, on one or more S3 servers: what commits, opening, reads and a recovery take
// beside a single request, with everything checked. scripts/bench-bucket.sh starts the servers; docs/s3.md has figures.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../system.h"
#include "crew.h"
#include "figures.h"
#include "ingot/ingot.h"

namespace bench {
namespace {

struct FigureKind {
  const char* name;
  const char* summary;
  void (*measure)(const Server& server, const Extent& extent, Sheet& sheet);
};

constexpr FigureKind kFigures[] = {
    {"put", "single requests; the others are compared with them", measure_put},
    {"commit", "small transactions by 1, 2 and 8 processes with one thread each", measure_commit},
    {"throughput", "1 process with 64 threads, 8 processes with 8 threads each", measure_throughput},
    {"open", "opening large stores with nothing cached; what an idle store asks", measure_open},
    {"read", "point reads: nothing cached, from the disk cache, from memory (with `open`)", measure_read},
    {"recovery", "8 writers are killed; a new process opens, reads all, commits", measure_recovery},
};

struct Arguments {
  std::vector<std::string> servers;
  std::vector<std::string> only;
  std::vector<unsigned> processes;
  std::string json_file;
  bool quick = false;
};

// A directory of our own, gone at the end.
class Scratch {
 public:
  Scratch() {
    path_ = (std::filesystem::temp_directory_path() / "ingot-bench-bucket-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("can't make a directory " + path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool is_wanted(const Arguments& arguments, const std::string& name) {
  const std::vector<std::string>& only = arguments.only;
  if (only.empty() || std::find(only.begin(), only.end(), name) != only.end()) return true;
  if (name == "put") return true;  // what the others are compared with
  return name == "open" && std::find(only.begin(), only.end(), "read") != only.end();
}

void print_machine(const Machine& machine) {
  std::printf("%s, %u cores, %.0f GiB, %s, load %.2f; ingot %s\n\n", machine.processor.c_str(), machine.cores,
              static_cast<double>(machine.memory_bytes) / 0x1p30, machine.kernel.c_str(), machine.load,
              ingot::release());
  std::fflush(stdout);
}

nlohmann::json to_json(const Machine& machine) {
  return {{"processor", machine.processor},
          {"cores", machine.cores},
          {"memory_bytes", machine.memory_bytes},
          {"kernel", machine.kernel},
          {"load", machine.load}};
}

int run(const Arguments& arguments) {
  const Scratch scratch;
  Extent extent;
  if (arguments.quick) {
    extent.seconds = 4;
    extent.puts = 40;
    extent.records = {20'000, 100'000};
    extent.opens = 3;
    extent.reads = 40;
    extent.idle_seconds = 0;
  }
  if (!arguments.processes.empty()) extent.processes = arguments.processes;
  extent.scratch = scratch.path();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string run_name =
      "bench-" + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const Machine machine = describe_machine(scratch.path());
  print_machine(machine);

  std::vector<std::string> names;
  std::vector<Sheet> sheets;
  std::vector<std::string> problems;
  nlohmann::json file = {{"machine", to_json(machine)}, {"release", ingot::release()}, {"quick", arguments.quick}};
  for (const std::string& text : arguments.servers) {
    const Server server = parse_server(text, run_name);
    Sheet sheet;
    for (const FigureKind& figure : kFigures) {
      if (!is_wanted(arguments, figure.name)) continue;
      std::fprintf(stderr, "%s: %s\n", server.name.c_str(), figure.name);
      try {
        figure.measure(server, extent, sheet);
      } catch (const std::exception& failure) {
        problems.push_back(server.name + ", " + figure.name + ": " + failure.what());
        std::fprintf(stderr, "ingot-bench-bucket: %s\n", problems.back().c_str());
      }
    }
    names.push_back(server.name);
    file["servers"][server.name] = sheet.to_json();
    sheets.push_back(std::move(sheet));
  }
  print_table(names, sheets);
  file["problems"] = problems;
  if (!arguments.json_file.empty()) {
    std::ofstream out(arguments.json_file);
    out << file.dump(1) << "\n";
    if (!out.flush()) throw std::runtime_error("can't write " + arguments.json_file);
  }
  return problems.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

std::string figures_help() {
  std::string text = "Figures:\n";
  for (const FigureKind& figure : kFigures) {
    text += std::string("  ") + figure.name + std::string(12 - std::string(figure.name).size(), ' ') + figure.summary +
            "\n";
  }
  return text;
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
  bench::Arguments arguments;
  CLI::App app("Measures a store in a bucket beside single requests to it, checks all that it reads, prints ratios.");
  app.footer(bench::figures_help());
  app.add_option(
         "--server", arguments.servers,
         "NAME=ENDPOINT[,BUCKET], again for each; the endpoint \"aws\" is Amazon's own. Credentials and region: "
         "from the environment, as for any S3 tool")
      ->required();
  app.add_option("--only", arguments.only, "which figures, with commas between them (default: all)")->delimiter(',');
  app.add_option("--processes", arguments.processes, "of the figure `commit` (default: 1,2,8)")
      ->delimiter(',')
      ->check(CLI::Range(1U, bench::kCrewProcessesMax));
  app.add_option("--json", arguments.json_file, "writes everything into this file too");
  app.add_flag("--quick", arguments.quick, "less of everything: about two minutes a server, rougher");
  CLI11_PARSE(app, count, words);
  try {
    return bench::run(arguments);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "ingot-bench-bucket: %s\n", failure.what());
    return 2;
  }
}
