// The header of a store in a bucket: the object `store`, which makes a prefix a store. Created if absent, last of all
// when a store is made, and never changed.
//
//   offset  bytes
//        0      8  magic "INGOTBKT"
//        8      4  format            newer than we know: newer_format
//       12      4  zero
//       16     16  store id
//       32      8  made at, microseconds since 1970
//       40      8  grace, seconds: how long what is superseded stays, for who still reads or writes it
//       48     16  hash of everything before
//
// And what must be seen of a bucket before a store is made in it: that it heeds conditions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/time.h"
#include "engine/store_header.h"
#include "storage/bucket.h"
#include "storage/request_pool.h"

namespace ingot::engine {

inline constexpr std::uint32_t kBucketStoreFormat = 1;
inline constexpr std::string_view kProbePrefix = "probe/";  // what is made and removed to see whether it can be
inline constexpr std::chrono::seconds kGraceDefault = std::chrono::hours(24);
// Less would collect what a request may still name that a server has accepted and sits on.
inline constexpr std::chrono::seconds kGraceMin = std::chrono::seconds(1);
inline constexpr std::chrono::seconds kGraceMax = std::chrono::hours(24 * 366);

struct BucketHeader {
  StoreHeader store;
  std::chrono::seconds grace = kGraceDefault;
};

enum class HeaderRead : std::uint8_t { good, damaged, newer_format };

// For messages: what to do about an answer that said `refused`, as the end of a sentence and another one.
std::string remedy_of_refusal(const storage::Answer& answer);

std::string encode_bucket_header(const BucketHeader& header);
HeaderRead decode_bucket_header(std::string_view bytes, BucketHeader& header);

// Sees to it that the bucket heeds conditions, and tells what is missing from what is hidden. Throws Error.
void require_conditions(storage::Bucket& bucket, storage::RequestPool& pool, const std::string& where,
                        base::Instant deadline);

// From then on it is a store. False: another header is there. Throws Error: the bucket is away, and nobody can know
// yet.
bool create_bucket_header(storage::Bucket& bucket, const BucketHeader& header, const std::string& where,
                          base::Instant deadline);

// Makes the store, unless somebody else is faster; then that one is it. Throws Error: the bucket ignores conditions, or
// hides what is missing, and the sentence says so; or it is away past the deadline.
void make_bucket_store(storage::Bucket& bucket, storage::RequestPool& pool, const BucketHeader& header,
                       const std::string& where, base::Instant deadline);

}  // namespace ingot::engine
