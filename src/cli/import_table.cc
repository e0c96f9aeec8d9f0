// CSV and TSV: a header line that names the fields, then a record a line.
//
// CSV is RFC 4180: fields may stand in double quotes, and then hold commas, newlines and doubled quotes; so a record
// may have several lines. TSV has neither quotes nor escapes.
#include <algorithm>
#include <utility>

#include "cli/arguments.h"
#include "cli/import_fields.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

class TableParser final : public ImportParser {
 public:
  TableParser(LineReader& reader, KeyFields key, char separator)
      : reader_(reader), key_(std::move(key)), separator_(separator) {}

  void start() override {
    if (reader_.peek(3) == "\xef\xbb\xbf") reader_.skip(3);
    BadLine bad;
    const Parsed parsed = read_row(bad);
    if (parsed == Parsed::end) throw UsageError("There is no header line that names the fields: the file is empty.");
    if (parsed == Parsed::bad) throw UsageError("The header line can't be read: " + bad.reason + ".");
    names_ = cells_;
    for (const std::string& name : names_) {
      if (!is_utf8(name)) throw UsageError("The header line is not UTF-8.");
      if (std::count(names_.begin(), names_.end(), name) > 1) {
        throw UsageError("The header line names the field \"" + shown(name) + "\" twice.");
      }
    }
    if (key_.empty()) key_ = {names_[0]};
    for (const std::string& name : key_) {
      const auto found = std::find(names_.begin(), names_.end(), name);
      if (found == names_.end()) {
        throw UsageError("The header line names no field \"" + shown(name) + "\"." + did_you_mean(name, names_) +
                         (separator_ == ',' && names_.size() == 1 ? " (It has one field only: is it no CSV?)" : ""));
      }
      key_columns_.push_back(static_cast<std::size_t>(found - names_.begin()));
    }
  }

  Parsed next(ImportRecord& record, BadLine& bad) override {
    const Parsed parsed = read_row(bad);
    if (parsed != Parsed::record) return parsed;
    if (cells_.size() != names_.size()) {
      bad.reason =
          "it has " + counted(cells_.size(), "field") + ", the header line names " + std::to_string(names_.size());
      return Parsed::bad;
    }
    fields_.clear();
    for (std::size_t i = 0; i < cells_.size(); ++i) fields_.push_back({names_[i], cells_[i]});
    if (auto reason = make_record(fields_, key_columns_, record)) {
      bad.reason = std::move(*reason);
      return Parsed::bad;
    }
    return Parsed::record;
  }

 private:
  // The next row's cells. `bad.line` is always where it begins.
  Parsed read_row(BadLine& bad) {
    for (;;) {
      std::string_view line;
      const LineReader::Outcome outcome = reader_.next(line);
      if (outcome == LineReader::Outcome::end) return Parsed::end;
      bad.line = reader_.line_number();
      if (outcome == LineReader::Outcome::too_long) return too_long(bad);
      if (line.empty() || line == "\r") continue;
      return separator_ == '\t' ? split(line) : read_quoted(line, bad);
    }
  }

  Parsed too_long(BadLine& bad) const {
    bad.reason = "the record has more than " + std::to_string(reader_.line_bytes_max()) + " bytes";
    return Parsed::bad;
  }

  Parsed split(std::string_view line) {
    if (line.back() == '\r') line.remove_suffix(1);
    cells_.clear();
    for (;;) {
      const std::size_t end = std::min(line.find(separator_), line.size());
      cells_.emplace_back(line.substr(0, end));
      if (end == line.size()) return Parsed::record;
      line.remove_prefix(end + 1);
    }
  }

  // One record of CSV, which goes on over further lines while a quote is open.
  Parsed read_quoted(std::string_view line, BadLine& bad) {
    enum class At { cell_begin, plain, quoted, quote_in_quoted };
    cells_.clear();
    std::string cell;
    std::size_t bytes = 0;
    At at = At::cell_begin;
    for (;;) {
      bytes += line.size() + 1;
      if (bytes > reader_.line_bytes_max() + 1) return too_long(bad);
      for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        const bool last_return = c == '\r' && i + 1 == line.size();
        if (at == At::quoted) {
          if (c == '"') {
            at = At::quote_in_quoted;
          } else {
            cell += c;
          }
        } else if (c == '"' && at == At::quote_in_quoted) {
          cell += '"';
          at = At::quoted;
        } else if (c == '"' && at == At::cell_begin) {
          at = At::quoted;
        } else if (c == separator_) {
          cells_.push_back(std::exchange(cell, {}));
          at = At::cell_begin;
        } else if (last_return) {
          break;
        } else if (at == At::quote_in_quoted || c == '"') {
          bad.reason = at == At::quote_in_quoted ? "something follows a closing quote"
                                                 : "there is a quote inside a field that has none around it";
          return Parsed::bad;
        } else {
          cell += c;
          at = At::plain;
        }
      }
      if (at != At::quoted) break;
      cell += '\n';
      const LineReader::Outcome outcome = reader_.next(line);
      if (outcome == LineReader::Outcome::too_long) return too_long(bad);
      if (outcome == LineReader::Outcome::end) {
        bad.reason = "a quote is not closed";
        return Parsed::bad;
      }
    }
    cells_.push_back(std::move(cell));
    return Parsed::record;
  }

  LineReader& reader_;
  KeyFields key_;
  const char separator_;
  std::vector<std::string> names_;
  std::vector<std::size_t> key_columns_;
  std::vector<std::string> cells_;
  std::vector<Field> fields_;
};

}  // namespace

std::unique_ptr<ImportParser> make_table_parser(LineReader& reader, KeyFields key, char separator) {
  return std::make_unique<TableParser>(reader, std::move(key), separator);
}

}  // namespace ingot::cli
