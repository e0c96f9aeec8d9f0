// A directory that lives in memory and ends with its last handle: for ":memory:" and for tests. Syncs do nothing.
#pragma once

#include <memory>

#include "storage/directory.h"

namespace ingot::storage {

std::unique_ptr<Directory> make_memory_directory();

// Another handle on the same files, as another process would have one.
std::unique_ptr<Directory> share_memory_directory(const Directory& directory);

}  // namespace ingot::storage
