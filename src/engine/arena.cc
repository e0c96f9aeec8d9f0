#include "engine/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ingot::engine {

namespace {

constexpr std::size_t kCacheLineBytes = 64;
constexpr std::size_t kHugePageBytes = 2 * 1024 * 1024;

// A piece of at least this part of a chunk gets a chunk of its own, so that little is lost at a chunk's end.
constexpr std::size_t kOwnChunkPart = 4;

// Maps `bytes` (a multiple of kHugePageBytes) at a huge-page boundary, or returns null.
char* map_aligned(std::size_t bytes) {
  void* mapped = mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(mapped);
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(begin) % kHugePageBytes;
  const std::size_t before = misaligned == 0 ? 0 : kHugePageBytes - misaligned;
  if (before != 0) munmap(begin, before);
  munmap(begin + before + bytes, kHugePageBytes - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // a wish; it works without
  return begin + before;
}

}  // namespace

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) {
    if (chunk.mapped) {
      munmap(chunk.at, chunk.bytes);
    } else {
      ::operator delete (chunk.at, std::align_val_t{kCacheLineBytes});
    }
  }
}

char* Arena::make_chunk(std::size_t bytes) {
  chunks_.reserve(chunks_.size() + 1);
  Chunk chunk{nullptr, bytes, false};
  if (bytes % kHugePageBytes == 0) {
    chunk.at = map_aligned(bytes);
    if (chunk.at == nullptr) throw std::bad_alloc();
    chunk.mapped = true;
  } else {
    chunk.at = static_cast<char*>(::operator new (bytes, std::align_val_t{kCacheLineBytes}));
  }
  chunks_.push_back(chunk);
  return chunk.at;
}

void* Arena::allocate_slowly(std::size_t bytes, std::size_t alignment) {
  if (bytes >= next_chunk_bytes_ / kOwnChunkPart) {
    const std::size_t rounded = bytes < kHugePageBytes ? bytes : (bytes + kHugePageBytes - 1) & ~(kHugePageBytes - 1);
    char* own = make_chunk(rounded);
    note(rounded);
    return own;  // a chunk starts at a cache line
  }
  at_ = make_chunk(next_chunk_bytes_);
  end_ = at_ + next_chunk_bytes_;
  next_chunk_bytes_ = std::min(next_chunk_bytes_ * 2, kHugePageBytes);
  assert(alignment <= kCacheLineBytes);
  static_cast<void>(alignment);
  char* result = at_;
  at_ += bytes;
  note(bytes);
  return result;
}

void* Arena::allocate_lines(std::size_t bytes) {
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(at_) % kCacheLineBytes;
  const std::size_t padding = misaligned == 0 ? 0 : kCacheLineBytes - misaligned;
  if (static_cast<std::size_t>(end_ - at_) < padding + bytes) return allocate_slowly(bytes, kCacheLineBytes);
  char* result = at_ + padding;
  at_ += padding + bytes;
  note(padding + bytes);
  return result;
}

}  // namespace ingot::engine
