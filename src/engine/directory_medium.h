// A store in a directory: header and checkpoints as twin files, the log's segments, `live` with its locks and pins.
#pragma once

#include <memory>

#include "engine/medium.h"
#include "storage/directory.h"

namespace ingot::engine {

std::unique_ptr<Medium> make_directory_medium(std::unique_ptr<storage::Directory> directory,
                                              const Medium::Setting& setting);

}  // namespace ingot::engine
