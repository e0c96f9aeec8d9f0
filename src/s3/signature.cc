#include "s3/signature.h"

#include <algorithm>

#include "s3/dates.h"
#include "s3/encoding.h"
#include "s3/sha256.h"

namespace ingot::s3 {

namespace {

// Only the spaces at its ends are taken off: none of our values has several in a row.
void append_signed_headers(const std::vector<Header>& headers, std::string& lines, std::string& names) {
  std::vector<const Header*> sorted;
  sorted.reserve(headers.size());
  for (const Header& header : headers) sorted.push_back(&header);
  std::ranges::sort(sorted, {}, [](const Header* header) -> const std::string& { return header->name; });
  for (const Header* header : sorted) {
    lines.append(header->name).append(":").append(trimmed(header->value)).append("\n");
    if (!names.empty()) names += ';';
    names += header->name;
  }
}

Sha256 signing_key(const Credentials& credentials, std::string_view day, const Scope& scope) {
  const Sha256 of_day = hmac_sha256("AWS4" + credentials.secret, day);
  const Sha256 of_region = hmac_sha256(of_day.view(), scope.region);
  const Sha256 of_service = hmac_sha256(of_region.view(), scope.service);
  return hmac_sha256(of_service.view(), "aws4_request");
}

}  // namespace

std::string canonical_query(const Query& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(uri_encode(name, Slashes::encoded), uri_encode(value, Slashes::encoded));
  }
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text.append(name).append("=").append(value);
  }
  return text;
}

std::string authorization(const Unsigned& request, storage::BucketDate date, const Scope& scope,
                          const Credentials& credentials) {
  std::string lines;
  std::string names;
  append_signed_headers(request.headers, lines, names);

  std::string canonical;
  canonical.append(request.method).append("\n");
  canonical.append(request.path).append("\n");
  canonical.append(request.query).append("\n");
  canonical.append(lines).append("\n");
  canonical.append(names).append("\n");
  canonical.append(request.body_sha256);

  const std::string when = signing_date(date);
  const std::string day = when.substr(0, 8);
  std::string full_scope = day;
  full_scope.append("/").append(scope.region).append("/").append(scope.service).append("/aws4_request");

  std::string to_sign = "AWS4-HMAC-SHA256\n";
  to_sign.append(when).append("\n").append(full_scope).append("\n").append(hexadecimal(sha256(canonical).view()));
  const Sha256 signature = hmac_sha256(signing_key(credentials, day, scope).view(), to_sign);

  std::string value = "AWS4-HMAC-SHA256 Credential=";
  value.append(credentials.key_id).append("/").append(full_scope);
  value.append(",SignedHeaders=").append(names);
  value.append(",Signature=").append(hexadecimal(signature.view()));
  return value;
}

}  // namespace ingot::s3
