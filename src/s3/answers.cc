#include "s3/answers.h"

#include <utility>

#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/xml.h"

namespace ingot::s3 {

namespace {

// The texts of a document's elements, for documents in which none comes twice. Whether it is a document.
template <class Take>
bool read_elements(std::string_view body, Take&& take) {
  return parse_xml(body, {[](std::string_view) {}, take});
}

// Names come percent-encoded if we asked for that, and the server has understood.
bool decode_name(std::string& name, bool is_encoded) {
  if (!is_encoded) return true;
  std::optional<std::string> decoded = uri_decode(name);
  if (!decoded) return false;
  name = *std::move(decoded);
  return true;
}

std::optional<bool> truth(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::optional<Credentials> checked(bool is_document, Credentials credentials, const std::string& expiration) {
  credentials.expires = parse_iso_date(expiration);
  if (!is_document || credentials.key_id.empty() || credentials.secret.empty() || credentials.token.empty() ||
      !credentials.expires) {
    return std::nullopt;
  }
  return credentials;
}

std::optional<Credentials> parse_credentials(std::string_view body, const std::string& root) {
  Credentials credentials;
  std::string expiration;
  const bool is_document = read_elements(body, [&](std::string_view path, std::string&& text) {
    if (!path.starts_with(root)) return;
    const std::string_view name = path.substr(root.size());
    if (name == "/AccessKeyId") credentials.key_id = std::move(text);
    if (name == "/SecretAccessKey") credentials.secret = std::move(text);
    if (name == "/SessionToken") credentials.token = std::move(text);
    if (name == "/Expiration") expiration = std::move(text);
  });
  return checked(is_document, std::move(credentials), expiration);
}

}  // namespace

ServiceError parse_error(std::string_view body) {
  ServiceError error;
  const bool is_document = read_elements(body, [&](std::string_view path, std::string&& text) {
    if (path.starts_with("ErrorResponse/")) path.remove_prefix(14);
    if (path == "Error/Code") error.code = printable(text, 100);
    if (path == "Error/Message") error.message = printable(text, 300);
    if (path == "Error/Region") error.region = printable(text, 100);
  });
  if (!is_document) return {};
  return error;
}

std::optional<ListPage> parse_list(std::string_view body) {
  ListPage page;
  bool is_encoded = false;
  std::optional<bool> is_truncated;
  bool is_right = true;
  std::string size;
  std::string modified;
  std::string continuation;
  bool is_list = false;
  const auto end_object = [&] {
    storage::ListedObject& object = page.objects.back();
    const std::optional<std::uint64_t> bytes = decimal(size);
    const std::optional<storage::BucketDate> date = parse_iso_date(modified);
    is_right &= bytes && date && !object.key.empty();
    object.bytes = bytes.value_or(0);
    object.modified = date.value_or(storage::BucketDate());
  };
  const auto begun = [&](std::string_view path) {
    if (path == "ListBucketResult") is_list = true;
    if (path != "ListBucketResult/Contents") return;
    page.objects.emplace_back();
    size.clear();
    modified.clear();
  };
  const auto ended = [&](std::string_view path, std::string&& text) {
    if (path == "ListBucketResult/Contents") end_object();
    if (path == "ListBucketResult/Contents/Key") page.objects.back().key = std::move(text);
    if (path == "ListBucketResult/Contents/Size") size = std::move(text);
    if (path == "ListBucketResult/Contents/LastModified") modified = std::move(text);
    if (path == "ListBucketResult/EncodingType") is_encoded = text == "url";
    if (path == "ListBucketResult/IsTruncated") is_truncated = truth(text);
    if (path == "ListBucketResult/NextContinuationToken") continuation = std::move(text);
  };
  if (!parse_xml(body, {begun, ended}) || !is_list || !is_right || !is_truncated) return std::nullopt;
  // Where the encoding is said is not laid down, so keys are decoded last.
  for (storage::ListedObject& object : page.objects) {
    if (!decode_name(object.key, is_encoded)) return std::nullopt;
  }
  if (*is_truncated && continuation.empty()) return std::nullopt;
  if (*is_truncated) page.continuation = std::move(continuation);
  return page;
}

std::optional<UploadsPage> parse_uploads(std::string_view body) {
  UploadsPage page;
  bool is_encoded = false;
  std::optional<bool> is_truncated;
  bool is_right = true;
  bool is_list = false;
  std::string begun_at;
  const auto end_upload = [&] {
    storage::OpenUpload& upload = page.uploads.back();
    const std::optional<storage::BucketDate> date = parse_iso_date(begun_at);
    is_right &= date && !upload.key.empty() && !upload.id.empty();
    upload.begun = date.value_or(storage::BucketDate());
  };
  const auto begun = [&](std::string_view path) {
    if (path == "ListMultipartUploadsResult") is_list = true;
    if (path != "ListMultipartUploadsResult/Upload") return;
    page.uploads.emplace_back();
    begun_at.clear();
  };
  const auto ended = [&](std::string_view path, std::string&& text) {
    if (path == "ListMultipartUploadsResult/Upload") end_upload();
    if (path == "ListMultipartUploadsResult/Upload/Key") page.uploads.back().key = std::move(text);
    if (path == "ListMultipartUploadsResult/Upload/UploadId") page.uploads.back().id = std::move(text);
    if (path == "ListMultipartUploadsResult/Upload/Initiated") begun_at = std::move(text);
    if (path == "ListMultipartUploadsResult/EncodingType") is_encoded = text == "url";
    if (path == "ListMultipartUploadsResult/IsTruncated") is_truncated = truth(text);
    if (path == "ListMultipartUploadsResult/NextKeyMarker") page.next_key = std::move(text);
    if (path == "ListMultipartUploadsResult/NextUploadIdMarker") page.next_id = std::move(text);
  };
  if (!parse_xml(body, {begun, ended}) || !is_list || !is_right || !is_truncated) return std::nullopt;
  for (storage::OpenUpload& upload : page.uploads) {
    if (!decode_name(upload.key, is_encoded)) return std::nullopt;
  }
  page.is_last = !*is_truncated;
  if (!decode_name(page.next_key, is_encoded) || (*is_truncated && page.next_key.empty())) return std::nullopt;
  return page;
}

std::optional<std::string> parse_upload_id(std::string_view body) {
  std::string id;
  const bool is_document = read_elements(body, [&](std::string_view path, std::string&& text) {
    if (path == "InitiateMultipartUploadResult/UploadId") id = std::move(text);
  });
  if (!is_document || id.empty()) return std::nullopt;
  return id;
}

bool is_completion(std::string_view body) {
  bool is_root = false;
  return parse_xml(body, {[&](std::string_view path) { is_root |= path == "CompleteMultipartUploadResult"; },
                          [](std::string_view, std::string&&) {}}) &&
         is_root;
}

std::optional<Credentials> parse_session(std::string_view body) {
  return parse_credentials(body, "CreateSessionResult/Credentials");
}

std::optional<Credentials> parse_assumed_role(std::string_view body) {
  return parse_credentials(body, "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials");
}

}  // namespace ingot::s3
