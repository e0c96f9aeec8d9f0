// ingot-bucket-model: explores the worlds of the model, or shows what a broken rule leads to.
#include <getopt.h>

#include <cstdio>
#include <cstring>

#include "model/explorer.h"
#include "model/worlds.h"
using namespace ingot::bucket_model;
int main(int c, char** v) {
  const char* which = c > 2 ? v[2] : nullptr;
  if (c > 1 && !strcmp(v[1], "--breaks")) {
    for (int i = 0; i < (int)Broken::count; ++i) {
      if (which && strcmp(which, broken_name((Broken)i))) continue;
      World w = broken_world((Broken)i);
      Explored e = explore(w, Effort{.states_max = 20000000});
      printf("== %s (%s): %s [%s; %llu states, depth %d]\n", broken_name((Broken)i), broken_means((Broken)i),
             e.violation.empty() ? "NOTHING" : e.violation.c_str(), w.name.c_str(), (unsigned long long)e.states,
             e.depth);
      int n = 0;
      for (auto& t : e.trace) printf("  %2d  %s\n", ++n, t.c_str());
      fflush(stdout);
    }
    return 0;
  }
  Size size = c > 1 && !strcmp(v[1], "large") ? Size::large : c > 1 && !strcmp(v[1], "tiny") ? Size::tiny : Size::small;
  for (auto& w : worlds(size)) {
    if (which && w.name != which) continue;
    Explored e = explore(w, Effort{.states_max = 60000000, .checks_progress = c > 3});
    printf("%s: %llu states, %llu steps, depth %d, whole %d %s\n", w.name.c_str(), (unsigned long long)e.states,
           (unsigned long long)e.steps, e.depth, e.is_whole, e.violation.c_str());
    int n = 0;
    for (auto& t : e.trace) printf("  %2d  %s\n", ++n, t.c_str());
    fflush(stdout);
  }
}
