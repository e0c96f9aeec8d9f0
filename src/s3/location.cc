#include "s3/location.h"

#include <algorithm>

#include "ingot/error.h"
#include "s3/encoding.h"

namespace ingot::s3 {

namespace {

constexpr std::string_view kScheme = "s3://";

[[noreturn]] void refuse_location(std::string_view where, const std::string& reason) {
  throw Error(ErrorCode::invalid_argument, "open \"" + printable(where, 200) + "\": " + reason);
}

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool looks_like_an_address(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }) &&
         std::ranges::count(name, '.') == 3;
}

void check_bucket(std::string_view where, std::string_view bucket) {
  if (bucket.empty()) refuse_location(where, "the bucket's name is missing. Write s3://bucket or s3://bucket/prefix.");
  if (bucket.size() < 3 || bucket.size() > 63) {
    refuse_location(where,
                    "a bucket's name has 3 to 63 characters, this one has " + std::to_string(bucket.size()) + ".");
  }
  for (const char c : bucket) {
    if (is_lower_or_digit(c) || c == '.' || c == '-') continue;
    refuse_location(where, "a bucket's name has only lower-case letters, digits, '.' and '-'; this one has '" +
                               printable({&c, 1}, 8) + "'.");
  }
  if (!is_lower_or_digit(bucket.front()) || !is_lower_or_digit(bucket.back())) {
    refuse_location(where, "a bucket's name begins and ends with a lower-case letter or a digit.");
  }
  if (bucket.find("..") != std::string_view::npos) refuse_location(where, "a bucket's name has no \"..\".");
  if (looks_like_an_address(bucket)) refuse_location(where, "a bucket's name does not look like an IP address.");
}

void check_prefix(std::string_view where, std::string_view prefix) {
  if (prefix.size() > kPrefixBytesMax) {
    refuse_location(where, "the prefix has " + std::to_string(prefix.size()) + " bytes, the limit is " +
                               std::to_string(kPrefixBytesMax) + ".");
  }
  for (const char c : prefix) {
    if (is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-' || c == '/') continue;
    refuse_location(where, "a prefix has only letters of ASCII, digits, '.', '_', '-' and '/'; this one has '" +
                               printable({&c, 1}, 8) + "'.");
  }
  for (std::size_t begin = 0; !prefix.empty() && begin <= prefix.size();) {
    const std::size_t end = std::min(prefix.find('/', begin), prefix.size());
    const std::string_view part = prefix.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      refuse_location(where, "no part of a prefix is empty, \".\" or \"..\".");
    }
    begin = end + 1;
  }
}

}  // namespace

bool is_location(std::string_view where) {
  return where.starts_with(kScheme);
}

Location parse_location(std::string_view where) {
  if (!is_location(where)) refuse_location(where, "an address in S3 begins with s3://, as s3://bucket/prefix.");
  const std::string_view rest = where.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view bucket = rest.substr(0, slash);
  check_bucket(where, bucket);
  std::string_view prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (prefix.ends_with('/') && prefix != "/") prefix.remove_suffix(1);
  check_prefix(where, prefix);
  return {std::string(bucket), std::string(prefix)};
}

}  // namespace ingot::s3
