// A store in a bucket: header, checkpoints and runs as objects, the log as slots (log/bucket_log.h). Nobody has a lock;
// what is superseded is collected after the grace period (collector.h).
#pragma once

#include <memory>

#include "engine/medium.h"
#include "storage/bucket.h"
#include "storage/disk_cache.h"

namespace ingot::engine {

// `cache` may be null: what is read of runs is kept in memory only.
std::unique_ptr<Medium> make_bucket_medium(std::unique_ptr<storage::Bucket> bucket,
                                           std::unique_ptr<storage::DiskCache> cache, const Medium::Setting& setting);

}  // namespace ingot::engine
