// Memory that can't be had, at each place where a commit asks for it in turn: what throws has done nothing, what
// returns has done everything, and the store goes on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <optional>
#include <string>

#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace {

// How many more times this thread gets memory (negative: always); then once, or for good, it gets none.
thread_local long t_allocations_left = -1;
thread_local bool t_for_good = false;
thread_local long t_refused = 0;

// The operators are not inlined: else gcc sees memory of one of them given to free, and not that the other is ours too.
void* allocate(std::size_t bytes, std::size_t alignment) {
  if (t_allocations_left == 0) {
    if (!t_for_good) t_allocations_left = -1;
    ++t_refused;
    throw std::bad_alloc();
  }
  if (t_allocations_left > 0) --t_allocations_left;
  void* memory = alignment == 0 ? std::malloc(bytes == 0 ? 1 : bytes)
                                : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return allocate(bytes, 0);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace ingot {
namespace {

class OutOfMemory : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, OutOfMemory, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "ForGood" : "Once"; });

TEST_P(OutOfMemory, ACommitHappensOrNotAndTheStoreGoesOn) {
  const testing::TemporaryDirectory directory;
  const Space space("space");
  Store other = open(directory.path(), {.durability = Durability::process});
  std::optional<Store> store;
  bool failed = true;
  for (long allowed = 0; failed && allowed < 2000; ++allowed) {
    SCOPED_TRACE(allowed);
    if (!store) store.emplace(open(directory.path(), {.durability = Durability::process}));
    (void)store->version();
    const std::string key = "k" + std::to_string(allowed);
    const std::string big(3'000'000, 'v');  // a memtable asks for more memory
    std::optional<Version> version;
    std::string said;
    {
      Transaction tx = store->begin();
      (void)space.get(tx, "read");
      t_for_good = GetParam();
      t_refused = 0;
      t_allocations_left = allowed;
      try {
        space.put(tx, key, big);
        for (int i = 0; i < 3; ++i) space.erase_range(tx, between("x" + std::to_string(i), "y"));
        space.add(tx, "sum", 1);
        version = tx.commit();
      } catch (const Error& error) {
        said = error.what();
      } catch (const std::bad_alloc&) {
        said = "bad_alloc";
      }
      t_allocations_left = -1;
      failed = t_refused != 0;
    }
    const bool there = space.get(other, key).has_value();
    ASSERT_TRUE(there || !version) << said;
    try {
      (void)store->version();  // if it stopped, the outcome is as open as when a process dies within its commit
      ASSERT_TRUE(version || !there) << said;
      ASSERT_EQ(space.get(*store, key).has_value(), there) << said;
      space.put(*store, "after", key);
      ASSERT_EQ(space.get(other, "after")->view(), key);
      if (const std::optional<Value> sum = space.get(other, "sum")) {
        ASSERT_EQ(space.get(*store, "sum")->counter(), sum->counter()) << said;
      }
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::closed) << error.what();  // it stopped before anything wrong was done
      store.reset();
    }
  }
  EXPECT_FALSE(failed) << "more places than expected";
}

}  // namespace
}  // namespace ingot
