// The buckets of the fake S3 server, in memory: objects, uploads in parts, and the conditions on writing them. Each
// call takes effect at one instant. What it refuses it throws as S3Error.
//
// A write is two calls: `arrive` when the request comes, `put` (or finish_upload) when it takes effect. What happened
// to the key in between is what some servers answer 409, 429 or 500 for.
//
// Threads: all may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "support/fake_s3/http.h"
#include "support/fake_s3/profile.h"

namespace ingot::fake_s3 {

inline constexpr std::size_t kPageMax = 1000;

struct Object {
  std::shared_ptr<const std::string> bytes;
  std::string etag;  // without quotes
  Seconds modified{};
  Fields metadata;  // Content-Type and x-amz-meta-*
  std::uint64_t version = 0;
};

struct Conditions {
  std::optional<std::string> if_none_match{};
  std::optional<std::string> if_match{};
};

struct ListRequest {
  std::string prefix;
  std::string delimiter;
  std::string start_after;
  std::string token;  // of the page before; empty: this is the first
  std::size_t keys_max = kPageMax;
};

struct ListPage {
  std::vector<std::pair<std::string, Object>> objects;
  std::vector<std::string> prefixes;
  std::string next_token;  // empty: this was the last page
};

struct Part {
  std::string etag;
  std::shared_ptr<const std::string> bytes;
  Seconds modified;
};

struct Upload {
  std::string bucket;
  std::string key;
  Seconds begun;
  Fields metadata;
  std::map<std::uint64_t, Part> parts;
};

class Objects {
 public:
  // --- buckets

  /// False: it was there already.
  bool make_bucket(const std::string& bucket);
  void remove_bucket(const std::string& bucket);  ///< throws BucketNotEmpty
  void check_bucket(const std::string& bucket) const;
  [[nodiscard]] std::vector<std::string> buckets() const;

  // --- objects

  class Arrival;
  /// A request has come that will write `key`. Throws what it is refused for at once.
  Arrival arrive(const std::string& bucket, const std::string& key, const Behaviour& behaviour);
  /// Its ETag.
  std::string put(const Arrival& arrival, const Conditions& conditions, Object object, const Behaviour& behaviour);
  [[nodiscard]] std::optional<Object> get(const std::string& bucket, const std::string& key) const;
  void remove(const std::string& bucket, const std::string& key, const Conditions& conditions,
              const Behaviour& behaviour);
  ListPage list(const std::string& bucket, const ListRequest& request, const Behaviour& behaviour) const;
  [[nodiscard]] std::vector<std::string> keys(const std::string& bucket) const;

  // --- uploads in parts

  std::string begin_upload(const std::string& bucket, const std::string& key, Fields metadata, Seconds now);
  std::string put_part(const std::string& bucket, const std::string& key, const std::string& id, std::uint64_t number,
                       std::shared_ptr<const std::string> bytes, Seconds now, const Behaviour& behaviour);
  struct NamedPart {
    std::uint64_t number;
    std::string etag;  // without quotes
  };
  std::string finish_upload(const Arrival& arrival, const std::string& id, const std::vector<NamedPart>& parts,
                            const Conditions& conditions, Seconds now, const Behaviour& behaviour);
  void abort_upload(const std::string& bucket, const std::string& key, const std::string& id);
  Upload upload(const std::string& bucket, const std::string& key, const std::string& id) const;
  /// With their ids, by key and id.
  [[nodiscard]] std::vector<std::pair<std::string, Upload>> uploads(const std::string& bucket) const;

 private:
  struct State {
    std::optional<Object> object;
    std::uint64_t removals = 0;
    std::size_t under_way = 0;  // writes that have arrived and are not over
  };
  using Bucket = std::map<std::string, State, std::less<>>;

  // With mutex_ held.
  Bucket& bucket_of(const std::string& bucket);
  const Bucket& bucket_of(const std::string& bucket) const;
  Upload& upload_of(const std::string& bucket, const std::string& key, const std::string& id);
  void check_conditions(const State& state, const Arrival& arrival, const Conditions& conditions,
                        const Behaviour& behaviour);
  void depart(const Arrival& arrival);

  mutable std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  std::map<std::string, Upload> uploads_;
  std::uint64_t next_version_ = 1;
  std::uint64_t next_upload_ = 1;
  std::uint64_t raced_ = 0;
};

/// A write that is under way, until this ends.
class Objects::Arrival {
 public:
  ~Arrival() {
    if (objects_ != nullptr) objects_->depart(*this);
  }
  Arrival(Arrival&& other) noexcept
      : bucket(std::move(other.bucket)),
        key(std::move(other.key)),
        found(std::move(other.found)),
        removals(other.removals),
        objects_(std::exchange(other.objects_, nullptr)) {}
  Arrival& operator=(Arrival&&) = delete;

  std::string bucket;
  std::string key;
  std::optional<Object> found;  // what was there
  std::uint64_t removals = 0;   // and how often something had been removed

 private:
  friend class Objects;
  explicit Arrival(Objects& objects) : objects_(&objects) {}
  Objects* objects_;
};

/// "abc" with or without the quotes around it.
std::string unquoted(const std::string& tag);

}  // namespace ingot::fake_s3
