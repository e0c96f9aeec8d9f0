// Debian's control files (deb822): stanzas of "Field: text", separated by blank lines.
//
// A line that begins with a space or tab continues the field before it: its text follows after a newline, without that
// one blank. Lines that begin with # are comments. Field names are compared without regard to case, and kept as they
// are.
#include <algorithm>
#include <utility>

#include "cli/import_fields.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string_view without_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

class ControlParser final : public ImportParser {
 public:
  ControlParser(LineReader& reader, KeyFields key) : reader_(reader), key_(std::move(key)) {
    for (const std::string& name : key_) lower_key_.push_back(lower_case(name));
  }

  void start() override {
    if (reader_.peek(3) == "\xef\xbb\xbf") reader_.skip(3);
  }

  // A stanza that is bad anywhere is passed over as a whole: half of it would be no record.
  Parsed next(ImportRecord& record, BadLine& bad) override {
    clear();
    std::string reason;
    std::uint64_t bad_line = 0, first_line = 0;
    for (;;) {
      std::string_view line;
      const LineReader::Outcome outcome = reader_.next(line);
      if (outcome == LineReader::Outcome::end) break;
      if (outcome == LineReader::Outcome::line && is_blank(line)) {
        if (first_line != 0) break;
        continue;
      }
      if (outcome == LineReader::Outcome::line && line[0] == '#') continue;
      if (first_line == 0) first_line = reader_.line_number();
      if (!reason.empty()) continue;
      reason = outcome == LineReader::Outcome::too_long ? too_long() : take(line);
      if (!reason.empty()) bad_line = reader_.line_number();
    }
    if (first_line == 0) return Parsed::end;
    if (reason.empty()) {
      bad_line = first_line;
      reason = finish(record);
      if (reason.empty()) return Parsed::record;
    }
    bad = {bad_line, std::move(reason)};
    return Parsed::bad;
  }

 private:
  void clear() {
    count_ = 0;
    bytes_ = 0;
  }

  std::string too_long() const {
    return "the stanza has more than " + std::to_string(reader_.line_bytes_max()) + " bytes";
  }

  // Returns a clause if the line can't be taken. Strings are used again from stanza to stanza.
  std::string take(std::string_view line) {
    bytes_ += line.size() + 1;
    if (bytes_ > reader_.line_bytes_max()) return too_long();
    if (line[0] == ' ' || line[0] == '\t') {
      if (count_ == 0) return "it continues a field, but there is none before it";
      std::string_view rest = line.substr(1);
      if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
      texts_[count_ - 1] += '\n';
      texts_[count_ - 1] += rest;
      return {};
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return "it is not \"Field: text\"";
    const std::string_view name = line.substr(0, colon);
    if (name.find_first_of(" \t") != std::string_view::npos) return "a field's name holds no blanks";
    std::string lower = lower_case(name);
    if (std::find(lower_names_.begin(), lower_names_.begin() + static_cast<std::ptrdiff_t>(count_), lower) !=
        lower_names_.begin() + static_cast<std::ptrdiff_t>(count_)) {
      return "field " + shown(name) + " is there twice";
    }
    if (count_ == kFieldsMax) return "the stanza has more than " + std::to_string(kFieldsMax) + " fields";
    if (count_ == names_.size()) {
      names_.emplace_back();
      lower_names_.emplace_back();
      texts_.emplace_back();
    }
    names_[count_] = name;
    lower_names_[count_] = std::move(lower);
    texts_[count_] = without_blanks(line.substr(colon + 1));
    ++count_;
    return {};
  }

  std::string finish(ImportRecord& record) {
    key_columns_.clear();
    const auto end = lower_names_.begin() + static_cast<std::ptrdiff_t>(count_);
    for (std::size_t i = 0; i < key_.size(); ++i) {
      const auto found = std::find(lower_names_.begin(), end, lower_key_[i]);
      if (found == end) return "field " + shown(key_[i]) + " is missing, and it is the key";
      key_columns_.push_back(static_cast<std::size_t>(found - lower_names_.begin()));
    }
    fields_.clear();
    for (std::size_t i = 0; i < count_; ++i) fields_.push_back({names_[i], texts_[i]});
    return make_record(fields_, key_columns_, record).value_or("");
  }

  // Each new name is compared with all before it: a bound for that. Package lists have about thirty.
  static constexpr std::size_t kFieldsMax = 1000;

  LineReader& reader_;
  const KeyFields key_;
  std::vector<std::string> lower_key_;
  std::vector<std::string> names_, lower_names_, texts_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::size_t> key_columns_;
  std::vector<Field> fields_;
};

}  // namespace

std::unique_ptr<ImportParser> make_control_parser(LineReader& reader, KeyFields key) {
  return std::make_unique<ControlParser>(reader, std::move(key));
}

}  // namespace ingot::cli
