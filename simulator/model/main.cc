// ingot-bucket-model: explores the worlds of the model, or shows what a broken rule leads to.
#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/explorer.h"
#include "model/times.h"
#include "model/worlds.h"

namespace {

using namespace ingot::bucket_model;

constexpr const char kUsage[] =
    "usage: ingot-bucket-model [options]\n"
    "Explores all states of small worlds of the log in a bucket. The last line of a world that breaks a promise is\n"
    "followed by a shortest way there.\n"
    "  --size S       tiny (a second), small (the default: half a minute) or large (nine minutes, 5 GiB)\n"
    "  --world NAME   only this one; without it all of that size, and the inequalities of times\n"
    "  --times        only the inequalities of times\n"
    "  --break NAME   show what happens without this rule, in a world of its own: the run must fail\n"
    "  --list         the worlds, the inequalities, and the rules that can be broken\n"
    "  --states N     give a world up that has more states\n"
    "  --gigabytes G  or takes more memory (7)\n"
    "Ends with 0 if all promises are kept, 1 if one is broken or a world was given up, 2 if it was called wrongly.\n";

// Called in a way that makes no sense.
struct Misused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr Size kSizes[] = {Size::tiny, Size::small, Size::large};

struct Wanted {
  Size size = Size::small;
  std::optional<std::string> world;
  std::optional<Broken> broken;
  bool only_times = false;
  Effort effort;
};

void list() {
  std::printf("worlds\n");
  for (const World& world : worlds(Size::small)) std::printf("  %-12s %s\n", world.name.c_str(), world.about.c_str());
  std::printf("inequalities\n");
  for (const Inequality& inequality : inequalities()) std::printf("  %-12s %s\n", inequality.name, inequality.says);
  std::printf("breaks\n");
  for (const Broken broken : all_breaks()) std::printf("  %-32s %s\n", broken_name(broken), broken_means(broken));
}

bool show(const World& world, const Effort& effort) {
  const std::clock_t begun = std::clock();
  const Explored explored = explore(world, effort);
  const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  std::printf("%-12s %10llu states %11llu steps, depth %d, %.1f s of a core, %.2f GiB\n", world.name.c_str(),
              static_cast<unsigned long long>(explored.states), static_cast<unsigned long long>(explored.steps),
              explored.depth, seconds, static_cast<double>(explored.bytes) / (1ULL << 30));
  if (!explored.is_whole) std::printf("%s: GIVEN UP, there are more states than it may have\n", world.name.c_str());
  if (!explored.violation.empty()) std::printf("%s\n", explored.violation.c_str());
  int number = 0;
  for (const std::string& step : explored.trace) std::printf("  %2d  %s\n", ++number, step.c_str());
  std::fflush(stdout);
  return explored.violation.empty() && explored.is_whole;
}

// Whether the inequality is what decides, for all these times.
bool show(const Inequality& inequality, Size size) {
  std::uint64_t states = 0;
  int count = 0;
  bool is_true = true;
  for (const Times& times : inequality.times_to_try(size)) {
    const Tried tried = try_times(inequality, times);
    states += tried.states;
    ++count;
    if (tried.problem.empty()) continue;
    is_true = false;
    std::printf("%s: %s\n", inequality.name, tried.problem.c_str());
  }
  std::printf("%-12s %10llu states in %d worlds: %s\n", inequality.name, static_cast<unsigned long long>(states), count,
              inequality.says);
  std::fflush(stdout);
  return is_true;
}

std::uint64_t number_of(const char* option, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number >> 33 != 0)
    throw Misused(std::string(option) + " " + std::string(text) + ": a whole number from 1 is needed");
  return number;
}

Size size_of(std::string_view name) {
  for (const Size size : kSizes) {
    if (name == size_name(size)) return size;
  }
  throw Misused("--size " + std::string(name) + ": it is tiny, small or large");
}

Broken broken_of(std::string_view name) {
  for (const Broken broken : all_breaks()) {
    if (name == broken_name(broken)) return broken;
  }
  throw Misused("--break " + std::string(name) + ": there is no such rule; --list shows them");
}

// Nothing: there is nothing to explore.
std::optional<Wanted> read(int count, char** arguments) {
  static constexpr option kOptions[] = {{"size", required_argument, nullptr, 's'},
                                        {"world", required_argument, nullptr, 'w'},
                                        {"break", required_argument, nullptr, 'b'},
                                        {"list", no_argument, nullptr, 'l'},
                                        {"times", no_argument, nullptr, 't'},
                                        {"states", required_argument, nullptr, 'n'},
                                        {"gigabytes", required_argument, nullptr, 'g'},
                                        {"help", no_argument, nullptr, 'h'},
                                        {nullptr, 0, nullptr, 0}};
  Wanted wanted;
  bool has_size = false;
  for (int chosen = 0; (chosen = getopt_long(count, arguments, "", kOptions, nullptr)) != -1;) {
    switch (chosen) {
      case 's':
        wanted.size = size_of(optarg);
        has_size = true;
        break;
      case 'w':
        wanted.world = optarg;
        break;
      case 't':
        wanted.only_times = true;
        break;
      case 'b':
        wanted.broken = broken_of(optarg);
        break;
      case 'n':
        wanted.effort.states_max = number_of("--states", optarg);
        break;
      case 'g':
        wanted.effort.bytes_max = number_of("--gigabytes", optarg) << 30;
        break;
      case 'l':
        list();
        return std::nullopt;
      case 'h':
        std::fputs(kUsage, stdout);
        return std::nullopt;
      default:
        throw Misused("see --help");
    }
  }
  if (optind != count) throw Misused(std::string(arguments[optind]) + ": no such argument; see --help");
  if (wanted.broken && (wanted.world || wanted.only_times || has_size)) throw Misused("--break has a world of its own");
  if (wanted.world && wanted.only_times) throw Misused("--world and --times: one of them");
  return wanted;
}

bool run(const Wanted& wanted) {
  if (wanted.broken) {
    std::printf("%s: %s\n", broken_name(*wanted.broken), broken_means(*wanted.broken));
    return show(broken_world(*wanted.broken), wanted.effort);
  }
  std::vector<World> chosen = wanted.only_times ? std::vector<World>{} : worlds(wanted.size);
  if (wanted.world) std::erase_if(chosen, [&](const World& world) { return world.name != *wanted.world; });
  if (wanted.world && chosen.empty()) {
    throw Misused("--world " + *wanted.world + ": there is no such world; --list shows them");
  }
  bool is_good = true;
  for (const World& world : chosen) is_good = show(world, wanted.effort) && is_good;
  if (wanted.world) return is_good;
  for (const Inequality& inequality : inequalities()) is_good = show(inequality, wanted.size) && is_good;
  return is_good;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const std::optional<Wanted> wanted = read(count, arguments);
    return !wanted || run(*wanted) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot-bucket-model: %s\n", error.what());
    return 2;
  }
}
