// Hashes and their texts, by OpenSSL, for the fake S3 server. Hashes are raw bytes in strings.
#pragma once

#include <string>
#include <string_view>

namespace ingot::fake_s3 {

std::string sha256(std::string_view text);
std::string hmac_sha256(std::string_view key, std::string_view text);
std::string md5(std::string_view text);
/// In lower case.
std::string hex(std::string_view raw);
/// The reverse; empty if it is no such text.
std::string unhex(std::string_view text);
std::string base64(std::string_view raw);

}  // namespace ingot::fake_s3
