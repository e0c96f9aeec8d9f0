// From what a user gave to open() to what the engine is opened on.
#pragma once

#include <memory>
#include <string>

#include "engine/copy_target.h"
#include "engine/medium.h"
#include "engine/sizes.h"
#include "ingot/options.h"
#include "storage/directory.h"

namespace ingot::engine {

// Whether `where` is in a bucket: "s3://…".
bool is_bucket(const std::string& where);

// The bucket at setting.where, and its cache on the local disk. Throws Error.
std::unique_ptr<Medium> bucket_medium_at(const Medium::Setting& setting);

// The directory at `where`, made if the options allow; or memory for ":memory:". Throws Error.
std::unique_ptr<storage::Directory> directory_at(const std::string& where, const Options& options);

// An existing directory. Throws Error.
std::unique_ptr<storage::Directory> open_directory_at(const std::string& where);

// Where a copy shall go: a directory, which is made if it does not exist; or a bucket. Throws Error.
std::unique_ptr<CopyTarget> copy_target_at(const std::string& where, const Sizes& sizes);

}  // namespace ingot::engine
