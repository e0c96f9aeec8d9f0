// S3's operations over the fake server's buckets: from a request that is understood and allowed to an answer. The
// connection, the signature, and whatever is to befall the request are others' business.
//
// Threads: all may be called from any thread.
#pragma once

#include <optional>
#include <string>

#include "support/fake_s3/error.h"
#include "support/fake_s3/http.h"
#include "support/fake_s3/keys.h"
#include "support/fake_s3/objects.h"
#include "support/fake_s3/operation.h"
#include "support/fake_s3/profile.h"

namespace ingot::fake_s3 {

/// One request, and what it is handled with.
struct Call {
  const Request& request;
  const Operation& operation;
  const Behaviour& behaviour;
  const Key& key;
  Seconds now;                      // the server's clock
  const Objects::Arrival* arrival;  // of put and finish_upload
};

class Service {
 public:
  Service(Objects& objects, Keys& keys, std::string region)
      : objects_(objects), keys_(keys), region_(std::move(region)) {}

  /// The answer without the headers that all have. Throws S3Error.
  Response handle(const Call& call);

 private:
  Response put(const Call& call);
  Response get(const Call& call);
  Response remove(const Call& call);
  Response remove_many(const Call& call);
  Response list(const Call& call);
  Response begin_upload(const Call& call);
  Response put_part(const Call& call);
  Response finish_upload(const Call& call);
  Response abort_upload(const Call& call);
  Response list_uploads(const Call& call);
  Response list_parts(const Call& call);
  Response make_bucket(const Call& call);
  Response make_session(const Call& call);
  Response list_buckets(const Call& call);

  Objects& objects_;
  Keys& keys_;
  std::string region_;
};

Conditions conditions_of(const Request& request);
/// What is kept with an object, and comes back with it.
Fields metadata_of(const Request& request);
/// Throws BadDigest if a hash that came with the body is not its own.
void check_hashes(const Request& request);
/// An answer of XML, which `elements` are the inside of.
Response xml_response(const char* root, const std::string& elements, bool chunked);
/// An error as an answer.
Response error_response(const S3Error& error, const Operation& operation, const Behaviour& behaviour,
                        const std::string& request_id);

}  // namespace ingot::fake_s3
