// To which host requests for a bucket go, and what their paths begin with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "s3/location.h"

namespace ingot::s3 {

/// Where a service answers: an endpoint_url that somebody has set.
struct Endpoint {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< as in the Host header: with its port, unless it is the scheme's own
  std::string path;    ///< what its paths begin with: "" or "/a/b"
};

/// Takes "https://host", "http://10.0.0.1:9000/", "http://[::1]:80/some/path".
///   origin  who says so, for messages, as "AWS_ENDPOINT_URL"
///   throws  Error invalid_argument
Endpoint parse_endpoint(std::string_view url, std::string_view origin);

/// Which of AWS's own endpoints are wanted.
struct AwsEndpoints {
  bool fips = false;
  bool dual_stack = false;
};

/// Where all requests for one bucket go.
struct Route {
  Endpoint endpoint;   ///< its path holds the bucket's name, if the host does not
  std::string region;  ///< to sign with
  /// The path of an object, or (empty: of the bucket).
  [[nodiscard]] std::string path(std::string_view key) const;
};

/// AWS: the bucket is in the host's name, unless it has dots, which certificates don't match. Elsewhere it is in the
/// path, which all servers know.
Route route_to(const Location& location, const std::optional<Endpoint>& custom, const AwsEndpoints& aws,
               std::string_view region);

/// AWS's own endpoint of a service in a region: "https://sts.eu-central-1.amazonaws.com".
Endpoint aws_endpoint(std::string_view host_prefix, std::string_view region);

/// Whether it can be a region's name: [a-z0-9-], at most 64 of them. It becomes part of a host's name.
bool is_region(std::string_view name);

/// Of "base--use1-az4--x-s3": "use1-az4". Empty if the name has none.
std::string_view express_zone(std::string_view bucket);

}  // namespace ingot::s3
