// Roles that several tests use.
#include <sys/resource.h>

#include <chrono>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

#include "child.h"
#include "engine/bucket_medium.h"
#include "engine/place.h"
#include "engine/sizes.h"
#include "engine/store_maker.h"
#include "ingot/ingot.h"

namespace ingot::testing {
namespace {

const Space kSpace("things");

// "NAME=NUMBER" among the arguments.
std::optional<std::uint64_t> number_in(const Arguments& arguments, const std::string& name) {
  for (const std::string& argument : arguments) {
    if (argument.rfind(name + "=", 0) == 0) return std::stoull(argument.substr(name.size() + 1));
  }
  return std::nullopt;
}

Options options_of(const Arguments& arguments) {
  Options options;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "process") options.durability = Durability::process;
  }
  if (const auto millis = number_in(arguments, "deadline")) options.deadline = std::chrono::milliseconds(*millis);
  return options;
}

void limit(int resource, std::optional<std::uint64_t> number) {
  if (!number) return;
  rlimit limits = {};
  getrlimit(static_cast<__rlimit_resource>(resource), &limits);
  limits.rlim_cur = *number;
  if (setrlimit(static_cast<__rlimit_resource>(resource), &limits) != 0) throw std::runtime_error("setrlimit failed");
}

Store open_sized(const std::string& where, const Options& options, const engine::Sizes& sizes) {
  const auto engine = engine::is_bucket(where)
                          ? engine::Engine::open_on(&engine::bucket_medium_at, where, options, sizes)
                          : engine::Engine::open(engine::directory_at(where, options), where, options, sizes);
  return engine::StoreMaker::make(engine);
}

// Does what it is told, one line at a time (with "wait" it does not open the store before it has heard one):
//   put KEY VALUE · large KEY BYTES · get KEY · erase KEY · add KEY DELTA · count · hold KEY (in a transaction) · win
//   (commit it) · settle · snapshot · then KEY (in that) · fresh KEY (what is newest anywhere) · reads (of runs that
//   were fetched)
int obey(const Arguments& arguments) {
  limit(RLIMIT_FSIZE, number_in(arguments, "file_bytes"));
  limit(RLIMIT_NOFILE, number_in(arguments, "open_files"));
  engine::Sizes sizes = engine::is_bucket(arguments.at(0)) ? engine::bucket_sizes() : engine::Sizes();
  if (const auto bytes = number_in(arguments, "run_bytes")) sizes.run_file_bytes = *bytes;
  const Options options = options_of(arguments);
  if (arguments.size() > 1 && arguments.at(1) == "wait") (void)heard();
  Store store = open_sized(arguments.at(0), options, sizes);
  std::optional<Transaction> held;
  std::optional<Snapshot> snapshot;
  say("open");
  while (const std::optional<std::string> line = heard()) {
    std::istringstream words(*line);
    std::string verb;
    std::string key;
    std::string value;
    words >> verb >> key >> value;
    try {
      if (verb == "put") {
        kSpace.put(store, key, value);
        say("done");
      } else if (verb == "large") {
        kSpace.put(store, key, std::string(std::stoull(value), 'v'));
        say("done");
      } else if (verb == "get") {
        const std::optional<Value> got = kSpace.get(store, key);
        say(got ? "is " + got->str() : "absent");
      } else if (verb == "erase") {
        kSpace.erase(store, key);
        say("done");
      } else if (verb == "add") {
        kSpace.add(store, key, std::stol(value));
        say("done");
      } else if (verb == "count") {
        Scan scan = kSpace.scan(store);
        std::size_t count = 0;
        while (scan.next()) ++count;
        say(std::to_string(count));
      } else if (verb == "hold") {
        held = store.begin();
        const std::optional<Value> got = kSpace.get(*held, key);
        kSpace.put(*held, key + "-written", "1");
        say(got ? "is " + got->str() : "absent");
      } else if (verb == "win") {
        say(held->commit() ? "won" : "lost");
        held.reset();
      } else if (verb == "snapshot") {
        snapshot = store.snapshot();
        say("done");
      } else if (verb == "then") {
        const std::optional<Value> got = kSpace.get(*snapshot, key);
        say(got ? "is " + got->str() : "absent");
      } else if (verb == "fresh") {
        const std::optional<Value> got = kSpace.get(store.snapshot({.fresh = true}), key);
        say(got ? "is " + got->str() : "absent");
      } else if (verb == "reads") {
        say(std::to_string(store.stats().bucket.reads_fetched));
      } else if (verb == "settle") {
        store.settle();
        say("done");
      } else {
        say("what is " + verb + "?");
      }
    } catch (const Error& error) {
      say(std::string("error ") + name(error.code()) + ": " + error.what());
    }
  }
  return 0;
}
const RoleRegistration kObey("obey", obey);

// With a short deadline, on a machine that is busy, it may take more than one try; what went wrong is said.
Store open_at_last(const std::string& where, const Options& options) {
  for (;;) {
    try {
      return open(where, options);
    } catch (const Error& error) {
      if (!engine::is_bucket(where) || error.code() != ErrorCode::unavailable) throw;
      say(std::string("error ") + name(error.code()) + ": " + error.what());
    }
  }
}

// Puts 1, 2, 3 … under keys of its own name, as fast as it can, and says each one when its commit has returned. An
// error is said, and the same number tried again.
int count_up(const Arguments& arguments) {
  Store store = open_at_last(arguments.at(0), options_of(arguments));
  const std::string& name = arguments.at(1);
  say("open");
  for (std::uint64_t number = 1;; ++number) {
    for (;;) {
      try {
        const Version version = store.transact([&](Transaction& tx) {
          kSpace.put(tx, name + "/" + std::to_string(number), std::to_string(number));
          kSpace.put(tx, name + "/last", std::to_string(number));
          return tx.snapshot_version();
        });
        say(std::to_string(number) + " " + std::to_string(version));
        break;
      } catch (const Error& error) {
        say(std::string("error ") + ingot::name(error.code()) + ": " + error.what());
      }
    }
  }
}
const RoleRegistration kCountUp("count_up", count_up);

// Adds 1 to a counter by reading and writing, and 1 to another by add(), so many times; then ends.
int add_up(const Arguments& arguments) {
  Store store = open(arguments.at(0), options_of(arguments));
  const int times = std::stoi(arguments.at(1));
  for (int i = 0; i < times; ++i) {
    store.transact([&](Transaction& tx) {
      const std::optional<Value> old = kSpace.get(tx, "sum");
      kSpace.put(tx, "sum", std::to_string((old ? std::stoi(old->str()) : 0) + 1));
      kSpace.add(tx, "added", 1);
    });
  }
  store.close();
  say("done");
  return 0;
}
const RoleRegistration kAddUp("add_up", add_up);

}  // namespace
}  // namespace ingot::testing
