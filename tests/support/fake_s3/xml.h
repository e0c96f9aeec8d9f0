// The little XML that S3 needs: texts to put into answers, and the elements of a request's body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::fake_s3 {

std::string xml_escape(std::string_view text);
/// <name>text</name>, the text escaped.
std::string xml_element(std::string_view name, std::string_view text);

struct XmlNode {
  std::string name;
  std::string text;  // what is in it outside of its children
  std::vector<XmlNode> children;
  /// The text of its first child of that name; nothing if there is none.
  [[nodiscard]] std::optional<std::string> child(std::string_view child_name) const;
};

/// The root element. Attributes are passed over; comments, CDATA and what is nested deeper than ten are not understood.
///   throws  S3Error MalformedXML
XmlNode parse_xml(std::string_view text);

}  // namespace ingot::fake_s3
