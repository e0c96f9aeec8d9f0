// What requests are signed with, and its renewal. Secrets are in no message, and are overwritten nowhere: who can read
// this process's memory can use them anyway.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/thread.h"
#include "base/time.h"
#include "s3/server_clock.h"
#include "storage/bucket.h"

namespace ingot::s3 {

struct Credentials {
  std::string key_id;
  std::string secret;
  std::string token;                           ///< of temporary ones; else empty
  std::optional<storage::BucketDate> expires;  ///< nothing: they don't, as far as it is known
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

/// Credentials, or why there are none.
struct [[nodiscard]] FoundCredentials {
  std::shared_ptr<const Credentials> credentials;
  std::string why;
  bool is_hopeless = false;  ///< there are none, and will be none until somebody changes something
};

/// One set of credentials for all threads, got when first asked for, and renewed before it expires by one thread, while
/// the others go on with what there is. A renewal that fails leaves what there is, even when it is past its time: then
/// the server decides. There is no hope (is_hopeless) only if there never were any. No thread of its own.
class CredentialCache {
 public:
  /// Gets them, by requests maybe, until the deadline.
  using Load = std::function<FoundCredentials(base::Instant deadline)>;

  /// `renew_before`: so long before they expire.
  CredentialCache(Load load, const ServerClock& clock, std::chrono::seconds renew_before);

  FoundCredentials get(base::Instant deadline);

  /// The server has turned these away. Whoever asks next gets them anew; not if that was just done.
  void reject(const std::shared_ptr<const Credentials>& credentials);

 private:
  enum class State { none, fresh, due, past };
  [[nodiscard]] State state() const;
  void renew(std::unique_lock<base::Mutex>& lock, base::Instant deadline);

  const Load load_;
  const ServerClock& clock_;
  const std::chrono::seconds renew_before_;

  base::Mutex mutex_;
  base::ConditionVariable renewed_;
  std::shared_ptr<const Credentials> current_;
  bool rejected_ = false;
  bool renewing_ = false;
  base::Instant not_before_{};  // no renewal until then: the last one failed, or brought nothing better
  FoundCredentials failure_;
};

}  // namespace ingot::s3
