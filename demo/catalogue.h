// The catalogue, read once more and by other code than the import's: what the records in the store must be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

using Fields = std::map<std::string, std::string>;

// Package name -> its paragraph as it stands in the file. A name that comes twice: the last one counts.
std::map<std::string, std::string> read_catalogue(const std::string& path);

// The fields of a paragraph of Debian's control format. A line that continues one follows after '\n', without the
// blank that it begins with.
Fields control_fields(std::string_view paragraph);

// The fields of a JSON object of strings; nothing if it is something else.
std::optional<Fields> json_fields(std::string_view text);

}  // namespace demo
