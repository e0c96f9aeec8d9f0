// A copy into a bucket.
#pragma once

#include <memory>
#include <string>

#include "engine/copy_target.h"
#include "engine/sizes.h"
#include "storage/bucket.h"

namespace ingot::engine {

// `where`: for messages.
std::unique_ptr<CopyTarget> make_bucket_target(std::unique_ptr<storage::Bucket> bucket, std::string where,
                                               const Sizes& sizes);

}  // namespace ingot::engine
