// States as they are stored: as few words as the world needs, equal if and only if the states are.
#pragma once

#include <cstdint>
#include <span>

#include "model/state.h"
#include "model/world.h"

namespace ingot::bucket_model {

inline constexpr std::size_t kWordsMax = 16;

/// How many words a state of this world has.
std::size_t packed_words(const World& world);
/// Asserts that each value fits into its bits.
void pack(const World& world, const State& state, std::span<std::uint64_t> words);
State unpack(const World& world, std::span<const std::uint64_t> words);

/// The same state with `twins` and the process after it exchanged.
State with_twins_exchanged(const World& world, const State& state);

/// Sorts what has no order.
void normalize(State& state);

}  // namespace ingot::bucket_model
