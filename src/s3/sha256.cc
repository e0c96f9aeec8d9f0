#include "s3/sha256.h"

#include <openssl/evp.h>

#include <cstring>
#include <new>

namespace ingot::s3 {

namespace {

constexpr std::size_t kShaBlockBytes = 64;

// Fetched once: looking it up takes longer than hashing a small message.
const EVP_MD* algorithm() {
  static const EVP_MD* fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new()) {
    if (context_ == nullptr || algorithm() == nullptr) throw std::bad_alloc();
  }
  ~Hasher() { EVP_MD_CTX_free(context_); }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Sha256 of(std::string_view first, std::string_view second) {
    Sha256 hash;
    if (EVP_DigestInit_ex2(context_, algorithm(), nullptr) != 1 ||
        EVP_DigestUpdate(context_, first.data(), first.size()) != 1 ||
        EVP_DigestUpdate(context_, second.data(), second.size()) != 1 ||
        EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(hash.bytes.data()), nullptr) != 1) {
      throw std::bad_alloc();  // nothing else fails here
    }
    return hash;
  }

 private:
  EVP_MD_CTX* context_;
};

}  // namespace

Sha256 sha256(std::string_view message) {
  return Hasher().of(message, {});
}

// RFC 2104.
Sha256 hmac_sha256(std::string_view key, std::string_view message) {
  Hasher hasher;
  std::array<char, kShaBlockBytes> block{};
  if (key.size() > block.size()) {
    const Sha256 hashed = hasher.of(key, {});
    std::memcpy(block.data(), hashed.bytes.data(), hashed.bytes.size());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  std::array<char, kShaBlockBytes> inner{};
  std::array<char, kShaBlockBytes> outer{};
  for (std::size_t i = 0; i < block.size(); ++i) {
    inner[i] = static_cast<char>(block[i] ^ 0x36);
    outer[i] = static_cast<char>(block[i] ^ 0x5c);
  }
  const Sha256 hashed = hasher.of({inner.data(), inner.size()}, message);
  return hasher.of({outer.data(), outer.size()}, hashed.view());
}

}  // namespace ingot::s3
