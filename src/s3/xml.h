// XML, as S3 answers: elements, attributes (which say nothing here) and text. Strict about what it knows, and what it
// does not know (comments, CDATA, processing instructions but the first, document types, other entities) is no answer.
#pragma once

#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace ingot::s3 {

/// Deeper documents are refused.
inline constexpr int kXmlDepthMax = 16;

/// Hears of each element when it begins and when it ends.
///   path   the names from the root to the element, as "ListBucketResult/Contents/Key"
///   text   what stands in it, outside of elements in it
struct XmlListener {
  base::FunctionRef<void(std::string_view path)> begun;
  base::FunctionRef<void(std::string_view path, std::string&& text)> ended;
};

/// Reads a whole document.
///   returns  whether it is one. If not, the listener may have heard of what stands before the fault
bool parse_xml(std::string_view document, const XmlListener& listener);

/// As it must be written in an element. What XML can't hold (bytes below 0x20) is not in `text`.
std::string xml_escaped(std::string_view text);

}  // namespace ingot::s3
