// AWS Signature Version 4, as S3 wants it: the whole request but for its body is signed, and of the body its SHA-256.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3/credentials.h"
#include "storage/bucket.h"

namespace ingot::s3 {

struct Header {
  std::string name;  ///< lower-case
  std::string value;
};

/// Names and values as they are meant, not encoded.
using Query = std::vector<std::pair<std::string, std::string>>;

/// Encoded and sorted: the same in the signature and in the URL.
std::string canonical_query(const Query& query);

/// What a signature is good for, with its date's day.
struct Scope {
  std::string_view region;
  std::string_view service;  ///< "s3", "s3express"
};

/// A request, all of whose headers are signed.
struct Unsigned {
  std::string_view method;             ///< "PUT"
  std::string_view path;               ///< encoded, begins with '/'
  std::string_view query;              ///< of canonical_query
  const std::vector<Header>& headers;  ///< host and all x-amz-*; x-amz-date is `date`
  std::string_view body_sha256;        ///< hexadecimal, or "UNSIGNED-PAYLOAD"
};

/// The Authorization header's value.
std::string authorization(const Unsigned& request, storage::BucketDate date, const Scope& scope,
                          const Credentials& credentials);

}  // namespace ingot::s3
