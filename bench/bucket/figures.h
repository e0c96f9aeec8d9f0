// What is measured, one function a figure. Each makes stores of its own on the server, checks all that it reads, and
// throws if anything is wrong: figures of a broken store mean nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "servers.h"
#include "sheet.h"

namespace bench {

struct Extent {
  double seconds = 20;                                     // of each figure that has no fixed amount of work
  std::uint64_t puts = 200;                                // of raw latency
  std::vector<unsigned> processes{1, 2, 8};                // that commit with one thread each
  std::vector<std::uint64_t> records{100'000, 1'000'000};  // of the stores that are opened
  int opens = 5;                                           // of each; the median is told
  std::uint64_t reads = 200;                               // cold ones
  double idle_seconds = 20;
  std::string scratch;  // a directory of our own, for disk caches
};

void measure_put(const Server& server, const Extent& extent, Sheet& sheet);
void measure_commit(const Server& server, const Extent& extent, Sheet& sheet);
void measure_throughput(const Server& server, const Extent& extent, Sheet& sheet);
void measure_open(const Server& server, const Extent& extent, Sheet& sheet);
void measure_read(const Server& server, const Extent& extent, Sheet& sheet);
void measure_recovery(const Server& server, const Extent& extent, Sheet& sheet);

// A store of so many records of bench/data.h in their first generation, loaded in transactions, and closed.
void load_store(const std::string& where, std::uint64_t records);

// Milliseconds of a part (0 to 1) of what is in a histogram of nanoseconds.
template <class Latencies>
double milliseconds_of(const Latencies& latencies, double part) {
  return static_cast<double>(latencies.percentile(part)) * 1e-6;
}

}  // namespace bench
