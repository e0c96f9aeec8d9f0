#include "s3/json.h"

#include <cstdint>
#include <set>
#include <utility>

#include "s3/encoding.h"

namespace ingot::s3 {

namespace {

constexpr int kJsonDepthMax = 16;

// Takes values from the front of a text. Each take says whether it was there.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  bool take(char c) {
    skip_space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  [[nodiscard]] bool next_is(char c) {
    skip_space();
    return !rest_.empty() && rest_.front() == c;
  }

  bool take_string(std::string& value) {
    value.clear();
    if (!take('"')) return false;
    while (!rest_.empty()) {
      const char c = pop();
      if (c == '"') return true;
      if (static_cast<std::uint8_t>(c) < 0x20) return false;
      if (c != '\\') {
        value += c;
      } else if (!take_escape(value)) {
        return false;
      }
    }
    return false;
  }

  // Any value, which is not looked at.
  bool skip_value(int depth) {
    if (depth > kJsonDepthMax) return false;
    std::string text;
    if (next_is('"')) return take_string(text);
    if (take('{')) {
      if (take('}')) return true;
      do {
        if (!take_string(text) || !take(':') || !skip_value(depth + 1)) return false;
      } while (take(','));
      return take('}');
    }
    if (take('[')) {
      if (take(']')) return true;
      do {
        if (!skip_value(depth + 1)) return false;
      } while (take(','));
      return take(']');
    }
    return skip_word();
  }

 private:
  char pop() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void skip_space() {
    while (!rest_.empty() &&
           (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n' || rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  // A number, true, false or null: told apart from anything else by its characters only.
  bool skip_word() {
    static constexpr std::string_view kOfWords = "0123456789+-.eEtrufalsn";
    std::size_t count = 0;
    while (count < rest_.size() && kOfWords.find(rest_[count]) != std::string_view::npos) ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }

  bool take_escape(std::string& value) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    const char c = pop();
    if (const std::size_t at = kNames.find(c); at != std::string_view::npos) {
      value += kMeanings[at];
      return true;
    }
    std::uint32_t unit = 0;
    if (c != 'u' || !take_hexadecimal(unit)) return false;
    if (unit >= 0xd800 && unit < 0xdc00) {
      std::uint32_t low = 0;
      if (!rest_.starts_with("\\u")) return false;
      rest_.remove_prefix(2);
      if (!take_hexadecimal(low) || low < 0xdc00 || low >= 0xe000) return false;
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    } else if (unit >= 0xdc00 && unit < 0xe000) {
      return false;
    }
    append_utf8(value, unit);
    return true;
  }

  bool take_hexadecimal(std::uint32_t& unit) {
    if (rest_.size() < 4) return false;
    for (int i = 0; i < 4; ++i) {
      const char c = pop();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      unit = unit * 16 + static_cast<std::uint32_t>(digit);
    }
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::map<std::string, std::string, std::less<>>> parse_json_strings(std::string_view text) {
  JsonReader reader(text);
  std::map<std::string, std::string, std::less<>> strings;
  std::set<std::string> names;
  if (!reader.take('{')) return std::nullopt;
  if (!reader.next_is('}')) {
    do {
      std::string name;
      if (!reader.take_string(name) || !reader.take(':') || !names.insert(name).second) return std::nullopt;
      if (reader.next_is('"')) {
        if (!reader.take_string(strings[name])) return std::nullopt;
      } else if (!reader.skip_value(1)) {
        return std::nullopt;
      }
    } while (reader.take(','));
  }
  if (!reader.take('}') || !reader.at_end()) return std::nullopt;
  return strings;
}

}  // namespace ingot::s3
