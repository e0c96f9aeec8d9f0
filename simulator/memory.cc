#include "memory.h"

#include <cstdlib>
#include <new>

#include "fiber.h"

#ifdef INGOT_SIMULATOR_ASAN
#include <dlfcn.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace ingot::simulator {

struct Allocations::Header {
  Header* previous;
  Header* next;
  Allocations* list;  // null: not linked
  std::size_t bytes;
  void* block;  // what malloc gave
  std::uint64_t magic;
};

namespace {

using Header = Allocations::Header;
constexpr std::uint64_t kMagic = 0x1960'7a11'0c8e'd5f3;
constexpr std::uint64_t kFreed = 0xdead'beef'dead'beef;
static_assert(sizeof(Header) % alignof(std::max_align_t) == 0);

constinit thread_local Allocations* current_list = nullptr;
constinit thread_local Allocations* host_list = nullptr;

Header* header_of(void* payload) {
  return reinterpret_cast<Header*>(static_cast<char*>(payload) - sizeof(Header));
}

}  // namespace

Allocations::Allocations() = default;

Allocations* Allocations::current() {
  return current_list;
}

void Allocations::set_current(Allocations* list) {
  current_list = list;
}

Allocations* Allocations::of_host() {
  return host_list;
}

void Allocations::set_of_host(Allocations* list) {
  host_list = list;
}

void Allocations::disown_all() {
  while (first_ != nullptr) {
    Header* header = first_;
    first_ = header->next;
    header->list = nullptr;
    header->next = header->previous = nullptr;
  }
  count_ = 0;
  bytes_ = 0;
}

void Allocations::abandon_all() {
#ifdef INGOT_SIMULATOR_ASAN
  for (Header* header = first_; header != nullptr; header = header->next) __lsan_ignore_object(header->block);
#endif
  disown_all();
}

void Allocations::free_all() {
  while (first_ != nullptr) {
    Header* header = first_;
    first_ = header->next;
    header->magic = kFreed;
    std::free(header->block);
  }
  count_ = 0;
  bytes_ = 0;
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t before = alignment <= alignof(std::max_align_t)
                                 ? sizeof(Header)
                                 : (sizeof(Header) + alignment - 1) / alignment * alignment;
  const std::size_t total = before + bytes;
  void* block = alignment <= alignof(std::max_align_t)
                    ? std::malloc(total)
                    : std::aligned_alloc(alignment, (total + alignment - 1) / alignment * alignment);
  if (block == nullptr) return nullptr;
  char* payload = static_cast<char*>(block) + before;
  Allocations* list = current_list;
  Header* header = header_of(payload);
  *header = {nullptr, nullptr, list, bytes, block, kMagic};
  if (list != nullptr) {
    header->next = list->first_;
    if (list->first_ != nullptr) list->first_->previous = header;
    list->first_ = header;
    ++list->count_;
    list->bytes_ += bytes;
    if (list->bytes_ > list->bytes_peak_) list->bytes_peak_ = list->bytes_;
  }
  return payload;
}

void release(void* payload) {
  if (payload == nullptr) return;
  Header* header = header_of(payload);
  if (header->magic != kMagic) std::abort();  // freed twice, or never ours
  header->magic = kFreed;
  if (Allocations* list = header->list; list != nullptr) {
    if (header->previous != nullptr) header->previous->next = header->next;
    if (header->next != nullptr) header->next->previous = header->previous;
    if (list->first_ == header) list->first_ = header->next;
    --list->count_;
    list->bytes_ -= header->bytes;
  }
  std::free(header->block);
}

namespace {

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* payload = allocate(bytes, alignment);
  if (payload == nullptr) throw std::bad_alloc();
  return payload;
}

constexpr std::size_t kPlain = alignof(std::max_align_t);

}  // namespace
}  // namespace ingot::simulator

using ingot::simulator::allocate;
using ingot::simulator::allocate_or_throw;
using ingot::simulator::kPlain;
using ingot::simulator::release;

void* operator new(std::size_t bytes) {
  return allocate_or_throw(bytes, kPlain);
}
void* operator new[](std::size_t bytes) {
  return allocate_or_throw(bytes, kPlain);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, kPlain);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, kPlain);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* payload) noexcept {
  release(payload);
}
void operator delete[](void* payload) noexcept {
  release(payload);
}
void operator delete(void* payload, std::size_t) noexcept {
  release(payload);
}
void operator delete[](void* payload, std::size_t) noexcept {
  release(payload);
}
void operator delete(void* payload, std::align_val_t) noexcept {
  release(payload);
}
void operator delete[](void* payload, std::align_val_t) noexcept {
  release(payload);
}
void operator delete(void* payload, std::size_t, std::align_val_t) noexcept {
  release(payload);
}
void operator delete[](void* payload, std::size_t, std::align_val_t) noexcept {
  release(payload);
}
void operator delete(void* payload, const std::nothrow_t&) noexcept {
  release(payload);
}
void operator delete[](void* payload, const std::nothrow_t&) noexcept {
  release(payload);
}

#ifdef INGOT_SIMULATOR_ASAN
// An exception is not allocated with operator new. A process that is killed while one is on its way leaves it behind,
// and that is no leak of anybody's.
extern "C" void* __cxa_allocate_exception(std::size_t bytes) noexcept {
  using Allocate = void* (*)(std::size_t);
  static const auto real = reinterpret_cast<Allocate>(dlsym(RTLD_NEXT, "__cxa_allocate_exception"));
  void* exception = real(bytes);
  if (ingot::simulator::Allocations::current() != nullptr) __lsan_ignore_object(exception);
  return exception;
}
// What std::rethrow_exception makes. Under another name: headers declare it, each in its own way.
extern "C" void* allocate_dependent_exception() noexcept __asm__("__cxa_allocate_dependent_exception");
extern "C" void* allocate_dependent_exception() noexcept {
  using Allocate = void* (*)();
  static const auto real = reinterpret_cast<Allocate>(dlsym(RTLD_NEXT, "__cxa_allocate_dependent_exception"));
  void* exception = real();
  if (ingot::simulator::Allocations::current() != nullptr) __lsan_ignore_object(exception);
  return exception;
}
#endif
