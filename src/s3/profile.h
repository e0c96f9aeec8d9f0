// The files in which all S3 tools keep credentials and settings by profile: ~/.aws/credentials and ~/.aws/config.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "s3/environment.h"

namespace ingot::s3 {

/// Larger files are refused.
inline constexpr std::size_t kProfileFileBytesMax = 1 << 20;

/// Settings of one section. A setting inside another one is "outer.inner", as "s3.endpoint_url".
using Properties = std::map<std::string, std::string, std::less<>>;

struct ProfileFile {
  std::map<std::string, Properties, std::less<>> sections;  ///< by what is between the brackets, as "profile work"
  std::string error;                                        ///< if it can't be read: "line 3: …"; then no sections
};

/// Reads such a file's text: `[section]`, `name = value`, indented continuations, and comments. Names are lower-case
/// afterwards; of two settings the later one counts, sections of one name are joined. No value is ever in `error`.
ProfileFile parse_profile_file(std::string_view text);

struct Profile {
  std::string name;
  Properties properties;  ///< of both files; the credentials file's go first
  Properties services;    ///< of the section [services x], if the profile names one
  std::string files;      ///< for messages: where it was looked for
};

/// The profile that $AWS_PROFILE names, or "default", from the files as they are now ($AWS_SHARED_CREDENTIALS_FILE,
/// $AWS_CONFIG_FILE, or ~/.aws/credentials and ~/.aws/config). A file that is not there has nothing.
///   throws  Error invalid_argument: a file can't be read, or nothing is in the profile that $AWS_PROFILE names
Profile load_profile(const Environment& environment);

}  // namespace ingot::s3
