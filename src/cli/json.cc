// Checks JSON and cuts it into parts; writes it.
#include "cli/json.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "cli/text.h"

namespace ingot::cli {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Walks over a text. Every function leaves `at_` after what it has checked, or throws.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  JsonValue value(std::size_t depth) {
    const std::size_t begin = at_;
    JsonValue result;
    switch (peek()) {
      case '{':
        result.type = JsonValue::Type::object;
        object(depth, nullptr);
        break;
      case '[':
        result.type = JsonValue::Type::array;
        array(depth, nullptr);
        break;
      case '"':
        result.type = JsonValue::Type::string;
        string();
        break;
      case 't':
        result.type = JsonValue::Type::boolean;
        word("true");
        break;
      case 'f':
        result.type = JsonValue::Type::boolean;
        word("false");
        break;
      case 'n':
        word("null");
        break;
      default:
        result.type = JsonValue::Type::number;
        number();
    }
    result.raw = text_.substr(begin, at_ - begin);
    return result;
  }

  void object(std::size_t depth, std::vector<JsonMember>* members) {
    if (depth >= kJsonDepthMax) fail("it is nested too deeply");
    expect('{', "an object must begin with {");
    blanks();
    if (peek() == '}') {
      ++at_;
      return;
    }
    for (;;) {
      JsonMember member;
      const std::size_t begin = at_;
      string();
      member.raw_name = text_.substr(begin + 1, at_ - begin - 2);
      blanks();
      expect(':', "a colon must follow a member's name");
      blanks();
      member.value = value(depth + 1);
      if (members != nullptr) members->push_back(member);
      blanks();
      if (peek() == '}') break;
      expect(',', "a comma or } must follow a member");
      blanks();
    }
    ++at_;
  }

  void array(std::size_t depth, std::vector<JsonValue>* elements) {
    if (depth >= kJsonDepthMax) fail("it is nested too deeply");
    expect('[', "an array must begin with [");
    blanks();
    if (peek() == ']') {
      ++at_;
      return;
    }
    for (;;) {
      const JsonValue element = value(depth + 1);
      if (elements != nullptr) elements->push_back(element);
      blanks();
      if (peek() == ']') break;
      expect(',', "a comma or ] must follow an element");
      blanks();
    }
    ++at_;
  }

  void blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  void end() {
    blanks();
    if (at_ < text_.size()) fail("something follows the end of the JSON");
  }

 private:
  [[noreturn]] void fail(const char* clause) const {
    throw JsonError(std::string(clause) + " (byte " + std::to_string(at_ + 1) + ")");
  }

  [[nodiscard]] char peek() const {
    if (at_ >= text_.size()) fail("it ends in the middle");
    return text_[at_];
  }

  void expect(char c, const char* clause) {
    if (peek() != c) fail(clause);
    ++at_;
  }

  void word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) fail("this is no JSON value");
    at_ += word.size();
  }

  void string() {
    expect('"', "a name or string must begin with \"");
    for (;;) {
      if (at_ >= text_.size()) fail("a string is not closed");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') break;
      if (c < 0x20) fail("a control character inside a string must be escaped");
      if (c == '\\') {
        escape();
      } else if (c < 0x80) {
        ++at_;
      } else {
        const std::size_t size = utf8_character_bytes(text_, at_);
        if (size == 0) fail("it is not UTF-8");
        at_ += size;
      }
    }
    ++at_;
  }

  void escape() {
    ++at_;
    if (at_ >= text_.size()) fail("a string is not closed");
    const char c = text_[at_];
    if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
      ++at_;
      return;
    }
    if (c != 'u') fail("a backslash must be followed by one of \" \\ / b f n r t u");
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ >= text_.size() || hex_digit(text_[at_]) < 0) fail("\\u must be followed by four hexadecimal digits");
    }
  }

  void digits() {
    if (at_ >= text_.size() || !is_digit(text_[at_])) fail("this is no JSON value");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  }

  void number() {
    if (peek() == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0') {
      ++at_;
    } else {
      digits();
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      digits();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::uint32_t code_unit(std::string_view four_digits) {
  std::uint32_t unit = 0;
  for (const char c : four_digits) unit = unit << 4 | static_cast<std::uint32_t>(hex_digit(c));
  return unit;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// `inner` was checked: what stands between the quotes of a string.
std::string unescape(std::string_view inner) {
  std::string out;
  out.reserve(inner.size());
  for (std::size_t at = 0; at < inner.size();) {
    const std::size_t backslash = std::min(inner.find('\\', at), inner.size());
    out += inner.substr(at, backslash - at);
    at = backslash;
    if (at >= inner.size()) break;
    const char c = inner[at + 1];
    at += 2;
    switch (c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        std::uint32_t code = code_unit(inner.substr(at, 4));
        at += 4;
        if (code >= 0xd800 && code < 0xe000) {
          const bool pair = code < 0xdc00 && inner.substr(at, 2) == "\\u";
          const std::uint32_t low = pair ? code_unit(inner.substr(at + 2, 4)) : 0;
          if (low < 0xdc00 || low >= 0xe000) throw JsonError("half of a surrogate pair in a string is no character");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          at += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out += c;
    }
  }
  return out;
}

std::size_t escape_bytes(unsigned char c) {
  if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') return 2;
  return c < 0x20 || c == 0x7f ? 6 : 1;
}

}  // namespace

std::string JsonValue::string() const {
  return unescape(raw.substr(1, raw.size() - 2));
}

bool JsonMember::has_name(std::string_view name) const {
  if (raw_name.find('\\') == std::string_view::npos) return raw_name == name;
  return this->name() == name;
}

std::string JsonMember::name() const {
  return unescape(raw_name);
}

void read_object(std::string_view text, std::vector<JsonMember>& members) {
  members.clear();
  Walker walker(text);
  walker.blanks();
  walker.object(0, &members);
  walker.end();
}

std::vector<JsonMember> read_object(std::string_view text) {
  std::vector<JsonMember> members;
  read_object(text, members);
  return members;
}

std::vector<JsonValue> read_array(std::string_view text) {
  std::vector<JsonValue> elements;
  Walker walker(text);
  walker.blanks();
  walker.array(0, &elements);
  walker.end();
  return elements;
}

JsonValue read_value(std::string_view text) {
  Walker walker(text);
  walker.blanks();
  const JsonValue value = walker.value(0);
  walker.end();
  return value;
}

const JsonMember* find_member(const std::vector<JsonMember>& members, std::string_view name) {
  const JsonMember* found = nullptr;
  for (const JsonMember& member : members) {
    if (!member.has_name(name)) continue;
    if (found != nullptr) throw JsonError("\"" + shown(name) + "\" is there twice");
    found = &member;
  }
  return found;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    std::size_t plain = at;
    while (plain < text.size() && static_cast<unsigned char>(text[plain]) < 0x7f &&
           escape_bytes(static_cast<unsigned char>(text[plain])) == 1) {
      ++plain;
    }
    out += text.substr(at, plain - at);
    at = plain;
    if (at >= text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const std::size_t size = utf8_character_bytes(text, at);
      out += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(at, size);
      at += size == 0 ? 1 : size;
      continue;
    }
    ++at;
    static constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
    if (const std::size_t letter = kShort.find(static_cast<char>(c)); letter != std::string_view::npos) {
      out += '\\';
      out += kLetters[letter];
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    }
  }
  out += '"';
}

std::size_t json_string_bytes(std::string_view text) {
  std::size_t total = 2;
  for (const char c : text) total += escape_bytes(static_cast<unsigned char>(c));
  return total;
}

void JsonObject::begin(std::string_view name, std::string_view suffix) {
  if (text_.size() > 1) text_ += ',';
  append_json_string(text_, name);
  if (!suffix.empty()) text_.insert(text_.size() - 1, suffix);
  text_ += ':';
}

JsonObject& JsonObject::add(std::string_view name, std::string_view text) {
  begin(name);
  append_json_string(text_, text);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, std::uint64_t number) {
  return add_raw(name, std::to_string(number));
}

JsonObject& JsonObject::add(std::string_view name, std::int64_t number) {
  return add_raw(name, std::to_string(number));
}

JsonObject& JsonObject::add(std::string_view name, double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, std::isfinite(number) ? number : 0.0).ptr;
  return add_raw(name, std::string_view(text, static_cast<std::size_t>(end - text)));
}

JsonObject& JsonObject::add(std::string_view name, bool value) {
  return add_raw(name, value ? "true" : "false");
}

JsonObject& JsonObject::add(std::string_view name, const std::vector<std::string>& texts) {
  std::string array = "[";
  for (const std::string& text : texts) {
    if (array.size() > 1) array += ',';
    append_json_string(array, text);
  }
  return add_raw(name, array + ']');
}

JsonObject& JsonObject::add_bytes(std::string_view name, std::string_view bytes) {
  if (is_utf8(bytes)) return add(name, bytes);
  begin(name, "_base64");
  text_ += '"';
  append_base64(text_, bytes);
  text_ += '"';
  return *this;
}

JsonObject& JsonObject::add_bytes_shorter(std::string_view name, std::string_view bytes) {
  if (is_utf8(bytes) && json_string_bytes(bytes) <= base64_bytes(bytes.size()) + 16) return add(name, bytes);
  begin(name, "_base64");
  text_ += '"';
  append_base64(text_, bytes);
  text_ += '"';
  return *this;
}

JsonObject& JsonObject::add_raw(std::string_view name, std::string_view json) {
  begin(name);
  text_ += json;
  return *this;
}

std::string JsonObject::finish() {
  return std::move(text_) + '}';
}

}  // namespace ingot::cli
