// What servers answer: any bytes may come as a listing, an error, credentials or a date. They are understood, or not.
//
// The first byte chooses what the rest is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "s3/answers.h"
#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/json.h"
#include "s3/xml.h"

namespace {

using namespace ingot::s3;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_as_xml(std::string_view text) {
  std::size_t open = 0;
  std::size_t bytes = 0;
  const bool is_document = parse_xml(text, {[&](std::string_view path) {
                                              require(++open <= static_cast<std::size_t>(kXmlDepthMax));
                                              require(!path.empty());
                                            },
                                            [&](std::string_view path, std::string&& content) {
                                              require(open-- > 0 && !path.empty());
                                              bytes += content.size();
                                            }});
  require(bytes <= text.size());  // no entity is shorter than what it stands for
  if (is_document) require(open == 0);

  std::string back;
  const bool is_escaped =
      parse_xml("<a>" + xml_escaped(text) + "</a>",
                {[](std::string_view) {}, [&](std::string_view, std::string&& content) { back = std::move(content); }});
  require(is_escaped && back == text);
}

void read_as_list(std::string_view text) {
  const auto page = parse_list(text);
  if (!page) return;
  for (const auto& object : page->objects) require(!object.key.empty());
}

void read_as_uploads(std::string_view text) {
  const auto page = parse_uploads(text);
  if (!page) return;
  require(page->is_last || !page->next_key.empty());
  for (const auto& upload : page->uploads) require(!upload.key.empty() && !upload.id.empty());
}

void read_as_error(std::string_view text) {
  const ServiceError error = parse_error(text);
  require(error.code.size() + error.message.size() + error.region.size() < 1000);
  for (const char c : error.code + error.message + error.region) require(c >= ' ' && c <= '~');
}

void read_as_text(std::string_view text) {
  require(uri_decode(uri_encode(text, Slashes::encoded)) == text);
  static_cast<void>(uri_decode(text));
  static_cast<void>(decimal(text));
  if (const auto date = parse_http_date(text)) static_cast<void>(signing_date(*date));
  if (const auto date = parse_iso_date(text)) require(signing_date(*date).size() == 16);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      read_as_xml(text);
      break;
    case 1:
      read_as_list(text);
      break;
    case 2:
      read_as_uploads(text);
      break;
    case 3:
      read_as_error(text);
      break;
    case 4:
      static_cast<void>(parse_upload_id(text));
      static_cast<void>(is_completion(text));
      break;
    case 5:
      static_cast<void>(parse_session(text));
      static_cast<void>(parse_assumed_role(text));
      break;
    case 6:
      static_cast<void>(parse_json_strings(text));
      break;
    default:
      read_as_text(text);
  }
  return 0;
}
