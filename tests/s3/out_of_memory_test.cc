// Memory that can't be had, at each place where a request asks for it in turn: no exception, no untruth, and the bucket
// goes on.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "s3/canned_server.h"
#include "s3/open_bucket.h"

namespace {

// How many more times this thread gets memory (negative: always); then once, or for good, it gets none.
thread_local long t_allocations_left = -1;
thread_local bool t_for_good = false;
thread_local long t_refused = 0;

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

// Not inlined: else gcc sees memory of one of them given to free, and not that the other is ours too.
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

namespace ingot::s3 {
namespace {

using namespace std::chrono_literals;
using storage::Outcome;

class OutOfMemory : public ::testing::TestWithParam<bool> {
 protected:
  // Runs a request with less memory than it wants, and with a little more each time, until it is enough.
  template <class Request>
  void squeeze(Request&& request) {
    const std::unique_ptr<storage::Bucket> bucket = open_bucket(
        "s3://bucket",
        Settings{Environment{
            {"AWS_ACCESS_KEY_ID", "id"}, {"AWS_SECRET_ACCESS_KEY", "secret"}, {"AWS_ENDPOINT_URL", server_.url()}}});
    bool squeezed = true;
    for (long allowed = 0; squeezed && allowed < 2000; ++allowed) {
      SCOPED_TRACE(allowed);
      t_refused = 0;
      t_for_good = GetParam();
      t_allocations_left = allowed;
      const Outcome outcome = request(*bucket);
      t_allocations_left = -1;
      squeezed = t_refused > 0;
      EXPECT_TRUE(outcome == Outcome::done ||
                  (squeezed && (outcome == Outcome::unanswered || outcome == Outcome::unsent)))
          << storage::outcome_name(outcome);
      EXPECT_EQ(request(*bucket), Outcome::done);
    }
    EXPECT_FALSE(squeezed);
  }
  CannedServer server_{[](const SeenRequest&) { return answer(200, std::string(100'000, 'x'), {{"ETag", "tag"}}); }};
};
INSTANTIATE_TEST_SUITE_P(, OutOfMemory, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "ForGood" : "Once"; });

TEST_P(OutOfMemory, APutIsUnanswered) {
  squeeze([](storage::Bucket& bucket) {
    return bucket.put("key", "bytes", storage::PutMode::create, {}, base::now() + 30s).outcome;
  });
}

TEST_P(OutOfMemory, AGetIsUnanswered) {
  squeeze([](storage::Bucket& bucket) {
    const storage::Got got = bucket.get("key", {}, base::now() + 30s);
    EXPECT_EQ(got.bytes.size(), got.outcome == Outcome::done ? 100'000U : 0U);
    return got.outcome;
  });
}

}  // namespace
}  // namespace ingot::s3
