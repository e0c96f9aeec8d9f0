#include "catalogue.h"

#include <fstream>
#include <stdexcept>

namespace demo {

namespace {

std::string_view without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// A reader of just enough JSON: {"name": "value", …}.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool take_string(std::string& out) {
    if (!take('"')) return false;
    out.clear();
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        out.push_back(c);
      } else if (!take_escape(out)) {
        return false;
      }
    }
    return false;
  }
  [[nodiscard]] bool ended() const { return at_ == text_.size(); }

 private:
  bool take_escape(std::string& out) {
    if (at_ == text_.size()) return false;
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char letter = text_[at_++];
    if (const std::size_t index = kLetters.find(letter); index != std::string_view::npos) {
      out.push_back(kMeanings[index]);
      return true;
    }
    if (letter != 'u' || text_.size() - at_ < 4) return false;
    const unsigned long code = std::stoul(std::string(text_.substr(at_, 4)), nullptr, 16);
    at_ += 4;
    if (code >= 0x80) return false;  // other characters stand for themselves
    out.push_back(static_cast<char>(code));
    return true;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::map<std::string, std::string> read_catalogue(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("can't read " + path);
  std::map<std::string, std::string> packages;
  std::string paragraph;
  std::string name;
  const auto finish = [&] {
    if (!name.empty()) packages[name] = paragraph;
    paragraph.clear();
    name.clear();
  };
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      finish();
      continue;
    }
    if (line.starts_with("Package:")) name = without_blanks(std::string_view(line).substr(8));
    paragraph += line;
    paragraph += '\n';
  }
  finish();
  return packages;
}

Fields control_fields(std::string_view paragraph) {
  Fields fields;
  std::string* current = nullptr;
  while (!paragraph.empty()) {
    const std::size_t end = paragraph.find('\n');
    const std::string_view line = paragraph.substr(0, end);
    paragraph.remove_prefix(end == std::string_view::npos ? paragraph.size() : end + 1);
    if (line.empty()) continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (current != nullptr) *current += "\n" + std::string(line.substr(1));
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    current = &fields[std::string(line.substr(0, colon))];
    *current = without_blanks(line.substr(colon + 1));
  }
  return fields;
}

std::optional<Fields> json_fields(std::string_view text) {
  JsonReader reader(text);
  Fields fields;
  if (!reader.take('{')) return std::nullopt;
  if (reader.take('}')) return fields;
  do {
    std::string name;
    std::string value;
    if (!reader.take_string(name) || !reader.take(':') || !reader.take_string(value)) return std::nullopt;
    fields[name] = value;
  } while (reader.take(','));
  if (!reader.take('}') || !reader.ended()) return std::nullopt;
  return fields;
}

}  // namespace demo
