#include "support/fake_s3/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <stdexcept>

namespace ingot::fake_s3 {

namespace {

const unsigned char* raw_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw_bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::string sha256(std::string_view text) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(raw_bytes(text), text.size(), raw_bytes(hash));
  return hash;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw_bytes(text), text.size(), raw_bytes(hash),
           nullptr) == nullptr) {
    throw std::runtime_error("HMAC failed");
  }
  return hash;
}

std::string md5(std::string_view text) {
  std::string hash(16, '\0');
  if (EVP_Digest(text.data(), text.size(), raw_bytes(hash), nullptr, EVP_md5(), nullptr) != 1) {
    throw std::runtime_error("MD5 failed");
  }
  return hash;
}

std::string hex(std::string_view raw) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(raw.size() * 2);
  for (const char byte : raw) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::string unhex(std::string_view text) {
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string raw;
  for (std::size_t i = 0; i < text.size(); i += 2) raw += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  return raw;
}

std::string base64(std::string_view raw) {
  std::string text((raw.size() + 2) / 3 * 4 + 1, '\0');  // one more for the zero that OpenSSL puts at the end
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(raw_bytes(text), raw_bytes(raw), static_cast<int>(raw.size()))));
  return text;
}

}  // namespace ingot::fake_s3
