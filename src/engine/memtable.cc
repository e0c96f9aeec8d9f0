#include "engine/memtable.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <string>

#include "base/bytes.h"
#include "engine/arena.h"
#include "engine/memtable_erasures.h"
#include "engine/memtable_node.h"
#include "engine/memtable_tree.h"

namespace ingot::engine {

namespace {

// The counter in a value: 8 bytes, little-endian; fewer are extended by zeros, of more the first 8 count.
std::uint64_t counter_in(std::string_view value) {
  char bytes[8] = {};
  if (!value.empty()) std::memcpy(bytes, value.data(), std::min(value.size(), sizeof bytes));
  return base::load_little<std::uint64_t>(bytes);
}

bool expired(std::int64_t expires_micros, std::int64_t time_micros) {
  return expires_micros != 0 && expires_micros <= time_micros;
}

const RecordNode* visible(const RecordNode* record, std::uint64_t version) {
  if (record == nullptr || record->version <= version) return record;
  return record->newest_where([version](const RecordNode& other) { return other.version <= version; });
}

}  // namespace

struct Memtable::Implementation {
  Arena arena;
  MemtableTree tree{arena};
  MemtableErasures erasures{arena};
  std::atomic<std::uint64_t> records{0};
  std::atomic<std::uint64_t> version_max{0};

  void note(std::uint64_t version) {
    assert(version >= version_max.load(std::memory_order_relaxed));
    version_max.store(version, std::memory_order_release);
  }

  // A record that is complete but for its own extra bytes, at `extra`, and the value.
  struct Draft {
    RecordNode* node;
    char* extra;
    char* value;
  };
  Draft draft(std::string_view key, std::uint64_t version, RecordKind kind, std::uint8_t own_extra_bytes,
              std::size_t value_bytes, const RecordNode* older) {
    assert(key.size() <= 0xffff && value_bytes <= 0xffffffff);
    const std::uint8_t jump_bytes = older == nullptr ? 0 : RecordNode::kJumpBytes;
    const auto extra_bytes = static_cast<std::uint8_t>(jump_bytes + own_extra_bytes);
    void* memory = arena.allocate(sizeof(RecordNode) + extra_bytes + key.size() + value_bytes);
    auto* node = new (memory)
        RecordNode{version, older,      static_cast<std::uint32_t>(value_bytes), static_cast<std::uint16_t>(key.size()),
                   kind,    extra_bytes};
    char* extra = reinterpret_cast<char*>(node + 1);
    if (older != nullptr) older->store_jump_after(extra);
    char* to = extra + extra_bytes;
    if (!key.empty()) std::memcpy(to, key.data(), key.size());
    return {node, extra + jump_bytes, to + key.size()};
  }

  void insert(const RecordNode* node) {
    tree.insert(node);
    records.store(records.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    note(node->version);
  }

  void put_value(std::string_view key, std::uint64_t version, std::int64_t expires_micros, std::string_view value,
                 const RecordNode* older) {
    const std::uint8_t extra_bytes = expires_micros == 0 ? 0 : RecordNode::kExpiryBytes;
    const Draft made = draft(key, version, RecordKind::value, extra_bytes, value.size(), older);
    if (extra_bytes != 0) base::store_little(made.extra, static_cast<std::uint64_t>(expires_micros));
    if (!value.empty()) std::memcpy(made.value, value.data(), value.size());
    insert(made.node);
  }

  void erase(std::string_view key, std::uint64_t version) {
    const RecordNode* older = tree.locate(key);
    insert(draft(key, version, RecordKind::erased, 0, 0, older).node);
  }
};

Memtable::Memtable(std::uint64_t segment) : segment_(segment), implementation_(std::make_unique<Implementation>()) {}
Memtable::~Memtable() = default;

void Memtable::put(std::string_view key, std::uint64_t version, std::int64_t expires_micros, std::string_view value) {
  Implementation& self = *implementation_;
  const RecordNode* older = self.tree.locate(key);
  self.put_value(key, version, expires_micros, value, older);
}

void Memtable::erase(std::string_view key, std::uint64_t version) {
  implementation_->erase(key, version);
}

void Memtable::add(std::string_view key, std::uint64_t version, std::int64_t time_micros, std::int64_t delta) {
  Implementation& self = *implementation_;
  const RecordNode* older = self.tree.locate(key);
  const auto change = static_cast<std::uint64_t>(delta);
  const bool range_erased = self.erasures.newest(key, ~0ULL, older == nullptr ? 0 : older->version) != 0;

  if (range_erased || (older != nullptr && older->kind != RecordKind::add)) {
    // The base is known here.
    const bool present =
        !range_erased && older->kind == RecordKind::value && !expired(older->expires_micros(), time_micros);
    char bytes[8];
    base::store_little(bytes, present ? counter_in(older->value()) + change : change);
    self.put_value(key, version, present ? older->expires_micros() : 0, {bytes, sizeof bytes}, older);
    return;
  }
  assert(older == nullptr || older->last_time_micros() <= time_micros);
  const Implementation::Draft made = self.draft(key, version, RecordKind::add, RecordNode::kTimesBytes, 8, older);
  const std::int64_t first = older == nullptr ? time_micros : older->first_time_micros();
  base::store_little(made.extra, static_cast<std::uint64_t>(first));
  base::store_little(made.extra + 8, static_cast<std::uint64_t>(time_micros));
  base::store_little(made.value, older == nullptr ? change : older->sum() + change);
  self.insert(made.node);
}

void Memtable::erase_range(std::string_view begin, std::string_view end, std::uint64_t version) {
  if (!end.empty() && end <= begin) return;
  Implementation& self = *implementation_;
  // An erasure hides what has a lower version. What the same transaction put before is hidden one by one.
  std::vector<std::string_view> hidden;
  if (version != 0 && version <= version_max()) {
    self.tree.visit_newer(begin, end, version - 1, [&](const RecordNode& record) {
      if (record.kind != RecordKind::erased) hidden.push_back(record.key());
      return true;
    });
  }
  for (const std::string_view key : hidden) self.erase(key, version);
  self.erasures.add(begin, end, version);
  self.note(version);
}

bool Memtable::get(std::string_view key, std::uint64_t version, Found& found) const {
  const Implementation& self = *implementation_;
  const RecordNode* record = visible(self.tree.find(key), version);
  if (!self.erasures.empty()) {
    const std::uint64_t erased = self.erasures.newest(key, version, record == nullptr ? 0 : record->version);
    if (erased != 0) {
      found = {RecordKind::erased, erased, 0, {}, nullptr};
      return true;
    }
  }
  if (record == nullptr) return false;
  found.kind = record->kind;
  found.version = record->version;
  found.expires_micros = record->expires_micros();
  found.value = record->value();
  found.node = record;
  return true;
}

std::int64_t Memtable::fold(const Found& found, bool base_present, std::int64_t base_value, std::int64_t base_expires,
                            std::int64_t& expires_micros) const {
  assert(found.kind == RecordKind::add);
  const auto* last = static_cast<const RecordNode*>(found.node);
  expires_micros = 0;
  if (!base_present || expired(base_expires, last->first_time_micros())) return static_cast<std::int64_t>(last->sum());
  if (!expired(base_expires, last->last_time_micros())) {
    expires_micros = base_expires;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_value) + last->sum());
  }
  // The base expired between two operands: the count began anew with the later one.
  const RecordNode* before = last->newest_where(
      [base_expires](const RecordNode& operand) { return !expired(base_expires, operand.last_time_micros()); });
  return static_cast<std::int64_t>(last->sum() - (before == nullptr ? 0 : before->sum()));
}

bool Memtable::changed_after(std::string_view key, std::uint64_t version) const {
  const Implementation& self = *implementation_;
  if (self.version_max.load(std::memory_order_acquire) <= version) return false;
  const RecordNode* record = self.tree.find(key);
  if (record != nullptr && record->version > version) return true;
  return !self.erasures.empty() && self.erasures.newest(key, ~0ULL, version) != 0;
}

bool Memtable::range_changed_after(std::string_view begin, std::string_view end, std::uint64_t version) const {
  const Implementation& self = *implementation_;
  if (self.version_max.load(std::memory_order_acquire) <= version) return false;
  if (!end.empty() && end <= begin) return false;
  if (self.erasures.overlaps_after(begin, end, version)) return true;
  return self.tree.visit_newer(begin, end, version, [](const RecordNode&) { return false; });
}

std::uint64_t Memtable::erased_version(std::string_view key, std::uint64_t version) const {
  return implementation_->erasures.newest(key, version, 0);
}

std::vector<runs::RangeErasure> Memtable::erasures(std::uint64_t version) const {
  return implementation_->erasures.list(version);
}

bool Memtable::has_erasures() const {
  return !implementation_->erasures.empty();
}

std::uint64_t Memtable::memory_bytes() const {
  return implementation_->arena.bytes() + sizeof(Implementation);
}

std::uint64_t Memtable::records() const {
  return implementation_->records.load(std::memory_order_acquire);
}

std::uint64_t Memtable::version_max() const {
  return implementation_->version_max.load(std::memory_order_acquire);
}

namespace {

// Works on a copy of one leaf at a time (its records are immutable), and finds the next one by key: nothing that the
// writer does can pull anything from under it.
class TreeCursor final : public Memtable::Cursor {
 public:
  TreeCursor(const MemtableTree& tree, std::uint64_t version) : tree_(tree), version_(version) {}

  void seek(std::string_view key) override {
    tree_.read_leaf(key, Side::from, leaf_);
    prefetch_from(leaf_.position);
    forward(leaf_.position);
  }
  void seek_before(std::string_view key) override {
    tree_.read_leaf(key, Side::before, leaf_);
    backward(leaf_.position);
  }
  void seek_first() override { seek(""); }
  void seek_last() override {
    tree_.read_leaf("", Side::last, leaf_);
    backward(leaf_.position);
  }
  void next() override { forward(index_ + 1); }
  void previous() override { backward(index_); }
  [[nodiscard]] const void* node() const override { return node_; }

 private:
  // How many records ahead of the caller are fetched: about as many misses as a core can have under way.
  static constexpr std::size_t kAhead = 6;
  static void prefetch(const RecordNode* record) {
    __builtin_prefetch(record);
    __builtin_prefetch(reinterpret_cast<const char*>(record) + 64);
  }

  void prefetch_from(std::size_t index) {
    for (const std::size_t end = std::min(index + kAhead, leaf_.count); index < end; ++index) {
      prefetch(leaf_.records[index]);
    }
  }

  // To the first visible record at `index` of the leaf or after it.
  void forward(std::size_t index) {
    for (;;) {
      for (; index < leaf_.count; ++index) {
        if (index + kAhead < leaf_.count) prefetch(leaf_.records[index + kAhead]);
        if (show(visible(leaf_.records[index], version_))) {
          index_ = index;
          return;
        }
      }
      if (!leaf_.high.exists()) break;
      tree_.read_leaf(leaf_.high.view(), Side::from, leaf_);
      index = leaf_.position;
      prefetch_from(index);
    }
    valid_ = false;
  }

  // To the last visible record before `index` of the leaf.
  void backward(std::size_t index) {
    for (;;) {
      for (; index != 0; --index) {
        if (index > kAhead) prefetch(leaf_.records[index - 1 - kAhead]);
        if (show(visible(leaf_.records[index - 1], version_))) {
          index_ = index - 1;
          return;
        }
      }
      if (!leaf_.low.exists()) break;
      tree_.read_leaf(leaf_.low.view(), Side::before, leaf_);
      index = leaf_.position;
    }
    valid_ = false;
  }

  bool show(const RecordNode* record) {
    if (record == nullptr) return false;
    node_ = record;
    record_.key = record->key();
    record_.version = record->version;
    record_.kind = record->kind;
    record_.expires_micros = record->expires_micros();
    record_.value = record->value();
    valid_ = true;
    return true;
  }

  const MemtableTree& tree_;
  const std::uint64_t version_;
  MemtableTree::LeafCopy leaf_;
  std::size_t index_ = 0;
  const RecordNode* node_ = nullptr;
};

}  // namespace

std::unique_ptr<Memtable::Cursor> Memtable::cursor(std::uint64_t version) const {
  return std::make_unique<TreeCursor>(implementation_->tree, version);
}

}  // namespace ingot::engine
