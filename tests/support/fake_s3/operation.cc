#include "support/fake_s3/operation.h"

#include <algorithm>

#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {

namespace {

// The bucket of a virtual-host name; empty: it is a server's own name, and the path has the bucket.
std::string bucket_of_host(std::string host) {
  host.resize(std::min(host.find(':'), host.size()));
  for (const std::string_view mark : {".localhost", ".s3.", ".s3-", ".s3express-"}) {
    const std::size_t at = host.find(mark);
    if (at != std::string::npos && at > 0) return host.substr(0, at);
  }
  return {};
}

Verb verb_for_server(const std::string& method) {
  return method == "GET" ? Verb::list_buckets : Verb::unknown;
}

Verb verb_for_bucket(const std::string& method, const Operation& operation) {
  if (method == "PUT") return Verb::make_bucket;
  if (method == "HEAD") return Verb::head_bucket;
  if (method == "DELETE") return Verb::remove_bucket;
  if (method == "POST") return operation.has("delete") ? Verb::remove_many : Verb::unknown;
  if (method != "GET") return Verb::unknown;
  if (operation.has("session")) return Verb::make_session;
  return operation.has("uploads") ? Verb::list_uploads : Verb::list;
}

Verb verb_for_object(const std::string& method, const Operation& operation) {
  const bool of_upload = operation.has("uploadId");
  if (method == "PUT") return of_upload ? Verb::put_part : Verb::put;
  if (method == "GET") return of_upload ? Verb::list_parts : Verb::get;
  if (method == "HEAD") return Verb::head;
  if (method == "DELETE") return of_upload ? Verb::abort_upload : Verb::remove;
  if (method == "POST")
    return of_upload ? Verb::finish_upload : operation.has("uploads") ? Verb::begin_upload : Verb::unknown;
  return Verb::unknown;
}

// The parameters that each verb understands.
bool understands(Verb verb, const std::string& name) {
  const auto one_of = [&name](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (name == "x-id") return true;  // SDKs name the operation with it
  switch (verb) {
    case Verb::list:
      return one_of(
          {"list-type", "prefix", "delimiter", "start-after", "max-keys", "continuation-token", "encoding-type"});
    case Verb::list_uploads:
      return one_of({"uploads", "prefix", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"});
    case Verb::list_parts:
      return one_of({"uploadId", "max-parts", "part-number-marker"});
    case Verb::begin_upload:
      return name == "uploads";
    case Verb::put_part:
      return one_of({"uploadId", "partNumber"});
    case Verb::finish_upload:
    case Verb::abort_upload:
      return name == "uploadId";
    case Verb::remove_many:
      return name == "delete";
    case Verb::make_session:
      return name == "session";
    default:
      return false;
  }
}

bool knows_header(const std::string& name) {
  const bool is_about_s3 = name.rfind("x-amz-", 0) == 0 || name.rfind("if-", 0) == 0 || name == "transfer-encoding";
  if (!is_about_s3 || name.rfind("x-amz-meta-", 0) == 0) return true;
  static constexpr const char* kNames[] = {"x-amz-date",
                                           "x-amz-content-sha256",
                                           "x-amz-security-token",
                                           "x-amz-s3session-token",
                                           "x-amz-user-agent",
                                           "x-amz-checksum-sha256",
                                           "if-match",
                                           "if-none-match",
                                           "x-amz-create-session-mode"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool may_have_conditions(Verb verb) {
  return verb == Verb::put || verb == Verb::get || verb == Verb::head || verb == Verb::remove ||
         verb == Verb::finish_upload;
}

}  // namespace

bool Operation::has(std::string_view name) const {
  return std::any_of(parameters.begin(), parameters.end(), [name](const auto& one) { return one.first == name; });
}

std::string Operation::parameter(std::string_view name) const {
  for (const auto& [key_, value] : parameters) {
    if (key_ == name) return value;
  }
  return {};
}

std::uint64_t Operation::number(std::string_view name, std::uint64_t otherwise) const {
  if (!has(name)) return otherwise;
  const std::optional<std::uint64_t> number = parse_number(parameter(name));
  if (!number) throw invalid_argument("Argument " + std::string(name) + " must be an integer");
  return *number;
}

std::string Operation::subject() const {
  return verb == Verb::list || verb == Verb::list_uploads ? parameter("prefix") : key;
}

Operation operation_of(const Request& request) {
  Operation operation;
  operation.parameters = query_parameters(request.query);
  operation.bucket = bucket_of_host(request.header_or("host", ""));
  std::string path = url_decode(request.path, false).substr(1);
  if (operation.bucket.empty()) {
    operation.bucket = path.substr(0, path.find('/'));
    path.erase(0, operation.bucket.size() + 1);
  }
  operation.key = std::move(path);
  if (operation.bucket.empty()) {
    operation.verb = verb_for_server(request.method);
  } else if (operation.key.empty()) {
    operation.verb = verb_for_bucket(request.method, operation);
  } else {
    operation.verb = verb_for_object(request.method, operation);
  }
  return operation;
}

void check_is_implemented(const Operation& operation, const Request& request) {
  if (operation.verb == Verb::unknown) {
    throw S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  }
  for (const auto& [name, value] : operation.parameters) {
    if (!understands(operation.verb, name)) throw not_implemented("the parameter " + name + " here");
  }
  for (const auto& [name, value] : request.headers) {
    if (!knows_header(name)) throw not_implemented("the header " + name);
    if (name.rfind("if-", 0) == 0 && !may_have_conditions(operation.verb)) throw not_implemented(name + " here");
  }
  if (operation.verb == Verb::list && operation.parameter("list-type") != "2")
    throw not_implemented("ListObjects before V2");
  if (operation.has("encoding-type") && operation.parameter("encoding-type") != "url") {
    throw invalid_argument("Invalid Encoding Method specified in Request");
  }
}

}  // namespace ingot::fake_s3
