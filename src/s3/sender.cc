#include "s3/sender.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/testing.h"
#include "ingot/error.h"
#include "s3/credential_plan.h"
#include "s3/credential_sources.h"
#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/outcome.h"
#include "s3/profile.h"
#include "s3/sha256.h"

namespace ingot::s3 {

namespace {

// Of what the metadata services and STS give, which lives for hours; and of S3 Express's sessions, which live 5
// minutes.
constexpr std::chrono::minutes kRenewBefore{5};
constexpr std::chrono::seconds kRenewSessionBefore{90};
// Where a bucket is looked for if nobody says: any of AWS's endpoints says where it really is, and other servers
// mostly don't care.
constexpr std::string_view kFirstRegion = "us-east-1";
constexpr std::string_view kTokenHeader = "x-amz-security-token";

Configuration checked_configuration(const Location& location, Configuration configuration) {
  (void)plan_credentials(configuration.environment, load_profile(configuration.environment));
  if (!location.is_express() || configuration.s3_endpoint) return configuration;
  if (express_zone(location.bucket).empty()) {
    throw Error(ErrorCode::invalid_argument, "open \"" + location.text() +
                                                 "\": a directory bucket's name has its zone before \"--x-s3\", as "
                                                 "name--use1-az4--x-s3.");
  }
  if (configuration.region.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "open \"" + location.text() + "\": the region of a directory bucket must be told. Set AWS_REGION.");
  }
  return configuration;
}

}  // namespace

Sender::Sender(Location location, Configuration configuration)
    : location_(std::move(location)),
      configuration_(checked_configuration(location_, std::move(configuration))),
      http_(configuration_.transport),
      credentials_([this](base::Instant deadline) { return load_credentials(configuration_, http_, deadline); }, clock_,
                   kRenewBefore),
      session_([this](base::Instant deadline) { return create_session(deadline); }, clock_, kRenewSessionBefore),
      route_(std::make_shared<const Route>(
          route_to(location_, configuration_.s3_endpoint, configuration_.aws,
                   configuration_.region.empty() ? kFirstRegion : std::string_view(configuration_.region)))) {}

std::shared_ptr<const Route> Sender::route() {
  const std::lock_guard lock(mutex_);
  return route_;
}

bool Sender::learn_region(const std::string& region, const Route& used) {
  const std::lock_guard lock(mutex_);
  if (route_->region != used.region) return true;  // another thread has learnt it meanwhile
  if (region == used.region) return false;
  base::probe("s3: the bucket is in another region");
  route_ = std::make_shared<const Route>(route_to(location_, configuration_.s3_endpoint, configuration_.aws, region));
  return true;
}

// Whether there are others now, or none (then that is to be said).
bool Sender::renew(CredentialCache& cache, const std::shared_ptr<const Credentials>& used, base::Instant deadline) {
  cache.reject(used);
  const FoundCredentials found = cache.get(deadline);
  return found.credentials == nullptr || !(*found.credentials == *used);
}

HttpRequest Sender::sign(const Call& call, const Route& route, const Credentials& credentials,
                         std::string_view token_header) const {
  const storage::BucketDate date = call.signed_at.value_or(clock_.now());
  // The body's own hash is signed over https too: what proxies and memory do to bytes is found out by the server, and
  // it costs half a millisecond a MiB where the processor has instructions for it.
  const std::string body_sha256 = hexadecimal(sha256(call.body).view());
  HttpRequest request;
  request.method = call.method;
  request.body = call.body;
  request.answer_bytes_max = call.answer_bytes_max;
  request.deadline = call.deadline;
  request.headers = call.headers;
  request.headers.push_back({"host", route.endpoint.host});
  request.headers.push_back({"x-amz-content-sha256", body_sha256});
  request.headers.push_back({"x-amz-date", signing_date(date)});
  if (!credentials.token.empty()) request.headers.push_back({std::string(token_header), credentials.token});

  const std::string path = route.path(call.key);
  const std::string query = canonical_query(call.query);
  const Scope scope{route.region, location_.is_express() ? "s3express" : "s3"};
  std::string value = authorization({call.method, path, query, request.headers, body_sha256}, date, scope, credentials);
  request.headers.push_back({"authorization", std::move(value)});
  request.url = route.endpoint.scheme + "://" + route.endpoint.host + path + (query.empty() ? "" : "?" + query);
  return request;
}

Sent Sender::send(const Call& call) {
  if (location_.is_express()) return send_with(session_, "x-amz-s3session-token", call);
  return send_with(credentials_, kTokenHeader, call);
}

Sent Sender::send_with(CredentialCache& cache, std::string_view token_header, const Call& call) {
  Sent sent;
  bool twice = false;
  std::array<bool, 4> corrected{};  // by Correction: each once at most
  for (;;) {
    const FoundCredentials found = cache.get(call.deadline);
    if (found.credentials == nullptr) {
      sent.http = {};
      sent.http.error = found.why;
      sent.http.is_hopeless = found.is_hopeless;
      break;
    }
    const std::shared_ptr<const Route> used = route();
    sent.http = http_.perform(sign(call, *used, *found.credentials, token_header));
    sent.requests += sent.http.sendings;
    twice |= sent.http.sendings > 1;
    if (sent.http.date) clock_.learn(*sent.http.date, *sent.http.date_at);
    const bool is_error = sent.http.kind == HttpAnswer::Kind::answered && sent.http.status / 100 != 2;
    sent.error = is_error ? parse_error(sent.http.body) : ServiceError();

    const Correction correction = correction_of(sent.http, sent.error);
    bool& done = corrected[static_cast<std::size_t>(correction)];
    if (done || !correct(correction, sent, call, cache, *used, found.credentials)) break;
    done = true;
  }
  if (twice) {
    base::probe("s3: a request went out twice");
    sent.http.sendings = std::max(sent.http.sendings, 2U);
  }
  return sent;
}

bool Sender::correct(Correction correction, const Sent& sent, const Call& call, CredentialCache& cache,
                     const Route& used, const std::shared_ptr<const Credentials>& signed_with) {
  switch (correction) {
    case Correction::region:
      return learn_region(region_of(sent.http, sent.error), used);
    case Correction::clock:  // the answer's date has been learnt
      base::probe("s3: signed with a wrong date");
      return !call.signed_at && sent.http.date;
    case Correction::credentials:
      base::probe("s3: credentials were turned away");
      return renew(cache, signed_with, call.deadline);
    default:
      return false;
  }
}

FoundCredentials Sender::create_session(base::Instant deadline) {
  Call call;
  call.query = {{"session", ""}};
  call.deadline = deadline;
  const Sent sent = send_with(credentials_, kTokenHeader, call);
  if (sent.http.kind != HttpAnswer::Kind::answered) {
    return {nullptr, "CreateSession: " + sent.http.error, sent.http.is_hopeless};
  }
  if (sent.http.status != 200) {
    const storage::Answer answer = answer_of(Verb::list, sent.http, sent.error, clock_.now());
    return {nullptr, "CreateSession: " + answer.why, answer.outcome == storage::Outcome::refused};
  }
  std::optional<Credentials> session = parse_session(sent.http.body);
  if (!session || !can_be_sent(*session)) return {nullptr, "CreateSession: its answer has no session"};
  return {std::make_shared<const Credentials>(*std::move(session)), {}};
}

}  // namespace ingot::s3
