// A fake server and clients for it, for each test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_s3.h"
#include "support/http_client.h"

namespace ingot::fake_s3 {

using testing::HttpAnswer;
using testing::HttpClient;
using testing::HttpHeaders;
using testing::outcome_of;
using testing::S3Place;

inline S3Place place_of(const Server& server) {
  const Options& options = server.options();
  return {server.endpoint(), options.access_key, options.secret_key, options.region,
          options.profile == Profile::express ? "s3express" : "s3"};
}

// Waits for what another thread or process brings about. False: it took too long.
inline bool eventually(const std::function<bool()>& is_so) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class FakeTest : public ::testing::Test {
 protected:
  void start(Profile profile) { start(Options{.profile = profile}); }
  void start(Options options) {
    client_.reset();
    server_ = std::make_unique<Server>(std::move(options));
    client_ = std::make_unique<HttpClient>(place_of(*server_));
  }
  void TearDown() override {
    if (HasFailure() && server_ != nullptr) std::printf("The server's log:\n%s", server_->journal().log().c_str());
  }

  Server& server() { return *server_; }
  HttpClient& client() { return *client_; }
  S3Place place() { return place_of(*server_); }

  // What so many threads got that sent it at once, each with a connection of its own.
  std::vector<std::string> race(std::size_t threads,
                                const std::function<HttpAnswer(HttpClient&, std::size_t)>& request) {
    std::vector<std::string> outcomes(threads);
    std::vector<std::thread> all;
    std::latch all_connected(static_cast<std::ptrdiff_t>(threads));
    for (std::size_t i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        HttpClient own(place());
        own.get("/bucket/not-there");  // the connection is made
        all_connected.arrive_and_wait();
        outcomes[i] = outcome_of(request(own, i));
      });
    }
    for (std::thread& one : all) one.join();
    return outcomes;
  }

 private:
  std::unique_ptr<Server> server_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace ingot::fake_s3
