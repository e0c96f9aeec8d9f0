// A copy into a directory.
#pragma once

#include <memory>
#include <string>

#include "engine/copy_target.h"
#include "engine/sizes.h"
#include "storage/directory.h"

namespace ingot::engine {

// `where`: for messages.
std::unique_ptr<CopyTarget> make_directory_target(std::unique_ptr<storage::Directory> directory, std::string where,
                                                  const Sizes& sizes);

}  // namespace ingot::engine
