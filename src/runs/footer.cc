#include "runs/footer.h"

#include <cassert>

#include "runs/run_parity.h"

namespace ingot::runs {

std::string make_footer(const IndexPlace& place, std::uint64_t blocks, std::uint64_t name_hash) {
  std::string footer(kFooterMagic);
  base::append_little(footer, place.format);
  base::append_little(footer, std::uint32_t{0});
  footer.resize(footer.size() + kHandleBytes);
  store_handle(footer.data() + 16, place.meta);
  base::append_little(footer, place.covered_bytes);
  base::append_little(footer, blocks);
  base::append_little(footer, block_checksum(footer, name_hash, 0));
  assert(footer.size() == kFooterBytes);
  footer.resize(kSectorBytes);
  return footer;
}

FooterRead decode_footer(std::string_view sector, std::uint64_t name_hash, std::uint64_t file_bytes,
                         IndexPlace& place) {
  if (sector.size() != kSectorBytes) return FooterRead::damaged;
  const std::string_view checked = sector.substr(0, kFooterBytes - 8);
  if (checked.substr(0, 8) != kFooterMagic ||
      block_checksum(checked, name_hash, 0) != base::load_little<std::uint64_t>(sector.data() + checked.size())) {
    return FooterRead::damaged;
  }
  place = {};
  place.format = base::load_little<std::uint32_t>(sector.data() + 8);
  if (place.format > kRunFormat) return FooterRead::newer;
  place.meta = load_handle(sector.data() + 16);
  place.covered_bytes = base::load_little<std::uint64_t>(sector.data() + 32);
  return fits(place, file_bytes) ? FooterRead::good : FooterRead::damaged;
}

}  // namespace ingot::runs
