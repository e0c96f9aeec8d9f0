// The worlds that are explored: each is small, and about some of the rules.
#pragma once

#include <cstdint>
#include <vector>

#include "model/world.h"

namespace ingot::bucket_model {

enum class Size : std::uint8_t {
  tiny,   ///< at most some hundred thousand states each
  small,  ///< seconds, for all of them
  large,  ///< up to two minutes each, and some gigabytes
};
const char* size_name(Size size);

/// All rules hold in these.
std::vector<World> worlds(Size size);

/// A world, as small as was found, that shows what happens without this rule.
World broken_world(Broken broken);

}  // namespace ingot::bucket_model
