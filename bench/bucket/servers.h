// The S3 servers that are measured, and what the fake one (ingot-fake-s3) says of the requests that it got.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bench {

struct Server {
  std::string name;      // of its column
  std::string endpoint;  // "http://127.0.0.1:9000"; "aws": none, the client finds Amazon's own
  std::string bucket;
  std::string run;        // the prefix of this run, different each time
  bool is_fake = false;   // it has a log that can be asked for
  double latency_ms = 0;  // of a fake: what it was told to take; 0: not known

  [[nodiscard]] std::string store(const std::string& name_of_store) const {
    return "s3://" + bucket + "/" + run + "/" + name_of_store;
  }
};

// Takes "NAME=ENDPOINT[,BUCKET]", and asks whether it is a fake one. Throws std::runtime_error.
Server parse_server(const std::string& text, const std::string& run);

// From now on this process's clients use that server.
void use_server(const Server& server);

// The number of the last request that the fake server has answered; 0: none yet.
std::uint64_t last_request(const Server& server);

struct Trips {
  std::uint64_t requests = 0;    // that were answered since `after`
  std::uint64_t run_gets = 0;    // of them: GETs of runs
  std::uint64_t sequential = 0;  // the longest chain of them, none of which began before the one before was answered
  std::string chain;             // it, for people: "list checkpoints/ > get checkpoints/… > …"
};

// What the fake server was asked since the request number `after`, as far as it has answered. Nothing: it is no fake,
// or its log does not reach back so far.
std::optional<Trips> trips_since(const Server& server, std::uint64_t after);

}  // namespace bench
