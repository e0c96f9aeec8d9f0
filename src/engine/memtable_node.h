// What a memtable's tree is made of: records, leaves, inner nodes, and how a key is looked for inside a node.
//
// A record is immutable once it is linked. Nodes are read without locks while the one writer works:
//
// 1. A leaf holds at most kLeafSlots keys. Slots [0, sorted) are in key order since the leaf was made (or grew at its
//    end); up to kTailMax more follow in order of arrival, and `state` says how many and in which order. A slot is
//    written before the state that counts it is published, and its head never changes while the leaf is in use.
// 2. An inner node never changes but for its children: a child's replacement is one store. Anything else makes a new
//    node, and the old one is retired (memtable_tree.h says when it may be used again).
// 3. All fields that are read concurrently are atomics, read with acquire and written with release: on x86-64 these are
//    plain moves. Even a reader that meets a node used again finds pointers that are valid and of the right type; it
//    notices afterwards, and starts over.
//
// Heads: the 4 bytes of a key after the node's common prefix, as a big-endian number. All internal keys of a space
// begin with its name, so without the prefix cut off most heads of a node would be the same. (8 bytes were slower by a
// tenth to a quarter: a search then fetches nine cache lines instead of five.)
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "engine/internal_key.h"
#include "runs/record.h"

namespace ingot::engine {

// One version of a key, in the arena: this header, `extra_bytes`, the key, the value. The extra bytes are
//   if there is an older version:  16: a pointer to some older one, and how many there are
//   a value that expires:           8: when
//   an add:                        16: the commit times of the first and the last of the operands that it sums up
//
// A key may get very many versions, and a reader may want an old one. The second pointer leads as far back as in a
// skew-binary list (Myers, "An applicative random-access stack", 1983): log2(n) steps reach any version.
struct RecordNode {
  std::uint64_t version;
  const RecordNode* older;  // the version before, or null
  std::uint32_t value_bytes;
  std::uint16_t key_bytes;
  runs::RecordKind kind;
  std::uint8_t extra_bytes;

  static constexpr std::uint8_t kJumpBytes = 16;
  static constexpr std::uint8_t kExpiryBytes = 8;
  static constexpr std::uint8_t kTimesBytes = 16;

  [[nodiscard]] const char* extra() const { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] const char* extra_end() const { return extra() + extra_bytes; }
  [[nodiscard]] std::string_view key() const { return {extra_end(), key_bytes}; }
  [[nodiscard]] std::string_view value() const { return {extra_end() + key_bytes, value_bytes}; }
  [[nodiscard]] std::int64_t expires_micros() const {
    if (kind != runs::RecordKind::value || (extra_bytes & kExpiryBytes) == 0) return 0;
    return static_cast<std::int64_t>(base::load_little<std::uint64_t>(extra_end() - 8));
  }
  [[nodiscard]] std::int64_t first_time_micros() const {
    return static_cast<std::int64_t>(base::load_little<std::uint64_t>(extra_end() - 16));
  }
  [[nodiscard]] std::int64_t last_time_micros() const {
    return static_cast<std::int64_t>(base::load_little<std::uint64_t>(extra_end() - 8));
  }
  [[nodiscard]] std::uint64_t sum() const { return base::load_little<std::uint64_t>(value().data()); }

  // The first version of a key leads to itself.
  [[nodiscard]] const RecordNode* jump() const {
    if (older == nullptr) return this;
    return reinterpret_cast<const RecordNode*>(base::load_little<std::uint64_t>(extra()));
  }
  [[nodiscard]] std::uint64_t depth() const {
    return older == nullptr ? 0 : base::load_little<std::uint64_t>(extra() + 8);
  }
  // What stands in the jump bytes of the record that comes after `this`.
  void store_jump_after(char* to) const {
    const RecordNode* far = jump();
    const bool merge = depth() - far->depth() == far->depth() - far->jump()->depth();
    const RecordNode* target = merge ? far->jump() : this;
    base::store_little(to, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(target)));
    base::store_little(to + 8, depth() + 1);
  }
  // The newest of this record and older ones for which `wanted` holds, or null. It holds for all older ones, too.
  template <class Wanted>
  [[nodiscard]] const RecordNode* newest_where(Wanted wanted) const {
    const RecordNode* record = this;
    while (!wanted(*record)) {
      if (record->older == nullptr) return nullptr;
      const RecordNode* far = record->jump();
      record = wanted(*far) ? record->older : far;
    }
    return record;
  }
};
static_assert(sizeof(RecordNode) == 24);
static_assert(kInternalKeyBytesMax <= 0xffff, "key_bytes has 16 bits");
static_assert(kValueBytesMax <= 0xffffffff, "value_bytes has 32 bits");

// A piece of some record's key in one word, so that pointer and length are always read together.
class KeyRef {
 public:
  KeyRef() = default;
  explicit KeyRef(std::uint64_t word) : word_(word) {}
  explicit KeyRef(std::string_view bytes)
      : word_(reinterpret_cast<std::uintptr_t>(bytes.data()) | static_cast<std::uint64_t>(bytes.size()) << 48) {
    static_assert(sizeof(void*) == 8, "user addresses have 48 bits");
  }
  [[nodiscard]] std::uint64_t word() const { return word_; }
  [[nodiscard]] bool exists() const { return word_ != 0; }
  [[nodiscard]] std::size_t size() const { return word_ >> 48; }
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(word_ & 0xffffffffffffULL), size()};
  }

 private:
  std::uint64_t word_ = 0;
};

inline std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i + 8 <= limit) {
    const std::uint64_t difference = base::load_big64(a.data() + i) ^ base::load_big64(b.data() + i);
    if (difference != 0) return i + static_cast<std::size_t>(std::countl_zero(difference)) / 8;
    i += 8;
  }
  while (i < limit && a[i] == b[i]) ++i;
  return i;
}

using Head = std::uint32_t;
inline Head make_head(std::string_view key, std::size_t skip) {
  if (key.size() >= skip + sizeof(Head)) return base::load_big32(key.data() + skip);
  Head head = 0;
  int shift = 24;
  for (std::size_t i = skip; i < key.size(); ++i, shift -= 8) {
    head |= static_cast<Head>(static_cast<unsigned char>(key[i])) << shift;
  }
  return head;
}

// How many of the `count` ascending heads are lower than `head`. Without branches: their outcome would be chance.
inline std::size_t heads_below(const std::atomic<Head>* heads, std::size_t count, Head head) {
  std::size_t base = 0;
  while (count > 1) {
    const std::size_t half = count / 2;
    base += half * static_cast<std::size_t>(heads[base + half - 1].load(std::memory_order_acquire) < head);
    count -= half;
  }
  return base + (count == 1 && heads[base].load(std::memory_order_acquire) < head ? 1 : 0);
}

inline constexpr std::size_t kLeafSlots = 64;
inline constexpr std::size_t kTailMax = 13;

// A leaf's state in one word: how many slots are sorted, how many are in the tail, and the tail's order.
class LeafState {
 public:
  LeafState() = default;
  explicit LeafState(std::uint64_t word) : word_(word) {}
  static LeafState of_sorted(std::size_t count) { return LeafState(static_cast<std::uint64_t>(count)); }
  [[nodiscard]] std::uint64_t word() const { return word_; }
  [[nodiscard]] std::size_t sorted() const { return word_ & 0x7f; }
  [[nodiscard]] std::size_t tail() const { return (word_ >> 7) & 0xf; }
  [[nodiscard]] std::size_t count() const { return sorted() + tail(); }
  // The slot of the tail's `rank`-th key.
  [[nodiscard]] std::size_t tail_slot(std::size_t rank) const {
    return sorted() + ((word_ >> (kOrderShift + 4 * rank)) & 0xf);
  }
  // With one more slot at the tail's end, whose key is the tail's `rank`-th.
  [[nodiscard]] LeafState with_tail(std::size_t rank) const {
    const std::uint64_t order = word_ >> kOrderShift;
    const std::uint64_t low = order & ((1ULL << (4 * rank)) - 1);
    const std::uint64_t high = order >> (4 * rank);
    const std::uint64_t next = low | static_cast<std::uint64_t>(tail()) << (4 * rank) | high << (4 * rank + 4);
    return LeafState(next << kOrderShift | static_cast<std::uint64_t>(tail() + 1) << 7 | sorted());
  }

 private:
  static constexpr unsigned kOrderShift = 11;
  static_assert(kLeafSlots < 128 && kTailMax < 16 && kOrderShift + 4 * kTailMax <= 64);
  std::uint64_t word_ = 0;
};

struct alignas(64) Leaf {
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> prefix;       // KeyRef: what all keys of the leaf begin with
  std::atomic<std::uint64_t> version_max;  // no record of the leaf is newer
  std::uint64_t retired;                   // the writer's: see memtable_tree.h
  std::atomic<Head> heads[kLeafSlots];
  std::atomic<const RecordNode*> records[kLeafSlots];  // the newest version of each key
};

inline constexpr std::size_t kInnerChildren = 64;

// A child of an inner node, or the root: a leaf or an inner node, told apart by the lowest bit.
class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(std::uintptr_t word) : word_(word) {}
  explicit NodeRef(const Leaf* leaf) : word_(reinterpret_cast<std::uintptr_t>(leaf) | 1) {}
  explicit NodeRef(const struct Inner* inner) : word_(reinterpret_cast<std::uintptr_t>(inner)) {}
  [[nodiscard]] std::uintptr_t word() const { return word_; }
  [[nodiscard]] bool is_leaf() const { return (word_ & 1) != 0; }
  [[nodiscard]] Leaf* leaf() const { return reinterpret_cast<Leaf*>(word_ & ~std::uintptr_t{1}); }
  [[nodiscard]] struct Inner* inner() const { return reinterpret_cast<struct Inner*>(word_); }

 private:
  std::uintptr_t word_ = 0;
};

// Child i holds the keys from separator i-1 (included) up to separator i.
struct alignas(64) Inner {
  std::atomic<std::uint64_t> separator_count;
  std::atomic<std::uint64_t> prefix;  // KeyRef: what all separators begin with
  std::uint64_t retired;
  std::atomic<Head> heads[kInnerChildren - 1];
  std::atomic<std::uint64_t> separators[kInnerChildren - 1];  // KeyRefs
  std::atomic<std::uintptr_t> children[kInnerChildren];       // NodeRefs
  alignas(64) std::atomic<std::uint64_t> version_max;         // apart: each insertion writes it
};

// Where a reader wants to be: at the first key >= the one given, at the last key < it, or at the last of all.
enum class Side : std::uint8_t { from, before, last };

// The index of the child to look in.
inline std::size_t child_index(const Inner& inner, std::string_view key, Side side) {
  const std::size_t count = inner.separator_count.load(std::memory_order_acquire);
  if (side == Side::last) return count;
  const KeyRef prefix(inner.prefix.load(std::memory_order_acquire));
  const std::size_t shared = std::min(prefix.size(), key.size());
  const int order = shared == 0 ? 0 : std::memcmp(key.data(), prefix.view().data(), shared);
  if (order != 0) return order < 0 ? 0 : count;
  if (key.size() < prefix.size()) return 0;
  const Head head = make_head(key, prefix.size());
  std::size_t low = heads_below(inner.heads, count, head);
  std::size_t high = low;
  while (high < count && inner.heads[high].load(std::memory_order_acquire) == head) ++high;
  while (low < high) {  // equal heads: whole keys decide
    const std::size_t middle = (low + high) / 2;
    const int whole = KeyRef(inner.separators[middle].load(std::memory_order_acquire)).view().compare(key);
    if (side == Side::from ? whole <= 0 : whole < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The slot of `key`, or kLeafSlots. Keys that lack the leaf's prefix need no care: they differ from every key that a
// head leads to.
inline std::size_t find_slot(const Leaf& leaf, std::string_view key) {
  const LeafState state(leaf.state.load(std::memory_order_acquire));
  const Head head = make_head(key, KeyRef(leaf.prefix.load(std::memory_order_acquire)).size());
  const auto key_at = [&](std::size_t slot) { return leaf.records[slot].load(std::memory_order_acquire)->key(); };
  const std::size_t sorted = state.sorted();
  std::size_t low = heads_below(leaf.heads, sorted, head);
  std::size_t high = low;
  while (high < sorted && leaf.heads[high].load(std::memory_order_acquire) == head) ++high;
  while (high - low > 2) {  // many equal heads
    const std::size_t middle = (low + high) / 2;
    if (key_at(middle) <= key) {
      low = middle;
    } else {
      high = middle;
    }
  }
  for (; low < high; ++low) {
    if (key_at(low) == key) return low;
  }
  for (std::size_t slot = sorted; slot < state.count(); ++slot) {
    if (leaf.heads[slot].load(std::memory_order_acquire) == head && key_at(slot) == key) return slot;
  }
  return kLeafSlots;
}

// Fetches what a search in the leaf reads, so that its misses overlap.
inline void prefetch_search(const Leaf* leaf) {
  __builtin_prefetch(leaf);
  for (std::size_t slot = 0; slot < kLeafSlots; slot += 16) __builtin_prefetch(&leaf->heads[slot + 8]);
}

}  // namespace ingot::engine
