// Text as it goes over the wire: percent-encoding as SigV4 wants it, hexadecimal digits, and what is fit for a message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot::s3 {

enum class Slashes { encoded, kept };

/// Percent-encodes all but [A-Za-z0-9._~-], with upper-case digits. A path keeps its '/'.
std::string uri_encode(std::string_view text, Slashes slashes);

/// Undoes percent-encoding, and '+' for a space, as S3 does it to keys in listings (encoding-type=url). Nothing if a
/// '%' is not followed by two hexadecimal digits.
std::optional<std::string> uri_decode(std::string_view text);

/// Lower-case.
std::string hexadecimal(std::string_view bytes);

std::string lower_case(std::string_view text);

/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

/// For messages: what is not printable ASCII becomes '?', and what is longer than `bytes_max` ends in "...".
std::string printable(std::string_view text, std::size_t bytes_max);

/// Appends a code point, which is one that UTF-8 can write.
void append_utf8(std::string& out, std::uint32_t point);

/// A number of decimal digits only, which fits.
std::optional<std::uint64_t> decimal(std::string_view digits);

}  // namespace ingot::s3
