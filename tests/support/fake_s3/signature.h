// Who sent a request, by its AWS Signature Version 4 in the Authorization header. Checked as S3 does: the signature
// over the request as it came (path and query decoded and encoded anew), that Host and all x-amz-* headers are signed,
// the date, and the body against x-amz-content-sha256 if that is a hash (UNSIGNED-PAYLOAD is believed; STREAMING-… is
// not implemented). After docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose examples are
// tests.
//
// Threads: all may be called from any thread.
#pragma once

#include <string>
#include <string_view>

#include "support/fake_s3/http.h"
#include "support/fake_s3/keys.h"
#include "support/fake_s3/profile.h"

namespace ingot::fake_s3 {

inline constexpr std::chrono::minutes kSkewMax{15};

/// The key that signed `request`, if all is right.
///   now     the server's clock when it came
///   throws  S3Error: SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed, ExpiredToken, …
Key verify_signature(const Request& request, const Keys& keys, const Behaviour& behaviour, const std::string& region,
                     Seconds now);

/// What is signed, for those who test this.
std::string canonical_request(const Request& request, std::string_view signed_headers);

}  // namespace ingot::fake_s3
