// A request, understood: which verb, bucket and key, in path style (/bucket/key) or virtual-host style
// (bucket.localhost, bucket.s3.us-east-1.amazonaws.com), and its parameters. What real S3 has but the fake one has not
// (other parameters, other x-amz-* headers) is refused with NotImplemented, never passed over.
#pragma once

#include <string>
#include <string_view>

#include "support/fake_s3/http.h"
#include "support/fake_s3/verb.h"

namespace ingot::fake_s3 {

struct Operation {
  Verb verb = Verb::unknown;
  std::string bucket;
  std::string key;
  Fields parameters;

  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::string parameter(std::string_view name) const;  ///< empty if it is not there
  /// A number that may be left out.
  [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t otherwise) const;
  /// What faults compare with their key_prefix.
  [[nodiscard]] std::string subject() const;
};

/// Never throws; what is none of S3's is Verb::unknown.
Operation operation_of(const Request& request);
/// Throws NotImplemented, MethodNotAllowed.
void check_is_implemented(const Operation& operation, const Request& request);

}  // namespace ingot::fake_s3
