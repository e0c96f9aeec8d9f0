// What a user, or another tool, has written: profile files, addresses of stores and of servers. They are understood, or
// refused with a sentence.
//
// The first byte chooses what the rest is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ingot/error.h"
#include "s3/endpoint.h"
#include "s3/location.h"
#include "s3/profile.h"

namespace {

using namespace ingot::s3;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_as_profile(std::string_view text) {
  const ProfileFile file = parse_profile_file(text);
  if (!file.error.empty()) {
    require(file.error.starts_with("line ") && file.sections.empty());
    return;
  }
  std::size_t bytes = 0;
  for (const auto& [section, properties] : file.sections) {
    require(!section.empty());
    for (const auto& [name, value] : properties) {
      require(!name.empty() && name.find('\n') == std::string::npos);
      bytes += value.size();
    }
  }
  require(bytes <= text.size());
}

void read_as_location(std::string_view text) {
  const Location location = parse_location(text);
  const Location again = parse_location(location.text());
  require(again.bucket == location.bucket && again.prefix == location.prefix);
  require(location.bucket.size() >= 3 && location.prefix.size() <= kPrefixBytesMax);
  static_cast<void>(express_zone(location.bucket));
}

void read_as_endpoint(std::string_view text) {
  const Endpoint endpoint = parse_endpoint(text, "fuzzing");
  const Endpoint again = parse_endpoint(endpoint.scheme + "://" + endpoint.host + endpoint.path, "fuzzing");
  require(again.scheme == endpoint.scheme && again.host == endpoint.host && again.path == endpoint.path);
  require(!endpoint.host.empty() && !endpoint.path.ends_with('/'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 4) {
      case 0:
        read_as_location(text);
        break;
      case 1:
        read_as_endpoint(text);
        break;
      default:
        read_as_profile(text);
    }
  } catch (const ingot::Error& error) {
    require(error.code() == ingot::ErrorCode::invalid_argument);
    for (const char c : std::string_view(error.what())) require(c >= ' ' && c <= '~');
  }
  return 0;
}
