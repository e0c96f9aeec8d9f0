// Uploads in parts.
#include <memory>

#include "support/fake_s3/service.h"
#include "support/fake_s3/xml.h"

namespace ingot::fake_s3 {

Response Service::begin_upload(const Call& call) {
  const std::string id =
      objects_.begin_upload(call.operation.bucket, call.operation.key, metadata_of(call.request), call.now);
  return xml_response("InitiateMultipartUploadResult",
                      xml_element("Bucket", call.operation.bucket) + xml_element("Key", call.operation.key) +
                          xml_element("UploadId", id),
                      false);
}

Response Service::put_part(const Call& call) {
  const std::uint64_t number = call.operation.number("partNumber", 0);
  const std::string tag =
      objects_.put_part(call.operation.bucket, call.operation.key, call.operation.parameter("uploadId"), number,
                        std::make_shared<const std::string>(call.request.body), call.now, call.behaviour);
  Response response;
  response.headers.emplace_back("ETag", '"' + tag + '"');
  return response;
}

Response Service::finish_upload(const Call& call) {
  const XmlNode body = parse_xml(call.request.body);
  if (body.name != "CompleteMultipartUpload") throw malformed_xml();
  std::vector<Objects::NamedPart> parts;
  for (const XmlNode& node : body.children) {
    const std::optional<std::string> tag = node.child("ETag");
    const std::optional<std::uint64_t> number = parse_number(node.child("PartNumber").value_or(""));
    if (node.name != "Part" || !tag || !number) throw malformed_xml();
    parts.push_back({*number, unquoted(*tag)});
  }
  const std::string tag = objects_.finish_upload(*call.arrival, call.operation.parameter("uploadId"), parts,
                                                 conditions_of(call.request), call.now, call.behaviour);
  const bool says_tag = call.behaviour.profile != Profile::ceph;  // it has the element, and nothing in it
  return xml_response("CompleteMultipartUploadResult",
                      xml_element("Bucket", call.operation.bucket) + xml_element("Key", call.operation.key) +
                          xml_element("ETag", says_tag ? '"' + tag + '"' : ""),
                      call.behaviour.chunked_lists);
}

Response Service::abort_upload(const Call& call) {
  objects_.abort_upload(call.operation.bucket, call.operation.key, call.operation.parameter("uploadId"));
  Response response;
  response.status = 204;
  return response;
}

}  // namespace ingot::fake_s3
