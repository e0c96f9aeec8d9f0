// The worlds that are explored: each is small, and about some of the rules.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/world.h"

namespace ingot::bucket_model {

enum class Size : std::uint8_t {
  tiny,   ///< some thousand states each: for the sanitizers
  small,  ///< seconds, for all of them
  large,  ///< up to an hour and some gigabytes, each
};

/// All rules hold in these.
std::vector<World> worlds(Size size);

/// The smallest world that shows what happens without this rule.
World broken_world(Broken broken);

/// Worlds in which only times matter: one for each of the inequalities that they must keep.
World slot_times_world(const Times& times);
World answer_times_world(const Times& times);
World upload_times_world(const Times& times);

/// What these worlds show to be enough: nothing goes wrong if and only if these hold.
bool slot_times_suffice(const Times& times);    ///< a put is over before its slot can be collected
bool answer_times_suffice(const Times& times);  ///< an answer counts only as long as the slot can't be collected
bool upload_times_suffice(const Times& times);  ///< an upload is named before it can be swept, or never

}  // namespace ingot::bucket_model
