// Named fields of text, as the table and control formats have them, made into a record.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import_parser.h"

namespace ingot::cli {

struct Field {
  std::string_view name;
  std::string_view text;
};

/// The record of these fields: its value is a JSON object of them, in their order; its key are those at `key`.
/// Returns a clause if they make none.
std::optional<std::string> make_record(const std::vector<Field>& fields, const std::vector<std::size_t>& key,
                                       ImportRecord& record);

}  // namespace ingot::cli
