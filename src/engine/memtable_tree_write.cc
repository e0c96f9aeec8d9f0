// Writing the tree: one thread at a time. What readers may see of it: memtable_tree.h.
#include <cassert>

#include "base/testing.h"
#include "engine/memtable_tree.h"

namespace ingot::engine {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kRelease = std::memory_order_release;

// A leaf with this many keys has no room for a whole tail: it is split when it is made anew.
constexpr std::size_t kSplitCount = kLeafSlots - kTailMax;

// A prefix that holds for all keys that may ever come into a leaf is worth a byte of its heads: a longer one
// lasts only until a key without it comes.
constexpr std::size_t kLastingPrefixBytes = 1;

// Keys from `low` on and below `high` begin with what both begin with.
std::size_t lasting_prefix(std::size_t content, KeyRef low, KeyRef high) {
  if (!low.exists() || !high.exists()) return content;
  const std::size_t lasting = common_prefix(low.view(), high.view());
  return lasting < content && content - lasting <= kLastingPrefixBytes ? lasting : content;
}

// The shortest bytes that are higher than `left` and not higher than `right`.
std::string_view separator_between(std::string_view left, std::string_view right) {
  return right.substr(0, common_prefix(left, right) + 1);
}

}  // namespace

// The contents of a leaf, in order.
struct MemtableTree::Fresh {
  std::array<const RecordNode*, kLeafSlots> records;
  std::array<Head, kLeafSlots> heads;
  std::size_t count = 0;
  std::size_t prefix_bytes = 0;  // before the heads
  std::uint64_t version_max = 0;

  explicit Fresh(const Leaf& leaf) {
    const LeafState state(leaf.state.load(kRelaxed));
    prefix_bytes = KeyRef(leaf.prefix.load(kRelaxed)).size();
    version_max = leaf.version_max.load(kRelaxed);
    std::size_t slot = 0;
    for (std::size_t rank = 0; rank < state.tail(); ++rank) {
      const std::size_t tail_slot = state.tail_slot(rank);
      const Head head = leaf.heads[tail_slot].load(kRelaxed);
      const RecordNode* record = leaf.records[tail_slot].load(kRelaxed);
      for (; slot < state.sorted(); ++slot) {
        const Head other = leaf.heads[slot].load(kRelaxed);
        if (other > head) break;
        if (other == head && leaf.records[slot].load(kRelaxed)->key() > record->key()) break;
        append(leaf.records[slot].load(kRelaxed), other);
      }
      append(record, head);
    }
    for (; slot < state.sorted(); ++slot) {
      append(leaf.records[slot].load(kRelaxed), leaf.heads[slot].load(kRelaxed));
    }
  }
  void append(const RecordNode* record, Head head) {
    records[count] = record;
    heads[count++] = head;
  }
  [[nodiscard]] std::size_t common(std::size_t begin, std::size_t end) const {
    return common_prefix(records[begin]->key(), records[end - 1]->key());
  }
};

// The contents of an inner node with one separator more, which may be one more than fit.
struct MemtableTree::FreshInner {
  std::array<KeyRef, kInnerChildren> separators;
  std::array<Head, kInnerChildren> heads;
  std::array<NodeRef, kInnerChildren + 1> children;
  std::size_t separator_count = 0;
  std::size_t prefix_bytes = 0;  // before the heads
  std::uint64_t version_max = 0;
};

MemtableTree::MemtableTree(Arena& arena) : arena_(arena) {
  Leaf* leaf = new_leaf();
  leaf->state.store(LeafState().word(), kRelaxed);
  leaf->prefix.store(KeyRef(std::string_view("")).word(), kRelaxed);
  leaf->version_max.store(0, kRelaxed);
  root_.store(NodeRef(leaf).word(), kRelease);
}

Leaf* MemtableTree::new_leaf() {
  if (!retired_leaves_.empty() && retired_count_.load(kRelaxed) - retired_leaves_.front()->retired >= kQuarantine) {
    Leaf* leaf = retired_leaves_.front();
    retired_leaves_.pop_front();
    return leaf;
  }
  return new (arena_.allocate_lines(sizeof(Leaf))) Leaf;
}

Inner* MemtableTree::new_inner() {
  if (!retired_inners_.empty() && retired_count_.load(kRelaxed) - retired_inners_.front()->retired >= kQuarantine) {
    Inner* inner = retired_inners_.front();
    retired_inners_.pop_front();
    return inner;
  }
  return new (arena_.allocate_lines(sizeof(Inner))) Inner;
}

// Called when nothing in the tree leads to the node any more. A reader that can still be in it started before this
// count was stored, so it finds out if the count has grown by more than kQuarantine since.
void MemtableTree::retire(Leaf* leaf) {
  const std::uint64_t count = retired_count_.load(kRelaxed) + 1;
  leaf->retired = count;
  retired_leaves_.push_back(leaf);
  retired_count_.store(count, kRelease);
}

void MemtableTree::retire(Inner* inner) {
  const std::uint64_t count = retired_count_.load(kRelaxed) + 1;
  inner->retired = count;
  retired_inners_.push_back(inner);
  retired_count_.store(count, kRelease);
}

void MemtableTree::descend(std::string_view key) {
  path_.depth = 0;
  path_.low = KeyRef();
  path_.high = KeyRef();
  NodeRef node(root_.load(kRelaxed));
  while (!node.is_leaf()) {
    Inner& inner = *node.inner();
    const std::size_t index = child_index(inner, key, Side::from);
    if (index != 0) path_.low = KeyRef(inner.separators[index - 1].load(kRelaxed));
    if (index < inner.separator_count.load(kRelaxed)) path_.high = KeyRef(inner.separators[index].load(kRelaxed));
    path_.inners[path_.depth] = &inner;
    path_.indexes[path_.depth] = index;
    ++path_.depth;
    node = NodeRef(inner.children[index].load(kRelaxed));
  }
  path_.leaf = node.leaf();
  prefetch_search(path_.leaf);
}

const RecordNode* MemtableTree::locate(std::string_view key) {
  const bool here = path_.leaf != nullptr && (!path_.low.exists() || path_.low.view() <= key) &&
                    (!path_.high.exists() || key < path_.high.view());
  if (!here) descend(key);
  slot_ = find_slot(*path_.leaf, key);
  return slot_ == kNoSlot ? nullptr : path_.leaf->records[slot_].load(kRelaxed);
}

void MemtableTree::insert(const RecordNode* record) {
  // First the marks by which walks prune, then what they must find.
  for (std::size_t depth = 0; depth < path_.depth; ++depth) {
    path_.inners[depth]->version_max.store(record->version, kRelease);
  }
  path_.leaf->version_max.store(record->version, kRelease);
  if (slot_ != kNoSlot) {
    path_.leaf->records[slot_].store(record, kRelease);
    return;
  }
  while (!insert_into_leaf(record)) {
    rebuild(record->key());
    descend(record->key());
  }
}

// Returns false if the leaf must be made anew first.
bool MemtableTree::insert_into_leaf(const RecordNode* record) {
  Leaf& leaf = *path_.leaf;
  const std::string_view key = record->key();
  const LeafState state(leaf.state.load(kRelaxed));
  // The first key of all is its own prefix, until others come. (Readers look at the prefix after the state.)
  if (state.count() == 0) leaf.prefix.store(KeyRef(key).word(), kRelease);
  const std::string_view shared = KeyRef(leaf.prefix.load(kRelaxed)).view();
  const std::size_t sorted = state.sorted();
  if (key.size() < shared.size() || (!shared.empty() && std::memcmp(key.data(), shared.data(), shared.size()) != 0)) {
    // The end of a full leaf of ascending keys is the start of the next one, whatever the prefix.
    if (sorted == kLeafSlots && leaf.records[sorted - 1].load(kRelaxed)->key() < key) {
      append_leaf(record);
      return true;
    }
    return false;
  }
  const Head head = make_head(key, shared.size());

  if (state.tail() == 0) {
    bool ascends = sorted == 0;
    if (!ascends) {
      const Head last = leaf.heads[sorted - 1].load(kRelaxed);
      ascends = last < head || (last == head && leaf.records[sorted - 1].load(kRelaxed)->key() < key);
    }
    if (ascends && sorted == kLeafSlots) {
      append_leaf(record);
      return true;
    }
    if (ascends) {
      leaf.heads[sorted].store(head, kRelease);
      leaf.records[sorted].store(record, kRelease);
      leaf.state.store(LeafState::of_sorted(sorted + 1).word(), kRelease);
      return true;
    }
  }
  if (state.tail() == kTailMax || state.count() == kLeafSlots) return false;
  std::size_t rank = 0;
  for (; rank < state.tail(); ++rank) {
    const std::size_t slot = state.tail_slot(rank);
    const Head other = leaf.heads[slot].load(kRelaxed);
    if (other > head || (other == head && leaf.records[slot].load(kRelaxed)->key() > key)) break;
  }
  leaf.heads[state.count()].store(head, kRelease);
  leaf.records[state.count()].store(record, kRelease);
  leaf.state.store(state.with_tail(rank).word(), kRelease);
  return true;
}

// Makes the leaf anew, with an empty tail, so that `key` fits its prefix; or splits it.
void MemtableTree::rebuild(std::string_view key) {
  Leaf* old = path_.leaf;
  const Fresh fresh(*old);
  if (fresh.count >= kSplitCount) {
    const std::size_t middle = fresh.count / 2;
    const KeyRef separator(separator_between(fresh.records[middle - 1]->key(), fresh.records[middle]->key()));
    const std::size_t left_prefix = lasting_prefix(fresh.common(0, middle), path_.low, separator);
    const std::size_t right_prefix = lasting_prefix(fresh.common(middle, fresh.count), separator, path_.high);
    Leaf* left = build_leaf(fresh, 0, middle, left_prefix);
    Leaf* right = build_leaf(fresh, middle, fresh.count, right_prefix);
    split_child(path_.depth, NodeRef(left), separator, NodeRef(right));
  } else {
    const std::size_t content = std::min(fresh.common(0, fresh.count), common_prefix(fresh.records[0]->key(), key));
    replace_child(path_.depth,
                  NodeRef(build_leaf(fresh, 0, fresh.count, lasting_prefix(content, path_.low, path_.high))));
  }
  retire(old);
  path_.leaf = nullptr;
}

// The leaf is full of ascending keys, and the new one follows: it begins the next leaf.
void MemtableTree::append_leaf(const RecordNode* record) {
  Leaf* full = path_.leaf;
  const std::string_view key = record->key();
  const std::size_t shared = common_prefix(full->records[kLeafSlots - 1].load(kRelaxed)->key(), key);
  Leaf* leaf = new_leaf();
  leaf->heads[0].store(make_head(key, shared), kRelease);
  leaf->records[0].store(record, kRelease);
  leaf->prefix.store(KeyRef(key.substr(0, shared)).word(), kRelease);
  leaf->version_max.store(record->version, kRelease);
  leaf->state.store(LeafState::of_sorted(1).word(), kRelease);
  split_child(path_.depth, NodeRef(full), KeyRef(key.substr(0, shared + 1)), NodeRef(leaf));
  path_.leaf = nullptr;
}

Leaf* MemtableTree::build_leaf(const Fresh& fresh, std::size_t begin, std::size_t end, std::size_t prefix_bytes) {
  assert(begin < end);
  Leaf* leaf = new_leaf();
  const bool same = prefix_bytes == fresh.prefix_bytes;
  for (std::size_t i = begin; i < end; ++i) {
    const Head head = same ? fresh.heads[i] : make_head(fresh.records[i]->key(), prefix_bytes);
    leaf->heads[i - begin].store(head, kRelease);
    leaf->records[i - begin].store(fresh.records[i], kRelease);
  }
  leaf->prefix.store(KeyRef(fresh.records[begin]->key().substr(0, prefix_bytes)).word(), kRelease);
  leaf->version_max.store(fresh.version_max, kRelease);
  leaf->state.store(LeafState::of_sorted(end - begin).word(), kRelease);
  return leaf;
}

// One store: from now on readers find `node` where the path's node at `depth` was.
void MemtableTree::replace_child(std::size_t depth, NodeRef node) {
  if (depth == 0) {
    root_.store(node.word(), kRelease);
  } else {
    path_.inners[depth - 1]->children[path_.indexes[depth - 1]].store(node.word(), kRelease);
  }
}

// The same with two nodes for one. Retires the inner nodes that were made anew for it.
void MemtableTree::split_child(std::size_t depth, NodeRef left, KeyRef separator, NodeRef right) {
  FreshInner fresh;
  if (depth == 0) {
    fresh.separators[0] = separator;
    fresh.children[0] = left;
    fresh.children[1] = right;
    fresh.separator_count = 1;
    fresh.prefix_bytes = ~std::size_t{0};
    fresh.version_max =
        left.is_leaf() ? left.leaf()->version_max.load(kRelaxed) : left.inner()->version_max.load(kRelaxed);
    const std::uint64_t other =
        right.is_leaf() ? right.leaf()->version_max.load(kRelaxed) : right.inner()->version_max.load(kRelaxed);
    fresh.version_max = std::max(fresh.version_max, other);
    root_.store(NodeRef(build_inner(fresh, 0, 1, separator.size())).word(), kRelease);
    return;
  }
  Inner* old = path_.inners[depth - 1];
  const std::size_t index = path_.indexes[depth - 1];
  const std::size_t count = old->separator_count.load(kRelaxed);
  const KeyRef prefix(old->prefix.load(kRelaxed));
  fresh.prefix_bytes = prefix.size();
  fresh.version_max = old->version_max.load(kRelaxed);
  fresh.separator_count = count + 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t to = i < index ? i : i + 1;
    fresh.separators[to] = KeyRef(old->separators[i].load(kRelaxed));
    fresh.heads[to] = old->heads[i].load(kRelaxed);
  }
  for (std::size_t i = 0; i <= count; ++i)
    fresh.children[i < index ? i : i + 1] = NodeRef(old->children[i].load(kRelaxed));
  fresh.separators[index] = separator;
  fresh.heads[index] = make_head(separator.view(), prefix.size());
  fresh.children[index] = left;
  fresh.children[index + 1] = right;

  if (fresh.separator_count < kInnerChildren) {
    const std::size_t shared = common_prefix(prefix.view(), separator.view());
    replace_child(depth - 1, NodeRef(build_inner(fresh, 0, fresh.separator_count, shared)));
  } else {
    assert(path_.depth < kDepthMax);
    // Ascending keys leave full nodes behind.
    const std::size_t middle = index == count ? count - 1 : fresh.separator_count / 2;
    const auto shared = [&](std::size_t begin, std::size_t end) {
      return common_prefix(fresh.separators[begin].view(), fresh.separators[end - 1].view());
    };
    const Inner* lower = build_inner(fresh, 0, middle, shared(0, middle));
    const Inner* upper =
        build_inner(fresh, middle + 1, fresh.separator_count, shared(middle + 1, fresh.separator_count));
    split_child(depth - 1, NodeRef(lower), fresh.separators[middle], NodeRef(upper));
  }
  retire(old);
}

// Separators [begin, end) with the children around them.
Inner* MemtableTree::build_inner(const FreshInner& fresh, std::size_t begin, std::size_t end,
                                 std::size_t prefix_bytes) {
  assert(begin < end);
  Inner* inner = new_inner();
  const bool same = prefix_bytes == fresh.prefix_bytes;
  for (std::size_t i = begin; i < end; ++i) {
    const Head head = same ? fresh.heads[i] : make_head(fresh.separators[i].view(), prefix_bytes);
    inner->heads[i - begin].store(head, kRelease);
    inner->separators[i - begin].store(fresh.separators[i].word(), kRelease);
  }
  for (std::size_t i = begin; i <= end; ++i) inner->children[i - begin].store(fresh.children[i].word(), kRelease);
  inner->prefix.store(KeyRef(fresh.separators[begin].view().substr(0, prefix_bytes)).word(), kRelease);
  inner->version_max.store(fresh.version_max, kRelease);
  inner->separator_count.store(end - begin, kRelease);
  return inner;
}

}  // namespace ingot::engine
