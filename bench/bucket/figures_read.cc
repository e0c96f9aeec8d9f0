// Opening, idling, and reading of stores with many records.
#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "../data.h"
#include "../histogram.h"
#include "child.h"
#include "figures.h"
#include "ingot/ingot.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::uint64_t kBatchRecords = 5'000;  // 600 KB: below what goes into a slot
constexpr double kOpenTripsMax = 2;
constexpr double kReadGetsMax = 2;
constexpr std::size_t kMemoryBytes = std::size_t{512} << 20U;
// A store that was asked follows the others for half a minute.
constexpr std::chrono::seconds kUntilIdle{36};

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::string short_count(std::uint64_t records) {
  return records % 1'000'000 == 0 ? std::to_string(records / 1'000'000) + " M" : std::to_string(records / 1'000) + " k";
}

std::string loaded_store(const Server& server, std::uint64_t records) {
  return server.store("loaded-" + std::to_string(records));
}

const ingot::Space& records_space() {
  static const ingot::Space space("records");
  return space;
}

// Throws unless the record is there, and every byte of it right.
void read_checked(const ingot::Store& store, std::uint64_t index) {
  const Key key = key_of(index);
  const std::optional<ingot::Value> value = records_space().get(store, view(key));
  if (!value || !is_whole(view(key), value->view())) throw std::runtime_error("a read gave a wrong answer");
}

std::uint64_t requests_of(const ingot::BucketStats& stats) {
  return stats.puts + stats.gets + stats.lists + stats.removes;
}

json open_once(const Server& server, std::uint64_t records, std::uint64_t index) {
  use_server(server);
  const std::uint64_t before = last_request(server);
  const Clock::time_point begin = Clock::now();
  ingot::Store store = ingot::open(loaded_store(server, records), {.cache_directory = "none"});
  const double opened = milliseconds_since(begin);
  const std::optional<Trips> opening = trips_since(server, before);
  const std::uint64_t fetched = store.stats().bucket.reads_fetched;
  const Clock::time_point read_begin = Clock::now();
  read_checked(store, index);
  const double read = milliseconds_since(read_begin);
  const std::optional<Trips> all = trips_since(server, before);
  const ingot::BucketStats stats = store.stats().bucket;
  json answer = {{"opened", opened},
                 {"read", read},
                 {"requests", requests_of(stats)},
                 {"read gets", stats.reads_fetched - fetched},
                 {"dollars", stats.dollars}};
  if (opening && all) {
    answer["read gets"] = all->run_gets - opening->run_gets;
    answer["opening trips"] = opening->sequential;
    answer["opening chain"] = opening->chain;
    answer["trips"] = all->sequential;
    answer["chain"] = all->chain;
  }
  store.close();
  return answer;
}

double median_of(const std::vector<json>& answers, const char* field) {
  std::vector<double> values;
  for (const json& answer : answers) values.push_back(answer.at(field));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double largest_of(const std::vector<json>& answers, const char* field) {
  double largest = 0;
  for (const json& answer : answers) largest = std::max(largest, answer.at(field).get<double>());
  return largest;
}

void add_opens(const Server& server, const Extent& extent, std::uint64_t records, Sheet& sheet) {
  std::vector<json> answers;
  for (int i = 0; i < extent.opens; ++i) {
    const std::uint64_t index = mix(static_cast<std::uint64_t>(i)) % records;
    answers.push_back(in_child([&] { return open_once(server, records, index); }));
  }
  const std::string name = "open-" + std::to_string(records);
  sheet.begin("Opening, " + short_count(records) + " records, nothing cached, a new process (median of " +
              std::to_string(extent.opens) + ")");
  sheet.add(name + "/opened", "until it is open", Unit::milliseconds, median_of(answers, "opened"));
  if (server.is_fake) {
    sheet.add(name + "/opening-trips", "round trips until it is open, the most", Unit::count,
              largest_of(answers, "opening trips"), {.at_most = kOpenTripsMax, .at_least = {}});
  }
  sheet.add(name + "/read", "the first read after it", Unit::milliseconds, median_of(answers, "read"));
  // An index of each sorted run, all at once, and what holds the record.
  sheet.add(name + "/read-gets", "GETs of the first read, the most", Unit::count, largest_of(answers, "read gets"));
  if (server.is_fake) {
    sheet.add(name + "/trips", "round trips until the first read is answered, the most", Unit::count,
              largest_of(answers, "trips"), {.at_most = kOpenTripsMax + kReadGetsMax, .at_least = {}});
    sheet.note(short_count(records) + ", opening: " + answers.back().at("chain").get<std::string>());
  }
  if (const std::optional<double> get = sheet.find("get/median")) {
    const double all = median_of(answers, "opened") + median_of(answers, "read");
    sheet.add(name + "/in-gets", "until the first read is answered, in medians of a GET", Unit::ratio, all / *get);
  }
  sheet.add(name + "/requests", "requests in all, the most", Unit::count, largest_of(answers, "requests"));
}

// What a store costs that is open, has been read from, and is not asked for anything any more.
json idle(const Server& server, const Extent& extent, std::uint64_t records) {
  use_server(server);
  ingot::Store store = ingot::open(loaded_store(server, records), {.cache_directory = "none"});
  read_checked(store, 1);
  const auto follow_begun = store.stats().bucket;
  std::this_thread::sleep_for(kUntilIdle);
  const auto begun = store.stats().bucket;
  const std::uint64_t seen = last_request(server);
  std::this_thread::sleep_for(std::chrono::duration<double>(extent.idle_seconds));
  const std::uint64_t counted = requests_of(store.stats().bucket) - requests_of(begun);
  const std::uint64_t logged = last_request(server) - seen;
  store.close();
  return {{"following", requests_of(begun) - requests_of(follow_begun)}, {"idle", std::max(counted, logged)}};
}

// --- point reads

// Random records, each once, chosen by `seed`.
std::vector<std::uint64_t> choose(std::uint64_t count, std::uint64_t records, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::uint64_t> chosen;
  for (std::uint64_t i = 0; i < count; ++i) chosen.push_back(random.below(records));
  return chosen;
}

struct Reading {
  Histogram latency;
  std::uint64_t gets = 0;       // of runs: that the store also follows the log is no part of a read
  std::uint64_t gets_most = 0;  // of one read
};

Reading read_all(const ingot::Store& store, const std::vector<std::uint64_t>& indexes) {
  Reading reading;
  std::uint64_t gets_before = store.stats().bucket.reads_fetched;
  for (const std::uint64_t index : indexes) {
    const Clock::time_point begin = Clock::now();
    read_checked(store, index);
    reading.latency.add(static_cast<std::uint64_t>(milliseconds_since(begin) * 1e6));
    const std::uint64_t gets = store.stats().bucket.reads_fetched;
    reading.gets += gets - gets_before;
    reading.gets_most = std::max(reading.gets_most, gets - gets_before);
    gets_before = gets;
  }
  return reading;
}

json to_json(const Reading& reading, std::size_t reads) {
  return {{"median", milliseconds_of(reading.latency, 0.5)},
          {"p99", milliseconds_of(reading.latency, 0.99)},
          {"gets", static_cast<double>(reading.gets) / static_cast<double>(reads)},
          {"gets most", reading.gets_most}};
}

// With `cache`, reads them twice: the second time from memory.
json read_in_new_process(const Server& server, std::uint64_t records, const std::string& cache,
                         const std::vector<std::uint64_t>& indexes) {
  use_server(server);
  const ingot::Store store =
      ingot::open(loaded_store(server, records), {.memory_bytes = kMemoryBytes, .cache_directory = cache});
  const json first = to_json(read_all(store, indexes), indexes.size());
  const json again = to_json(read_all(store, indexes), indexes.size());
  return {{"first", first}, {"again", again}};
}

void add_reading(Sheet& sheet, const std::string& name, const std::string& text, const json& reading, Unit unit) {
  const double factor = unit == Unit::microseconds ? 1000 : 1;
  sheet.add(name + "/median", text + ": median", unit, reading.at("median").get<double>() * factor);
  sheet.add(name + "/p99", text + ": p99", unit, reading.at("p99").get<double>() * factor);
}

}  // namespace

void load_store(const std::string& where, std::uint64_t records) {
  ingot::Store store = ingot::open(where, {.cache_directory = "none"});
  for (std::uint64_t begin = 0; begin < records; begin += kBatchRecords) {
    store.transact([&](ingot::Transaction& tx) {
      for (std::uint64_t i = begin; i < std::min(records, begin + kBatchRecords); ++i) {
        const Key key = key_of(i);
        ValueBytes value;
        make_value(view(key), 0, value);
        records_space().put(tx, view(key), view(value));
      }
    });
  }
  store.close();
}

void measure_open(const Server& server, const Extent& extent, Sheet& sheet) {
  for (const std::uint64_t records : extent.records) {
    const Clock::time_point begin = Clock::now();
    (void)in_child([&]() -> json {
      use_server(server);
      load_store(loaded_store(server, records), records);
      return {};
    });
    const double seconds = milliseconds_since(begin) / 1000;
    add_opens(server, extent, records, sheet);
    sheet.add("load-" + std::to_string(records) + "/rate", "loaded before, 5,000 records a transaction",
              Unit::per_second, static_cast<double>(records) / seconds);
  }
  if (extent.idle_seconds <= 0) return;
  const json answer = in_child([&] { return idle(server, extent, extent.records.back()); });
  sheet.begin("An open store that nobody asks");
  sheet.add("idle/following", "requests in the 36 s after a read", Unit::count, answer.at("following"));
  sheet.add("idle/requests", "requests in the 20 s after that", Unit::count, answer.at("idle"),
            {.at_most = 0, .at_least = {}});
}

void measure_read(const Server& server, const Extent& extent, Sheet& sheet) {
  const std::uint64_t records = extent.records.back();
  const std::vector<std::uint64_t> indexes = choose(extent.reads, records, 1);
  const std::string cache = extent.scratch + "/cache-" + server.name;
  const json cold = in_child([&] { return read_in_new_process(server, records, "none", indexes); });
  const json filling = in_child([&] { return read_in_new_process(server, records, cache, indexes); });
  const json cached = in_child([&] { return read_in_new_process(server, records, cache, indexes); });
  std::filesystem::remove_all(cache);
  sheet.begin("Point reads, " + short_count(records) + " records, random keys, one after another");
  add_reading(sheet, "read-cold", "nothing cached", cold.at("first"), Unit::milliseconds);
  sheet.add("read-cold/gets", "GETs a read", Unit::count, cold.at("first").at("gets"));
  sheet.add("read-cold/gets-most", "GETs of one read, the most", Unit::count, cold.at("first").at("gets most"),
            {.at_most = kReadGetsMax, .at_least = {}});
  add_reading(sheet, "read-disk", "from the disk cache, a new process", cached.at("first"), Unit::microseconds);
  sheet.add("read-disk/gets", "GETs a read", Unit::count, cached.at("first").at("gets"),
            {.at_most = 0, .at_least = {}});
  add_reading(sheet, "read-memory", "from memory", cold.at("again"), Unit::microseconds);
  sheet.add("read-memory/gets", "GETs a read", Unit::count, cold.at("again").at("gets"),
            {.at_most = 0, .at_least = {}});
}

}  // namespace bench
