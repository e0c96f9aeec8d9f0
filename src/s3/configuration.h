// What the environment and the profile files say, but for credentials.
#pragma once

#include <optional>
#include <string>

#include "s3/endpoint.h"
#include "s3/environment.h"
#include "s3/http.h"

namespace ingot::s3 {

struct Configuration {
  Environment environment;
  std::string region;                   ///< empty: nobody says
  std::optional<Endpoint> s3_endpoint;  ///< nothing: AWS's own
  std::optional<Endpoint> sts_endpoint;
  AwsEndpoints aws;
  Transport transport;
};

/// Reads them, in the order that all S3 tools have:
///   region     $AWS_REGION, $AWS_DEFAULT_REGION, the profile's `region`
///   endpoint   $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, the profile's `services` section (s3: endpoint_url), the
///              profile's `endpoint_url`; unless $AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, or the profile's
///              `ignore_configured_endpoint_urls`, is true. STS: the same with …_STS
///   proxies    $http_proxy, $https_proxy, $all_proxy, $no_proxy, as libcurl has them (also in capitals, but the first)
///   more       $AWS_CA_BUNDLE (`ca_bundle`), $AWS_USE_FIPS_ENDPOINT, $AWS_USE_DUALSTACK_ENDPOINT (`use_…`)
///   throws     Error invalid_argument, if one can't be right
Configuration configure(Environment environment);

}  // namespace ingot::s3
