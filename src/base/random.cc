#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "base/simulation.h"

namespace ingot::base {

void random_bytes(std::span<char> out) {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->random_bytes(out);
    return;
  }
#endif
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      std::abort();  // only a kernel older than 3.17 fails here
    }
  }
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  random_bytes({reinterpret_cast<char*>(&value), sizeof value});
  return value;
}

}  // namespace ingot::base
