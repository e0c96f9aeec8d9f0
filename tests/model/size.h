// How much of the model these tests explore: as much as a build can in some seconds.
#pragma once

#include "model/worlds.h"

namespace ingot::bucket_model {

inline constexpr Size kSize = Size::INGOT_MODEL_SIZE;

}  // namespace ingot::bucket_model
