// From what a user gave to open() to a storage::Directory.
#pragma once

#include <memory>
#include <string>

#include "ingot/options.h"
#include "storage/directory.h"

namespace ingot::engine {

// The directory at `where`, made if the options allow; or memory for ":memory:". Throws Error.
std::unique_ptr<storage::Directory> directory_at(const std::string& where, const Options& options);

// An existing directory. Throws Error.
std::unique_ptr<storage::Directory> open_directory_at(const std::string& where);

// A directory for a copy: made if it does not exist. Throws Error.
std::unique_ptr<storage::Directory> new_directory_at(const std::string& where);

}  // namespace ingot::engine
