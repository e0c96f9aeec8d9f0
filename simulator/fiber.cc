#include "fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "memory.h"

#ifdef INGOT_SIMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__x86_64__)
extern "C" void ingot_simulator_switch(void** save_point, void* go_on_at);
extern "C" void ingot_simulator_enter();

// Saves what a called function must keep (System V ABI), changes the stack, restores it from there.
asm(R"(
.pushsection .text
.type ingot_simulator_switch, @function
ingot_simulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ingot_simulator_switch, .-ingot_simulator_switch
.popsection
)");
#endif

namespace ingot::simulator {

namespace {

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

#ifdef INGOT_SIMULATOR_ASAN
// AddressSanitizer keeps some frames of a stack elsewhere, and lets go of them only where a switch says that it is the
// last. A fiber that is abandoned never says so: here it is said for it.
__attribute__((no_sanitize("address"))) static void end_fake_stack(void* fake_stack, const char* stack) {
  void* ours = nullptr;
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_start_switch_fiber(&ours, stack, StackPool::kStackBytes);
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
  __sanitizer_start_switch_fiber(nullptr, bottom, bytes);
  __sanitizer_finish_switch_fiber(ours, nullptr, nullptr);
}
#endif

StackPool::~StackPool() {
  for (char* stack : free_) munmap(stack - page_bytes(), kStackBytes + page_bytes());
}

char* StackPool::take() {
  if (!free_.empty()) {
    char* stack = free_.back();
    free_.pop_back();
    return stack;
  }
  const std::size_t guard = page_bytes();
  void* memory =
      mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) != 0) {
    std::perror("simulator: no memory for a fiber's stack");
    std::abort();
  }
  return static_cast<char*>(memory) + guard;
}

void StackPool::give_back(char* stack) {
#ifdef INGOT_SIMULATOR_ASAN
  __asan_unpoison_memory_region(stack, kStackBytes);  // an abandoned fiber leaves its frames' redzones
#endif
  HostMemory host;
  free_.push_back(stack);
}

#if defined(__x86_64__)

// The fiber's first frame: it has no caller, and the first switch to it returns into it.
asm(R"(
.pushsection .text
.type ingot_simulator_enter, @function
ingot_simulator_enter:
  .cfi_startproc
  .cfi_undefined rip
  movq %r12, %rdi
  callq *%rbx
  ud2
  .cfi_endproc
.size ingot_simulator_enter, .-ingot_simulator_enter
.popsection
)");

Fiber::Fiber(StackPool& pool, void (*entry)(void*), void* argument)
    : pool_(pool), stack_(pool.take()), entry_(entry), argument_(argument) {
  // From the top: room that keeps the stack aligned to 16 bytes at the call, the return address, six registers.
  void** top = reinterpret_cast<void**>(stack_ + StackPool::kStackBytes) - 2;
  *--top = reinterpret_cast<void*>(&ingot_simulator_enter);
  *--top = nullptr;                                 // rbp: the last frame
  *--top = reinterpret_cast<void*>(&Fiber::start);  // rbx
  *--top = this;                                    // r12
  for (int i = 0; i < 3; ++i) *--top = nullptr;     // r13, r14, r15
  fiber_point_ = top;
}

Fiber::~Fiber() {
#ifdef INGOT_SIMULATOR_ASAN
  if (fiber_fake_stack_ != nullptr) end_fake_stack(fiber_fake_stack_, stack_);
#endif
  pool_.give_back(stack_);
}

#else

void Fiber::start_parts(unsigned int high, unsigned int low) {
  start(reinterpret_cast<void*>((static_cast<std::uintptr_t>(high) << 32) | low));
}

Fiber::Fiber(StackPool& pool, void (*entry)(void*), void* argument)
    : pool_(pool), stack_(pool.take()), entry_(entry), argument_(argument) {
  auto* fiber = new ucontext_t;
  auto* host = new ucontext_t;
  getcontext(fiber);
  fiber->uc_stack.ss_sp = stack_;
  fiber->uc_stack.ss_size = StackPool::kStackBytes;
  fiber->uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(fiber, reinterpret_cast<void (*)()>(&Fiber::start_parts), 2, static_cast<unsigned int>(self >> 32),
              static_cast<unsigned int>(self));
  fiber_point_ = fiber;
  host_point_ = host;
}

Fiber::~Fiber() {
#ifdef INGOT_SIMULATOR_ASAN
  if (fiber_fake_stack_ != nullptr) end_fake_stack(fiber_fake_stack_, stack_);
#endif
  delete static_cast<ucontext_t*>(fiber_point_);
  delete static_cast<ucontext_t*>(host_point_);
  pool_.give_back(stack_);
}

#endif

void Fiber::start(void* self) {
  auto* fiber = static_cast<Fiber*>(self);
#ifdef INGOT_SIMULATOR_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &fiber->host_stack_, &fiber->host_stack_bytes_);
#endif
  fiber->entry_(fiber->argument_);
  std::abort();  // entry must not return
}

void Fiber::resume() {
  auto* globals = reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
  const ExceptionState host_exceptions = std::exchange(*globals, exceptions_);
#ifdef INGOT_SIMULATOR_ASAN
  void* host_fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&host_fake_stack, stack_, StackPool::kStackBytes);
#endif
#if defined(__x86_64__)
  ingot_simulator_switch(&host_point_, fiber_point_);
#else
  swapcontext(static_cast<ucontext_t*>(host_point_), static_cast<ucontext_t*>(fiber_point_));
#endif
#ifdef INGOT_SIMULATOR_ASAN
  __sanitizer_finish_switch_fiber(host_fake_stack, nullptr, nullptr);
#endif
  exceptions_ = std::exchange(*globals, host_exceptions);
}

void Fiber::suspend() {
#ifdef INGOT_SIMULATOR_ASAN
  __sanitizer_start_switch_fiber(&fiber_fake_stack_, host_stack_, host_stack_bytes_);
#endif
#if defined(__x86_64__)
  ingot_simulator_switch(&fiber_point_, host_point_);
#else
  swapcontext(static_cast<ucontext_t*>(fiber_point_), static_cast<ucontext_t*>(host_point_));
#endif
#ifdef INGOT_SIMULATOR_ASAN
  __sanitizer_finish_switch_fiber(fiber_fake_stack_, &host_stack_, &host_stack_bytes_);
#endif
}

}  // namespace ingot::simulator
