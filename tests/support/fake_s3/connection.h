// One connection to the fake S3 server: its requests, one after the other, each with what is to befall it.
//
// The order: the headers are read; a fault is taken; a write arrives (objects.h); the body is read; the signature is
// checked, by the clock as it was when the headers came; half of the latency, and what the request waits for; it is
// done; the other half; it is answered.
#pragma once

#include <optional>
#include <string>

#include "support/fake_s3/machine.h"

namespace ingot::fake_s3 {

class Connection {
 public:
  Connection(Machine& machine, Stream& stream, std::uint64_t number)
      : machine_(machine), stream_(stream), number_(number) {}
  /// Until it ends.
  void run();

 private:
  // A request on its way.
  struct Course {
    Request request;
    Operation operation;
    Behaviour behaviour;
    Seconds now;
    std::chrono::steady_clock::time_point begun;
    std::uint64_t number = 0;
    std::chrono::microseconds latency{0};
    std::optional<FaultRule> rule;
    std::optional<Objects::Arrival> arrival;
    std::optional<S3Error> refusal;  // decided when it arrived
  };

  // Each: whether another request may follow.
  bool serve(Request request);
  bool read_body(Course& course);
  bool answer(Course& course);
  bool send(Course& course, Response& response);
  bool refuse_unread(Course& course, const S3Error& error);

  void arrive(Course& course);
  bool wait_before(Course& course);
  Response handle(Course& course);
  void finish(const Course& course, Response& response) const;
  void note(const Course& course, int status, const std::string& code);

  Machine& machine_;
  Stream& stream_;
  std::uint64_t number_;
};

}  // namespace ingot::fake_s3
