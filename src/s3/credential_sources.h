// Gets credentials from where the plan says: by reading files, and by requests to STS, a container's agent, or the
// machine's metadata service.
#pragma once

#include "base/time.h"
#include "s3/configuration.h"
#include "s3/credential_plan.h"
#include "s3/credentials.h"
#include "s3/http.h"

namespace ingot::s3 {

/// Reads the profile files again, and gets what they and the environment say. `why` of a failure has no secret.
FoundCredentials load_credentials(const Configuration& configuration, HttpClient& http, base::Instant deadline);

// Its parts. `plan` is of that kind.

/// AssumeRoleWithWebIdentity: what is in the token's file now, for a role's keys.
FoundCredentials web_identity_credentials(const CredentialPlan& plan, const Configuration& configuration,
                                          HttpClient& http, base::Instant deadline);
/// $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (at 169.254.170.2) or …_FULL_URI (by https, or on this machine), with
/// $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or $AWS_CONTAINER_AUTHORIZATION_TOKEN.
FoundCredentials container_credentials(const Environment& environment, HttpClient& http, base::Instant deadline);
/// IMDSv2 at 169.254.169.254, or $AWS_EC2_METADATA_SERVICE_ENDPOINT (with $AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6:
/// at [fd00:ec2::254]). The older protocol, without a session, is not tried.
FoundCredentials instance_credentials(const Environment& environment, HttpClient& http, base::Instant deadline);

}  // namespace ingot::s3
