// The three ways in which S3 writes a date. All are UTC, and whole seconds here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/bucket.h"

namespace ingot::s3 {

/// "Fri, 24 May 2013 00:00:00 GMT", as in Date and Retry-After (IMF-fixdate of RFC 9110; the two older forms are not
/// written by servers of today). Nothing if it is anything else. The day of the week is not looked at.
std::optional<storage::BucketDate> parse_http_date(std::string_view text);

/// "2013-05-24T00:00:00.000Z", as in listings and credentials, with any fraction or none; "+00:00" does for the "Z".
std::optional<storage::BucketDate> parse_iso_date(std::string_view text);

/// "20130524T000000Z", as in x-amz-date. The first eight characters are the day of a signature's scope.
std::string signing_date(storage::BucketDate date);

}  // namespace ingot::s3
