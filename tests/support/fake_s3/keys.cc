#include "support/fake_s3/keys.h"

namespace ingot::fake_s3 {

void Keys::add(const Key& key) {
  const std::lock_guard lock(mutex_);
  keys_[key.access_key] = key;
}

std::optional<Key> Keys::find(const std::string& access_key) const {
  const std::lock_guard lock(mutex_);
  const auto it = keys_.find(access_key);
  return it == keys_.end() ? std::nullopt : std::optional(it->second);
}

void Keys::expire(const std::string& access_key) {
  const std::lock_guard lock(mutex_);
  const auto it = keys_.find(access_key);
  if (it != keys_.end()) it->second.expires = Seconds();
}

}  // namespace ingot::fake_s3
