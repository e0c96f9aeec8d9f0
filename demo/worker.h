// A worker: a process that works in the shop until it is killed.
#pragma once

#include <cstdint>
#include <string>

namespace demo {

struct WorkerArguments {
  std::string store;
  std::uint32_t worker = 0;
  bool inspector = false;  // reads snapshots and checks them, instead of selling
  int pipe = -1;           // to the supervisor
  int parent = 0;          // its process id
};

int run_worker(const WorkerArguments& arguments);

}  // namespace demo
