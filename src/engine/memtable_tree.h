// The ordered map of a memtable: keys to their newest records. A B+tree in an arena.
//
// One writer at a time; readers on any thread, without locks, at any moment. The writer changes nothing that a reader
// could be looking at, except by one store each: a leaf's state, a record's slot, a node's child, the root. All other
// changes make new nodes in place of old ones, so a reader that is still in an old node sees the tree as it was: with
// every record that had been inserted before the reader came.
//
// Retired nodes are used again, else they would cost as much memory as the living ones: but only after kQuarantine
// more were retired. A reader looks at the count of retired nodes when it starts and when it ends. If it grew by more
// than that, something that it read may have been of another time, and it starts over. So a reader never waits for the
// writer, not even for one that was preempted half-way; it only repeats itself after thousands of insertions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string_view>

#include "base/function_ref.h"
#include "engine/arena.h"
#include "engine/memtable_node.h"

namespace ingot::engine {

class MemtableTree {
 public:
  explicit MemtableTree(Arena& arena);
  MemtableTree(const MemtableTree&) = delete;
  MemtableTree& operator=(const MemtableTree&) = delete;

  // The newest record of `key`, or null.
  [[nodiscard]] const RecordNode* find(std::string_view key) const;

  // The keys of one leaf, in order, and the range of keys that it stands for. Records live as long as the arena, so a
  // copy stays true for readers of a version that was complete when it was made.
  struct LeafCopy {
    std::array<const RecordNode*, kLeafSlots> records;
    std::size_t count = 0;
    std::size_t position = 0;  // how many of them are lower than the key looked for; for Side::last: all
    KeyRef low;                // no key of the leaf is lower; does not exist: nothing lies before
    KeyRef high;               // all keys of the leaf are lower; does not exist: nothing lies behind
  };
  void read_leaf(std::string_view key, Side side, LeafCopy& copy) const;

  // Calls `visit` for the newest record of each key in [begin, end) (an empty `end`: to the last) whose version is
  // higher than `version`, in no order, until it returns false. May visit a record twice when the writer is fast.
  // Returns whether `visit` returned false.
  bool visit_newer(std::string_view begin, std::string_view end, std::uint64_t version,
                   base::FunctionRef<bool(const RecordNode&)> visit) const;

  // The writer's: finds the newest record of `key`, or null; then `insert` links a newer one, whose `older` it is.
  const RecordNode* locate(std::string_view key);
  // `record` has the key of the last `locate`.
  void insert(const RecordNode* record);

 private:
  static constexpr std::size_t kDepthMax = 12;  // 32 ^ 12 leaves
  static constexpr std::uint64_t kQuarantine = 64;
  static constexpr std::size_t kNoSlot = kLeafSlots;

  // The way to the leaf that the writer was last in.
  struct Path {
    std::array<Inner*, kDepthMax> inners;
    std::array<std::size_t, kDepthMax> indexes;
    std::size_t depth = 0;
    Leaf* leaf = nullptr;
    KeyRef low;
    KeyRef high;
  };
  enum class Walk : std::uint8_t { done, stopped, overtaken };
  struct Fresh;  // a leaf in the making

  // Whether a reader that started at `start` may believe what it read.
  [[nodiscard]] bool overtaken(std::uint64_t start) const {
    return retired_count_.load(std::memory_order_acquire) - start > kQuarantine;
  }
  Walk walk(NodeRef node, std::string_view begin, std::string_view end, std::uint64_t version,
            base::FunctionRef<bool(const RecordNode&)> visit, std::uint64_t start) const;
  static Walk walk_leaf(const Leaf& leaf, std::string_view begin, std::string_view end, std::uint64_t version,
                        base::FunctionRef<bool(const RecordNode&)> visit);

  void descend(std::string_view key);
  bool insert_into_leaf(const RecordNode* record);
  void rebuild(std::string_view key);
  void append_leaf(const RecordNode* record);
  Leaf* build_leaf(const Fresh& fresh, std::size_t begin, std::size_t end, std::size_t prefix_bytes);
  void replace_child(std::size_t depth, NodeRef node);
  void split_child(std::size_t depth, NodeRef left, KeyRef separator, NodeRef right);
  struct FreshInner;
  Inner* build_inner(const FreshInner& fresh, std::size_t begin, std::size_t end, std::size_t prefix_bytes);
  Leaf* new_leaf();
  Inner* new_inner();
  void retire(Leaf* leaf);
  void retire(Inner* inner);

  Arena& arena_;
  // Read by all, written seldom.
  alignas(64) std::atomic<std::uintptr_t> root_;
  std::atomic<std::uint64_t> retired_count_{0};
  // The writer's.
  alignas(64) Path path_;
  std::size_t slot_ = kNoSlot;  // of the key last located
  std::deque<Leaf*> retired_leaves_;
  std::deque<Inner*> retired_inners_;
};

}  // namespace ingot::engine
