#include "s3/configuration.h"

#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <system_error>
#include <utility>

#include "ingot/error.h"
#include "s3/encoding.h"
#include "s3/profile.h"

namespace ingot::s3 {

namespace {

// A setting, and who says so.
struct Setting {
  std::string value;
  std::string origin;
};

class SettingsFinder {
 public:
  SettingsFinder(const Environment& environment, const Profile& profile)
      : environment_(environment), profile_(profile) {}

  [[nodiscard]] Setting from_variable(std::string_view name) const {
    return {variable(environment_, name), std::string(name)};
  }
  [[nodiscard]] Setting from_profile(std::string_view name) const { return from(profile_.properties, name); }

  // A variable's, or the profile's.
  [[nodiscard]] Setting either(std::string_view name, std::string_view property) const {
    Setting setting = from_variable(name);
    return setting.value.empty() ? from_profile(property) : setting;
  }

  [[nodiscard]] std::optional<Endpoint> endpoint(std::string_view service) const {
    if (is_true(either("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls").value)) return {};
    const std::string lower = lower_case(service);
    for (const Setting& setting :
         {from_variable("AWS_ENDPOINT_URL_" + std::string(service)), from_variable("AWS_ENDPOINT_URL"),
          from(profile_.services, lower + ".endpoint_url"), from_profile("endpoint_url")}) {
      if (!setting.value.empty()) return parse_endpoint(setting.value, setting.origin);
    }
    return {};
  }

 private:
  [[nodiscard]] Setting from(const Properties& properties, std::string_view name) const {
    const auto found = properties.find(name);
    return {found == properties.end() ? "" : found->second,
            "the AWS profile \"" + printable(profile_.name, 100) + "\" (" + std::string(name) + ")"};
  }

  const Environment& environment_;
  const Profile& profile_;
};

// The first that has a value.
std::string first_of(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::string value = variable(environment, name);
    if (!value.empty()) return value;
  }
  return {};
}

// $HTTP_PROXY is left out by libcurl too: a CGI program's client could set it.
Transport transport_of(const Environment& environment) {
  Transport transport;
  transport.http_proxy = first_of(environment, {"http_proxy", "all_proxy", "ALL_PROXY"});
  transport.https_proxy = first_of(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  transport.no_proxy = first_of(environment, {"no_proxy", "NO_PROXY"});
  return transport;
}

std::string certificates(const SettingsFinder& settings) {
  const Setting setting = settings.either("AWS_CA_BUNDLE", "ca_bundle");
  if (setting.value.empty() || ::access(setting.value.c_str(), R_OK) == 0) return setting.value;
  throw Error(ErrorCode::invalid_argument, "use the certificates in \"" + printable(setting.value, 300) + "\" of " +
                                               setting.origin + ": " + std::generic_category().message(errno) +
                                               ". Name a file in PEM format, or none for the system's.");
}

}  // namespace

Configuration configure(Environment environment) {
  Configuration configuration;
  const Profile profile = load_profile(environment);
  const SettingsFinder settings(environment, profile);

  Setting region = settings.from_variable("AWS_REGION");
  if (region.value.empty()) region = settings.either("AWS_DEFAULT_REGION", "region");
  if (!region.value.empty() && !is_region(region.value)) {
    throw Error(ErrorCode::invalid_argument, "use the region \"" + printable(region.value, 100) + "\" of " +
                                                 region.origin +
                                                 ": a region's name has only a-z, 0-9 and '-', as eu-central-1.");
  }
  configuration.region = region.value;
  configuration.s3_endpoint = settings.endpoint("S3");
  configuration.sts_endpoint = settings.endpoint("STS");
  configuration.aws.fips = is_true(settings.either("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint").value);
  configuration.aws.dual_stack = is_true(settings.either("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint").value);
  configuration.transport = transport_of(environment);
  const bool is_plain = configuration.s3_endpoint && configuration.s3_endpoint->scheme == "http";
  if (!is_plain) configuration.transport.ca_bundle = certificates(settings);
  configuration.environment = std::move(environment);
  return configuration;
}

}  // namespace ingot::s3
