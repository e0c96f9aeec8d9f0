// Keys, values and distributions. See data.h.
#include "data.h"

#include <cmath>
#include <cstring>

namespace bench {
namespace {

constexpr std::size_t kFillBytes = kValueBytes - kTagBytes;
constexpr std::size_t kFills = 11'000;  // about 1 MB: stays in the second-level cache

struct HexTable {
  std::array<std::array<char, 2>, 256> digits;
};

constexpr HexTable make_hex_table() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  HexTable table{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    table.digits[byte] = {kDigits[byte / 16], kDigits[byte % 16]};
  }
  return table;
}

constexpr HexTable kHex = make_hex_table();

std::string make_fills() {
  Random random(301);
  std::string fills;
  fills.reserve(kFills * kFillBytes);
  for (std::size_t fill = 0; fill < kFills; ++fill) {
    std::string half;
    for (std::size_t i = 0; i < kFillBytes / 2; ++i) {
      half.push_back(static_cast<char>(' ' + random.below(95)));
    }
    fills += half + half;
  }
  return fills;
}

const std::string& fills() {
  static const std::string all = make_fills();
  return all;
}

std::uint32_t hash_of(std::string_view key) {
  std::uint64_t halves[2];
  std::memcpy(halves, key.data(), sizeof halves);
  return static_cast<std::uint32_t>(mix(halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15U)));
}

const char* fill_of(std::uint32_t hash, std::uint32_t generation) {
  const std::uint64_t which = (static_cast<std::uint64_t>(hash + generation * 0x9e3779b9U) * kFills) >> 32U;
  return fills().data() + which % kFills * kFillBytes;
}

}  // namespace

Key key_of(std::uint64_t index) {
  const std::uint64_t mixed = mix(index);
  Key key;
  for (std::size_t i = 0; i < 8; ++i) {
    std::memcpy(key.data() + 2 * i, kHex.digits[(mixed >> (56 - 8 * i)) & 0xffU].data(), 2);
  }
  return key;
}

void make_value(std::string_view key, std::uint32_t generation, ValueBytes& value) {
  const std::uint32_t hash = hash_of(key);
  std::memcpy(value.data(), &hash, 4);
  std::memcpy(value.data() + 4, &generation, 4);
  std::memcpy(value.data() + kTagBytes, fill_of(hash, generation), kFillBytes);
}

std::optional<std::uint32_t> generation_of(std::string_view key, std::string_view value) {
  if (value.size() != kValueBytes || key.size() != kKeyBytes) return std::nullopt;
  std::uint32_t hash;
  std::uint32_t generation;
  std::memcpy(&hash, value.data(), 4);
  std::memcpy(&generation, value.data() + 4, 4);
  if (hash != hash_of(key)) return std::nullopt;
  return generation;
}

bool is_whole(std::string_view key, std::string_view value) {
  const std::optional<std::uint32_t> generation = generation_of(key, value);
  return generation && std::memcmp(value.data() + kTagBytes, fill_of(hash_of(key), *generation), kFillBytes) == 0;
}

void make_successor(std::string_view key, std::optional<std::string_view> old, ValueBytes& value) {
  const std::optional<std::uint32_t> generation = old ? generation_of(key, *old) : std::nullopt;
  make_value(key, generation ? *generation + 1 : 0, value);
}

ZipfianRanks::ZipfianRanks(std::uint64_t count) : ranks_(kLength) {
  constexpr double kTheta = 0.99;
  double zeta = 0;
  for (std::uint64_t rank = 1; rank <= count; ++rank) zeta += 1 / std::pow(static_cast<double>(rank), kTheta);
  const double zeta2 = 1 + 1 / std::pow(2.0, kTheta);
  const double alpha = 1 / (1 - kTheta);
  const auto n = static_cast<double>(count);
  const double eta = (1 - std::pow(2 / n, 1 - kTheta)) / (1 - zeta2 / zeta);
  Random random(99);
  for (std::uint32_t& rank : ranks_) {
    const double u = static_cast<double>(random.next() >> 11U) * 0x1p-53;
    const double uz = u * zeta;
    double drawn = n * std::pow(eta * u - eta + 1, alpha);
    if (uz < 1) {
      drawn = 0;
    } else if (uz < zeta2) {
      drawn = 1;
    }
    rank = static_cast<std::uint32_t>(drawn < n ? drawn : n - 1);
  }
}

}  // namespace bench
