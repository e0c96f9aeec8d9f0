// Requests to one bucket: signs them, sends them, and puts right by itself what concerns nobody else: where the bucket
// is, what the time is, which credentials count.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3/answers.h"
#include "s3/configuration.h"
#include "s3/credentials.h"
#include "s3/endpoint.h"
#include "s3/http.h"
#include "s3/location.h"
#include "s3/outcome.h"
#include "s3/server_clock.h"
#include "s3/signature.h"

namespace ingot::s3 {

struct Call {
  const char* method = "GET";
  std::string key;  ///< in the bucket; empty: the bucket itself
  Query query;
  std::vector<Header> headers;  ///< besides those that all have
  std::string_view body;
  std::size_t answer_bytes_max = 1 << 20;
  std::optional<storage::BucketDate> signed_at;  ///< nothing: now
  base::Instant deadline{};
};

/// The last answer. What was turned away before it, to be put right, does not count, but: `http.sendings` is above one
/// also if one of those had gone out twice.
struct Sent {
  HttpAnswer http;
  ServiceError error;          ///< if it is one
  std::uint64_t requests = 0;  ///< that have been made, all together
};

/// Any thread may call anything.
class Sender {
 public:
  /// Makes no request.
  ///   throws  Error invalid_argument: by what is there to be read, no request could ever be made (no credentials, an
  ///           Express bucket without its zone or region); the sentence says what to do
  Sender(Location location, Configuration configuration);

  /// One request and its answer, by the deadline. If the answer shows that the region, the date (unless signed_at says
  /// it) or the credentials were wrong, and they can be put right, it is sent once more for each.
  Sent send(const Call& call);

  /// See storage::Bucket.
  void end_by(base::Instant at) { http_.end_by(at); }

  [[nodiscard]] const ServerClock& clock() const { return clock_; }

 private:
  [[nodiscard]] std::shared_ptr<const Route> route();
  Sent send_with(CredentialCache& cache, std::string_view token_header, const Call& call);
  [[nodiscard]] HttpRequest sign(const Call& call, const Route& route, const Credentials& credentials,
                                 std::string_view token_header) const;
  // Whether it makes sense to send it again, now that something has been put right.
  bool correct(Correction correction, const Sent& sent, const Call& call, CredentialCache& cache, const Route& used,
               const std::shared_ptr<const Credentials>& signed_with);
  bool learn_region(const std::string& region, const Route& used);
  bool renew(CredentialCache& cache, const std::shared_ptr<const Credentials>& used, base::Instant deadline);
  FoundCredentials create_session(base::Instant deadline);

  const Location location_;
  const Configuration configuration_;
  HttpClient http_;
  ServerClock clock_;
  CredentialCache credentials_;
  CredentialCache session_;  // of S3 Express: got by credentials_, and used in their stead

  base::Mutex mutex_;
  std::shared_ptr<const Route> route_;
};

}  // namespace ingot::s3
