// The inside of BlockCache: decompressed, verified blocks, each hung into a slot (an atomic pointer) of the run it
// belongs to.
//
// A hit is a load of the slot and a relaxed store to the block's clock bit, inside an epoch guard; no lock. A miss
// inserts under the mutex, evicting by CLOCK until it fits. An evicted block leaves its slot at once, and its memory
// when the last guard that could see it has ended and the last pin is gone. A pin (a count) keeps a block beyond a
// guard.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/epoch.h"
#include "base/thread.h"
#include "runs/block.h"
#include "runs/open_files.h"
#include "runs/run.h"

namespace ingot::runs {

struct CachedBlock {
  explicit CachedBlock(std::string contents) : bytes(std::move(contents)) {}
  [[nodiscard]] std::size_t memory_bytes() const { return sizeof(CachedBlock) + bytes.capacity() + 16; }

  const std::string bytes;
  BlockView view;                // of a data block, or of a partition's index
  const char* filter = nullptr;  // of a partition
  std::size_t filter_line_count = 0;
  std::atomic<bool> used{true};        // the clock bit
  std::atomic<std::uint32_t> pins{1};  // the cache's own, and the cursors'
  std::atomic<CachedBlock*>* slot = nullptr;
  std::size_t place = 0;  // in the ring; under the cache's mutex
};

inline void unpin(CachedBlock* block) {
  if (block->pins.fetch_sub(1, std::memory_order_acq_rel) == 1) delete block;
}

// Keeps a block for a cursor.
class PinnedBlock {
 public:
  PinnedBlock() = default;
  explicit PinnedBlock(CachedBlock* block) : block_(block) {}  // takes over one pin
  PinnedBlock(PinnedBlock&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  PinnedBlock& operator=(PinnedBlock&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~PinnedBlock() {
    if (block_ != nullptr) unpin(block_);
  }
  PinnedBlock(const PinnedBlock&) = delete;
  PinnedBlock& operator=(const PinnedBlock&) = delete;
  [[nodiscard]] CachedBlock* get() const { return block_; }

 private:
  CachedBlock* block_ = nullptr;
};

struct BlockCache::Implementation {
  Implementation(std::uint64_t most, base::EpochDomain& domain, std::size_t files_max)
      : bytes_max(most), epochs(domain), files(files_max) {}

  // Hangs `block` into `slot`, unless another has been faster: then that one is it. Returns it, pinned once for the
  // caller.
  CachedBlock* insert(std::atomic<CachedBlock*>& slot, std::unique_ptr<CachedBlock> block);
  // Takes the blocks of these slots out; nobody reads through them any more.
  void remove(std::span<std::atomic<CachedBlock*>* const> slots);

  std::atomic<std::uint64_t> bytes_max;
  base::EpochDomain& epochs;
  OpenFiles files;
  base::Mutex mutex;
  std::vector<CachedBlock*> ring;
  std::size_t hand = 0;
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> index_bytes{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> healed{0};
  struct alignas(64) HitCounter {
    std::atomic<std::uint64_t> count{0};
  };
  static constexpr std::size_t kHitCounters = 16;
  HitCounter hits[kHitCounters];  // by thread, so that hits do not share a line

 private:
  // Evicted blocks are gathered, and retired without the mutex: reclaiming may end a run, which takes it.
  void make_room(std::uint64_t wanted, std::vector<CachedBlock*>& gone);
  void evict(CachedBlock* block);
  void retire(const std::vector<CachedBlock*>& gone);
};

}  // namespace ingot::runs
