// What an answer over HTTP means to the seam (storage/bucket.h).
//
// An outcome that tells its caller "nothing happened" must be true of the request however often it was sent. So when a
// change has gone out more than once (http.h), an answer to the last sending that only says no (403, 409, 503…) is
// `unanswered`: the first may have been carried out. `done`, `exists` and `absent` speak of the object, and stay.
#pragma once

#include <optional>
#include <string>

#include "s3/answers.h"
#include "s3/http.h"
#include "storage/bucket.h"

namespace ingot::s3 {

enum class Verb {
  create,
  replace,
  get,
  list,
  remove,
  begin_upload,
  put_part,
  finish_upload,
  abort_upload,
  list_uploads,
};

/// Whether it only reads.
bool is_read(Verb verb);

/// The outcome, date, retry_after and why of an answer, which came when it was `now` by the server's clock.
///   done        2xx; also 416 of get (from the object's end on there is nothing), and 404 NoSuchKey of remove
///   absent      404 NoSuchKey of get, 404 NoSuchUpload of uploads: any other 404 is `refused` (no bucket, no S3)
///   exists      412 of create
///   conflict    409 of create and replace
///   throttled   429; 503; 409 of the other verbs. A 503 that is not S3's own (no error of its kind in it: a proxy's)
///   is
///               `failed`, if the request was to change anything
///   failed      5xx; what came over damaged or too slowly (400 BadDigest, IncompleteBody, RequestTimeout…, 408)
///   too_late    403 RequestTimeTooSkewed
///   refused     all else; also what can't even be sent until somebody changes something (is_hopeless). `why` says
///               what helps, where that is known
storage::Answer answer_of(Verb verb, const HttpAnswer& http, const ServiceError& error, storage::BucketDate now);

/// What the client can put right by itself before it sends a request that was turned away once more.
enum class Correction {
  none,
  region,       ///< the bucket is elsewhere: `region_of` says where
  clock,        ///< signed with a wrong date
  credentials,  ///< expired, or withdrawn
};
Correction correction_of(const HttpAnswer& http, const ServiceError& error);

/// Where the bucket is, if the answer says so.
std::string region_of(const HttpAnswer& http, const ServiceError& error);

}  // namespace ingot::s3
