// A store's bucket in S3, or in whatever speaks its protocol: the seam of storage/bucket.h over HTTP(S).
//
// Which bucket: "s3://bucket/prefix" (location.h). Which server, region and credentials: as every S3 tool finds them,
// from the environment, the AWS profile files, web identity, a container's agent or the machine's metadata service
// (configuration.h, credential_plan.h). There is nothing else to be set.
//
// Names      AWS: the bucket is in the host's name; at an endpoint of one's own, and for buckets with dots, in the
// path.
//            Directory buckets (S3 Express, "name--zone--x-s3") get their sessions by CreateSession.
// Signing    SigV4 with each body's SHA-256, over https too. The time is the servers' (their Date), so a machine's
// wrong
//            clock does no harm; `signed_at` is used as it is.
// Transport  HTTP/1.1 by libcurl, TLS verified, as many connections as there are calls at a time; 32 are kept for 20 s
//            when idle. Connecting takes 5 s at most, and a call ends at its deadline.
// By itself  a request that is turned away for a wrong region, for the time (unless signed_at says it), or for expired
//            credentials is sent once more, put right; and one that met a connection which had just died, without any
//            answer, goes out again over a new one (http.h). Where that leaves it open whether the first one was
//            carried out, the outcome is `unanswered`. Sending again changes nothing for a put of an object that is
//            made once: it `exists` then. begin_upload may leave an upload that nobody knows: list_uploads has it.
// Memory     where there is none, a call is `unanswered`.
// Threads    no thread of its own (libcurl has one while it resolves a name). The destructor must not run while a call
//            does. In a fork's child all calls are `unsent`, and the parent's connections stay whole.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "s3/environment.h"
#include "storage/bucket.h"

namespace ingot::s3 {

struct Settings {
  /// What to take for the environment's variables; nothing: this process's, as they are now.
  std::optional<Environment> environment{};
};

/// Makes no request: a wrong key, or a bucket that is not there, shows with the first one.
///   where   "s3://bucket/prefix"
///   throws  Error invalid_argument: `where`, a variable or a profile can't be right, or there are no credentials and
///           nobody to ask for them; the sentence says which and what to do
std::unique_ptr<storage::Bucket> open_bucket(const std::string& where, Settings settings = {});

}  // namespace ingot::s3
