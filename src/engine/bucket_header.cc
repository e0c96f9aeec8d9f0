#include "engine/bucket_header.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/bytes.h"
#include "base/random.h"
#include "base/testing.h"
#include "ingot/error.h"
#include "log/bucket_format.h"
#include "storage/persist.h"

namespace ingot::engine {

namespace {

constexpr std::string_view kHeaderMagic = "INGOTBKT";
constexpr std::size_t kHeaderBytes = 64;

using storage::Outcome;
using storage::PutMode;

Error away(const std::string& where, const std::string& doing, const storage::Answer& answer) {
  return {ErrorCode::unavailable,
          where + ": can't " + doing + ": " + answer.why +
              (answer.outcome == Outcome::refused ? remedy_of_refusal(answer) : ". Nothing was changed.")};
}

// done or exists.
Outcome put_header(storage::Bucket& bucket, const BucketHeader& header, const std::string& where,
                   base::Instant deadline) {
  const std::string bytes = encode_bucket_header(header);
  const storage::Answer answer = storage::persist(deadline, [&](base::Instant end_of_try) {
    return bucket.put(log::kStoreKey, bytes, PutMode::create, {}, end_of_try);
  });
  if (answer.outcome == Outcome::done || answer.outcome == Outcome::exists) return answer.outcome;
  throw Error(ErrorCode::unavailable,
              where + ": can't make a store here: " + answer.why +
                  (answer.outcome == Outcome::refused ? remedy_of_refusal(answer)
                                                      : ". It may still come to be one: try again later."));
}

}  // namespace

std::string remedy_of_refusal(const storage::Answer& answer) {
  if (answer.why.find("NoSuchBucket") != std::string::npos) return ". The bucket must exist: make it first.";
  return ". If that stays so, the credentials may not: docs/s3.md has what they must allow.";
}

std::string encode_bucket_header(const BucketHeader& header) {
  std::string out(kHeaderMagic);
  base::append_little(out, kBucketStoreFormat);
  base::append_little(out, std::uint32_t{0});
  char hash[16];
  base::store_hash(hash, header.store.store_id);
  out.append(hash, sizeof hash);
  base::append_little(out, static_cast<std::uint64_t>(header.store.made_micros));
  base::append_little(out, static_cast<std::uint64_t>(header.grace.count()));
  base::store_hash(hash, base::hash128(out));
  return out.append(hash, sizeof hash);
}

HeaderRead decode_bucket_header(std::string_view bytes, BucketHeader& header) {
  if (bytes.size() < 12 || bytes.substr(0, 8) != kHeaderMagic) return HeaderRead::damaged;
  if (base::load_little<std::uint32_t>(bytes.data() + 8) > kBucketStoreFormat) return HeaderRead::newer_format;
  if (bytes.size() != kHeaderBytes ||
      base::load_hash(bytes.data() + kHeaderBytes - 16) != base::hash128(bytes.substr(0, kHeaderBytes - 16))) {
    return HeaderRead::damaged;
  }
  header.store.store_id = base::load_hash(bytes.data() + 16);
  header.store.made_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(bytes.data() + 32));
  const auto grace = base::load_little<std::uint64_t>(bytes.data() + 40);
  if (grace < static_cast<std::uint64_t>(kGraceMin.count()) || grace > static_cast<std::uint64_t>(kGraceMax.count()))
    return HeaderRead::damaged;
  header.grace = std::chrono::seconds(grace);
  return HeaderRead::good;
}

// Everything rests on "if absent": two writers of one name must never both be told that it is theirs.
void require_conditions(storage::Bucket& bucket, storage::RequestPool& pool, const std::string& where,
                        base::Instant deadline) {
  const auto refuse = [&](const std::string& what) -> Error {
    return {ErrorCode::invalid_argument,
            where + ": this bucket can't hold a store: " + what +
                ". Commits of several writers would overwrite each other. See docs/s3.md for servers that can."};
  };
  const std::string key = std::string(kProbePrefix) + log::hex_name({base::random_u64(), base::random_u64()});
  const auto get = [&](const std::string& name) {
    return storage::persist(deadline, [&](base::Instant end_of_try) { return bucket.get(name, {}, end_of_try); });
  };
  storage::Got got = get(key);
  if (got.outcome == Outcome::refused) {
    throw Error(ErrorCode::unavailable,
                where + ": reading an object that does not exist is refused (" + got.why +
                    "). If that stays so, the credentials need s3:ListBucket, so that what is missing can be told from "
                    "what is forbidden. See docs/s3.md.");
  }
  if (got.outcome != Outcome::absent) throw away(where, "look into the bucket", got);

  // Two at once, then a third: exactly one may have made it, and it stays.
  const std::array<std::string, 3> bodies = {"first", "second", "third"};
  std::array<storage::Answer, 3> answers;
  const auto create = [&](std::size_t i) {
    answers[i] = storage::persist(deadline, [&](base::Instant end_of_try) {
      return bucket.put(key, bodies[i], PutMode::create, {}, end_of_try);
    });
  };
  {
    storage::RequestGroup group(pool, storage::Urgency::prompt);
    group.start([&] { create(0); });
    group.start([&] { create(1); });
  }
  create(2);
  for (const storage::Answer& answer : answers) {
    if (answer.outcome != Outcome::done && answer.outcome != Outcome::exists) throw away(where, "write to it", answer);
  }
  got = get(key);
  if (got.outcome != Outcome::done) throw away(where, "read what was just written", got);
  const bool any_made = answers[0].outcome == Outcome::done || answers[1].outcome == Outcome::done;
  if (answers[2].outcome == Outcome::done && any_made) {
    throw refuse("it ignores \"If-None-Match: *\", and lets one object replace another that it was told to keep");
  }
  if (answers[0].outcome == Outcome::done && answers[1].outcome == Outcome::done) {
    throw refuse("of two writers who created one object at the same time, it told both that they had");
  }
  // A lost answer may hide who made it; but whoever was told so did.
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].outcome == Outcome::done && got.bytes != bodies[i])
      throw refuse("it let one object replace another that it was told to keep");
  }
  (void)bucket.remove(key, deadline);
}

bool create_bucket_header(storage::Bucket& bucket, const BucketHeader& header, const std::string& where,
                          base::Instant deadline) {
  if (put_header(bucket, header, where, deadline) == Outcome::done) return true;
  // Maybe an earlier delivery of this one made it.
  const storage::Got got =
      storage::persist(deadline, [&](base::Instant end_of_try) { return bucket.get(log::kStoreKey, {}, end_of_try); });
  if (got.outcome != Outcome::done) throw away(where, "see who made the store", got);
  return got.bytes == encode_bucket_header(header);
}

void make_bucket_store(storage::Bucket& bucket, storage::RequestPool& pool, const BucketHeader& header,
                       const std::string& where, base::Instant deadline) {
  // Not among somebody else's objects.
  std::string continuation;
  do {
    const storage::Listing listing =
        storage::persist(deadline, [&](base::Instant end_of_try) { return bucket.list("", continuation, end_of_try); });
    if (listing.outcome != Outcome::done) throw away(where, "list it", listing);
    for (const storage::ListedObject& object : listing.objects) {
      if (object.key.starts_with(kProbePrefix)) continue;
      // Somebody's who has made it meanwhile, most likely.
      const storage::Got store = storage::persist(
          deadline, [&](base::Instant end_of_try) { return bucket.get(log::kStoreKey, {}, end_of_try); });
      if (store.outcome == Outcome::done) return;
      if (store.outcome != Outcome::absent) throw away(where, "look into the bucket", store);
      if (object.key == kCopyingMark) throw Error(ErrorCode::not_a_store, where + kCopyUnderWay + ".");
      throw Error(ErrorCode::not_a_store, where + " holds other objects (\"" + object.key +
                                              "\") and no store. Give a prefix of its own, as s3://bucket/app.");
    }
    continuation = listing.continuation;  // a page may be empty, though there is more
  } while (!continuation.empty());
  require_conditions(bucket, pool, where, deadline);
  if (put_header(bucket, header, where, deadline) == Outcome::exists)
    base::probe("engine: another process made the store in the bucket");
}

}  // namespace ingot::engine
