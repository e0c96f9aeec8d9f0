// Listings: of objects, uploads, and an upload's parts.
#include <algorithm>

#include "support/fake_s3/service.h"
#include "support/fake_s3/xml.h"

namespace ingot::fake_s3 {

namespace {

// As S3 writes names if it is asked for encoding-type=url.
class NameWriter {
 public:
  explicit NameWriter(const Operation& operation) : encodes_(operation.has("encoding-type")) {}
  std::string operator()(const char* element, const std::string& name) const {
    if (!encodes_) return xml_element(element, name);
    std::string encoded = url_encode(name, true);
    for (std::size_t at = 0; (at = encoded.find("%20", at)) != std::string::npos;) encoded.replace(at, 3, "+");
    return xml_element(element, encoded);
  }
  [[nodiscard]] std::string type() const { return encodes_ ? xml_element("EncodingType", "url") : std::string(); }

 private:
  bool encodes_;
};

std::string flag(const char* element, bool value) {
  return xml_element(element, value ? "true" : "false");
}

}  // namespace

Response Service::list(const Call& call) {
  const Operation& asked = call.operation;
  ListRequest request;
  request.prefix = asked.parameter("prefix");
  request.delimiter = asked.parameter("delimiter");
  request.start_after = asked.parameter("start-after");
  request.token = asked.parameter("continuation-token");
  if (asked.has("continuation-token") && request.token.empty()) {
    throw invalid_argument("The continuation token provided is incorrect");
  }
  const std::uint64_t keys_max = asked.number("max-keys", kPageMax);
  request.keys_max = std::min<std::uint64_t>(keys_max, kPageMax);
  const ListPage page = objects_.list(asked.bucket, request, call.behaviour);

  const NameWriter name(asked);
  std::string xml = xml_element("Name", asked.bucket) + name("Prefix", request.prefix) +
                    xml_element("MaxKeys", std::to_string(keys_max)) +
                    xml_element("KeyCount", std::to_string(page.objects.size() + page.prefixes.size())) +
                    flag("IsTruncated", !page.next_token.empty()) + name.type();
  if (!request.delimiter.empty()) xml += name("Delimiter", request.delimiter);
  if (!request.start_after.empty()) xml += name("StartAfter", request.start_after);
  if (!request.token.empty()) xml += xml_element("ContinuationToken", request.token);
  if (!page.next_token.empty()) xml += xml_element("NextContinuationToken", page.next_token);
  for (const auto& [key, object] : page.objects) {
    xml += "<Contents>" + name("Key", key) + xml_element("LastModified", iso_date(object.modified)) +
           xml_element("ETag", '"' + object.etag + '"') + xml_element("Size", std::to_string(object.bytes->size())) +
           xml_element("StorageClass", "STANDARD") + "</Contents>";
  }
  for (const std::string& prefix : page.prefixes) {
    xml += "<CommonPrefixes>" + name("Prefix", prefix) + "</CommonPrefixes>";
  }
  return xml_response("ListBucketResult", xml, call.behaviour.chunked_lists);
}

Response Service::list_uploads(const Call& call) {
  const Operation& asked = call.operation;
  const std::string prefix = asked.parameter("prefix");
  if (!call.behaviour.lists_any_prefix && !prefix.empty() && prefix.back() != '/') {
    throw invalid_argument("A prefix must end in '/' for directory buckets");
  }
  const std::pair after(asked.parameter("key-marker"), asked.parameter("upload-id-marker"));
  const std::uint64_t uploads_max = std::min<std::uint64_t>(asked.number("max-uploads", kPageMax), kPageMax);
  const NameWriter name(asked);
  std::string list;
  std::string next;
  std::uint64_t count = 0;
  bool is_truncated = false;
  for (const auto& [id, upload] : objects_.uploads(asked.bucket)) {
    if (upload.key.compare(0, prefix.size(), prefix) != 0) continue;
    // Without an id, the marker's key has been passed with all of its uploads.
    const bool passed = after.second.empty() ? upload.key <= after.first : std::pair(upload.key, id) <= after;
    if (passed && asked.has("key-marker")) continue;
    if (count == uploads_max) {
      is_truncated = true;
      break;
    }
    ++count;
    list += "<Upload>" + name("Key", upload.key) + xml_element("UploadId", id) +
            xml_element("StorageClass", "STANDARD") + xml_element("Initiated", iso_date(upload.begun)) + "</Upload>";
    next = name("NextKeyMarker", upload.key) + xml_element("NextUploadIdMarker", id);
  }
  const std::string xml = xml_element("Bucket", asked.bucket) + name("KeyMarker", after.first) +
                          xml_element("UploadIdMarker", after.second) + name("Prefix", prefix) +
                          xml_element("MaxUploads", std::to_string(uploads_max)) + flag("IsTruncated", is_truncated) +
                          name.type() + (is_truncated ? next : "") + list;
  return xml_response("ListMultipartUploadsResult", xml, call.behaviour.chunked_lists);
}

Response Service::list_parts(const Call& call) {
  const Operation& asked = call.operation;
  const std::uint64_t after = asked.number("part-number-marker", 0);
  const std::uint64_t parts_max = std::min<std::uint64_t>(asked.number("max-parts", kPageMax), kPageMax);
  const std::string id = asked.parameter("uploadId");
  std::string list;
  std::uint64_t last = 0;
  std::uint64_t count = 0;
  bool is_truncated = false;
  for (const auto& [number, part] : objects_.upload(asked.bucket, asked.key, id).parts) {
    if (number <= after) continue;
    if (count == parts_max) {
      is_truncated = true;
      break;
    }
    ++count;
    last = number;
    list += "<Part>" + xml_element("PartNumber", std::to_string(number)) +
            xml_element("LastModified", iso_date(part.modified)) + xml_element("ETag", '"' + part.etag + '"') +
            xml_element("Size", std::to_string(part.bytes->size())) + "</Part>";
  }
  const std::string xml = xml_element("Bucket", asked.bucket) + xml_element("Key", asked.key) +
                          xml_element("UploadId", id) + xml_element("PartNumberMarker", std::to_string(after)) +
                          xml_element("NextPartNumberMarker", std::to_string(last)) +
                          xml_element("MaxParts", std::to_string(parts_max)) + flag("IsTruncated", is_truncated) + list;
  return xml_response("ListPartsResult", xml, call.behaviour.chunked_lists);
}

}  // namespace ingot::fake_s3
