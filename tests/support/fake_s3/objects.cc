#include "support/fake_s3/objects.h"

#include <algorithm>
#include <utility>

#include "support/fake_s3/digest.h"
#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {

namespace {

S3Error no_such_bucket(const std::string& bucket) {
  return {404, "NoSuchBucket", "The specified bucket does not exist", "<BucketName>" + bucket + "</BucketName>"};
}

S3Error precondition_failed(const char* header) {
  return {412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
          std::string("<Condition>") + header + "</Condition>"};
}

S3Error conflict() {
  return {409, "ConditionalRequestConflict",
          "The conditional request cannot succeed due to a conflicting operation against this resource."};
}

// Whether a condition's value, as it came, names this tag.
bool names(const std::string& value, const std::string& tag, const Behaviour& behaviour) {
  return value == tag || (behaviour.quoted_tags_match && unquoted(value) == tag);
}

// Where an entry of a listing stands, if it is not in order.
std::uint64_t rank_of(const std::string& name, const Behaviour& behaviour) {
  if (behaviour.lists_in_order) return 0;
  std::uint64_t rank = 0;
  for (const char c : md5(name).substr(0, 8)) rank = rank << 8 | static_cast<unsigned char>(c);
  return rank;
}

// A token says where the page before ended. It looks opaque, and has characters that must be escaped in a query.
std::string token_of(const std::string& name) {
  return "1/" + hex(name) + "+==";
}
std::string end_of_page(const std::string& token) {
  const bool is_one = token.size() > 5 && token.substr(0, 2) == "1/" && token.substr(token.size() - 3) == "+==";
  std::string name = is_one ? unhex(token.substr(2, token.size() - 5)) : std::string();
  if (name.empty()) throw invalid_argument("The continuation token provided is incorrect");
  return name;
}

void check_list_request(const ListRequest& request, const Behaviour& behaviour) {
  if (!behaviour.lists_from_any_key && !request.start_after.empty()) {
    throw invalid_argument("start-after is not supported for directory buckets");
  }
  if (!behaviour.lists_any_prefix) {
    if (!request.prefix.empty() && request.prefix.back() != '/') {
      throw invalid_argument("A prefix must end in '/' for directory buckets");
    }
    if (!request.delimiter.empty() && request.delimiter != "/") {
      throw invalid_argument("Only '/' can be the delimiter for directory buckets");
    }
  }
}

}  // namespace

std::string unquoted(const std::string& tag) {
  const bool quoted = tag.size() >= 2 && tag.front() == '"' && tag.back() == '"';
  return quoted ? tag.substr(1, tag.size() - 2) : tag;
}

bool Objects::make_bucket(const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  return buckets_.try_emplace(bucket).second;
}

void Objects::remove_bucket(const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  if (!bucket_of(bucket).empty()) throw S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty");
  buckets_.erase(bucket);
}

void Objects::check_bucket(const std::string& bucket) const {
  const std::lock_guard lock(mutex_);
  bucket_of(bucket);
}

std::vector<std::string> Objects::buckets() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, bucket] : buckets_) names.push_back(name);
  return names;
}

Objects::Bucket& Objects::bucket_of(const std::string& bucket) {
  const auto it = buckets_.find(bucket);
  if (it == buckets_.end()) throw no_such_bucket(bucket);
  return it->second;
}

const Objects::Bucket& Objects::bucket_of(const std::string& bucket) const {
  return const_cast<Objects*>(this)->bucket_of(bucket);
}

Objects::Arrival Objects::arrive(const std::string& bucket, const std::string& key, const Behaviour& behaviour) {
  const std::lock_guard lock(mutex_);
  State& state = bucket_of(bucket)[key];
  if (behaviour.one_write_per_key && state.under_way > 0) throw S3Error(behaviour.slow_write);
  ++state.under_way;
  Arrival arrival(*this);
  arrival.bucket = bucket;
  arrival.key = key;
  arrival.found = state.object;
  arrival.removals = state.removals;
  return arrival;
}

void Objects::depart(const Arrival& arrival) {
  const std::lock_guard lock(mutex_);
  const auto bucket = buckets_.find(arrival.bucket);
  if (bucket == buckets_.end()) return;
  const auto it = bucket->second.find(arrival.key);
  if (it == bucket->second.end()) return;
  if (--it->second.under_way == 0 && !it->second.object) bucket->second.erase(it);
}

void Objects::check_conditions(const State& state, const Arrival& arrival, const Conditions& conditions,
                               const Behaviour& behaviour) {
  const std::optional<Object>& now = state.object;
  const std::optional<Object>& then = arrival.found;
  const bool changed = (now ? now->version : 0) != (then ? then->version : 0) || state.removals != arrival.removals;
  if (conditions.if_none_match) {
    const std::string& tag = *conditions.if_none_match;
    if (tag != "*" && !behaviour.tags_in_if_none_match) throw not_implemented("If-None-Match with an ETag");
    if (now && (tag == "*" || names(tag, now->etag, behaviour))) {
      if (changed && behaviour.conflict_when_raced && raced_++ % 2 == 0) throw conflict();
      throw precondition_failed("If-None-Match");
    }
    if (!now && changed && behaviour.conflict_when_changed) throw conflict();
  }
  if (conditions.if_match) {
    const std::string& tag = *conditions.if_match;
    if (!now) {
      if (behaviour.absent_is_no_match) throw precondition_failed("If-Match");
      throw S3Error(404, "NoSuchKey", "The specified key does not exist.");
    }
    if (tag != "*" && !names(tag, now->etag, behaviour)) {
      const bool matched = then && names(tag, then->etag, behaviour);
      if (matched && behaviour.error_when_changed) throw S3Error(500, "UnknownError", "");
      if (matched && behaviour.conflict_when_changed) throw conflict();
      throw precondition_failed("If-Match");
    }
  }
}

std::string Objects::put(const Arrival& arrival, const Conditions& conditions, Object object,
                         const Behaviour& behaviour) {
  const std::lock_guard lock(mutex_);
  State& state = bucket_of(arrival.bucket)[arrival.key];
  if (behaviour.looks_at_put_conditions) check_conditions(state, arrival, conditions, behaviour);
  object.version = next_version_++;
  object.etag = hex(behaviour.random_tags ? sha256(std::to_string(object.version)).substr(0, 16) : md5(*object.bytes));
  state.object = std::move(object);
  return state.object->etag;
}

std::optional<Object> Objects::get(const std::string& bucket, const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const Bucket& objects = bucket_of(bucket);
  const auto it = objects.find(key);
  return it == objects.end() ? std::nullopt : it->second.object;
}

void Objects::remove(const std::string& bucket, const std::string& key, const Conditions& conditions,
                     const Behaviour& behaviour) {
  const std::lock_guard lock(mutex_);
  Bucket& objects = bucket_of(bucket);
  const auto it = objects.find(key);
  const bool there = it != objects.end() && it->second.object;
  if (behaviour.looks_at_delete_conditions && conditions.if_match) {
    const std::string& tag = *conditions.if_match;
    if (!there || (tag != "*" && !names(tag, it->second.object->etag, behaviour))) {
      throw precondition_failed("If-Match");
    }
  }
  if (!there) return;
  it->second.object.reset();
  ++it->second.removals;
  if (it->second.under_way == 0) objects.erase(it);
}

ListPage Objects::list(const std::string& bucket, const ListRequest& request, const Behaviour& behaviour) const {
  check_list_request(request, behaviour);
  const std::string last = request.token.empty() ? request.start_after : end_of_page(request.token);
  const std::uint64_t last_rank = last.empty() ? 0 : rank_of(last, behaviour);

  struct Entry {
    std::uint64_t rank;
    std::string name;
    const Object* object;  // null: a common prefix
  };
  std::vector<Entry> entries;
  const std::lock_guard lock(mutex_);
  const Bucket& objects = bucket_of(bucket);
  const std::string& from = behaviour.lists_in_order && last > request.prefix ? last : request.prefix;
  for (auto it = objects.lower_bound(from); it != objects.end(); ++it) {
    const std::string& key = it->first;
    if (key.compare(0, request.prefix.size(), request.prefix) != 0) break;
    if (!it->second.object) continue;
    Entry entry{0, key, &*it->second.object};
    const std::size_t at =
        request.delimiter.empty() ? std::string::npos : key.find(request.delimiter, request.prefix.size());
    if (at != std::string::npos) {
      entry.name = key.substr(0, at + request.delimiter.size());
      entry.object = nullptr;
      if (!entries.empty() && entries.back().object == nullptr && entries.back().name == entry.name) continue;
    }
    entry.rank = rank_of(entry.name, behaviour);
    if (!last.empty() && std::pair(entry.rank, entry.name) <= std::pair(last_rank, last)) continue;
    entries.push_back(std::move(entry));
    if (behaviour.lists_in_order && entries.size() > request.keys_max) break;
  }
  if (!behaviour.lists_in_order) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.rank, a.name) < std::pair(b.rank, b.name); });
  }
  ListPage page;
  const std::size_t count = std::min(entries.size(), request.keys_max);
  for (std::size_t i = 0; i < count; ++i) {
    if (entries[i].object == nullptr) {
      page.prefixes.push_back(entries[i].name);
    } else {
      page.objects.emplace_back(entries[i].name, *entries[i].object);
    }
  }
  if (count > 0 && count < entries.size()) {
    page.next_token = token_of(entries[count - 1].name);
  }
  return page;
}

std::vector<std::string> Objects::keys(const std::string& bucket) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [key, state] : bucket_of(bucket)) {
    if (state.object) names.push_back(key);
  }
  return names;
}

}  // namespace ingot::fake_s3
