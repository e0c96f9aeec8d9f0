// Memory that is handed out piece by piece and given back all at once.
//
// One thread allocates; bytes() may be asked by any. Chunks grow from 16 KiB to 2 MiB, so a small table is small; the
// largest are mapped on huge-page boundaries and given back to the system by the destructor at once: most of what a
// look-up in a large table costs is cache and TLB misses.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ingot::engine {

class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Room for `bytes`, aligned to 8. Lives as long as the arena. Throws std::bad_alloc.
  void* allocate(std::size_t bytes) {
    bytes = (bytes + 7) & ~std::size_t{7};
    if (static_cast<std::size_t>(end_ - at_) < bytes) return allocate_slowly(bytes, 8);
    char* result = at_;
    at_ += bytes;
    note(bytes);
    return result;
  }
  // The same, aligned to a cache line.
  void* allocate_lines(std::size_t bytes);

  // What was handed out, alignment included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Chunk {
    char* at;
    std::size_t bytes;
    bool mapped;
  };
  void* allocate_slowly(std::size_t bytes, std::size_t alignment);
  char* make_chunk(std::size_t bytes);
  void note(std::size_t bytes) {
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  char* at_ = nullptr;
  char* end_ = nullptr;
  std::size_t next_chunk_bytes_ = 16 * 1024;
  std::vector<Chunk> chunks_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace ingot::engine
