// A bucket in memory, for tests that want to see or decide each request: as consistent as S3, and as good as the test
// lets it be. The wire with all its faults is simulator/bucket.h.
//
// Header only. Thread-safe. In a simulation, too.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "storage/bucket.h"

namespace ingot::testing {

class MemoryBucket final : public storage::Bucket {
 public:
  /// As "get runs/a 0+65536", "put runs/a 100", "begin runs/a", "part runs/a 2 8388608", "finish runs/a 3 parts",
  /// "abort runs/a", "list runs/", "remove runs/a", "uploads runs/".
  using Requests = std::vector<std::string>;

  /// What is to become of a request instead of the usual.
  struct Instead {
    storage::Outcome outcome = storage::Outcome::failed;
    bool is_applied = false;
    base::Duration retry_after{};
    std::function<void(storage::Got&)> change_body{};  ///< of a get that is done: what came over the wire
  };
  /// Asked for each request, before it is handled, without the bucket's lock; may wait. `request` as in Requests.
  using Decide = std::function<std::optional<Instead>(const std::string& request)>;
  void decide(Decide decide) {
    const std::lock_guard lock(mutex_);
    decide_ = std::move(decide);
  }
  /// So long does each request take.
  void set_latency(base::Duration latency) {
    const std::lock_guard lock(mutex_);
    latency_ = latency;
  }
  /// Moves the bucket's clock, which else goes as the monotonic one does.
  void pass(std::chrono::seconds time) {
    const std::lock_guard lock(mutex_);
    passed_ += time;
  }

  /// Those since the last call.
  Requests requests() {
    const std::lock_guard lock(mutex_);
    return std::exchange(requests_, {});
  }
  /// The most that were under way at once.
  [[nodiscard]] std::size_t most_at_once() const {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
  }

  // What there is, without a request.
  [[nodiscard]] std::optional<std::string> peek(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? std::nullopt : std::optional(found->second.bytes);
  }
  [[nodiscard]] std::optional<storage::BucketDate> modified(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? std::nullopt : std::optional(found->second.modified);
  }
  void set(std::string_view key, std::string bytes) {
    const std::lock_guard lock(mutex_);
    objects_.insert_or_assign(std::string(key), Object{std::move(bytes), date()});
  }
  [[nodiscard]] std::vector<std::string> keys() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> keys;
    for (const auto& [key, object] : objects_) keys.push_back(key);
    return keys;
  }
  [[nodiscard]] std::size_t open_uploads() const {
    const std::lock_guard lock(mutex_);
    return uploads_.size();
  }

  // storage::Bucket
  storage::Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                      std::optional<storage::BucketDate> /*signed_at*/, base::Instant deadline) override {
    storage::Answer answer;
    serve("put " + std::string(key) + " " + std::to_string(bytes.size()), answer, deadline, [&] {
      ++counts_.puts;
      counts_.bytes_sent += bytes.size();
      if (mode == storage::PutMode::create && objects_.find(key) != objects_.end()) {
        answer.outcome = storage::Outcome::exists;
      } else {
        objects_.insert_or_assign(std::string(key), Object{std::string(bytes), date()});
      }
    });
    return answer;
  }

  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant deadline) override {
    storage::Got got;
    const std::string asked = range.bytes == ~0ULL ? "" : std::to_string(range.bytes);
    const auto instead =
        serve("get " + std::string(key) + " " + std::to_string(range.offset) + "+" + asked, got, deadline, [&] {
          ++counts_.gets;
          const auto found = objects_.find(key);
          if (found == objects_.end()) {
            got.outcome = storage::Outcome::absent;
          } else if (const std::string& bytes = found->second.bytes; range.offset < bytes.size()) {
            got.bytes = bytes.substr(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(range.bytes));
            got.object_bytes = bytes.size();
            counts_.bytes_received += got.bytes.size();
          }
        });
    if (got.outcome == storage::Outcome::done && instead.change_body) instead.change_body(got);
    if (got.outcome != storage::Outcome::done) got.bytes.clear();
    return got;
  }

  storage::Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) override {
    storage::Listing listing;
    serve("list " + std::string(prefix), listing, deadline, [&] {
      ++counts_.lists;
      for (auto at = objects_.upper_bound(std::max(prefix, continuation)); at != objects_.end(); ++at) {
        if (!at->first.starts_with(prefix)) break;
        if (listing.objects.size() == kPageMax) {
          listing.continuation = listing.objects.back().key;
          break;
        }
        listing.objects.push_back({at->first, at->second.bytes.size(), at->second.modified});
      }
    });
    return listing;
  }

  storage::Answer remove(std::string_view key, base::Instant deadline) override {
    storage::Answer answer;
    serve("remove " + std::string(key), answer, deadline, [&] {
      ++counts_.removes;
      objects_.erase(std::string(key));
    });
    return answer;
  }

  storage::Upload begin_upload(std::string_view key, base::Instant deadline) override {
    storage::Upload upload;
    serve("begin " + std::string(key), upload, deadline, [&] {
      ++counts_.puts;
      upload.id = "upload-" + std::to_string(++uploads_begun_);
      uploads_.emplace(upload.id, Uploading{std::string(key), date(), {}});
    });
    return upload;
  }

  storage::Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline) override {
    storage::Part part;
    serve("part " + std::string(key) + " " + std::to_string(number) + " " + std::to_string(bytes.size()), part,
          deadline, [&] {
            ++counts_.puts;
            counts_.bytes_sent += bytes.size();
            Uploading* const upload = find_upload(key, id);
            if (upload == nullptr) {
              part.outcome = storage::Outcome::absent;
              return;
            }
            part.tag = "tag-" + std::to_string(++parts_put_);
            upload->parts[number] = {part.tag, std::string(bytes)};
          });
    return part;
  }

  storage::Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                base::Instant deadline) override {
    storage::Answer answer;
    serve("finish " + std::string(key) + " " + std::to_string(tags.size()) + " parts", answer, deadline, [&] {
      ++counts_.puts;
      Uploading* const upload = find_upload(key, id);
      if (upload == nullptr) {
        answer.outcome = storage::Outcome::absent;
        return;
      }
      std::string whole;
      for (std::size_t i = 0; i < tags.size(); ++i) {
        const auto part = upload->parts.find(static_cast<std::uint32_t>(i + 1));
        const bool is_right = part != upload->parts.end() && part->second.first == tags[i] &&
                              (i + 1 == tags.size() || part->second.second.size() >= storage::kPartBytesMin);
        if (!is_right) {
          answer.outcome = storage::Outcome::refused;
          return;
        }
        whole.append(part->second.second);
      }
      objects_.insert_or_assign(std::string(key), Object{std::move(whole), upload->begun});
      uploads_.erase(std::string(id));
    });
    return answer;
  }

  storage::Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) override {
    storage::Answer answer;
    serve("abort " + std::string(key), answer, deadline, [&] {
      ++counts_.removes;
      if (find_upload(key, id) == nullptr) {
        answer.outcome = storage::Outcome::absent;
      } else {
        uploads_.erase(std::string(id));
      }
    });
    return answer;
  }

  storage::OpenUploads list_uploads(std::string_view prefix, std::string_view /*continuation*/,
                                    base::Instant deadline) override {
    storage::OpenUploads open;
    serve("uploads " + std::string(prefix), open, deadline, [&] {
      ++counts_.lists;
      for (const auto& [id, upload] : uploads_) {
        if (upload.key.starts_with(prefix)) open.uploads.push_back({upload.key, id, upload.begun});
      }
    });
    return open;
  }

  void end_by(base::Instant /*at*/) override {}
  [[nodiscard]] storage::BucketCounts counts() const override {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  [[nodiscard]] std::string where() const override { return "memory://bucket"; }

 private:
  static constexpr std::size_t kPageMax = 100;
  struct Object {
    std::string bytes;
    storage::BucketDate modified;
  };
  struct Uploading {
    std::string key;
    storage::BucketDate begun;
    std::map<std::uint32_t, std::pair<std::string, std::string>> parts;  // by number: tag, bytes
  };

  [[nodiscard]] storage::BucketDate date() const {
    return storage::BucketDate(std::chrono::seconds(1'700'000'000)) + passed_ +
           std::chrono::floor<std::chrono::seconds>(base::now() - made_);
  }
  Uploading* find_upload(std::string_view key, std::string_view id) {
    const auto found = uploads_.find(id);
    return found == uploads_.end() || found->second.key != key ? nullptr : &found->second;
  }

  // Handles a request: `apply` with the lock, and the answer `done` unless it says otherwise.
  template <class Apply>
  Instead serve(std::string request, storage::Answer& answer, base::Instant deadline, Apply apply) {
    Decide decide;
    base::Duration latency{};
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      most_at_once_ = std::max(most_at_once_, ++under_way_);
      decide = decide_;
      latency = latency_;
    }
    if (latency > base::Duration::zero()) base::sleep_for(latency);
    const std::optional<Instead> instead = decide ? decide(request) : std::nullopt;
    const bool is_late = base::now() > deadline;
    const std::lock_guard lock(mutex_);
    --under_way_;
    answer.outcome = storage::Outcome::done;
    if (!instead.has_value() || instead->is_applied || instead->outcome == storage::Outcome::done) apply();
    if (is_late) {
      answer.outcome = storage::Outcome::unanswered;
    } else if (instead.has_value() && instead->outcome != storage::Outcome::done) {
      answer.outcome = instead->outcome;
      answer.retry_after = instead->retry_after;
    }
    using storage::Outcome;
    if (answer.outcome != Outcome::unanswered && answer.outcome != Outcome::unsent) answer.date = date();
    if (answer.outcome != Outcome::done) answer.why = storage::outcome_name(answer.outcome);
    if (answer.outcome == Outcome::failed || answer.outcome == Outcome::unanswered) ++counts_.undecided;
    if (answer.outcome == Outcome::throttled) ++counts_.throttled;
    return instead.value_or(Instead{});
  }

  const base::Instant made_ = base::now();
  mutable base::Mutex mutex_;
  // Guarded by mutex_:
  Decide decide_;
  base::Duration latency_{};
  std::chrono::seconds passed_{};
  Requests requests_;
  std::size_t under_way_ = 0;
  std::size_t most_at_once_ = 0;
  std::map<std::string, Object, std::less<>> objects_;
  std::map<std::string, Uploading, std::less<>> uploads_;
  std::uint64_t uploads_begun_ = 0;
  std::uint64_t parts_put_ = 0;
  storage::BucketCounts counts_;
};

}  // namespace ingot::testing
