// Memory that can't be had, at each place where the thread that follows a bucket's log asks for it in turn: what it
// passes on is what was appended, in order and without a gap, and it goes on.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "bucket_fixture.h"

namespace {

std::atomic<bool> g_is_armed{false};
std::atomic<long> g_next{0};
std::atomic<long> g_refused{0};

// What a queue asks for when it grows, in libstdc++: one in hundreds of requests, so some followers count these alone.
constexpr std::size_t kNodeBytesMin = 480;
constexpr std::size_t kNodeBytesMax = 512;
constexpr long kCountNodes = 40;

// The n-th follower gets memory n times once it counts, then once none.
bool is_refused(std::size_t bytes) {
  static thread_local const long t_number = [] {
    char name[32] = "";
    const bool is_follower =
        ::pthread_getname_np(::pthread_self(), name, sizeof name) == 0 && std::strcmp(name, "ingot-log") == 0;
    return is_follower ? g_next.fetch_add(1) : -1;
  }();
  static thread_local long t_left = t_number < kCountNodes ? t_number : t_number - kCountNodes;
  if (t_number < 0 || (t_number < kCountNodes && (bytes < kNodeBytesMin || bytes > kNodeBytesMax))) return false;
  return t_left-- == 0;
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (g_is_armed.load() && is_refused(bytes)) {
    ++g_refused;
    throw std::bad_alloc();
  }
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

namespace ingot::log {
namespace {

using namespace std::chrono_literals;

TEST(BucketLogOutOfMemory, AFollowerLosesNoEntry) {
  constexpr std::size_t kFollowers = 240;
  MemoryBucket bucket;
  const auto open = [&](BucketHandle& handle) {
    BucketLogOptions options = handle.options();
    options.slot_bytes_max = 4000;
    ASSERT_TRUE(handle.open(bucket, std::move(options), 10s)) << handle.why;
  };
  std::vector<BucketHandle> followers(kFollowers);
  for (BucketHandle& follower : followers) open(follower);
  BucketHandle writer;
  BucketLogOptions options = writer.options();
  options.slot_bytes_max = 4000;
  ASSERT_TRUE(writer.open(bucket, std::move(options), 10s)) << writer.why;
  for (int i = 0; i < 80; ++i) {
    const std::string payload = std::to_string(i) + std::string(i % 8 == 5 ? 8000 : 40, 'x');
    ASSERT_EQ(writer.append(payload), Append::kept);
  }
  g_is_armed = true;
  std::vector<std::thread> threads;
  std::vector<Read> outcomes(kFollowers);
  for (std::size_t i = 0; i < kFollowers; ++i) {
    threads.emplace_back([&, i] { outcomes[i] = followers[i].look_and_read(60s); });
  }
  for (std::thread& thread : threads) thread.join();
  g_is_armed = false;
  for (std::size_t i = 0; i < kFollowers; ++i) {
    const BucketHandle& follower = followers[i];
    ASSERT_LE(follower.payloads.size(), writer.payloads.size());
    for (std::size_t k = 0; k < follower.payloads.size(); ++k) EXPECT_EQ(follower.payloads[k], writer.payloads[k]) << i;
    // Who can't go on opens anew.
    EXPECT_TRUE(outcomes[i] == Read::gone || outcomes[i] == Read::caught_up) << i << " " << follower.log->why();
    if (outcomes[i] == Read::caught_up) {
      EXPECT_EQ(follower.payloads.size(), writer.payloads.size()) << i;
    }
  }
  EXPECT_GT(g_refused.load(), 150);
  EXPECT_GT(base::probe_count("bucket: no memory for what is remembered of an entry"), 0U);
}

}  // namespace
}  // namespace ingot::log
