// Reading the tree. Writing it: memtable_tree_write.cc.
#include "engine/memtable_tree.h"

#include "base/testing.h"

namespace ingot::engine {

namespace {

// How many sorted slots hold a key lower than `key`, which begins with the leaf's prefix.
std::size_t sorted_below(const Leaf& leaf, std::size_t sorted, std::string_view key, Head head) {
  std::size_t low = heads_below(leaf.heads, sorted, head);
  std::size_t high = low;
  while (high < sorted && leaf.heads[high].load(std::memory_order_acquire) == head) ++high;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (leaf.records[middle].load(std::memory_order_acquire)->key() < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The same for the ranks of the tail.
std::size_t tail_below(const Leaf& leaf, LeafState state, std::string_view key, Head head) {
  std::size_t rank = 0;
  for (; rank < state.tail(); ++rank) {
    const std::size_t slot = state.tail_slot(rank);
    const Head other = leaf.heads[slot].load(std::memory_order_acquire);
    if (other > head) break;
    if (other == head && leaf.records[slot].load(std::memory_order_acquire)->key() >= key) break;
  }
  return rank;
}

}  // namespace

const RecordNode* MemtableTree::find(std::string_view key) const {
  for (;;) {
    const std::uint64_t start = retired_count_.load(std::memory_order_acquire);
    NodeRef node(root_.load(std::memory_order_acquire));
    while (!node.is_leaf() && !overtaken(start)) {
      const Inner& inner = *node.inner();
      node = NodeRef(inner.children[child_index(inner, key, Side::from)].load(std::memory_order_acquire));
    }
    if (!node.is_leaf()) continue;
    const Leaf& leaf = *node.leaf();
    prefetch_search(&leaf);
    base::interlude();
    const std::size_t slot = find_slot(leaf, key);
    const RecordNode* found = slot == kLeafSlots ? nullptr : leaf.records[slot].load(std::memory_order_acquire);
    if (!overtaken(start)) return found;
    base::probe("memtable: a look-up was overtaken by the writer");
  }
}

void MemtableTree::read_leaf(std::string_view key, Side side, LeafCopy& copy) const {
  for (;;) {
    const std::uint64_t start = retired_count_.load(std::memory_order_acquire);
    NodeRef node(root_.load(std::memory_order_acquire));
    copy.low = KeyRef();
    copy.high = KeyRef();
    while (!node.is_leaf() && !overtaken(start)) {
      const Inner& inner = *node.inner();
      const std::size_t index = child_index(inner, key, side);
      if (index != 0) copy.low = KeyRef(inner.separators[index - 1].load(std::memory_order_acquire));
      if (index < inner.separator_count.load(std::memory_order_acquire)) {
        copy.high = KeyRef(inner.separators[index].load(std::memory_order_acquire));
      }
      node = NodeRef(inner.children[index].load(std::memory_order_acquire));
    }
    if (!node.is_leaf()) continue;
    const Leaf& leaf = *node.leaf();
    prefetch_search(&leaf);
    base::interlude();
    const LeafState state(leaf.state.load(std::memory_order_acquire));
    const std::size_t sorted = state.sorted();
    const std::size_t tail = state.tail();

    // Where the key would be.
    const KeyRef prefix(leaf.prefix.load(std::memory_order_acquire));
    const std::string_view shared = prefix.view();
    const int order = side == Side::last ? 1 : key.substr(0, shared.size()).compare(shared);
    if (order != 0) {
      copy.position = order < 0 ? 0 : sorted + tail;
    } else {
      const Head head = make_head(key, shared.size());
      copy.position = sorted_below(leaf, sorted, key, head) + tail_below(leaf, state, key, head);
    }

    // Sorted slots and tail, merged.
    copy.count = 0;
    std::size_t slot = 0;
    for (std::size_t rank = 0; rank < tail; ++rank) {
      const std::size_t tail_slot = state.tail_slot(rank);
      const RecordNode* next = leaf.records[tail_slot].load(std::memory_order_acquire);
      const Head head = leaf.heads[tail_slot].load(std::memory_order_acquire);
      for (; slot < sorted; ++slot) {
        const Head other = leaf.heads[slot].load(std::memory_order_acquire);
        if (other > head) break;
        const RecordNode* record = leaf.records[slot].load(std::memory_order_acquire);
        if (other == head && record->key() > next->key()) break;
        copy.records[copy.count++] = record;
      }
      copy.records[copy.count++] = next;
    }
    for (; slot < sorted; ++slot) copy.records[copy.count++] = leaf.records[slot].load(std::memory_order_acquire);
    if (!overtaken(start)) return;
    base::probe("memtable: a cursor was overtaken by the writer");
  }
}

MemtableTree::Walk MemtableTree::walk_leaf(const Leaf& leaf, std::string_view begin, std::string_view end,
                                           std::uint64_t version, base::FunctionRef<bool(const RecordNode&)> visit) {
  const LeafState state(leaf.state.load(std::memory_order_acquire));
  const std::size_t count = state.count();
  const KeyRef prefix(leaf.prefix.load(std::memory_order_acquire));
  const std::string_view shared = prefix.view();
  // Heads of the ends, where they tell anything: most keys are in or out by their head alone.
  const int begin_order = begin.substr(0, shared.size()).compare(shared);
  if (begin_order > 0) return Walk::done;
  const Head begin_head = begin_order < 0 ? 0 : make_head(begin, shared.size());
  Head end_head = ~Head{0};
  if (!end.empty()) {
    const int end_order = end.substr(0, shared.size()).compare(shared);
    if (end_order < 0) return Walk::done;
    if (end_order == 0) end_head = make_head(end, shared.size());
  }
  for (std::size_t slot = 0; slot < count; ++slot) {
    const Head head = leaf.heads[slot].load(std::memory_order_acquire);
    if (head < begin_head || head > end_head) continue;
    const RecordNode* record = leaf.records[slot].load(std::memory_order_acquire);
    if (record->version <= version) continue;
    // Looked at whole, so that what is visited is in the range even if the leaf was overtaken.
    if (record->key() < begin || (!end.empty() && record->key() >= end)) continue;
    if (!visit(*record)) return Walk::stopped;
  }
  return Walk::done;
}

MemtableTree::Walk MemtableTree::walk(NodeRef node, std::string_view begin, std::string_view end, std::uint64_t version,
                                      base::FunctionRef<bool(const RecordNode&)> visit, std::uint64_t start) const {
  if (overtaken(start)) return Walk::overtaken;
  if (node.is_leaf()) {
    const Leaf& leaf = *node.leaf();
    if (leaf.version_max.load(std::memory_order_acquire) <= version) return Walk::done;
    const Walk result = walk_leaf(leaf, begin, end, version, visit);
    return result == Walk::done && overtaken(start) ? Walk::overtaken : result;
  }
  const Inner& inner = *node.inner();
  if (inner.version_max.load(std::memory_order_acquire) <= version) return Walk::done;
  const std::size_t first = child_index(inner, begin, Side::from);
  const std::size_t last = child_index(inner, end, end.empty() ? Side::last : Side::before);
  for (std::size_t index = first; index <= last; ++index) {
    const NodeRef child(inner.children[index].load(std::memory_order_acquire));
    if (overtaken(start)) return Walk::overtaken;
    const Walk result = walk(child, begin, end, version, visit, start);
    if (result != Walk::done) return result;
  }
  return Walk::done;
}

bool MemtableTree::visit_newer(std::string_view begin, std::string_view end, std::uint64_t version,
                               base::FunctionRef<bool(const RecordNode&)> visit) const {
  for (;;) {
    const std::uint64_t start = retired_count_.load(std::memory_order_acquire);
    const NodeRef root(root_.load(std::memory_order_acquire));
    switch (walk(root, begin, end, version, visit, start)) {
      case Walk::done:
        return false;
      case Walk::stopped:
        return true;
      case Walk::overtaken:
        base::probe("memtable: a walk was overtaken by the writer");
        break;
    }
  }
}

}  // namespace ingot::engine
