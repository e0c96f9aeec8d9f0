// The commands of an engine's process. See worker.h.
#include "worker.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "line_channel.h"
#include "measure.h"
#include "system.h"
#include "workloads.h"

namespace bench {
namespace {

using nlohmann::json;

constexpr double kQuietSecondsMax = 30;

json described(const Workload& workload, const Measured& measured) {
  return {{"rate", static_cast<double>(measured.operations) / measured.seconds},
          {"operations", measured.operations},
          {"seconds", measured.seconds},
          {"p50", measured.latency.percentile(0.5)},
          {"p99", measured.latency.percentile(0.99)},
          {"p99_9", measured.latency.percentile(0.999)},
          {"max", measured.latency.largest()},
          {"checksum", workload.deterministic ? json(measured.checksum) : json()}};
}

class Worker {
 public:
  Worker(const EngineKind& kind, const std::string& directory, const Catalog& catalog, int connection)
      : stage_(kind, directory, catalog), connection_(connection) {}

  // Answers false when it is time to end.
  bool obey(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string verb = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    json answer = json::object();
    try {
      if (verb == "run") {
        answer = run(argument);
      } else if (verb == "churn") {
        churn(static_cast<std::uint32_t>(std::stoul(argument)));
        return true;  // it has answered
      } else if (verb == "open") {
        answer = open(static_cast<std::uint32_t>(std::stoul(argument)));
      } else if (verb == "leave") {
        stage_.close();
      } else {
        answer = {{"error", "unknown command " + verb}};
      }
    } catch (const std::exception& failure) {
      answer = {{"error", failure.what()}};
    }
    connection_.write_line(answer.dump());
    return verb != "leave";
  }

  std::optional<std::string> next_line() { return connection_.read_line(-1); }

 private:
  json run(const std::string& name) {
    for (const Workload& workload : workloads()) {
      if (workload.name != name) continue;
      const std::uint64_t written_before = bytes_written();
      const Measured measured = workload.run(stage_, workload);
      json answer = described(workload, measured);
      const Clock::time_point before_sync = Clock::now();
      stage_.engine().sync();
      answer["sync_seconds"] = seconds_between(before_sync, Clock::now());
      answer["quiet_seconds"] = wait_until_quiet(kQuietSecondsMax);
      const Memory memory = memory_now();
      answer["anonymous_bytes"] = memory.anonymous_bytes - std::min(memory.anonymous_bytes, at_start_.anonymous_bytes);
      answer["mapped_bytes"] = memory.mapped_bytes - std::min(memory.mapped_bytes, at_start_.mapped_bytes);
      answer["disk_bytes"] = stage_.store_disk_bytes();
      answer["written_bytes"] = bytes_written() - written_before;
      return answer;
    }
    return {{"error", "unknown workload " + name}};
  }

  void put(std::uint64_t index, std::uint32_t generation) {
    const Key key = key_of(index);
    ValueBytes value;
    make_value(view(key), generation, value);
    stage_.sessions()[0]->put(view(key), view(value));
  }

  std::uint64_t churned() const { return std::min(kChurned, stage_.catalog().scale.records); }

  void churn(std::uint32_t generation) {
    stage_.open_loaded(kMainStore, Durability::process, Transactions::none, 1);
    for (std::uint64_t index = 0; index < churned(); ++index) put(index, generation);
    connection_.write_line("{}");
    for (std::uint64_t index = 0; !connection_.readable(); index = (index + 1) % churned()) put(index, generation + 1);
  }

  json open(std::uint32_t generation) {
    const Key key = key_of(0);
    const Clock::time_point begin = Clock::now();
    stage_.open(kMainStore, Durability::process, Transactions::none, 1);
    const std::optional<std::string_view> value = stage_.sessions()[0]->get(view(key));
    const double seconds = seconds_between(begin, Clock::now());
    expect_present(view(key), value, true);
    for (std::uint64_t index = 0; generation > 0 && index < churned(); ++index) {
      const Key checked = key_of(index);
      const std::optional<std::string_view> found = stage_.sessions()[0]->get(view(checked));
      expect_present(view(checked), found, true);
      if (*generation_of(view(checked), *found) < generation) {
        throw WrongAnswer("an acknowledged update is gone after the process was killed");
      }
    }
    return {{"milliseconds", seconds * 1e3}};
  }

  Stage stage_;
  LineChannel connection_;
  Memory at_start_ = memory_now();
};

}  // namespace

void serve(const EngineKind& kind, const std::string& directory, const Catalog& catalog, int connection) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = EXIT_SUCCESS;
  try {
    Worker worker(kind, directory, catalog, connection);
    for (;;) {
      const std::optional<std::string> line = worker.next_line();
      if (!line || !worker.obey(*line)) break;
    }
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "ingot-bench: %s: %s\n", kind.name.c_str(), failure.what());
    status = EXIT_FAILURE;
  }
  std::_Exit(status);
}

}  // namespace bench
