// Typed access to the bytes of `live`, and what Live keeps. Shared between live.cc and the directory log.
#pragma once

#include <atomic>
#include <memory>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/thread.h"
#include "log/live.h"
#include "log/live_format.h"
#include "storage/directory.h"

namespace ingot::log {

/// A point of the log, as `live` tells it.
struct LiveCell {
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;
  std::uint64_t segment = 0;
};

/// Any thread. Over a mapping; or, for readers that may not write, over the file.
class LiveMemory {
 public:
  /// Whether there is a `live`; a reader may come before the first writer has made it. Then what follows may be used.
  [[nodiscard]] bool ready() const { return ready_.load(std::memory_order_acquire); }
  void set_ready() { ready_.store(true, std::memory_order_release); }

  /// False: it holds no such thing: it was damaged.
  bool load(std::size_t at, LiveCell& cell) const;
  /// What changes with each entry that is published, and with each handle that publishes or makes it anew.
  [[nodiscard]] std::uint64_t news_hash() const;
  void store(std::size_t at, const LiveCell& cell);

  [[nodiscard]] std::uint32_t word(std::size_t at) const { return half(at).load(std::memory_order_acquire); }
  void set_word(std::size_t at, std::uint32_t value) { half(at).store(value, std::memory_order_release); }
  std::uint32_t exchange_word(std::size_t at, std::uint32_t value) { return half(at).exchange(value); }
  void bump_and_wake(std::size_t at) {
    half(at).fetch_add(1);
    memory->wake_all(at);
  }
  bool wait_until(std::size_t at, std::uint32_t expected, base::Instant deadline) {
    return memory->wait_until(at, expected, deadline);
  }
  [[nodiscard]] std::uint64_t number(std::size_t at) const { return full(at).load(std::memory_order_acquire); }
  void set_number(std::size_t at, std::uint64_t value) { full(at).store(value, std::memory_order_release); }

  void replace_number(std::size_t at, std::uint64_t expected, std::uint64_t value) {
    full(at).compare_exchange_strong(expected, value);
  }

  std::unique_ptr<storage::SharedMemory> memory;  // null: read-only
  storage::File* file = nullptr;                  // read-only, if there is a `live`
  std::uint64_t key = 0;                          // of the store, seeds the hashes

 private:
  std::atomic<bool> ready_{false};
  bool load_copy(std::size_t at, LiveCell& cell) const;
  void store_copy(std::size_t at, const LiveCell& cell);
  [[nodiscard]] std::atomic_ref<std::uint32_t> half(std::size_t at) const {
    return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(memory->data() + at));
  }
  [[nodiscard]] std::atomic_ref<std::uint64_t> full(std::size_t at) const {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(memory->data() + at));
  }
};

struct Live::Implementation {
  explicit Implementation(storage::Directory& from) : directory(from) {}
  storage::Directory& directory;
  std::unique_ptr<storage::File> file;    // carries all the locks
  std::unique_ptr<storage::File> header;  // `store`, with a second lock of presence; null: there is none
  LiveMemory memory;
  bool read_only = false;
  bool alone = false;
  std::uint32_t fork_generation = 0;
  std::atomic<bool> opening{false};  // we hold the opening lock
  std::uint64_t token = 0;           // of this handle
  storage::IoError take_slot();      // for our pin; ours until the file is closed
  storage::IoError take_part();      // by the second lock of presence
  void attach();                     // of a reader: to the `live` that writers have made, if there is one
  std::size_t slot = 0;
  bool slotted = false;  // we hold the lock of `slot`; a reader that may not write to `live` has none
  base::Mutex mutex;     // guards what follows
  bool maintaining = false;
  [[nodiscard]] bool is_child() const { return base::fork_generation() != fork_generation; }
};

}  // namespace ingot::log
