#include "s3/credential_sources.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/random.h"
#include "ingot/error.h"
#include "s3/answers.h"
#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/json.h"
#include "s3/profile.h"
#include "s3/small_file.h"

namespace ingot::s3 {

namespace {

// The metadata services are on this machine or next to it: whoever is silent for so long is not there.
constexpr std::chrono::seconds kMetadataConnectMax{1};
constexpr std::chrono::seconds kMetadataMax{3};
constexpr std::size_t kTokenBytesMax = 64 << 10;
constexpr std::string_view kInstanceEndpoint = "http://169.254.169.254";
constexpr std::string_view kInstanceEndpointIpv6 = "http://[fd00:ec2::254]";
constexpr std::string_view kContainerEndpoint = "http://169.254.170.2";

FoundCredentials no_credentials(std::string why) {
  return {nullptr, std::move(why)};
}

FoundCredentials hopeless(std::string why) {
  return {nullptr, std::move(why), true};
}

FoundCredentials found_credentials(Credentials credentials) {
  return {std::make_shared<const Credentials>(std::move(credentials)), {}};
}

// "", "\n" or more at its end are how files end.
std::string_view without_line_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool is_one_line(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

HttpRequest metadata_request(const char* method, std::string url, std::vector<Header> headers, base::Instant deadline) {
  HttpRequest request;
  request.method = method;
  request.url = std::move(url);
  request.headers = std::move(headers);
  request.deadline = std::min(deadline, base::now() + kMetadataMax);
  request.connect_max = kMetadataConnectMax;
  request.proxy = Proxy::none;
  return request;
}

// Why that is no answer to go on with; empty: it is one.
std::string what_is_wrong(const HttpAnswer& answer) {
  if (answer.kind != HttpAnswer::Kind::answered) return "no answer: " + answer.error;
  return answer.status == 200 ? "" : "it answered " + std::to_string(answer.status);
}

// Whether asking again could bring another answer: it is busy, or has a fault.
bool may_change(const HttpAnswer& answer) {
  return answer.status / 100 == 5 || answer.status == 429 || answer.status == 408;
}

// {"AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": …}, of both metadata services.
FoundCredentials parse_metadata(const std::string& who, const std::string& body) {
  const auto strings = parse_json_strings(body);
  if (!strings) return no_credentials(who + ": its answer is not the JSON that it should be");
  const auto get = [&](std::string_view name) {
    const auto found = strings->find(name);
    return found == strings->end() ? std::string() : found->second;
  };
  if (const std::string code = get("Code"); !code.empty() && code != "Success") {
    return no_credentials(who + ": " + printable(code, 100) + " " + printable(get("Message"), 200));
  }
  Credentials credentials{get("AccessKeyId"), get("SecretAccessKey"), get("Token"), parse_iso_date(get("Expiration"))};
  if (credentials.key_id.empty() || credentials.secret.empty() || !credentials.expires || !can_be_sent(credentials)) {
    return no_credentials(who + ": its answer has no AccessKeyId, SecretAccessKey and Expiration that can be used");
  }
  return found_credentials(std::move(credentials));
}

// What may be asked without encryption: this machine, and the addresses that AWS's agents have.
bool is_near(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  const std::size_t port = host.rfind(':');
  const bool has_port = port != std::string::npos && host.find(']', port) == std::string::npos;
  const std::string name = has_port ? host.substr(0, port) : host;
  const bool is_loopback = name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos;
  return name == "localhost" || is_loopback || name == "[::1]" || name == "169.254.170.2" || name == "169.254.170.23" ||
         name == "[fd00:ec2::23]";
}

// Where the container's agent is; empty, and why, if that can't be right.
std::string container_url(const Environment& environment, std::string& why) {
  const std::string relative = variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    if (relative.front() == '/' && is_one_line(relative)) return std::string(kContainerEndpoint) + relative;
    why = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path";
    return {};
  }
  std::string full = variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  try {
    const Endpoint endpoint = parse_endpoint(full.substr(0, full.find('?')), "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if ((endpoint.scheme == "https" || is_near(endpoint)) && is_one_line(full)) return full;
    why = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine";
  } catch (const Error& error) {
    why = error.what();
  }
  return {};
}

// The Authorization header for the container's agent, if it wants one.
bool container_token(const Environment& environment, std::vector<Header>& headers, std::string& why) {
  std::string token = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string path = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    const SmallFile file = read_small_file(path, kTokenBytesMax);
    if (file.kind != SmallFile::Kind::there) {
      why = "read \"" + printable(path, 300) + "\": " + file.error;
      return false;
    }
    token = without_line_end(file.text);
  }
  if (!is_one_line(token)) {
    why = "its authorization token is not one line";
    return false;
  }
  if (!token.empty()) headers.push_back({"authorization", std::move(token)});
  return true;
}

std::string instance_endpoint(const Environment& environment, std::string& why) {
  std::string url = variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (url.empty()) {
    const bool is_ipv6 = lower_case(variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")) == "ipv6";
    return std::string(is_ipv6 ? kInstanceEndpointIpv6 : kInstanceEndpoint);
  }
  try {
    const Endpoint endpoint = parse_endpoint(url, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    return endpoint.scheme + "://" + endpoint.host + endpoint.path;
  } catch (const Error& error) {
    why = error.what();
    return {};
  }
}

std::string session_name() {
  const std::uint64_t number = base::random_u64();
  return "ingot-" + hexadecimal({reinterpret_cast<const char*>(&number), sizeof number});
}

}  // namespace

FoundCredentials load_credentials(const Configuration& configuration, HttpClient& http, base::Instant deadline) {
  try {
    const CredentialPlan plan = plan_credentials(configuration.environment, load_profile(configuration.environment));
    switch (plan.kind) {
      case CredentialPlan::Kind::keys:
        return found_credentials(plan.keys);
      case CredentialPlan::Kind::web_identity:
        return web_identity_credentials(plan, configuration, http, deadline);
      case CredentialPlan::Kind::container:
        return container_credentials(configuration.environment, http, deadline);
      default:
        return instance_credentials(configuration.environment, http, deadline);
    }
  } catch (const Error& error) {
    return hopeless(error.what());
  }
}

FoundCredentials web_identity_credentials(const CredentialPlan& plan, const Configuration& configuration,
                                          HttpClient& http, base::Instant deadline) {
  const SmallFile token = read_small_file(plan.token_file, kTokenBytesMax);
  if (token.kind != SmallFile::Kind::there) {
    return hopeless("read the web identity token in \"" + printable(plan.token_file, 300) + "\": " + token.error);
  }
  const std::string region = configuration.region.empty() ? "us-east-1" : configuration.region;
  const Endpoint endpoint = configuration.sts_endpoint
                                ? *configuration.sts_endpoint
                                : aws_endpoint(configuration.aws.fips ? "sts-fips" : "sts", region);
  const std::string form =
      canonical_query({{"Action", "AssumeRoleWithWebIdentity"},
                       {"Version", "2011-06-15"},
                       {"RoleArn", plan.role},
                       {"RoleSessionName", plan.session_name.empty() ? session_name() : plan.session_name},
                       {"WebIdentityToken", std::string(without_line_end(token.text))}});
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint.scheme + "://" + endpoint.host + endpoint.path + "/";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = form;
  request.deadline = deadline;
  const HttpAnswer answer = http.perform(request);
  const std::string who = "AssumeRoleWithWebIdentity at " + endpoint.host;
  if (std::string wrong = what_is_wrong(answer); !wrong.empty()) {
    const ServiceError error = parse_error(answer.body);
    if (!error.code.empty()) wrong.append(" ").append(error.code).append(": ").append(error.message);
    const bool is_answer = answer.kind == HttpAnswer::Kind::answered;
    const bool is_final = is_answer && !may_change(answer) && error.code != "IDPCommunicationError";
    return {nullptr, who + ": " + wrong, is_final || answer.is_hopeless};
  }
  std::optional<Credentials> credentials = parse_assumed_role(answer.body);
  if (!credentials || !can_be_sent(*credentials)) return no_credentials(who + ": its answer has no credentials");
  return found_credentials(*std::move(credentials));
}

FoundCredentials container_credentials(const Environment& environment, HttpClient& http, base::Instant deadline) {
  const std::string who = "the container's credentials service";
  std::string why;
  const std::string url = container_url(environment, why);
  std::vector<Header> headers;
  if (url.empty() || !container_token(environment, headers, why)) return hopeless(who + ": " + why);
  const HttpAnswer answer = http.perform(metadata_request("GET", url, std::move(headers), deadline));
  if (const std::string wrong = what_is_wrong(answer); !wrong.empty()) {
    return {nullptr, who + ": " + wrong, answer.kind == HttpAnswer::Kind::answered && !may_change(answer)};
  }
  return parse_metadata(who, answer.body);
}

FoundCredentials instance_credentials(const Environment& environment, HttpClient& http, base::Instant deadline) {
  const std::string who =
      "no credentials in the environment, in a profile or of a container; and the instance's metadata service";
  std::string why;
  const std::string endpoint = instance_endpoint(environment, why);
  if (endpoint.empty()) return hopeless(who + ": " + why);
  // Whoever is silent is not there: this is no machine of AWS's.
  const auto failed = [&](const HttpAnswer& answer, const std::string& wrong) -> FoundCredentials {
    if (may_change(answer)) return no_credentials(who + ": " + wrong);
    return hopeless(who + ": " + wrong + ". Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.");
  };

  const HttpAnswer session = http.perform(metadata_request(
      "PUT", endpoint + "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}}, deadline));
  if (const std::string wrong = what_is_wrong(session); !wrong.empty()) return failed(session, wrong);
  if (session.body.empty() || !is_one_line(session.body)) return no_credentials(who + ": its session has no token");

  const std::vector<Header> headers = {{"x-aws-ec2-metadata-token", session.body}};
  const std::string roles = endpoint + "/latest/meta-data/iam/security-credentials/";
  const HttpAnswer role = http.perform(metadata_request("GET", roles, headers, deadline));
  if (role.kind == HttpAnswer::Kind::answered && role.status == 404) {
    return failed(role, "this machine has no role");
  }
  if (const std::string wrong = what_is_wrong(role); !wrong.empty()) return failed(role, wrong);
  const std::string_view name = trimmed(std::string_view(role.body).substr(0, role.body.find('\n')));
  if (name.empty() || !is_one_line(name)) return failed(role, "this machine has no role");

  const HttpAnswer answer =
      http.perform(metadata_request("GET", roles + uri_encode(name, Slashes::encoded), headers, deadline));
  if (const std::string wrong = what_is_wrong(answer); !wrong.empty()) return failed(answer, wrong);
  return parse_metadata(who, answer.body);
}

}  // namespace ingot::s3
