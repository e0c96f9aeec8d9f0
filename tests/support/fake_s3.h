// A small S3 server in memory, for tests: it checks signatures, holds the conditions on writes exactly or as badly as
// one of the profiles (fake_s3/profile.h has the table, with sources), and does on demand what a real server does only
// once a week: answers of all kinds that say nothing of what was done, connections that end, clocks that are wrong.
//
//   fake_s3::Server server({.profile = fake_s3::Profile::aws});
//   … a client with server.endpoint(), server.options().access_key, .secret_key, .region, and the bucket "bucket"
//   server.inject({.fault = fake_s3::Fault::lost, .verb = fake_s3::Verb::put, .key_prefix = "log/"});
//   EXPECT_EQ(server.journal().count(fake_s3::Verb::put, 412), 1) << server.journal().log();
//
// It listens on 127.0.0.1 only. Everything ends with the object. As a program: ingot-fake-s3, see
// fake_s3/program/main.cc; the same can be asked of both with POST /_fake/…, see fake_s3/control.h.
//
// Threads: all may be called from any thread. A thread for each connection, of which there are kConnectionsMax at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_s3/faults.h"
#include "support/fake_s3/http.h"
#include "support/fake_s3/journal.h"
#include "support/fake_s3/keys.h"
#include "support/fake_s3/latency.h"
#include "support/fake_s3/objects.h"
#include "support/fake_s3/profile.h"
#include "support/fake_s3/verb.h"

namespace ingot::fake_s3 {

inline constexpr std::size_t kConnectionsMax = 1024;

struct Options {
  Profile profile = Profile::aws;
  std::uint16_t port = 0;  ///< 0: any that is free
  std::string region = "us-east-1";
  std::string access_key = "fakeaccess";
  std::string secret_key = "fakesecret";
  std::string session_token{};  ///< empty: the credentials have none
  std::vector<std::string> buckets{"bucket"};
  Latency latency{};
};

enum class Outage : std::uint8_t {
  none,
  refused,  ///< connections are refused, and those that there were are cut
  silent,   ///< connections are accepted, but no request is answered, nor done
};

struct Machine;  // its parts: fake_s3/machine.h

class Server {
 public:
  explicit Server(Options options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string endpoint() const;  ///< "http://127.0.0.1:PORT"
  [[nodiscard]] const Options& options() const;
  /// Ends all connections and threads. Nothing is done after it has returned. Once is enough.
  void stop();

  // --- how it behaves

  [[nodiscard]] Behaviour behaviour() const;
  void set_behaviour(const Behaviour& behaviour);
  void set_latency(const Latency& latency);
  /// Its clock is that far ahead of this machine's.
  void set_clock_offset(std::chrono::seconds offset);
  /// As if it were several servers, whose clocks are off by so much: connections take turns among them.
  void set_skews(std::vector<std::chrono::seconds> skews);
  /// What its clock shows, without skews.
  [[nodiscard]] Seconds date() const;
  [[nodiscard]] Keys& keys();

  // --- what befalls requests

  void inject(const FaultRule& rule);
  [[nodiscard]] Faults& faults();
  /// Waits until so many requests are held (FaultRule::held). False: it took too long.
  bool wait_for_held(std::size_t count, std::chrono::milliseconds patience = std::chrono::seconds(20));
  /// Lets all go on that are held now.
  void release();
  /// Until it is changed again, or (refused) for so long. When this has returned, it is so.
  void set_outage(Outage outage, std::optional<std::chrono::milliseconds> lasts = {});
  /// Closes all connections, at once, whatever is under way on them.
  void hang_up();

  // --- what is there, without requests

  [[nodiscard]] Objects& objects();
  [[nodiscard]] std::vector<std::string> keys_in(const std::string& bucket = "bucket") const;  ///< sorted
  [[nodiscard]] std::optional<std::string> bytes_of(const std::string& key, const std::string& bucket = "bucket") const;
  void put(const std::string& key, const std::string& bytes, const std::string& bucket = "bucket");
  void remove(const std::string& key, const std::string& bucket = "bucket");
  [[nodiscard]] Journal& journal();

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace ingot::fake_s3
