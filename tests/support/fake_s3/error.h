// An error as S3 answers it: thrown by whatever handles a request, and made an answer in one place.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "support/fake_s3/profile.h"

namespace ingot::fake_s3 {

struct S3Error : std::exception {
  S3Error(int status_, std::string code_, std::string message_, std::string details_ = {})
      : status(status_), code(std::move(code_)), message(std::move(message_)), details(std::move(details_)) {}
  explicit S3Error(const ErrorKind& kind) : S3Error(kind.status, kind.code, kind.message) {}
  [[nodiscard]] const char* what() const noexcept override { return code.c_str(); }

  int status;
  std::string code;
  std::string message;
  std::string details;  // further elements, as XML
};

/// What is in real S3, but not here: said clearly, never passed over.
inline S3Error not_implemented(const std::string& what) {
  return {501, "NotImplemented", "This fake server does not implement " + what + "."};
}
inline S3Error invalid_argument(const std::string& message) {
  return {400, "InvalidArgument", message};
}
inline S3Error malformed_xml() {
  return {400, "MalformedXML", "The XML you provided was not well-formed."};
}

}  // namespace ingot::fake_s3
