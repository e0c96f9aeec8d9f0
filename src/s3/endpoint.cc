#include "s3/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ingot/error.h"
#include "s3/encoding.h"

namespace ingot::s3 {

namespace {

// A password in it is not shown.
[[noreturn]] void refuse_endpoint(std::string_view url, std::string_view origin, const std::string& reason) {
  const std::size_t at = url.rfind('@');
  const std::string shown = at == std::string_view::npos ? std::string(url) : "..." + std::string(url.substr(at));
  throw Error(ErrorCode::invalid_argument, "use the endpoint \"" + printable(shown, 200) + "\" of " +
                                               std::string(origin) + ": " + reason +
                                               " It is as https://host, http://host:port or https://host/path.");
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

// "[fd00::1]"; whether that is an address is found out when it is used.
bool is_bracketed_address(std::string_view host) {
  return host.size() >= 4 && host.size() <= 64 && host.front() == '[' && host.back() == ']' &&
         std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
           return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' || c == '.';
         });
}

// What hosts of a region end in.
std::string_view domain_of(std::string_view region) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kPartitions = {{
      {"cn-", "amazonaws.com.cn"},
      {"us-iso-", "c2s.ic.gov"},
      {"us-isob-", "sc2s.sgov.gov"},
      {"us-isof-", "csp.hci.ic.gov"},
      {"eu-isoe-", "cloud.adc-e.uk"},
      {"eusc-", "amazonaws.eu"},
  }};
  for (const auto& [prefix, domain] : kPartitions) {
    if (region.starts_with(prefix)) return domain;
  }
  return "amazonaws.com";
}

}  // namespace

Endpoint parse_endpoint(std::string_view url, std::string_view origin) {
  const std::size_t scheme_end = url.find("://");
  Endpoint endpoint;
  endpoint.scheme = lower_case(url.substr(0, scheme_end));
  if (scheme_end == std::string_view::npos || (endpoint.scheme != "http" && endpoint.scheme != "https")) {
    refuse_endpoint(url, origin, "it begins neither with https:// nor with http://.");
  }
  std::string_view rest = url.substr(scheme_end + 3);
  std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view path = rest.substr(authority.size());
  if (authority.find('@') != std::string_view::npos) {
    refuse_endpoint(url, origin, "a name and a password belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path != uri_encode(path, Slashes::kept) || path.find("//") != std::string_view::npos ||
      (std::string(path) + "/").find("/./") != std::string::npos ||
      (std::string(path) + "/").find("/../") != std::string::npos) {
    refuse_endpoint(url, origin, "its path has characters that are not plain.");
  }

  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  if (!is_host_name(host) && !is_bracketed_address(host)) refuse_endpoint(url, origin, "its host is not a host.");
  endpoint.host = lower_case(host);
  if (colon != std::string_view::npos) {
    const std::optional<std::uint64_t> port = decimal(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) refuse_endpoint(url, origin, "its port is not a port.");
    if (*port != (endpoint.scheme == "https" ? 443U : 80U)) endpoint.host += ":" + std::to_string(*port);
  }
  endpoint.path = path;
  return endpoint;
}

std::string Route::path(std::string_view key) const {
  if (key.empty()) return endpoint.path.empty() ? "/" : endpoint.path;
  return endpoint.path + "/" + uri_encode(key, Slashes::kept);
}

Route route_to(const Location& location, const std::optional<Endpoint>& custom, const AwsEndpoints& aws,
               std::string_view region) {
  Route route;
  route.region = region;
  if (custom) {
    route.endpoint = *custom;
    route.endpoint.path += "/" + location.bucket;
    return route;
  }
  std::string service = location.is_express() ? "s3express" : "s3";
  if (aws.fips) service += "-fips";
  if (location.is_express()) service.append("-").append(express_zone(location.bucket));
  if (aws.dual_stack) service += ".dualstack";
  const bool in_path = location.bucket.find('.') != std::string::npos;
  route.endpoint = aws_endpoint(in_path ? service : location.bucket + "." + service, region);
  if (in_path) route.endpoint.path = "/" + location.bucket;
  return route;
}

Endpoint aws_endpoint(std::string_view host_prefix, std::string_view region) {
  std::string host(host_prefix);
  host.append(".").append(region).append(".").append(domain_of(region));
  return {"https", std::move(host), ""};
}

bool is_region(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string_view express_zone(std::string_view bucket) {
  if (!bucket.ends_with("--x-s3")) return {};
  bucket.remove_suffix(6);
  const std::size_t before = bucket.rfind("--");
  return before == std::string_view::npos ? std::string_view() : bucket.substr(before + 2);
}

}  // namespace ingot::s3
