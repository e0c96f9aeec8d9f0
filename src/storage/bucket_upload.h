// Writes one object of a bucket, from its first byte to its last: what open(create) of BucketFiles gives. What it
// promises: bucket_files.h.
//
// Until there is more than a part, nothing is sent. Then an upload is begun, and full parts are put by the pool while
// the next one fills; at most kPartsAtOnce are under way, and whoever writes more waits. sync() ends it.
//
// 1. Every request may be sent again: a put of the same bytes, a part of the same number, the end of the upload. Only
// the
//    begin leaves something behind when its answer is lost: an upload without parts, which a sweeper finds.
// 2. Whether an upload was finished is decided by the object: if it is there, it was.
// 3. Parts are kept in the disk cache as they are put, for what was just written is read next. If no object comes of
// it,
//    they are removed again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/bucket.h"
#include "storage/bucket_retry.h"
#include "storage/bucket_tasks.h"
#include "storage/directory.h"
#include "storage/disk_cache.h"

namespace ingot::storage {

// What became of it, for who made it.
struct Written {
  bool is_finished = false;
  bool may_be_there = false;        // not finished, but a request may have made the object
  std::optional<BucketDate> begun;  // if finished: a date before the object's, if it is known
};

struct UploadPlace {
  Bucket& bucket;
  BucketTasks& tasks;
  StopSign& stop;
  DiskCache* cache;  // may be null
  std::string store_id;
  base::Duration patience;                           // of a part, and of the end
  std::function<std::optional<BucketDate>()> clock;  // may be null
};

// `ended`: called once, when it was finished, or is destroyed without.
std::unique_ptr<File> make_upload(const UploadPlace& place, std::string_view key,
                                  std::function<void(const Written&)> ended);

}  // namespace ingot::storage
