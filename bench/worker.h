// An engine's own process: so its memory can be seen apart, it can be killed, and no engine lives with another's
// threads or allocations. It takes commands, one a line, and answers each with one line of JSON.
//
//   run NAME   runs a workload               {"rate": …, "p50": …, …}
//   churn G    updates kChurned records of the main store to generation G, answers, and goes on with generation G + 1
//              until the next command comes or the process is killed                       {}
//   open G     opens the main store and reads one record; then checks that the churned records are in generation G or
//              later (0: does not)           {"milliseconds": …}
//   leave      closes the store and ends     {}
//
// An error is answered as {"error": …}.
#pragma once

#include <string>

#include "engine.h"
#include "stage.h"

namespace bench {

inline constexpr std::uint64_t kChurned = 100'000;  // or all records, if there are fewer

// Serves `connection` until `leave` or its end. Never returns: the process ends here.
[[noreturn]] void serve(const EngineKind& kind, const std::string& directory, const Catalog& catalog, int connection);

}  // namespace bench
