// Named fields of text, as the table and control formats have them, made into a record.
#include "cli/import_fields.h"

#include "cli/json.h"
#include "cli/text.h"
#include "ingot/key.h"

namespace ingot::cli {

std::optional<std::string> make_record(const std::vector<Field>& fields, const std::vector<std::size_t>& key,
                                       ImportRecord& record) {
  record = {};
  for (const std::size_t index : key) {
    if (fields[index].text.empty()) return "field " + shown(fields[index].name) + " is empty, and it is the key";
    if (key.size() == 1) {
      record.key = fields[index].text;
    } else {
      append_key_part(record.key, fields[index].text);
    }
  }
  std::string& json = record.value;
  json = "{";
  for (const Field& field : fields) {
    if (!is_utf8(field.text) || !is_utf8(field.name)) {
      return "field " + shown(field.name) + " is not UTF-8 (iconv -f latin1 -t utf-8 makes it so, if it is Latin-1)";
    }
    if (json.size() > 1) json += ',';
    append_json_string(json, field.name);
    json += ':';
    append_json_string(json, field.text);
  }
  json += '}';
  return limit_exceeded(record);
}

}  // namespace ingot::cli
