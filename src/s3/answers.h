// The XML documents that S3 answers with. Each is read whole or not at all: nothing of a document that is not what it
// must be is used. Names in it are as the server has them, with the store's prefix.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3/credentials.h"
#include "storage/bucket.h"

namespace ingot::s3 {

/// What an error says of itself. All empty if it is no error of S3's, but a proxy's, say.
struct ServiceError {
  std::string code;     ///< "SlowDown"
  std::string message;  ///< "Please reduce your request rate."
  std::string region;   ///< where the bucket is, when that was the error
};

/// Takes <Error> (S3), and <ErrorResponse> (STS).
ServiceError parse_error(std::string_view body);

struct ListPage {
  std::vector<storage::ListedObject> objects;
  std::string continuation;  ///< empty: the last page
};
/// Answer of ListObjectsV2.
std::optional<ListPage> parse_list(std::string_view body);

struct UploadsPage {
  std::vector<storage::OpenUpload> uploads;
  bool is_last = true;
  std::string next_key;  ///< unless it is the last: where the next one begins
  std::string next_id;
};
/// Answer of ListMultipartUploads.
std::optional<UploadsPage> parse_uploads(std::string_view body);

/// Answer of CreateMultipartUpload: its id.
std::optional<std::string> parse_upload_id(std::string_view body);

/// Whether that is the answer of a CompleteMultipartUpload that has succeeded; it may be 200 and an error.
bool is_completion(std::string_view body);

/// Answer of CreateSession (S3 Express) and of AssumeRoleWithWebIdentity (STS).
std::optional<Credentials> parse_session(std::string_view body);
std::optional<Credentials> parse_assumed_role(std::string_view body);

}  // namespace ingot::s3
