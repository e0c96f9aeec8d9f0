// storage::Bucket by requests of S3's. What each verb sends, and what it takes from the answer.
#pragma once

#include <array>
#include <atomic>

#include "s3/outcome.h"
#include "s3/sender.h"
#include "storage/bucket.h"

namespace ingot::s3 {

class S3Bucket final : public storage::Bucket {
 public:
  S3Bucket(Location location, Configuration configuration);

  storage::Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                      std::optional<storage::BucketDate> signed_at, base::Instant deadline) override;
  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant deadline) override;
  storage::Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) override;
  storage::Answer remove(std::string_view key, base::Instant deadline) override;
  storage::Upload begin_upload(std::string_view key, base::Instant deadline) override;
  storage::Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline) override;
  storage::Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                base::Instant deadline) override;
  storage::Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) override;
  storage::OpenUploads list_uploads(std::string_view prefix, std::string_view continuation,
                                    base::Instant deadline) override;
  void end_by(base::Instant at) override { sender_.end_by(at); }
  [[nodiscard]] storage::BucketCounts counts() const override;
  [[nodiscard]] std::string where() const override { return location_.text(); }

 private:
  [[nodiscard]] std::string full_key(std::string_view key) const { return key_prefix_ + std::string(key); }
  // Takes the store's prefix off. Whether it was there, with `prefix` after it.
  bool make_relative(std::string& key, std::string_view prefix) const;
  // Sends it, and says what came of it; the requests are counted.
  struct Reply {
    storage::Answer answer;
    HttpAnswer http;
  };
  Reply send(Verb verb, const Call& call);
  // Runs a verb, and counts how it ended. For want of memory it may have ended anyhow.
  template <class Try>
  auto settled(Try&& attempt) -> decltype(attempt());

  storage::Answer try_put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                          std::optional<storage::BucketDate> signed_at, base::Instant deadline);
  storage::Got try_get(std::string_view key, storage::ByteRange range, base::Instant deadline);
  storage::Listing try_list(std::string_view prefix, std::string_view continuation, base::Instant deadline);
  storage::Upload try_begin(std::string_view key, base::Instant deadline);
  storage::Part try_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline);
  storage::Answer try_finish(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                             base::Instant deadline);
  storage::Answer try_delete(Verb verb, std::string_view key, Query query, base::Instant deadline);
  storage::OpenUploads try_list_uploads(std::string_view prefix, std::string_view continuation, base::Instant deadline);

  const Location location_;
  const std::string key_prefix_;
  Sender sender_;

  enum Kind { kPut, kGet, kList, kRemove, kKinds };
  static Kind kind_of(Verb verb);
  std::array<std::atomic<std::uint64_t>, kKinds> requests_{};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
  std::atomic<std::uint64_t> undecided_{0};
  std::atomic<std::uint64_t> throttled_{0};
};

}  // namespace ingot::s3
