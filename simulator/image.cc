#include "image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ingot::simulator {

namespace {

constexpr std::uint8_t kAllSectors = 0xff;

bool all_zero(const char* bytes, std::size_t count) {
  return count == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, count - 1) == 0);
}

void fill_noise(char* to, std::size_t count, Chance& chance) {
  for (std::size_t i = 0; i < count; i += 8) {
    const std::uint64_t draw = chance.next();
    std::memcpy(to + i, &draw, std::min<std::size_t>(8, count - i));
  }
}

}  // namespace

FileImage::Page& FileImage::page(std::uint64_t index) {
  if (index >= pages_.size()) pages_.resize(index + 1);
  return pages_[index];
}

const FileImage::Page* FileImage::find(std::uint64_t index) const {
  return index < pages_.size() ? &pages_[index] : nullptr;
}

// Makes `to` a block of its own that has the sectors of `mask` as `from` has them.
void FileImage::copy_sectors(BlockPointer& to, const BlockPointer& from, std::uint8_t mask) {
  if (mask == 0 || to == from) return;
  if (mask == kAllSectors) {
    to = from == nullptr ? nullptr : std::make_shared<Block>(*from);
    return;
  }
  to = to == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*to);
  for (std::uint64_t sector = 0; sector < kPageSectors; ++sector) {
    if ((mask >> sector & 1) == 0) continue;
    if (from == nullptr) {
      std::memset(to->data() + sector * kSectorBytes, 0, kSectorBytes);
    } else {
      std::memcpy(to->data() + sector * kSectorBytes, from->data() + sector * kSectorBytes, kSectorBytes);
    }
  }
}

void FileImage::mark_dirty(Page& page, std::uint64_t index) {
  if (page.listed) return;
  page.listed = true;
  dirty_pages_.push_back(index);
}

bool FileImage::read(std::uint64_t offset, std::span<char> out, std::size_t& got) {
  refresh_from_mapping();
  got = 0;
  if (offset >= size_) return true;
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
  while (got < wanted) {
    const std::uint64_t at = offset + got;
    const std::uint64_t inside = at % kPageBytes;
    const std::size_t count = std::min<std::size_t>(wanted - got, kPageBytes - inside);
    const Page* page = find(at / kPageBytes);
    if (page != nullptr && page->unreadable != 0) {
      for (std::uint64_t sector = inside / kSectorBytes; sector <= (inside + count - 1) / kSectorBytes; ++sector) {
        if ((page->unreadable >> sector & 1) != 0) return false;
      }
    }
    if (page == nullptr || page->cache == nullptr) {
      std::memset(out.data() + got, 0, count);
    } else {
      std::memcpy(out.data() + got, page->cache->data() + inside, count);
    }
    got += count;
  }
  return true;
}

std::uint64_t FileImage::pages_needed(std::uint64_t offset, std::uint64_t bytes) const {
  std::uint64_t needed = 0;
  if (bytes == 0) return 0;
  for (std::uint64_t index = offset / kPageBytes; index <= (offset + bytes - 1) / kPageBytes; ++index) {
    const Page* page = find(index);
    if (page == nullptr || !page->allocated) ++needed;
  }
  return needed;
}

void FileImage::write(std::uint64_t offset, std::string_view bytes, Chance& chance) {
  refresh_from_mapping();
  if (!bytes.empty() && (offset + bytes.size() - 1) / kPageBytes >= pages_.size()) {
    pages_.resize((offset + bytes.size() - 1) / kPageBytes + 1);
  }
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t inside = (offset + done) % kPageBytes;
    const std::size_t count = std::min<std::size_t>(bytes.size() - done, kPageBytes - inside);
    write_page((offset + done) / kPageBytes, inside, bytes.substr(done, count), chance);
    done += count;
  }
  size_ = std::max(size_, offset + bytes.size());
  refresh_mapping();
}

void FileImage::write_page(std::uint64_t index, std::uint64_t inside, std::string_view bytes, Chance& chance) {
  Page& to = page(index);
  if (!to.allocated) {
    to.allocated = true;
    ++allocated_;
  }
  if (to.cache == nullptr && to.durable == nullptr && to.dirty == 0 && all_zero(bytes.data(), bytes.size())) return;
  for (std::uint64_t sector = inside / kSectorBytes; sector <= (inside + bytes.size() - 1) / kSectorBytes; ++sector) {
    const auto bit = static_cast<std::uint8_t>(1U << sector);
    to.unreadable &= static_cast<std::uint8_t>(~bit);
    if ((to.dirty & bit) == 0) {
      to.dirty |= bit;
      to.rewrites[sector] = 0;
      continue;
    }
    // One of the earlier un-synced writes of this sector, each as likely as another, might be what the medium gets.
    if (to.rewrites[sector] < 255) ++to.rewrites[sector];
    if (chance.one_in(to.rewrites[sector])) {
      copy_sectors(to.between, to.cache, bit);
      to.between_mask |= bit;
    }
  }
  mark_dirty(to, index);
  if (to.cache == nullptr) {
    to.cache = std::make_shared<Block>();
  } else if (to.cache.use_count() > 1) {
    to.cache = std::make_shared<Block>(*to.cache);
  }
  std::memcpy(to.cache->data() + inside, bytes.data(), bytes.size());
}

void FileImage::truncate(std::uint64_t bytes) {
  refresh_from_mapping();
  if (bytes < size_) cut_pages(bytes);
  size_ = bytes;
  refresh_mapping();
}

// What is cached from `bytes` on becomes zeros. The medium learns of it at the next sync.
void FileImage::cut_pages(std::uint64_t bytes) {
  for (std::uint64_t index = bytes / kPageBytes; index < pages_.size(); ++index) {
    Page& cut = pages_[index];
    const std::uint64_t inside = index == bytes / kPageBytes ? bytes % kPageBytes : 0;
    if (inside == 0 && cut.allocated) {
      cut.allocated = false;
      --allocated_;
    }
    if (cut.cache == nullptr) continue;
    const auto mask = static_cast<std::uint8_t>(kAllSectors << (inside / kSectorBytes));
    if (inside == 0) {
      cut.cache = nullptr;
    } else {
      cut.cache = std::make_shared<Block>(*cut.cache);
      std::memset(cut.cache->data() + inside, 0, kPageBytes - inside);
    }
    cut.dirty |= mask;
    cut.unreadable &= static_cast<std::uint8_t>(~mask);
    mark_dirty(cut, index);
  }
}

FileImage::Syncing FileImage::begin_sync() {
  refresh_from_mapping();
  Syncing syncing;
  syncing.size = size_;
  syncing.number = ++syncs_;
  syncing.parts.reserve(dirty_pages_.size());
  for (const std::uint64_t index : dirty_pages_) {
    syncing.parts.push_back({index, pages_[index].dirty, pages_[index].cache});
  }
  return syncing;
}

void FileImage::end_sync(const Syncing& syncing) {
  for (const Syncing::Part& part : syncing.parts) {
    Page& page = pages_[part.page];
    if (page.synced_by > syncing.number) continue;
    page.synced_by = syncing.number;
    copy_sectors(page.durable, part.block, part.mask);
    page.between_mask &= static_cast<std::uint8_t>(~part.mask);
    for (std::uint64_t sector = 0; sector < kPageSectors; ++sector) {
      if ((part.mask >> sector & 1) == 0) continue;
      page.rewrites[sector] = 0;
      // Written again meanwhile: that is not covered.
      const char* now = page.cache == nullptr ? nullptr : page.cache->data() + sector * kSectorBytes;
      const char* then = part.block == nullptr ? nullptr : part.block->data() + sector * kSectorBytes;
      const bool same = page.cache == part.block ||
                        (now != nullptr && then != nullptr && std::memcmp(now, then, kSectorBytes) == 0) ||
                        (now == nullptr && then != nullptr && all_zero(then, kSectorBytes)) ||
                        (then == nullptr && now != nullptr && all_zero(now, kSectorBytes));
      if (same) page.dirty &= static_cast<std::uint8_t>(~(1U << sector));
    }
    if (page.dirty == 0 && page.cache == part.block && part.mask == kAllSectors) page.durable = page.cache;
  }
  std::erase_if(dirty_pages_, [this](std::uint64_t index) {
    Page& page = pages_[index];
    if (page.dirty != 0) return false;
    page.listed = false;
    page.between = nullptr;
    page.between_mask = 0;
    return true;
  });
  if (size_synced_by_ < syncing.number) {
    size_synced_by_ = syncing.number;
    durable_size_ = syncing.size;
  }
}

void FileImage::fail_sync(Chance& chance) {
  refresh_from_mapping();
  const std::uint64_t written_percent = chance.below(3) * 50;
  for (const std::uint64_t index : dirty_pages_) {
    Page& page = pages_[index];
    std::uint8_t written = 0;
    for (std::uint64_t sector = 0; sector < kPageSectors; ++sector) {
      const auto bit = static_cast<std::uint8_t>(1U << sector);
      if ((page.dirty & bit) != 0 && chance.percent(written_percent)) written |= bit;
    }
    copy_sectors(page.durable, page.cache, written);
    page.dirty = 0;
    page.between = nullptr;
    page.between_mask = 0;
    page.listed = false;
  }
  dirty_pages_.clear();
  if (chance.one_in(2)) durable_size_ = size_;
}

std::uint64_t FileImage::evict(Chance& chance) {
  if (mapped_ != nullptr) return 0;  // mapped pages stay
  std::uint64_t changed = 0;
  for (Page& page : pages_) {
    if (page.dirty != 0 || page.cache == page.durable) continue;
    const char* now = page.cache == nullptr ? nullptr : page.cache->data();
    const char* then = page.durable == nullptr ? nullptr : page.durable->data();
    const bool same = (now != nullptr && then != nullptr && std::memcmp(now, then, kPageBytes) == 0) ||
                      (now == nullptr && all_zero(then, kPageBytes)) || (then == nullptr && all_zero(now, kPageBytes));
    if (!same) {
      if (chance.one_in(2)) continue;
      ++changed;
    }
    page.cache = page.durable;
  }
  return changed;
}

void FileImage::lose_power(const FaultProfile& profile, Chance& chance, Report& report) {
  refresh_from_mapping();
  mapped_ = nullptr;
  mapped_bytes_ = 0;
  static constexpr std::uint64_t kKeepPercents[] = {0, 10, 50, 90, 100};
  const std::uint64_t keep_file = kKeepPercents[chance.below(5)];
  std::sort(dirty_pages_.begin(), dirty_pages_.end());
  for (const std::uint64_t index : dirty_pages_) {
    Page& page = pages_[index];
    page.listed = false;
    if (chance.per_million(profile.garbage_page)) {
      page.durable = std::make_shared<Block>();
      fill_noise(page.durable->data(), kPageBytes, chance);
      report.count(Fault::garbage_page);
    } else {
      // Mostly a page is written whole or not at all; sometimes its sectors go different ways.
      const bool torn = chance.one_in(4);
      const bool keep_page = chance.percent(keep_file);
      std::uint8_t kept = 0;
      std::uint8_t older = 0;
      for (std::uint64_t sector = 0; sector < kPageSectors; ++sector) {
        const auto bit = static_cast<std::uint8_t>(1U << sector);
        if ((page.dirty & bit) == 0) continue;
        if (torn ? chance.percent(keep_file == 0 || keep_file == 100 ? keep_file : 50) : keep_page) {
          kept |= bit;
        } else if ((page.between_mask & bit) != 0 && chance.one_in(2)) {
          older |= bit;
        }
      }
      copy_sectors(page.durable, page.cache, kept);
      copy_sectors(page.durable, page.between, older);
      const auto lost = static_cast<std::uint8_t>(page.dirty & ~kept & ~older);
      report.count(Fault::lost_sector, static_cast<std::uint64_t>(__builtin_popcount(lost)));
      report.count(Fault::older_sector, static_cast<std::uint64_t>(__builtin_popcount(older)));
      if (kept != 0 && (lost | older) != 0) report.count(Fault::torn_page);
    }
    page.dirty = 0;
    page.between = nullptr;
    page.between_mask = 0;
  }
  dirty_pages_.clear();
  for (Page& page : pages_) page.cache = page.durable;
  if (size_ != durable_size_) {
    const std::uint64_t draw = chance.below(3);
    const std::uint64_t low = std::min(size_, durable_size_);
    const std::uint64_t high = std::max(size_, durable_size_);
    if (draw == 1) size_ = durable_size_;
    if (draw == 2) size_ = std::min(high, (low + chance.below(high - low)) / kPageBytes * kPageBytes + kPageBytes);
    if (draw != 0) report.count(Fault::lost_size);
  }
  cut_pages(size_);
  for (const std::uint64_t index : dirty_pages_) {
    pages_[index].dirty = 0;
    pages_[index].listed = false;
    pages_[index].durable = pages_[index].cache;
  }
  dirty_pages_.clear();
  durable_size_ = size_;
}

bool FileImage::damage(std::uint64_t offset, Damage damage, Chance& chance) {
  if (offset >= size_) return false;
  refresh_from_mapping();
  const std::uint64_t index = offset / kPageBytes;
  if (index >= pages_.size() || !pages_[index].allocated) return false;
  Page& page = pages_[index];
  const std::uint64_t sector = offset % kPageBytes / kSectorBytes;
  const auto bit = static_cast<std::uint8_t>(1U << sector);
  if (damage == Damage::unreadable) {
    if ((page.dirty & bit) != 0) return false;
    page.unreadable |= bit;
    return true;
  }
  auto damaged = page.durable == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*page.durable);
  const bool whole = damage == Damage::noise_4096 || damage == Damage::zeros_4096;
  char* const at = whole ? damaged->data() : damaged->data() + sector * kSectorBytes;
  const std::size_t count = whole ? kPageBytes : kSectorBytes;
  if (damage == Damage::bit_flip) {
    char& byte = (*damaged)[offset % kPageBytes];
    byte = static_cast<char>(byte ^ static_cast<char>(1U << chance.below(8)));
  } else if (damage == Damage::zeros_512 || damage == Damage::zeros_4096) {
    std::memset(at, 0, count);
  } else {
    fill_noise(at, count, chance);
  }
  const std::uint8_t mask = whole ? kAllSectors : bit;
  const auto visible = static_cast<std::uint8_t>(mask & ~page.dirty);
  page.durable = damaged;
  if (page.dirty == 0) {
    page.cache = damaged;
  } else {
    copy_sectors(page.cache, damaged, visible);
  }
  refresh_mapping();
  return true;
}

bool FileImage::is_settled(std::uint64_t offset) const {
  const Page* page = find(offset / kPageBytes);
  return page != nullptr && page->dirty == 0 && page->durable != nullptr &&
         !all_zero(page->durable->data(), kPageBytes);
}

std::string FileImage::durable_bytes() const {
  std::string bytes(durable_size_, '\0');
  for (std::uint64_t index = 0; index < pages_.size() && index * kPageBytes < durable_size_; ++index) {
    if (pages_[index].durable == nullptr) continue;
    std::memcpy(bytes.data() + index * kPageBytes, pages_[index].durable->data(),
                std::min<std::uint64_t>(kPageBytes, durable_size_ - index * kPageBytes));
  }
  return bytes;
}

char* FileImage::map(std::size_t bytes) {
  if (bytes > kMappedBytesMax) std::abort();
  if (mapped_ == nullptr) {
    std::size_t got = 0;
    auto whole = std::make_unique<char[]>(kMappedBytesMax);
    if (!read(0, {whole.get(), kMappedBytesMax}, got)) return nullptr;
    mapped_ = std::move(whole);
  }
  mapped_bytes_ = std::max(mapped_bytes_, bytes);
  return mapped_.get();
}

// What processes have written through the mapping since somebody looked.
void FileImage::refresh_from_mapping() {
  for (std::uint64_t at = 0; at < mapped_bytes_ && at < size_; at += kPageBytes) {
    const std::size_t count = static_cast<std::size_t>(std::min({kPageBytes, mapped_bytes_ - at, size_ - at}));
    const char* const bytes = mapped_.get() + at;
    Page& to = page(at / kPageBytes);
    const bool same = to.cache == nullptr ? all_zero(bytes, count) : std::memcmp(to.cache->data(), bytes, count) == 0;
    if (same) continue;
    auto block = to.cache == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*to.cache);
    std::memcpy(block->data(), bytes, count);
    to.cache = std::move(block);
    to.dirty = kAllSectors;
    if (!to.allocated) {
      to.allocated = true;
      ++allocated_;
    }
    mark_dirty(to, at / kPageBytes);
  }
}

void FileImage::refresh_mapping() {
  for (std::uint64_t at = 0; at < mapped_bytes_; at += kPageBytes) {
    const Page* from = find(at / kPageBytes);
    const std::size_t count = static_cast<std::size_t>(std::min(kPageBytes, mapped_bytes_ - at));
    if (from == nullptr || from->cache == nullptr) {
      std::memset(mapped_.get() + at, 0, count);
    } else {
      std::memcpy(mapped_.get() + at, from->cache->data(), count);
    }
  }
}

}  // namespace ingot::simulator
