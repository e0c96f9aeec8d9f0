// One file of the simulated disk: what is on the medium, and what the page cache holds above it.
//
// Writes go to the cache. The medium gets them when they are synced, or, sector by sector, in any order, or not at all,
// when the power fails: then each un-synced 512-byte sector becomes what it was at the last sync, or any later write of
// it. A page under write may become noise altogether, the bytes around the write included. The length of the file is
// durable only when synced, too.
//
// No faults are decided here, except those of a power loss; see disk.h.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chance.h"
#include "faults.h"

namespace ingot::simulator {

inline constexpr std::uint64_t kSectorBytes = 512;
inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kPageSectors = kPageBytes / kSectorBytes;

enum class Damage { bit_flip, noise_512, noise_4096, zeros_512, zeros_4096, unreadable };

class FileImage {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Reads what there is; false: a sector in the range is unreadable.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<char> out, std::size_t& got);
  /// Pages that a write to here would have to allocate.
  [[nodiscard]] std::uint64_t pages_needed(std::uint64_t offset, std::uint64_t bytes) const;
  void write(std::uint64_t offset, std::string_view bytes, Chance& chance);
  void truncate(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t pages_allocated() const { return allocated_; }

  /// A sync in three acts: what is to be written is noted, time passes, and then it is on the medium.
  struct Syncing;
  [[nodiscard]] Syncing begin_sync();
  void end_sync(const Syncing& syncing);
  /// The same, failing: the pages count as clean, and the medium got some of them or none.
  void fail_sync(Chance& chance);
  /// Lets go of cached pages which count as clean: the medium's contents come back. Returns how many changed.
  std::uint64_t evict(Chance& chance);

  /// Whether anything would be lost at a power loss.
  [[nodiscard]] bool has_unsynced() const { return !dirty_pages_.empty() || size_ != durable_size_; }
  void lose_power(const FaultProfile& profile, Chance& chance, Report& report);

  /// Damages the medium in place (and the cache, where it is clean). `offset` is inside the file. False: nothing to
  /// damage there (it was never written).
  bool damage(std::uint64_t offset, Damage damage, Chance& chance);
  /// Whether the page at `offset` has bytes other than zeros on the medium, and none that wait to be synced.
  [[nodiscard]] bool is_settled(std::uint64_t offset) const;
  /// What a machine that lost its power now, and every un-synced byte, would find.
  [[nodiscard]] std::string durable_bytes() const;

  /// The first `bytes` (at most kMappedBytesMax) in one piece, for a shared mapping; it stays where it is until the
  /// power fails, and is coherent with read and write.
  char* map(std::size_t bytes);
  static constexpr std::size_t kMappedBytesMax = 1UL << 20;

 private:
  using Block = std::array<char, kPageBytes>;
  using BlockPointer = std::shared_ptr<Block>;  // null: zeros

  struct Page {
    BlockPointer cache;
    BlockPointer durable;
    BlockPointer between;    // for dirty sectors in between_mask: one earlier un-synced write
    std::uint8_t dirty = 0;  // sectors that the cache has and the medium may not have
    std::uint8_t between_mask = 0;
    std::uint8_t unreadable = 0;
    std::array<std::uint8_t, kPageSectors> rewrites{};  // of a dirty sector since the last sync, at most 255
    std::uint64_t synced_by = 0;  // the newest sync that reached the medium: an older one that ends later adds nothing
    bool allocated = false;
    bool listed = false;  // in dirty_pages_
  };

  Page& page(std::uint64_t index);
  [[nodiscard]] const Page* find(std::uint64_t index) const;
  static void copy_sectors(BlockPointer& to, const BlockPointer& from, std::uint8_t mask);
  void write_page(std::uint64_t index, std::uint64_t inside, std::string_view bytes, Chance& chance);
  void mark_dirty(Page& page, std::uint64_t index);
  void refresh_from_mapping();
  void refresh_mapping();
  void cut_pages(std::uint64_t bytes);

  std::uint64_t size_ = 0;
  std::uint64_t durable_size_ = 0;
  std::vector<Page> pages_;
  std::vector<std::uint64_t> dirty_pages_;
  std::uint64_t allocated_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t size_synced_by_ = 0;
  std::unique_ptr<char[]> mapped_;
  std::size_t mapped_bytes_ = 0;
};

struct FileImage::Syncing {
  struct Part {
    std::uint64_t page;
    std::uint8_t mask;
    BlockPointer block;
  };
  std::vector<Part> parts;
  std::uint64_t size = 0;
  std::uint64_t number = 0;
};

}  // namespace ingot::simulator
