// ingot-bucket-model: explores the worlds of the model, or shows what a broken rule leads to.
#include <getopt.h>

#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <string_view>

#include "model/explorer.h"
#include "model/times.h"
#include "model/worlds.h"

namespace {

using namespace ingot::bucket_model;

constexpr const char kUsage[] =
    "usage: ingot-bucket-model [options]\n"
    "  --world W     tiny, small (the default) or large: all worlds of that size; or the name of one of them\n"
    "  --break NAME  show what happens without this rule, step by step: the run must fail\n"
    "  --list        the worlds, and the rules that can be broken\n"
    "It fails if a promise is broken, or if a world has more states than have room in 7 GiB.\n";

void list() {
  for (const Size size : {Size::tiny, Size::small, Size::large}) {
    std::printf("%s worlds\n", size_name(size));
    for (const World& world : worlds(size)) std::printf("  %-12s %s\n", world.name.c_str(), world.about.c_str());
  }
  std::printf("inequalities\n");
  for (const Inequality& inequality : inequalities()) std::printf("  %-12s %s\n", inequality.name, inequality.says);
  std::printf("breaks\n");
  for (std::size_t i = 0; i < static_cast<std::size_t>(Broken::count); ++i) {
    const auto broken = static_cast<Broken>(i);
    std::printf("  %-32s %s\n", broken_name(broken), broken_means(broken));
  }
}

bool show(const World& world) {
  const std::clock_t begun = std::clock();
  const Explored explored = explore(world, Effort{});
  const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  std::printf("%-12s %10llu states %11llu steps, depth %d, %.1f s of a core%s\n", world.name.c_str(),
              static_cast<unsigned long long>(explored.states), static_cast<unsigned long long>(explored.steps),
              explored.depth, seconds, explored.is_whole ? "" : ": NOT ALL OF THEM, there is no room for more");
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

bool explore_all(Size size) {
  bool is_good = true;
  for (const World& world : worlds(size)) is_good = show(world) && is_good;
  for (const Inequality& inequality : inequalities()) is_good = show(inequality, size) && is_good;
  return is_good;
}

int run(std::string_view world_name, std::string_view broken_rule) {
  if (!broken_rule.empty()) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(Broken::count); ++i) {
      if (broken_rule != broken_name(static_cast<Broken>(i))) continue;
      std::printf("%s: %s\n", broken_name(static_cast<Broken>(i)), broken_means(static_cast<Broken>(i)));
      return show(broken_world(static_cast<Broken>(i))) ? 0 : 1;
    }
    std::fprintf(stderr, "ingot-bucket-model: no such rule; --list shows them\n");
    return 2;
  }
  for (const Size size : {Size::tiny, Size::small, Size::large}) {
    if (world_name == size_name(size)) return explore_all(size) ? 0 : 1;
  }
  bool is_known = false;
  bool is_good = true;
  for (const Size size : {Size::tiny, Size::small, Size::large}) {
    for (const World& world : worlds(size)) {
      if (world.name != world_name) continue;
      is_known = true;
      std::printf("%-6s ", size_name(size));
      is_good = show(world) && is_good;
    }
  }
  if (!is_known) std::fprintf(stderr, "ingot-bucket-model: no such world; --list shows them\n");
  if (!is_known) return 2;
  return is_good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  static constexpr option kOptions[] = {{"world", required_argument, nullptr, 'w'},
                                        {"break", required_argument, nullptr, 'b'},
                                        {"list", no_argument, nullptr, 'l'},
                                        {"help", no_argument, nullptr, 'h'},
                                        {nullptr, 0, nullptr, 0}};
  std::string_view world = "small";
  std::string_view broken;
  for (int chosen = 0; (chosen = getopt_long(count, arguments, "", kOptions, nullptr)) != -1;) {
    switch (chosen) {
      case 'w':
        world = optarg;
        break;
      case 'b':
        broken = optarg;
        break;
      case 'l':
        list();
        return 0;
      case 'h':
        std::fputs(kUsage, stdout);
        return 0;
      default:
        std::fputs(kUsage, stderr);
        return 2;
    }
  }
  if (optind != count) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    return run(world, broken);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot-bucket-model: %s\n", error.what());
    return 2;
  }
}
