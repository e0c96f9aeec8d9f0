// The environment's variables, taken once when a bucket is opened: reading them later would race with an application
// that sets some.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace ingot::s3 {

/// Names to values.
using Environment = std::map<std::string, std::string, std::less<>>;

/// All of this process's.
Environment process_environment();

/// Its value; empty if there is none, which to all S3 tools is the same.
std::string variable(const Environment& environment, std::string_view name);

/// Whether it is "true", in any case.
bool is_true(std::string_view value);

}  // namespace ingot::s3
