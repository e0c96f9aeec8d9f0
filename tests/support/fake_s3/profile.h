// How S3 servers differ, as far as the fake one shows it. A profile is a set of behaviours, single ones of which a test
// may change.
//
//                            aws       minio      r2        express   ceph       ignores-   hides-
//                                                                               conditions missing
//   PUT If-None-Match: *     412 [1]   412 [6]    412 [8]   412 [1]   412 [10]   200 [12]   412
//     a create lost while    409, 412  412        429 [9]   409, 412  412 [10]   200        409, 412
//     both were under way    in turn
//                            [1][2]
//     the key was removed    409 [1]   200        200       409       200        200        409
//     meanwhile
//   PUT If-None-Match: tag   501 [2]   412 if it  412 if it 501       412 if it  200        501
//                                      is [6]     is [8]              is [10]
//   PUT If-Match: not it     412 [1]   412 [6]    412 [8]   412       412 [10]   200        412
//     quoted, as it came     works     works      works     works     412! [11]  -          works
//     it changed meanwhile   409 [1]   412        429       409       500 [11]   200        409
//     there is no object     404 [1]   404 [6]    412 [8]   404       412 [10]   200        404
//   conditions on Complete   as PUT    as PUT     as PUT    as PUT    ignored    ignored    as PUT
//     MultipartUpload        [1]       [6]        [8]                 [11]
//     of an upload that is   404 [5]    404        404 [9]   404       200 if the  404        404
//     over already                                                     parts are
//                                                                      the object's,
//                                                                      else 500 [10]
//   DELETE If-Match          412 [3]   ignored    ignored   412 [3]   ignored    ignored    412
//                                      [6]        [8]                 [11]
//   GET of a missing key     404       404        404       404       404        404        403 [4]
//   too many requests        503 Slow  503 Slow   429 Too   503 Slow  503 Slow   503 Slow   503 Slow
//                            Down [5]  DownRead,  Many      Down      Down       Down       Down
//                                      …Write [7] Requests
//                                                 [9]
//     Retry-After            none      60 [7]     none      none      none       none       none
//   unknown access key       403 Inva  403        401 Unau  403       403 [10]   403        403
//                            lidAcce              thorized
//                            ssKeyId [5]          [9]
//   credentials ran out      400 Expi  403 Inva   401 Unau  400       403 Acces  400        400
//                            redToken  lidTokenId thorized            sDenied
//                            [5]       [7]        [9]                 [13]
//   another region           400 [5]   400 [7]    as auto   400       taken      400        400
//                                                 [8]                 [10]
//   ETag                     MD5       MD5        MD5       random    MD5        MD5        MD5
//                                                           [14]
//   ListObjectsV2            in order  in order   in order  no order, in order   in order   in order
//                                                           no start-after,
//                                                           prefixes end in '/' [14]
//   a bucket is made again   409       409        409       409       200 [10]   409        409
//   sizes of parts           5 MiB     5 MiB      5 MiB,    5 MiB,    5 MiB      5 MiB      5 MiB
//     (but the last)                              all the   numbers
//                                                 same [9]  without a gap [14]
//     date of the object     of its     of its     of its    of its    of its     of its     of its
//                            begin [17] end        end       begin     end        end        begin
//   credentials of requests  as given  as given   as given  of a      as given   as given   as given
//                                                           session [15]
//   error texts              all       all        no ids[9] all       no message all        all
//                                                                     [10]
//   XML answers              chunked   length     length    chunked   chunked,   length     chunked
//                                                                     errors not
//                                                                     [10]
//
//   All: reads and lists see every write that was answered (aws [16]); a signature's date may be 15 minutes off, else
//   403 RequestTimeTooSkewed (minio: globalMaxSkewTime in cmd/globals.go; ceph: RGW_AUTH_GRACE); a DELETE of what is
//   not there is 204.
//
//    [1] docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. The order of 409 and 412 is ours: that
//        page has 412 for the later ones, PutObject's has 409 "if a conflicting operation occurs during the upload",
//        and github.com/apache/arrow-rs-object-store/issues/852 met it in races of creates.
//    [2] docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html: "expects the '*' character". The 501 is ours.
//    [3] docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
//    [4] docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: without s3:ListBucket, 403 and not 404.
//    [5] docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. It promises no Retry-After; some servers between
//        send one, so a fault can.
//    [6] github.com/minio/minio: cmd/object-handlers-common.go checkPreconditionsPUT, cmd/erasure-object.go
//        HasIfMatch, cmd/object-multipart-handlers.go; DeleteObjectHandler has no precondition.
//    [7] github.com/minio/minio: cmd/api-errors.go; cmd/api-response.go writeErrorResponse: 60 with all 429 and 503.
//        XMinioServerNotInitialized (503) is what it says while it starts: Behaviour::starting.
//    [8] developers.cloudflare.com/r2/api/s3/conditional-operations, …/r2/api/s3/api (region "auto")
//    [9] developers.cloudflare.com/r2/api/error-codes, …/r2/platform/limits: one write a second to a key, else 429.
//        Here: one at a time, so that no test depends on the clock.
//   [10] Measured on Debian 12's radosgw 16.2.15 (scripts/ceph.sh); tests/ceph compares the fake with it.
//   [11] The same, and github.com/block/buzz/issues/3002, github.com/slatedb/slatedb/issues/1818.
//   [12] github.com/jamhall/s3rver: lib/controllers/object.js looks at no condition of a PUT.
//   [13] Ours: what its STS does was not looked up.
//   [14] docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html, …/API/API_ListObjectsV2.html. The
//        400 InvalidArgument for the rest is ours.
//   [15] docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html: five minutes, x-amz-s3session-token.
//   [16] docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
//   [17] docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: the date of an object in parts is that of
//        its upload's initiation. Ceph's was measured; the others' is ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::fake_s3 {

enum class Profile : std::uint8_t { aws, minio, r2, express, ceph, ignores_conditions, hides_missing };
inline constexpr Profile kProfiles[] = {Profile::aws,          Profile::minio, Profile::r2,
                                        Profile::express,      Profile::ceph,  Profile::ignores_conditions,
                                        Profile::hides_missing};

/// "aws", "ignores-conditions"…
const char* profile_name(Profile profile);
std::optional<Profile> profile_of(std::string_view name);

/// An error of S3's: a status and a word for it.
struct ErrorKind {
  int status;
  const char* code;
  const char* message;
};

struct Behaviour {
  Profile profile = Profile::aws;

  bool looks_at_put_conditions = true;
  bool looks_at_complete_conditions = true;
  bool looks_at_delete_conditions = true;
  bool tags_in_if_none_match = false;      // else only "*": 501
  bool quoted_tags_match = true;           // of the conditions of a PUT
  bool conflict_when_raced = true;         // 409, every other time, for a create that lost while it was under way
  bool conflict_when_changed = true;       // 409 for If-Match and If-None-Match, if the object changed meanwhile
  bool error_when_changed = false;         // 500, for If-Match
  bool absent_is_no_match = false;         // 412 for If-Match of what is not there; else 404
  bool one_write_per_key = false;          // 429 while another one is under way
  bool hides_missing = false;              // 403 for 404
  bool remaking_a_bucket_is_done = false;  // 200; else 409
  bool random_tags = false;                // as ETags; else MD5
  bool lists_in_order = true;
  bool lists_from_any_key = true;  // start-after
  bool lists_any_prefix = true;    // else it must be empty or end in '/'
  bool equal_parts = false;
  bool consecutive_parts = false;
  bool uploads_keep_their_date = true;    // the object's Last-Modified is when its upload was begun; else when it ended
  bool finishing_again_compares = false;  // an upload that is over: 200 if the object is made of these parts, else 500
  std::uint64_t part_bytes_min = 5ULL << 20;
  bool any_region = false;
  bool sessions = false;  // objects only with credentials from CreateSession
  bool starting = false;  // all is answered with ServerNotInitialized, 503
  bool error_ids = true;  // in error texts: Resource, RequestId, HostId
  bool error_messages = true;
  bool chunked_errors = true;
  bool chunked_lists = true;
  bool closes_after_5xx = true;

  ErrorKind slow_read{503, "SlowDown", "Please reduce your request rate."};
  ErrorKind slow_write{503, "SlowDown", "Please reduce your request rate."};
  std::optional<int> retry_after{};  // of those, and of all 503; seconds
  ErrorKind unknown_key{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."};
  ErrorKind expired{400, "ExpiredToken", "The provided token has expired."};
  const char* server = "AmazonS3";  // the header
};

Behaviour behaviour_of(Profile profile);

}  // namespace ingot::fake_s3
