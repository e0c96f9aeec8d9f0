#include "s3/xml.h"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "s3/encoding.h"

namespace ingot::s3 {

namespace {

constexpr std::string_view kXmlSpace = " \t\r\n";

bool is_space(char c) {
  return kXmlSpace.find(c) != std::string_view::npos;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':';
}

class XmlReader {
 public:
  XmlReader(std::string_view document, const XmlListener& listener) : rest_(document), listener_(listener) {}

  // Elements are kept on a stack of our own: a document of any depth uses none of the thread's.
  bool read() {
    skip_space();
    if (rest_.starts_with("<?xml") && !skip_past("?>")) return false;
    skip_space();
    do {
      if (rest_.starts_with("</")) {
        if (!end_element()) return false;
      } else if (rest_.starts_with("<")) {
        if (!begin_element()) return false;
      } else if (open_.empty() || !take_text()) {
        return false;
      }
    } while (!open_.empty());
    skip_space();
    return rest_.empty();
  }

 private:
  struct Open {
    std::size_t path_bytes;  // of what is around it
    std::string text;
  };

  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }

  bool skip_past(std::string_view end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) return false;
    rest_.remove_prefix(at + end.size());
    return true;
  }

  std::string_view take_name() {
    std::size_t count = 0;
    while (count < rest_.size() && is_name_character(rest_[count])) ++count;
    const std::string_view name = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return name;
  }

  // <name a="b">, <name/>
  bool begin_element() {
    rest_.remove_prefix(1);
    const std::string_view name = take_name();
    if (name.empty() || open_.size() == kXmlDepthMax) return false;
    open_.push_back({path_.size(), {}});
    if (!path_.empty()) path_ += '/';
    path_ += name;
    listener_.begun(path_);
    for (;;) {
      const bool spaced = !rest_.empty() && is_space(rest_.front());
      skip_space();
      if (rest_.starts_with(">")) {
        rest_.remove_prefix(1);
        return true;
      }
      if (rest_.starts_with("/>")) {
        rest_.remove_prefix(2);
        leave();
        return true;
      }
      if (!spaced || !skip_attribute()) return false;
    }
  }

  bool skip_attribute() {
    if (take_name().empty()) return false;
    skip_space();
    if (!rest_.starts_with("=")) return false;
    rest_.remove_prefix(1);
    skip_space();
    if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) return false;
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos || rest_.substr(0, end).find('<') != std::string_view::npos) return false;
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool end_element() {
    rest_.remove_prefix(2);
    const std::string_view name = take_name();
    skip_space();
    if (open_.empty() || !rest_.starts_with(">")) return false;
    rest_.remove_prefix(1);
    const std::size_t begin = open_.back().path_bytes;
    const std::string_view opened = std::string_view(path_).substr(begin == 0 ? 0 : begin + 1);
    if (name != opened) return false;
    leave();
    return true;
  }

  void leave() {
    listener_.ended(path_, std::move(open_.back().text));
    path_.resize(open_.back().path_bytes);
    open_.pop_back();
  }

  bool take_text() {
    std::string& text = open_.back().text;
    while (!rest_.empty() && rest_.front() != '<') {
      const std::size_t plain = std::min(rest_.find_first_of("<&"), rest_.size());
      text.append(rest_.substr(0, plain));
      rest_.remove_prefix(plain);
      if (rest_.starts_with("&") && !take_entity(text)) return false;
    }
    return !rest_.empty();
  }

  bool take_entity(std::string& text) {
    static constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
    for (const auto& [name, meaning] : kNamed) {
      if (!rest_.starts_with(name)) continue;
      text += meaning;
      rest_.remove_prefix(name.size());
      return true;
    }
    return rest_.starts_with("&#") && take_number(text);
  }

  // &#38; and &#x26;
  bool take_number(std::string& text) {
    rest_.remove_prefix(2);
    const bool is_hexadecimal = rest_.starts_with("x");
    if (is_hexadecimal) rest_.remove_prefix(1);
    const std::size_t end = rest_.find(';');
    if (end == 0 || end == std::string_view::npos || end > 8) return false;
    std::uint32_t point = 0;
    for (const char c : rest_.substr(0, end)) {
      const int digit = c >= '0' && c <= '9'                     ? c - '0'
                        : is_hexadecimal && c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : is_hexadecimal && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                                 : -1;
      if (digit < 0) return false;
      point = point * (is_hexadecimal ? 16U : 10U) + static_cast<std::uint32_t>(digit);
    }
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    append_utf8(text, point);
    rest_.remove_prefix(end + 1);
    return true;
  }

  std::string_view rest_;
  const XmlListener& listener_;
  std::string path_;
  std::vector<Open> open_;
};

}  // namespace

bool parse_xml(std::string_view document, const XmlListener& listener) {
  return XmlReader(document, listener).read();
}

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace ingot::s3
