// A bucket in this process's memory, as consistent as S3 and as slow as a test wants it, whose answers a test may
// change. For real threads; what befalls requests at random is the simulator's (simulator/bucket.h).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"
#include "storage/bucket.h"

namespace ingot::log {

class MemoryBucket final : public storage::Bucket {
 public:
  using Answer = storage::Answer;
  using Outcome = storage::Outcome;
  enum class Verb { put, get, list, remove };

  // Set before the threads are there, or by `change`. Any thread calls them.
  /// Instead of taking effect: this answer. Nothing: it takes effect.
  std::function<std::optional<Answer>(Verb, std::string_view key)> instead;
  /// Before anything; it may wait.
  std::function<void(Verb, std::string_view key)> hold;
  /// After it has taken effect.
  std::function<void(Verb, std::string_view key, Answer&)> afterwards;
  /// What a get returns of an object.
  std::function<void(std::string_view key, std::string& bytes)> as_read;
  std::function<storage::BucketDate()> date = [] {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  };
  std::atomic<std::int64_t> put_micros = 0;
  std::atomic<std::int64_t> get_micros = 0;
  std::atomic<bool> ignores_conditions = false;
  std::atomic<std::uint64_t> puts = 0;
  std::atomic<std::uint64_t> gets = 0;
  std::atomic<std::uint64_t> others = 0;

  void change(const std::function<void(MemoryBucket&)>& how) {
    const std::lock_guard lock(mutex_);
    how(*this);
  }
  std::map<std::string, std::string, std::less<>> objects;  // inside `change`, or alone

  Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
             std::optional<storage::BucketDate> signed_at, base::Instant /*deadline*/) override {
    ++puts;
    wait_if_held(Verb::put, key);
    wait(put_micros / 2);
    Answer answer = handle(Verb::put, key, [&](Answer& result) {
      if (std::chrono::abs(date() - signed_at.value_or(date())) > storage::kSignatureWindow) {
        result.outcome = Outcome::too_late;
      } else if (mode == storage::PutMode::create && objects.contains(key) && !ignores_conditions) {
        result.outcome = Outcome::exists;
      } else {
        objects.insert_or_assign(std::string(key), std::string(bytes));
      }
    });
    wait(put_micros / 2);
    return answer;
  }
  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant /*deadline*/) override {
    ++gets;
    wait_if_held(Verb::get, key);
    wait(get_micros / 2);
    storage::Got got;
    static_cast<Answer&>(got) = handle(Verb::get, key, [&](Answer& result) {
      const auto found = objects.find(key);
      if (found == objects.end()) {
        result.outcome = Outcome::absent;
      } else if (range.offset < found->second.size()) {
        got.bytes = found->second.substr(range.offset, range.bytes);
        got.object_bytes = found->second.size();
        if (as_read) as_read(key, got.bytes);
      }
    });
    if (got.outcome != Outcome::done) got.bytes.clear();
    wait(get_micros / 2);
    return got;
  }
  storage::Listing list(std::string_view prefix, std::string_view /*continuation*/,
                        base::Instant /*deadline*/) override {
    ++others;
    storage::Listing listing;
    static_cast<Answer&>(listing) = handle(Verb::list, prefix, [&](Answer&) {
      for (const auto& [key, bytes] : objects) {
        if (key.starts_with(prefix)) listing.objects.push_back({key, bytes.size(), date()});
      }
    });
    return listing;
  }
  Answer remove(std::string_view key, base::Instant /*deadline*/) override {
    ++others;
    return handle(Verb::remove, key, [&](Answer&) {
      if (const auto found = objects.find(key); found != objects.end()) objects.erase(found);
    });
  }
  storage::Upload begin_upload(std::string_view, base::Instant) override { return {}; }
  storage::Part put_part(std::string_view, std::string_view, std::uint32_t, std::string_view, base::Instant) override {
    return {};
  }
  Answer finish_upload(std::string_view, std::string_view, const std::vector<std::string>&, base::Instant) override {
    return {};
  }
  Answer abort_upload(std::string_view, std::string_view, base::Instant) override { return {}; }
  storage::OpenUploads list_uploads(std::string_view, std::string_view, base::Instant) override { return {}; }
  void end_by(base::Instant /*at*/) override {}
  [[nodiscard]] storage::BucketCounts counts() const override { return {.puts = puts, .gets = gets}; }
  [[nodiscard]] std::string where() const override { return "s3://memory"; }

 private:
  static void wait(std::int64_t micros) {
    if (micros != 0) base::sleep_for(std::chrono::microseconds(micros));
  }
  void wait_if_held(Verb verb, std::string_view key) {
    std::function<void(Verb, std::string_view key)> now;
    {
      const std::lock_guard lock(mutex_);
      now = hold;
    }
    if (now) now(verb, key);
  }
  template <class Effect>
  Answer handle(Verb verb, std::string_view key, Effect effect) {
    const std::lock_guard lock(mutex_);
    Answer answer;
    std::optional<Answer> other = instead ? instead(verb, key) : std::nullopt;
    if (other.has_value()) {
      answer = std::move(*other);
      if (answer.outcome != Outcome::unanswered && answer.outcome != Outcome::unsent) answer.date = date();
      return answer;
    }
    answer.outcome = Outcome::done;
    answer.date = date();
    effect(answer);
    if (afterwards) afterwards(verb, key, answer);
    return answer;
  }

  std::mutex mutex_;
};

}  // namespace ingot::log
