#include "base/epoch.h"

#include <array>
#include <deque>
#include <limits>
#include <mutex>

#include "base/simulation.h"

namespace ingot::base {

namespace {
constexpr std::uint64_t kOutside = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kSlotsPerChunk = 64;
constexpr std::size_t kChunksMax = 256;  // 16384 threads at once; beyond, slots are shared under a lock
}  // namespace

// One thread's place. `depth` is its own; `epoch` is read by those who reclaim.
struct alignas(64) EpochDomain::Slot {
  std::atomic<std::uint64_t> epoch{kOutside};
  std::uint32_t depth = 0;
  bool shared = false;
};

struct EpochDomain::Chunk {
  std::array<Slot, kSlotsPerChunk> slots;
};

struct EpochDomain::Implementation {
  std::atomic<std::uint64_t> epoch{1};
  std::array<std::atomic<Chunk*>, kChunksMax> chunks{};
  Mutex mutex;  // chunks being made, the retired, the shared slot's depth
  struct Retired {
    std::uint64_t epoch;
    std::function<void()> reclaim;
  };
  std::deque<Retired> retired;
  std::atomic<std::size_t> retired_count{0};
  Slot shared;
};

EpochDomain::EpochDomain() : implementation_(std::make_unique<Implementation>()) {
  implementation_->shared.shared = true;
}

EpochDomain::~EpochDomain() {
  // What is reclaimed may retire more.
  while (!implementation_->retired.empty()) {
    const std::function<void()> reclaim = std::move(implementation_->retired.front().reclaim);
    implementation_->retired.pop_front();
    reclaim();
  }
  for (std::atomic<Chunk*>& chunk : implementation_->chunks) delete chunk.load();
}

void* EpochDomain::enter() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) s->step();
#endif
  Implementation& implementation = *implementation_;
  const std::uint32_t index = thread_index();
  Slot* slot = nullptr;
  if (index < kSlotsPerChunk * kChunksMax) {
    std::atomic<Chunk*>& place = implementation.chunks[index / kSlotsPerChunk];
    Chunk* chunk = place.load(std::memory_order_acquire);
    if (chunk == nullptr) {
      const std::lock_guard lock(implementation.mutex);
      chunk = place.load(std::memory_order_relaxed);
      if (chunk == nullptr) {
        chunk = new Chunk;
        place.store(chunk, std::memory_order_release);
      }
    }
    slot = &chunk->slots[index % kSlotsPerChunk];
    if (slot->depth++ != 0) return slot;
    // Sequentially consistent: what is read after this is read after the slot can be seen.
    slot->epoch.store(implementation.epoch.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    return slot;
  }
  slot = &implementation.shared;
  const std::lock_guard lock(implementation.mutex);
  if (slot->depth++ == 0) slot->epoch.store(implementation.epoch.load(), std::memory_order_seq_cst);
  return slot;
}

void EpochDomain::leave(void* place) {
  Slot* slot = static_cast<Slot*>(place);
  if (!slot->shared) {
    if (--slot->depth == 0) slot->epoch.store(kOutside, std::memory_order_release);
    return;
  }
  const std::lock_guard lock(implementation_->mutex);
  if (--slot->depth == 0) slot->epoch.store(kOutside, std::memory_order_release);
}

void EpochDomain::retire(std::function<void()> reclaim) {
  {
    const std::lock_guard lock(implementation_->mutex);
    const std::uint64_t epoch = implementation_->epoch.fetch_add(1, std::memory_order_seq_cst);
    implementation_->retired.push_back({epoch, std::move(reclaim)});
    implementation_->retired_count.store(implementation_->retired.size(), std::memory_order_relaxed);
  }
  collect();
}

void EpochDomain::collect() {
  if (implementation_->retired_count.load(std::memory_order_relaxed) == 0) return;
  std::vector<std::function<void()>> ready;
  {
    const std::lock_guard lock(implementation_->mutex);
    // A guard that entered at epoch e may see whatever was retired at e or later.
    std::uint64_t oldest = implementation_->shared.epoch.load(std::memory_order_seq_cst);
    for (const std::atomic<Chunk*>& place : implementation_->chunks) {
      const Chunk* chunk = place.load(std::memory_order_acquire);
      if (chunk == nullptr) continue;
      for (const Slot& slot : chunk->slots) oldest = std::min(oldest, slot.epoch.load(std::memory_order_seq_cst));
    }
    std::deque<Implementation::Retired>& retired = implementation_->retired;
    while (!retired.empty() && retired.front().epoch < oldest) {
      ready.push_back(std::move(retired.front().reclaim));
      retired.pop_front();
    }
    implementation_->retired_count.store(retired.size(), std::memory_order_relaxed);
  }
  for (const std::function<void()>& reclaim : ready) reclaim();
}

}  // namespace ingot::base
