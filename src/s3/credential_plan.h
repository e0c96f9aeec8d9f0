// Where this process's credentials come from: decided by what is in its environment and its profile, without a request.
#pragma once

#include <string>

#include "s3/credentials.h"
#include "s3/environment.h"
#include "s3/profile.h"

namespace ingot::s3 {

struct CredentialPlan {
  enum class Kind {
    keys,          ///< they are there
    web_identity,  ///< a token in a file, which STS takes for a role's keys (Kubernetes)
    container,     ///< the container's agent (ECS, EKS)
    instance,      ///< the machine's metadata service (EC2), which may not be there
  };
  Kind kind = Kind::instance;
  std::string origin;  ///< for messages, as "the environment"
  Credentials keys;    ///< of `keys`
  std::string role;    ///< of web_identity: the role's ARN
  std::string token_file;
  std::string session_name;
};

/// The first of these that is there, as with all S3 tools:
///   1. $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY, $AWS_SESSION_TOKEN
///   2. $AWS_WEB_IDENTITY_TOKEN_FILE, $AWS_ROLE_ARN, $AWS_ROLE_SESSION_NAME
///   3. the profile: aws_access_key_id, aws_secret_access_key, aws_session_token; or web_identity_token_file, role_arn,
///      role_session_name
///   4. $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI
///   5. the instance's metadata service, unless $AWS_EC2_METADATA_DISABLED is true
///   throws  Error invalid_argument: half of something is there, the profile wants what we don't do (another profile's
///           role, single sign-on, a program), or there is nothing, and no metadata service either
CredentialPlan plan_credentials(const Environment& environment, const Profile& profile);

/// Whether key id and token can be put into a header: printable, and without spaces.
bool can_be_sent(const Credentials& credentials);

}  // namespace ingot::s3
