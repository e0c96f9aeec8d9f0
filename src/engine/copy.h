// An online copy of a store into a new directory: the records of one version, as one sorted run under a checkpoint of
// its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "engine/engine.h"

namespace ingot::engine {

inline constexpr std::string_view kCopyingMark = "copying";  // a file that is there while a copy is under way

// `progress` gets bytes of keys and values done, and an estimate of all. Throws Error. What an interrupted copy left in
// `directory` is replaced; anything else there is refused.
void copy_store(Engine& engine, const HeldView& held, const std::string& directory,
                base::FunctionRef<void(std::uint64_t done, std::uint64_t total)> progress);

}  // namespace ingot::engine
