#include "support/fake_s3/xml.h"

#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {

namespace {

constexpr int kDepthMax = 10;

std::string unescaped(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (text.front() != '&') {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = text.find(';');
    if (end == std::string_view::npos) throw malformed_xml();
    const std::string_view name = text.substr(1, end - 1);
    if (name == "amp")
      plain += '&';
    else if (name == "lt")
      plain += '<';
    else if (name == "gt")
      plain += '>';
    else if (name == "quot")
      plain += '"';
    else if (name == "apos")
      plain += '\'';
    else
      throw malformed_xml();
    text.remove_prefix(end + 1);
  }
  return plain;
}

// Reads elements off the front of a text.
class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : rest_(text) {}

  XmlNode root() {
    skip_spaces();
    if (rest_.substr(0, 2) == "<?") rest_.remove_prefix(after("?>"));
    skip_spaces();
    XmlNode node = element(0);
    skip_spaces();
    if (!rest_.empty()) throw malformed_xml();
    return node;
  }

 private:
  std::size_t after(std::string_view what) const {
    const std::size_t at = rest_.find(what);
    if (at == std::string_view::npos) throw malformed_xml();
    return at + what.size();
  }
  void skip_spaces() {
    while (!rest_.empty() &&
           (rest_.front() == ' ' || rest_.front() == '\n' || rest_.front() == '\r' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }
  XmlNode element(int depth) {
    if (depth > kDepthMax || rest_.empty() || rest_.front() != '<') throw malformed_xml();
    std::string_view tag = rest_.substr(1, after(">") - 2);
    rest_.remove_prefix(tag.size() + 2);
    const bool empty = !tag.empty() && tag.back() == '/';
    if (empty) tag.remove_suffix(1);
    XmlNode node;
    node.name = tag.substr(0, tag.find_first_of(" \t\r\n"));
    if (node.name.empty() || node.name.front() == '!' || node.name.front() == '/') throw malformed_xml();
    if (empty) return node;
    const std::string end = "</" + node.name + ">";
    for (;;) {
      const std::size_t next = rest_.find('<');
      if (next == std::string_view::npos) throw malformed_xml();
      node.text += unescaped(rest_.substr(0, next));
      rest_.remove_prefix(next);
      if (rest_.substr(0, end.size()) == end) break;
      node.children.push_back(element(depth + 1));
    }
    rest_.remove_prefix(end.size());
    return node;
  }

  std::string_view rest_;
};

}  // namespace

std::string xml_escape(std::string_view text) {
  std::string escaped;
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

std::string xml_element(std::string_view name, std::string_view text) {
  std::string element = "<";
  element.append(name) += '>';
  element += xml_escape(text) + "</";
  element.append(name) += '>';
  return element;
}

std::optional<std::string> XmlNode::child(std::string_view child_name) const {
  for (const XmlNode& node : children) {
    if (node.name == child_name) return node.text;
  }
  return {};
}

XmlNode parse_xml(std::string_view text) {
  return XmlReader(text).root();
}

}  // namespace ingot::fake_s3
