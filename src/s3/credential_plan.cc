#include "s3/credential_plan.h"

#include <algorithm>
#include <array>
#include <optional>

#include "ingot/error.h"
#include "s3/encoding.h"

namespace ingot::s3 {

namespace {

[[noreturn]] void refuse_credentials(const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "find credentials for S3: " + reason);
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Settings of one origin by their names there.
template <class Find>
std::optional<CredentialPlan> plan_keys(const std::string& origin, std::array<const char*, 3> names, const Find& find) {
  CredentialPlan plan;
  plan.kind = CredentialPlan::Kind::keys;
  plan.origin = origin;
  plan.keys = {find(names[0]), find(names[1]), find(names[2]), {}};
  if (plan.keys.key_id.empty() && plan.keys.secret.empty()) return std::nullopt;
  if (plan.keys.key_id.empty() || plan.keys.secret.empty()) {
    refuse_credentials(origin + " has only one of " + names[0] + " and " + names[1] + ": set both.");
  }
  if (!can_be_sent(plan.keys) || is_space(plan.keys.secret.front()) || is_space(plan.keys.secret.back())) {
    refuse_credentials(origin + " has a key or a token with characters that none has (a space, a line's end).");
  }
  return plan;
}

template <class Find>
std::optional<CredentialPlan> plan_web_identity(const std::string& origin, std::array<const char*, 3> names,
                                                const Find& find) {
  CredentialPlan plan;
  plan.kind = CredentialPlan::Kind::web_identity;
  plan.origin = origin;
  plan.token_file = find(names[0]);
  plan.role = find(names[1]);
  plan.session_name = find(names[2]);
  if (plan.token_file.empty()) return std::nullopt;
  if (plan.role.empty()) {
    refuse_credentials(origin + " has " + names[0] + " without " + names[1] + ": set both.");
  }
  return plan;
}

// What other tools do for a profile, and we don't. Passing over it would sign with something else than was meant.
void refuse_what_we_cannot(const Profile& profile) {
  static constexpr std::array<const char*, 6> kOthers = {"source_profile", "credential_source", "credential_process",
                                                         "sso_session",    "sso_start_url",     "login_session"};
  for (const char* name : kOthers) {
    if (!profile.properties.contains(name)) continue;
    refuse_credentials("the AWS profile \"" + printable(profile.name, 100) + "\" gets them by " + name +
                       ", which is not done here. Let the AWS command put them into the environment: "
                       "eval \"$(aws configure export-credentials --profile " +
                       printable(profile.name, 100) + " --format env)\".");
  }
}

std::optional<CredentialPlan> plan_profile(const Profile& profile) {
  const auto find = [&](const char* name) {
    const auto found = profile.properties.find(name);
    return found == profile.properties.end() ? std::string() : found->second;
  };
  const std::string origin = "the AWS profile \"" + printable(profile.name, 100) + "\"";
  if (auto plan = plan_web_identity(origin, {"web_identity_token_file", "role_arn", "role_session_name"}, find)) {
    return plan;
  }
  // A role that is taken with another profile's keys goes before the keys in this one; the others come after them.
  if (!find("role_arn").empty()) refuse_what_we_cannot(profile);
  if (auto plan = plan_keys(origin, {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}, find)) {
    return plan;
  }
  refuse_what_we_cannot(profile);
  return std::nullopt;
}

}  // namespace

CredentialPlan plan_credentials(const Environment& environment, const Profile& profile) {
  const auto find = [&](const char* name) { return variable(environment, name); };
  const std::string origin = "the environment";
  if (auto plan = plan_keys(origin, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, find)) {
    return *plan;
  }
  if (auto plan =
          plan_web_identity(origin, {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"}, find)) {
    return *plan;
  }
  if (auto plan = plan_profile(profile)) return *plan;

  CredentialPlan plan;
  if (!find("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() || !find("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    plan.kind = CredentialPlan::Kind::container;
    plan.origin = "the container's credentials service";
    return plan;
  }
  if (is_true(find("AWS_EC2_METADATA_DISABLED"))) {
    refuse_credentials(
        "there are none in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), none in the AWS "
        "profile \"" +
        printable(profile.name, 100) + "\" (" + profile.files +
        "), no container gives any, and AWS_EC2_METADATA_DISABLED forbids asking the machine.");
  }
  plan.kind = CredentialPlan::Kind::instance;
  plan.origin = "the instance's metadata service";
  return plan;
}

bool can_be_sent(const Credentials& credentials) {
  const auto is_printable = [](char c) { return c > ' ' && c <= '~'; };
  return std::ranges::all_of(credentials.key_id, is_printable) && std::ranges::all_of(credentials.token, is_printable);
}

}  // namespace ingot::s3
