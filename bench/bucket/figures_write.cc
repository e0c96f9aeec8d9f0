// What a put takes, and what commits take beside it.
#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "../data.h"
#include "child.h"
#include "crew.h"
#include "figures.h"
#include "s3/open_bucket.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

// An entry with one small transaction has about as many.
constexpr std::size_t kPutBytes = 400;
constexpr int kWarmups = 10;
constexpr double kCommitRatioMax = 1.3;

std::uint64_t nanoseconds_since(Clock::time_point begin) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
}

void expect_done(const ingot::storage::Answer& answer, const std::string& what) {
  if (answer.outcome == ingot::storage::Outcome::done) return;
  throw std::runtime_error(what + ": " + (answer.why.empty() ? outcome_name(answer.outcome) : answer.why));
}

json put_and_get(const Server& server, std::uint64_t puts) {
  use_server(server);
  const std::unique_ptr<ingot::storage::Bucket> bucket = ingot::s3::open_bucket(server.store("raw"));
  const auto deadline = [] { return ingot::base::deadline_after(ingot::base::now(), std::chrono::seconds(30)); };
  Histogram put;
  Histogram get;
  for (std::uint64_t i = 0; i < puts + kWarmups; ++i) {
    const std::string key = "raw/" + std::to_string(i);
    std::string bytes = std::to_string(i);
    bytes.resize(kPutBytes, 'x');
    const Clock::time_point begin = Clock::now();
    expect_done(bucket->put(key, bytes, ingot::storage::PutMode::create, {}, deadline()), "PUT " + key);
    if (i >= kWarmups) put.add(nanoseconds_since(begin));
    const Clock::time_point got_begin = Clock::now();
    const ingot::storage::Got got = bucket->get(key, {}, deadline());
    expect_done(got, "GET " + key);
    if (got.bytes != bytes) throw std::runtime_error("GET " + key + ": other bytes than were put");
    if (i >= kWarmups) get.add(nanoseconds_since(got_begin));
  }
  return {{"put median", milliseconds_of(put, 0.5)},
          {"put p99", milliseconds_of(put, 0.99)},
          {"get median", milliseconds_of(get, 0.5)},
          {"get p99", milliseconds_of(get, 0.99)}};
}

// A crew's work on a store of its own, and that all of it is there.
CrewResult run_checked(const Server& server, const Extent& extent, const std::string& name, unsigned processes,
                       unsigned threads) {
  CrewPlan plan;
  plan.where = server.store(name);
  plan.processes = processes;
  plan.threads = threads;
  plan.seconds = extent.seconds;
  plan.warmup_seconds = std::min(6.0, extent.seconds / 3);
  use_server(server);  // the writers inherit it
  CrewResult result = run_crew(plan);
  (void)in_child([&]() -> json {
    const ingot::Store store = ingot::open(plan.where, {.cache_directory = "none"});
    return verify_crew(store, result.acknowledged);
  });
  if (result.total() == 0) throw std::runtime_error(name + ": nothing was committed in the time");
  return result;
}

void add_rates(Sheet& sheet, const std::string& name, const CrewResult& result) {
  const auto commits = static_cast<double>(result.total());
  const auto per_thousand = [&](std::uint64_t count) { return static_cast<double>(count) * 1000 / commits; };
  sheet.add(name + "/rate", "transactions, all together", Unit::per_second, commits / result.seconds);
  const double entries = static_cast<double>(result.groups) / result.seconds;
  sheet.add(name + "/entries", "entries of the log", Unit::per_second, entries);
  if (const std::optional<double> put = sheet.find("put/median")) {
    sheet.add(name + "/slots", "entries, of what one put after the other allows", Unit::percent, entries * *put / 10);
  }
  if (result.commits.size() > 1) {
    const auto [least, most] = std::minmax_element(result.commits.begin(), result.commits.end());
    const double even = commits / static_cast<double>(result.commits.size());
    sheet.add(name + "/share-least", "least share of a process, 1: an even one", Unit::ratio,
              static_cast<double>(*least) / even);
    sheet.add(name + "/share-most", "largest share", Unit::ratio, static_cast<double>(*most) / even);
  }
  sheet.add(name + "/puts", "PUT for 1,000 transactions", Unit::count, per_thousand(result.requests.puts));
  sheet.add(name + "/gets", "GET", Unit::count, per_thousand(result.requests.gets));
  sheet.add(name + "/lists", "LIST", Unit::count, per_thousand(result.requests.lists));
  sheet.add(name + "/removes", "DELETE", Unit::count, per_thousand(result.requests.removes));
  sheet.add(name + "/lost", "of the PUTs: came too late for their slot", Unit::count,
            per_thousand(result.requests.lost_races));
  sheet.add(name + "/hedged", "of the PUTs: sent twice", Unit::count, per_thousand(result.requests.hedged));
}

}  // namespace

void measure_put(const Server& server, const Extent& extent, Sheet& sheet) {
  const json measured = in_child([&] { return put_and_get(server, extent.puts); });
  sheet.begin("Requests, one after another, by the store's own client, 400 bytes");
  sheet.add("put/median", "PUT if absent: median", Unit::milliseconds, measured.at("put median"));
  sheet.add("put/p99", "PUT if absent: p99", Unit::milliseconds, measured.at("put p99"));
  sheet.add("get/median", "GET: median", Unit::milliseconds, measured.at("get median"));
  sheet.add("get/p99", "GET: p99", Unit::milliseconds, measured.at("get p99"));
}

void measure_commit(const Server& server, const Extent& extent, Sheet& sheet) {
  for (const unsigned processes : extent.processes) {
    const std::string name = "commit-" + std::to_string(processes);
    const CrewResult result = run_checked(server, extent, name, processes, 1);
    sheet.begin("Commits, " + std::to_string(processes) + (processes == 1 ? " process" : " processes") +
                " with one thread each");
    const double median = milliseconds_of(result.latency, 0.5);
    sheet.add(name + "/median", "latency: median", Unit::milliseconds, median);
    sheet.add(name + "/p99", "latency: p99", Unit::milliseconds, milliseconds_of(result.latency, 0.99));
    if (const std::optional<double> put = sheet.find("put/median")) {
      Target target;
      if (processes == 1) target.at_most = kCommitRatioMax;
      sheet.add(name + "/ratio", "median, over that of a PUT", Unit::ratio, median / *put, target);
    }
    add_rates(sheet, name, result);
  }
}

void measure_throughput(const Server& server, const Extent& extent, Sheet& sheet) {
  struct Shape {
    unsigned processes;
    unsigned threads;
  };
  for (const Shape shape : {Shape{1, 64}, Shape{8, 8}}) {
    const std::string name = "throughput-" + std::to_string(shape.processes) + "x" + std::to_string(shape.threads);
    const CrewResult result = run_checked(server, extent, name, shape.processes, shape.threads);
    sheet.begin("Commits, " + std::to_string(shape.processes) + (shape.processes == 1 ? " process" : " processes") +
                " with " + std::to_string(shape.threads) + " threads each");
    sheet.add(name + "/median", "latency: median", Unit::milliseconds, milliseconds_of(result.latency, 0.5));
    sheet.add(name + "/p99", "latency: p99", Unit::milliseconds, milliseconds_of(result.latency, 0.99));
    add_rates(sheet, name, result);
  }
}

}  // namespace bench
