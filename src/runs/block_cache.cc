#include "runs/block_cache.h"

#include <mutex>
#include <utility>

namespace ingot::runs {

CachedBlock* BlockCache::Implementation::insert(std::atomic<CachedBlock*>& slot, std::unique_ptr<CachedBlock> block) {
  std::vector<CachedBlock*> gone;
  CachedBlock* added = nullptr;
  {
    const std::lock_guard lock(mutex);
    if (CachedBlock* other = slot.load(std::memory_order_acquire)) {
      other->pins.fetch_add(1, std::memory_order_relaxed);
      return other;
    }
    make_room(block->memory_bytes(), gone);
    added = block.release();
    added->slot = &slot;
    added->place = ring.size();
    added->pins.store(2, std::memory_order_relaxed);
    ring.push_back(added);
    bytes.fetch_add(added->memory_bytes(), std::memory_order_relaxed);
    slot.store(added, std::memory_order_seq_cst);
  }
  retire(gone);
  return added;
}

void BlockCache::Implementation::make_room(std::uint64_t wanted, std::vector<CachedBlock*>& gone) {
  const std::uint64_t most = bytes_max.load(std::memory_order_relaxed);
  // Twice around takes every bit away: what is still not enough never will be, and the block is let in alone.
  for (std::size_t steps = 2 * ring.size(); steps > 0 && !ring.empty(); --steps) {
    if (bytes.load(std::memory_order_relaxed) + index_bytes.load(std::memory_order_relaxed) + wanted <= most) return;
    if (hand >= ring.size()) hand = 0;
    CachedBlock* block = ring[hand];
    if (block->used.exchange(false, std::memory_order_relaxed)) {
      ++hand;
    } else {
      evict(block);  // another takes its place: the hand stays
      gone.push_back(block);
    }
  }
}

void BlockCache::Implementation::evict(CachedBlock* block) {
  block->slot->store(nullptr, std::memory_order_seq_cst);
  bytes.fetch_sub(block->memory_bytes(), std::memory_order_relaxed);
  ring[block->place] = ring.back();
  ring[block->place]->place = block->place;
  ring.pop_back();
}

void BlockCache::Implementation::retire(const std::vector<CachedBlock*>& gone) {
  for (CachedBlock* block : gone) epochs.retire([block] { unpin(block); });
}

void BlockCache::Implementation::remove(std::span<std::atomic<CachedBlock*>* const> slots) {
  std::vector<CachedBlock*> gone;
  {
    const std::lock_guard lock(mutex);
    for (std::atomic<CachedBlock*>* slot : slots) {
      CachedBlock* block = slot->load(std::memory_order_relaxed);
      if (block == nullptr) continue;
      evict(block);
      gone.push_back(block);
    }
  }
  retire(gone);
}

BlockCache::BlockCache(std::uint64_t bytes_max, base::EpochDomain& epochs, std::size_t files_max)
    : implementation_(std::make_unique<Implementation>(bytes_max, epochs, files_max)) {}

BlockCache::~BlockCache() = default;

void BlockCache::set_bytes_max(std::uint64_t bytes_max) {
  implementation_->bytes_max.store(bytes_max, std::memory_order_relaxed);
}
std::size_t BlockCache::open_files() const {
  return implementation_->files.count();
}
std::uint64_t BlockCache::bytes() const {
  return implementation_->bytes.load(std::memory_order_relaxed);
}
std::uint64_t BlockCache::index_bytes() const {
  return implementation_->index_bytes.load(std::memory_order_relaxed);
}
std::uint64_t BlockCache::misses() const {
  return implementation_->misses.load(std::memory_order_relaxed);
}
std::uint64_t BlockCache::healed() const {
  return implementation_->healed.load(std::memory_order_relaxed);
}
std::uint64_t BlockCache::hits() const {
  std::uint64_t sum = 0;
  for (const Implementation::HitCounter& counter : implementation_->hits)
    sum += counter.count.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace ingot::runs
