// What is to befall the next requests to the fake S3 server.
//
// Threads: all may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "support/fake_s3/verb.h"

namespace ingot::fake_s3 {

/// "Done": the request took effect, as if nothing were wrong.
enum class Fault : std::uint8_t {
  // Answers that differ from what happened. Nothing is done, unless the name says it.
  conflict,           ///< 409 ConditionalRequestConflict
  throttled,          ///< 503 SlowDown, or as the profile says it
  too_many,           ///< 429 TooManyRequests
  unavailable,        ///< 503 ServiceUnavailable
  fails,              ///< 500 InternalError
  fails_done,         ///< the same, but done
  bad_gateway,        ///< 502, with a proxy's HTML
  bad_gateway_done,   ///< the same, but done
  error_in_200,       ///< 200 with a body that is an error, as CompleteMultipartUpload may answer
  error_in_200_done,  ///< the same, but done
  expired,            ///< the credentials have run out, as the profile says it
  skewed,             ///< 403 RequestTimeTooSkewed
  // No answers.
  reset,  ///< the connection is reset when the headers have come; nothing done
  stale,  ///< the connection is closed when the request was read, as one that idled too long; nothing done
  lost,   ///< done, but the connection is closed instead of an answer
  late,   ///< the connection is closed, and it is done `delay` later, or when it is released
  cut,    ///< the connection is closed after half of the answer's body
  // Only the delay.
  slow,         ///< before it is done
  slow_answer,  ///< done at once, answered late
};

const char* fault_name(Fault fault);
std::optional<Fault> fault_of(std::string_view name);

/// "The next `count` requests of that verb, for keys that begin so, after `skip` others of them."
struct FaultRule {
  Fault fault = Fault::fails;
  std::optional<Verb> verb{};  ///< nothing: any, but those for buckets and sessions
  std::string key_prefix{};    ///< of list: of the listed prefix
  std::uint64_t count = 1;
  std::uint64_t skip = 0;
  std::chrono::milliseconds delay{0};          ///< before it, or (slow_answer) before the answer
  bool held = false;                           ///< the same, until Server::release
  std::optional<std::uint64_t> retry_after{};  ///< seconds, as Retry-After of any error answered
};

class Faults {
 public:
  void add(const FaultRule& rule);
  void clear();
  /// The first rule that wants this request, which has then had it.
  std::optional<FaultRule> take(Verb verb, std::string_view key);
  /// Requests that are still to be struck.
  [[nodiscard]] std::uint64_t left() const;

 private:
  mutable std::mutex mutex_;
  std::deque<FaultRule> rules_;
};

}  // namespace ingot::fake_s3
