#include "s3/answers.h"

#include <utility>

#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/xml.h"

namespace ingot::s3 {

namespace {

// The texts of a document's elements, each to where `place` says (null: not wanted). Whether it is a document.
template <class Place>
bool read_elements(std::string_view body, Place&& place) {
  return parse_xml(body, {[](std::string_view) {},
                          [&](std::string_view path, std::string&& text) {
                            if (std::string* to = place(path)) *to = std::move(text);
                          }});
}

// Names come percent-encoded if we asked for that, and the server has understood.
bool decode_name(std::string& name, std::string_view encoding) {
  if (encoding != "url") return true;
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

std::optional<Credentials> parse_credentials(std::string_view body, const std::string& root) {
  Credentials credentials;
  std::string expiration;
  const bool is_document = read_elements(body, [&](std::string_view path) -> std::string* {
    if (!path.starts_with(root)) return nullptr;
    const std::string_view name = path.substr(root.size());
    if (name == "/AccessKeyId") return &credentials.key_id;
    if (name == "/SecretAccessKey") return &credentials.secret;
    if (name == "/SessionToken") return &credentials.token;
    return name == "/Expiration" ? &expiration : nullptr;
  });
  credentials.expires = parse_iso_date(expiration);
  if (!is_document || credentials.key_id.empty() || credentials.secret.empty() || credentials.token.empty() ||
      !credentials.expires) {
    return std::nullopt;
  }
  return credentials;
}

// The elements of a page of objects. Where in the document the encoding is said is not laid down, so names are decoded
// last.
class ListReader {
 public:
  std::optional<ListPage> read(std::string_view body) {
    const bool is_document =
        parse_xml(body, {[this](std::string_view path) { begin(path); },
                         [this](std::string_view path, std::string&& text) { end(path, std::move(text)); }});
    const std::optional<bool> is_truncated = truth(truncated_);
    if (!is_document || !is_right_ || !is_truncated || (*is_truncated && continuation_.empty())) return std::nullopt;
    for (storage::ListedObject& object : page_.objects) {
      if (!decode_name(object.key, encoding_)) return std::nullopt;
    }
    if (*is_truncated) page_.continuation = std::move(continuation_);
    return std::move(page_);
  }

 private:
  void begin(std::string_view path) {
    if (path != "ListBucketResult/Contents") return;
    page_.objects.emplace_back();
    size_.clear();
    modified_.clear();
  }

  void end(std::string_view path, std::string&& text) {
    if (path == "ListBucketResult/Contents") end_object();
    if (std::string* to = place(path)) *to = std::move(text);
  }

  std::string* place(std::string_view path) {
    if (path == "ListBucketResult/Contents/Key") return &page_.objects.back().key;
    if (path == "ListBucketResult/Contents/Size") return &size_;
    if (path == "ListBucketResult/Contents/LastModified") return &modified_;
    if (path == "ListBucketResult/EncodingType") return &encoding_;
    if (path == "ListBucketResult/IsTruncated") return &truncated_;
    return path == "ListBucketResult/NextContinuationToken" ? &continuation_ : nullptr;
  }

  void end_object() {
    storage::ListedObject& object = page_.objects.back();
    const std::optional<std::uint64_t> bytes = decimal(size_);
    const std::optional<storage::BucketDate> date = parse_iso_date(modified_);
    is_right_ &= bytes && date && !object.key.empty();
    object.bytes = bytes.value_or(0);
    object.modified = date.value_or(storage::BucketDate());
  }

  ListPage page_;
  bool is_right_ = true;
  std::string size_;
  std::string modified_;
  std::string encoding_;
  std::string truncated_;
  std::string continuation_;
};

class UploadsReader {
 public:
  std::optional<UploadsPage> read(std::string_view body) {
    const bool is_document =
        parse_xml(body, {[this](std::string_view path) { begin(path); },
                         [this](std::string_view path, std::string&& text) { end(path, std::move(text)); }});
    const std::optional<bool> is_truncated = truth(truncated_);
    if (!is_document || !is_right_ || !is_truncated || (*is_truncated && page_.next_key.empty())) return std::nullopt;
    for (storage::OpenUpload& upload : page_.uploads) {
      if (!decode_name(upload.key, encoding_)) return std::nullopt;
    }
    if (!decode_name(page_.next_key, encoding_)) return std::nullopt;
    page_.is_last = !*is_truncated;
    return std::move(page_);
  }

 private:
  void begin(std::string_view path) {
    if (path != "ListMultipartUploadsResult/Upload") return;
    page_.uploads.emplace_back();
    begun_.clear();
  }

  void end(std::string_view path, std::string&& text) {
    if (path == "ListMultipartUploadsResult/Upload") end_upload();
    if (std::string* to = place(path)) *to = std::move(text);
  }

  std::string* place(std::string_view path) {
    if (path == "ListMultipartUploadsResult/Upload/Key") return &page_.uploads.back().key;
    if (path == "ListMultipartUploadsResult/Upload/UploadId") return &page_.uploads.back().id;
    if (path == "ListMultipartUploadsResult/Upload/Initiated") return &begun_;
    if (path == "ListMultipartUploadsResult/EncodingType") return &encoding_;
    if (path == "ListMultipartUploadsResult/IsTruncated") return &truncated_;
    if (path == "ListMultipartUploadsResult/NextKeyMarker") return &page_.next_key;
    return path == "ListMultipartUploadsResult/NextUploadIdMarker" ? &page_.next_id : nullptr;
  }

  void end_upload() {
    storage::OpenUpload& upload = page_.uploads.back();
    const std::optional<storage::BucketDate> date = parse_iso_date(begun_);
    is_right_ &= date && !upload.key.empty() && !upload.id.empty();
    upload.begun = date.value_or(storage::BucketDate());
  }

  UploadsPage page_;
  bool is_right_ = true;
  std::string begun_;
  std::string encoding_;
  std::string truncated_;
};

}  // namespace

ServiceError parse_error(std::string_view body) {
  ServiceError error;
  const bool is_document = read_elements(body, [&](std::string_view path) -> std::string* {
    if (path.starts_with("ErrorResponse/")) path.remove_prefix(14);
    if (path == "Error/Code") return &error.code;
    if (path == "Error/Message") return &error.message;
    return path == "Error/Region" ? &error.region : nullptr;
  });
  if (!is_document) return {};
  return {printable(error.code, 100), printable(error.message, 300), printable(error.region, 100)};
}

std::optional<ListPage> parse_list(std::string_view body) {
  return ListReader().read(body);
}

std::optional<UploadsPage> parse_uploads(std::string_view body) {
  return UploadsReader().read(body);
}

std::optional<std::string> parse_upload_id(std::string_view body) {
  std::string id;
  const bool is_document = read_elements(body, [&](std::string_view path) -> std::string* {
    return path == "InitiateMultipartUploadResult/UploadId" ? &id : nullptr;
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
