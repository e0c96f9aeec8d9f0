/// Every limit of the public API, with its reason. Beyond one: ErrorCode::too_large, with the size and the limit.
#pragma once

#include <cstddef>

namespace ingot {

/// A key inside its space. A block, an index entry and a conflict range each hold whole keys.
inline constexpr std::size_t kKeyBytesMax = 8 * 1024;

/// A value. Larger things are written in pieces, or belong into a file of their own.
inline constexpr std::size_t kValueBytesMax = 8 * 1024 * 1024;

/// All mutations of one transaction together, keys and values and a few bytes for each (Transaction::bytes): what one
/// entry of the log may carry.
inline constexpr std::size_t kTransactionBytesMax = 64 * 1024 * 1024;

/// A space's name: its length is one byte of each stored key.
inline constexpr std::size_t kSpaceNameBytesMax = 128;

}  // namespace ingot
