// What the tests of a bucket's log share: a handle, what it has read, and short calls.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "base/time.h"
#include "log/bucket_format.h"
#include "log/bucket_log.h"
#include "memory_bucket.h"

namespace ingot::log {

inline constexpr base::Hash128 kBucketStore{0x3333, 0x4444};

inline base::Instant within(std::chrono::milliseconds patience) {
  return base::now() + patience;
}

struct BucketHandle {
  std::unique_ptr<storage::RequestPool> pool = std::make_unique<storage::RequestPool>();
  std::unique_ptr<BucketLog> log;
  Read outcome = Read::caught_up;
  std::string why;
  std::vector<std::string> payloads;  // in order: read and appended
  std::vector<std::string> messages;

  ~BucketHandle() {
    log.reset();
    pool.reset();
  }

  Sink sink() {
    return [this](const Entry& entry) { payloads.emplace_back(entry.payload); };
  }

  BucketLogOptions options() {
    BucketLogOptions options;
    options.store_id = kBucketStore;
    options.on_message = [this](const std::string& message) { messages.push_back(message); };
    return options;
  }

  bool open(storage::Bucket& bucket, BucketLogOptions options, std::chrono::milliseconds patience) {
    log = open_bucket_log(bucket, *pool, std::move(options), sink(), within(patience), outcome, why);
    return log != nullptr;
  }
  bool open(storage::Bucket& bucket) { return open(bucket, options(), std::chrono::seconds(10)); }

  Append append(const std::string& payload, std::chrono::milliseconds patience = std::chrono::seconds(10),
                EntryKind kind = EntryKind::commit) {
    const std::string_view parts[] = {payload};
    Draft draft;
    draft.kind = kind;
    draft.transaction_count = kind == EntryKind::commit ? 1 : 0;
    draft.time_micros = std::max(log->position().time_micros, log->clock_micros());
    draft.parts = parts;
    const Append appended = log->append(draft, within(patience));
    if (appended == Append::kept) payloads.push_back(payload);
    return appended;
  }
  Read read() { return log->read(sink()); }
  Read look_and_read(std::chrono::milliseconds patience = std::chrono::seconds(10)) {
    const Read looked = log->look(within(patience));
    const Read found = read();
    return looked == Read::caught_up ? found : looked;
  }
};

}  // namespace ingot::log
