#include "support/fake_s3/service.h"

#include <algorithm>
#include <memory>

#include "support/fake_s3/digest.h"
#include "support/fake_s3/xml.h"

namespace ingot::fake_s3 {

namespace {

constexpr const char* kXmlBegin = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::chrono::minutes kSessionLasts{5};

struct Span {
  std::size_t offset;
  std::size_t bytes;
};

// A range of one part, as far as the object reaches. Nothing: the header is of another form, so the whole is meant.
std::optional<Span> range_of(const std::string& header, std::size_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.rfind(kUnit, 0) != 0) return {};
  const std::string range = header.substr(kUnit.size());
  const std::size_t dash = range.find('-');
  if (dash == std::string::npos) return {};
  const std::optional<std::uint64_t> first = parse_number(range.substr(0, dash));
  const std::optional<std::uint64_t> last = parse_number(range.substr(dash + 1));
  const S3Error unsatisfiable(416, "InvalidRange", "The requested range is not satisfiable",
                              "<ActualObjectSize>" + std::to_string(size) + "</ActualObjectSize>");
  if (!first && dash == 0 && last) {  // the last so many
    if (*last == 0 || size == 0) throw unsatisfiable;
    const std::size_t bytes = std::min<std::size_t>(*last, size);
    return Span{size - bytes, bytes};
  }
  if (!first || (!last && dash + 1 < range.size()) || (last && *last < *first)) return {};
  if (*first >= size) throw unsatisfiable;
  return Span{*first, std::min<std::size_t>(last.value_or(size), size - 1) - *first + 1};
}

// Whether the conditions of a GET or HEAD ask for 304. Throws 412.
bool is_not_modified(const Request& request, const Object& object) {
  const Conditions conditions = conditions_of(request);
  const auto fits = [&object](const std::string& tag) { return tag == "*" || unquoted(tag) == object.etag; };
  if (conditions.if_match && !fits(*conditions.if_match)) {
    throw S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  return conditions.if_none_match && fits(*conditions.if_none_match);
}

}  // namespace

Conditions conditions_of(const Request& request) {
  Conditions conditions;
  if (const std::string* tag = request.header("if-none-match")) conditions.if_none_match = *tag;
  if (const std::string* tag = request.header("if-match")) conditions.if_match = *tag;
  return conditions;
}

Fields metadata_of(const Request& request) {
  Fields metadata{{"Content-Type", request.header_or("content-type", "binary/octet-stream")}};
  for (const auto& [name, value] : request.headers) {
    if (name.rfind("x-amz-meta-", 0) == 0) metadata.emplace_back(name, value);
  }
  return metadata;
}

void check_hashes(const Request& request) {
  const S3Error wrong(400, "BadDigest", "A hash that you specified did not match what we received.");
  const std::string* said = request.header("content-md5");
  if (said != nullptr && *said != base64(md5(request.body))) throw wrong;
  said = request.header("x-amz-checksum-sha256");
  if (said != nullptr && *said != base64(sha256(request.body))) throw wrong;
}

Response xml_response(const char* root, const std::string& elements, bool chunked) {
  Response response;
  response.headers.emplace_back("Content-Type", "application/xml");
  response.body = std::string(kXmlBegin) + "<" + root + " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                  elements + "</" + root + ">";
  response.chunked = chunked;
  return response;
}

Response error_response(const S3Error& error, const Operation& operation, const Behaviour& behaviour,
                        const std::string& request_id) {
  Response response;
  response.status = error.status;
  response.code = error.code;
  response.headers.emplace_back("Content-Type", "application/xml");
  response.body = std::string(kXmlBegin) + "<Error>" + xml_element("Code", error.code) +
                  xml_element("Message", behaviour.error_messages ? error.message : "");
  if (behaviour.error_ids) {
    response.body += error.details + xml_element("Resource", "/" + operation.bucket + "/" + operation.key) +
                     xml_element("RequestId", request_id) + xml_element("HostId", "ZmFrZQ==");
  }
  response.body += "</Error>";
  response.chunked = behaviour.chunked_errors;
  response.closes = error.status >= 500 && behaviour.closes_after_5xx;
  if (error.status == 503 && behaviour.retry_after) {
    response.headers.emplace_back("Retry-After", std::to_string(*behaviour.retry_after));
  }
  return response;
}

Response Service::handle(const Call& call) {
  check_is_implemented(call.operation, call.request);
  const Verb verb = call.operation.verb;
  const bool makes_a_session = verb == Verb::make_session || verb == Verb::make_bucket || verb == Verb::list_buckets;
  if (call.behaviour.sessions && !makes_a_session &&
      (!call.key.of_session || call.key.bucket != call.operation.bucket)) {
    throw S3Error(403, "AccessDenied", "Access Denied: a session of this bucket is needed (CreateSession)");
  }
  check_hashes(call.request);
  switch (verb) {
    case Verb::put:
      return put(call);
    case Verb::get:
    case Verb::head:
      return get(call);
    case Verb::remove:
      return remove(call);
    case Verb::remove_many:
      return remove_many(call);
    case Verb::list:
      return list(call);
    case Verb::begin_upload:
      return begin_upload(call);
    case Verb::put_part:
      return put_part(call);
    case Verb::finish_upload:
      return finish_upload(call);
    case Verb::abort_upload:
      return abort_upload(call);
    case Verb::list_uploads:
      return list_uploads(call);
    case Verb::list_parts:
      return list_parts(call);
    case Verb::make_bucket:
      return make_bucket(call);
    case Verb::make_session:
      return make_session(call);
    case Verb::list_buckets:
      return list_buckets(call);
    case Verb::head_bucket: {
      objects_.check_bucket(call.operation.bucket);
      Response response;
      response.headers.emplace_back("x-amz-bucket-region", region_);
      return response;
    }
    case Verb::remove_bucket: {
      objects_.remove_bucket(call.operation.bucket);
      Response response;
      response.status = 204;
      return response;
    }
    case Verb::unknown:
      break;
  }
  throw not_implemented("this");
}

Response Service::put(const Call& call) {
  Object object;
  object.bytes = std::make_shared<const std::string>(call.request.body);
  object.modified = call.now;
  object.metadata = metadata_of(call.request);
  const std::string tag = objects_.put(*call.arrival, conditions_of(call.request), std::move(object), call.behaviour);
  Response response;
  response.headers.emplace_back("ETag", '"' + tag + '"');
  return response;
}

// HEAD too: the answer's body is left out where it is sent.
Response Service::get(const Call& call) {
  const std::optional<Object> object = objects_.get(call.operation.bucket, call.operation.key);
  if (!object) {
    if (call.behaviour.hides_missing) throw S3Error(403, "AccessDenied", "Access Denied");
    throw S3Error(404, "NoSuchKey", "The specified key does not exist.", xml_element("Key", call.operation.key));
  }
  Response response;
  response.headers.emplace_back("ETag", '"' + object->etag + '"');
  response.headers.emplace_back("Last-Modified", http_date(object->modified));
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (is_not_modified(call.request, *object)) {
    response.status = 304;
    return response;
  }
  response.headers.insert(response.headers.end(), object->metadata.begin(), object->metadata.end());
  const std::size_t size = object->bytes->size();
  response.content = object->bytes;
  response.bytes = size;
  if (const std::string* range = call.request.header("range")) {
    if (const std::optional<Span> span = range_of(*range, size)) {
      response.status = 206;
      response.offset = span->offset;
      response.bytes = span->bytes;
      response.headers.emplace_back("Content-Range", "bytes " + std::to_string(span->offset) + '-' +
                                                         std::to_string(span->offset + span->bytes - 1) + '/' +
                                                         std::to_string(size));
    }
  }
  return response;
}

Response Service::remove(const Call& call) {
  objects_.remove(call.operation.bucket, call.operation.key, conditions_of(call.request), call.behaviour);
  Response response;
  response.status = 204;
  return response;
}

Response Service::remove_many(const Call& call) {
  const bool has_hash =
      call.request.header("content-md5") != nullptr || call.request.header("x-amz-checksum-sha256") != nullptr;
  if (!has_hash && call.behaviour.profile != Profile::ceph) {
    throw S3Error(400, "InvalidRequest", "Missing required header for this request: Content-MD5");
  }
  const XmlNode body = parse_xml(call.request.body);
  if (body.name != "Delete" || body.children.empty() || body.children.size() > kPageMax + 1) throw malformed_xml();
  const bool quiet = body.child("Quiet") == "true";
  std::string deleted;
  for (const XmlNode& node : body.children) {
    if (node.name == "Quiet") continue;
    const std::optional<std::string> key = node.child("Key");
    if (node.name != "Object" || !key) throw malformed_xml();
    objects_.remove(call.operation.bucket, *key, {}, call.behaviour);
    if (!quiet) deleted += "<Deleted>" + xml_element("Key", *key) + "</Deleted>";
  }
  return xml_response("DeleteResult", deleted, call.behaviour.chunked_lists);
}

Response Service::make_bucket(const Call& call) {
  if (!objects_.make_bucket(call.operation.bucket) && !call.behaviour.remaking_a_bucket_is_done) {
    throw S3Error(409, "BucketAlreadyOwnedByYou",
                  "Your previous request to create the named bucket succeeded and you already own it.");
  }
  Response response;
  response.headers.emplace_back("Location", "/" + call.operation.bucket);
  return response;
}

Response Service::list_buckets(const Call& call) {
  std::string buckets;
  for (const std::string& name : objects_.buckets()) {
    buckets += "<Bucket>" + xml_element("Name", name) + xml_element("CreationDate", iso_date(call.now)) + "</Bucket>";
  }
  return xml_response("ListAllMyBucketsResult", "<Buckets>" + buckets + "</Buckets>", call.behaviour.chunked_lists);
}

Response Service::make_session(const Call& call) {
  if (!call.behaviour.sessions) throw not_implemented("CreateSession");
  objects_.check_bucket(call.operation.bucket);
  const std::string seed = hex(sha256(call.key.secret + call.request.header_or("authorization", "") +
                                      std::to_string(call.now.time_since_epoch().count())));
  const Key session{"ASIA" + seed.substr(0, 16),
                    seed.substr(16, 24),
                    "session/" + seed.substr(40) + "+==",
                    call.now + kSessionLasts,
                    true,
                    call.operation.bucket};
  keys_.add(session);
  return xml_response("CreateSessionResult",
                      "<Credentials>" + xml_element("SessionToken", session.token) +
                          xml_element("SecretAccessKey", session.secret) +
                          xml_element("AccessKeyId", session.access_key) +
                          xml_element("Expiration", iso_date(*session.expires).substr(0, 19) + "Z") + "</Credentials>",
                      call.behaviour.chunked_lists);
}

}  // namespace ingot::fake_s3
