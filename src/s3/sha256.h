// SHA-256 and HMAC, by OpenSSL's libcrypto, which uses what the processor has for it.
#pragma once

#include <array>
#include <string_view>

namespace ingot::s3 {

struct Sha256 {
  std::array<char, 32> bytes{};
  [[nodiscard]] std::string_view view() const { return {bytes.data(), bytes.size()}; }
};

Sha256 sha256(std::string_view message);
Sha256 hmac_sha256(std::string_view key, std::string_view message);

}  // namespace ingot::s3
