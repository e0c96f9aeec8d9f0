// Where a store lies in S3, as a user writes it: "s3://bucket/prefix".
#pragma once

#include <string>
#include <string_view>

namespace ingot::s3 {

/// S3 allows keys of 1024 bytes; the rest is the store's own (storage::kObjectKeyBytesMax), and a '/' between.
inline constexpr std::size_t kPrefixBytesMax = 511;

struct Location {
  std::string bucket;
  std::string prefix;  ///< without '/' at its end; may be empty: then the bucket is the store's alone

  /// "prefix/" or "": what all of the store's keys begin with.
  [[nodiscard]] std::string key_prefix() const { return prefix.empty() ? "" : prefix + "/"; }
  /// "s3://bucket/prefix".
  [[nodiscard]] std::string text() const { return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix); }
  /// A directory bucket of S3 Express: the name ends in "--x-s3", and has its zone before that.
  [[nodiscard]] bool is_express() const { return bucket.ends_with("--x-s3"); }
};

/// Whether this is an address in S3 at all: begins with "s3://".
bool is_location(std::string_view where);

/// Takes "s3://bucket", "s3://bucket/", "s3://bucket/a/b" and "s3://bucket/a/b/".
///   bucket  3 to 63 of [a-z0-9.-], as S3's rules for names have it
///   prefix  of [A-Za-z0-9._-] and '/' between its parts, none of which is empty, "." or ".."; kPrefixBytesMax at most
///   throws  Error invalid_argument: the sentence says which rule is broken
Location parse_location(std::string_view where);

}  // namespace ingot::s3
