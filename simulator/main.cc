// ingot-simulator: runs seeds of a scenario in worker processes and adds up what happened.
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/testing.h"
#include "runner.h"
#include "scenario.h"

namespace {

using ingot::base::Break;

constexpr const char kUsage[] =
    "usage: ingot-simulator [options]\n"
    "  --first-seed A   the first seed (0)\n"
    "  --seeds N        how many (1000; with --hours: as many as there is time for)\n"
    "  --hours H        how long at most, all scenarios together, as 0.5\n"
    "  --scenario S     log, bucket-log or engine (all)\n"
    "  --jobs J         worker processes (1)\n"
    "  --trace          print each step; one job\n"
    "  --leave-out LIST leave these things out of each seed, as a shortened failure says\n"
    "  --whole          do not shorten failing seeds\n"
    "  --hashes         print each seed's hash, to compare builds\n"
    "  --break NAME     make one thing wrong on purpose (repeatable): the run must fail\n"
    "  --breaks         list what can be made wrong\n";

bool switch_break(const char* name) {
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(Break::count); ++i) {
    if (std::strcmp(ingot::base::break_name(static_cast<Break>(i)), name) == 0) {
      ingot::base::set_break(static_cast<Break>(i), true);
      return true;
    }
  }
  return false;
}

int usage(const char* wrong, const char* what) {
  std::fprintf(stderr, "ingot-simulator: %s%s\n%s", wrong, what, kUsage);
  return 2;
}

bool take_number(const char* text, std::uint64_t& number) {
  char* end = nullptr;
  number = std::strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == 0;
}

}  // namespace

int main(int count, char** arguments) {
  ingot::simulator::RunOptions options;
  std::string scenario;
  static constexpr option kOptions[] = {{"first-seed", required_argument, nullptr, 'f'},
                                        {"seeds", required_argument, nullptr, 'n'},
                                        {"hours", required_argument, nullptr, 'h'},
                                        {"scenario", required_argument, nullptr, 's'},
                                        {"jobs", required_argument, nullptr, 'j'},
                                        {"trace", no_argument, nullptr, 't'},
                                        {"hashes", no_argument, nullptr, 'p'},
                                        {"leave-out", required_argument, nullptr, 'o'},
                                        {"whole", no_argument, nullptr, 'w'},
                                        {"break", required_argument, nullptr, 'b'},
                                        {"breaks", no_argument, nullptr, 'l'},
                                        {"help", no_argument, nullptr, '?'},
                                        {nullptr, 0, nullptr, 0}};
  bool seeds_given = false;
  for (int chosen = 0; (chosen = getopt_long(count, arguments, "", kOptions, nullptr)) != -1;) {
    switch (chosen) {
      case 'f':
        if (!take_number(optarg, options.first_seed)) return usage("not a number: ", optarg);
        break;
      case 'n':
        if (!take_number(optarg, options.seeds)) return usage("not a number: ", optarg);
        seeds_given = true;
        break;
      case 'h': {
        char* end = nullptr;
        options.hours = std::strtod(optarg, &end);
        if (*end != 0 || !(options.hours > 0)) return usage("not a number of hours: ", optarg);
        if (!seeds_given) options.seeds = ~0ULL;
        break;
      }
      case 's':
        scenario = optarg;
        break;
      case 'j':
        if (!take_number(optarg, options.jobs) || options.jobs == 0 || options.jobs > 1024) {
          return usage("not a number of jobs: ", optarg);
        }
        break;
      case 't':
        options.print_trace = true;
        break;
      case 'p':
        options.print_hashes = true;
        break;
      case 'o':
        if (!options.leave_out.take_text(optarg)) return usage("can't be left out: ", optarg);
        break;
      case 'w':
        options.shortens = false;
        break;
      case 'b':
        if (!switch_break(optarg)) return usage("there is no such break: ", optarg);
        options.repeat_with += std::string(" --break ") + optarg;
        break;
      case 'l':
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(Break::count); ++i) {
          std::puts(ingot::base::break_name(static_cast<Break>(i)));
        }
        return 0;
      default:
        return usage("", "");
    }
  }
  if (optind != count) return usage("not understood: ", arguments[optind]);
  std::size_t found = 0;
  for (const ingot::simulator::Scenario& each : ingot::simulator::scenarios()) {
    if (scenario.empty() || scenario == each.name) ++found;
  }
  if (found == 0) return usage("there is no such scenario: ", scenario.c_str());
  options.hours /= static_cast<double>(found);
  ingot::simulator::RunCounts all;
  for (const ingot::simulator::Scenario& each : ingot::simulator::scenarios()) {
    if (!scenario.empty() && scenario != each.name) continue;
    const ingot::simulator::RunCounts counts = ingot::simulator::run_seeds(each, options);
    all.passed += counts.passed;
    all.failed += counts.failed;
  }
  if (found > 1) {
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(all.passed),
                static_cast<unsigned long long>(all.failed));
  }
  return all.failed == 0 ? 0 : 1;
}
