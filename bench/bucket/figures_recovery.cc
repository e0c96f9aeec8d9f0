// All writers killed in the middle of their work, and who comes then.
#include <chrono>

#include "../data.h"
#include "child.h"
#include "crew.h"
#include "figures.h"
#include "ingot/ingot.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

std::uint64_t requests_so_far(const ingot::Store& store) {
  const ingot::BucketStats stats = store.stats().bucket;
  return stats.puts + stats.gets + stats.lists + stats.removes;
}

json recover(const std::string& where, const std::vector<std::uint64_t>& acknowledged) {
  const Clock::time_point begin = Clock::now();
  const auto milliseconds = [&] { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); };
  json answer;
  ingot::Store store = ingot::open(where, {.cache_directory = "none"});
  answer["opened"] = milliseconds();
  answer["opened requests"] = requests_so_far(store);
  answer["records"] = verify_crew(store, acknowledged);
  answer["read"] = milliseconds();
  answer["read requests"] = requests_so_far(store);
  // In the space that the writers used not: what is there is still to be counted.
  ingot::Space("recovered").put(store, "by", "a new process");
  answer["committed"] = milliseconds();
  answer["committed requests"] = requests_so_far(store);
  store.close();
  return answer;
}

}  // namespace

void measure_recovery(const Server& server, const Extent& extent, Sheet& sheet) {
  CrewPlan plan;
  plan.where = server.store("recovery");
  plan.processes = 8;
  plan.threads = 4;
  plan.warmup_seconds = 0;
  plan.seconds = extent.seconds;
  plan.is_killed = true;
  use_server(server);
  const CrewResult killed = run_crew(plan);
  const json answer = in_child([&] { return recover(plan.where, killed.acknowledged); });
  // Once more: what the first one committed and left behind is no less readable.
  (void)in_child([&]() -> json {
    const ingot::Store store = ingot::open(plan.where, {.cache_directory = "none"});
    if (!ingot::Space("recovered").get(store, "by")) throw std::runtime_error("the commit after the recovery is gone");
    return verify_crew(store, killed.acknowledged);
  });
  std::uint64_t acknowledged = 0;
  for (const std::uint64_t lane : killed.acknowledged) acknowledged += lane;
  sheet.begin("Eight writers with four threads each are killed; a new process");
  sheet.add("recovery/acknowledged", "commits acknowledged before, all found", Unit::count,
            static_cast<double>(acknowledged));
  sheet.add("recovery/opened", "until it is open", Unit::milliseconds, answer.at("opened"));
  sheet.add("recovery/opened-requests", "requests by then", Unit::count, answer.at("opened requests"));
  sheet.add("recovery/read", "until all is read and verified", Unit::milliseconds, answer.at("read"));
  sheet.add("recovery/read-requests", "requests by then", Unit::count, answer.at("read requests"));
  sheet.add("recovery/committed", "until it has committed", Unit::milliseconds, answer.at("committed"));
  sheet.add("recovery/committed-requests", "requests by then", Unit::count, answer.at("committed requests"));
}

}  // namespace bench
