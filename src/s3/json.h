// JSON, as the metadata services answer: of the object at its top only the strings are wanted.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::s3 {

/// The strings of a JSON object by their names; values of other kinds are left out, but must be JSON.
///   returns  nothing if it is not one object of JSON, or nested more than 16 deep, or names anything twice
std::optional<std::map<std::string, std::string, std::less<>>> parse_json_strings(std::string_view text);

}  // namespace ingot::s3
