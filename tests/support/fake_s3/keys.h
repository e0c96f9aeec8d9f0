// The access keys that the fake S3 server knows.
//
// Threads: all may be called from any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "support/fake_s3/http.h"

namespace ingot::fake_s3 {

struct Key {
  std::string access_key;
  std::string secret;
  std::string token;                 // requests must carry it; empty: they must carry none
  std::optional<Seconds> expires{};  // by the server's clock
  bool of_session = false;           // made by CreateSession
  std::string bucket;                // of a session: the one that it is for
};

class Keys {
 public:
  void add(const Key& key);
  [[nodiscard]] std::optional<Key> find(const std::string& access_key) const;
  /// From now on it has run out.
  void expire(const std::string& access_key);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Key> keys_;
};

}  // namespace ingot::fake_s3
