// The range erasures of a memtable: which versions erased a key, and whether a range was touched after a version.
//
// One writer, lock-free readers: everything is immutable once published, and lives in the arena. Without erasures a
// question costs one load. The newest few are a list; each 16 of them become a *group*, with a map from fragments of
// the key space to the newest version that erased them; two neighbouring groups of equal size are merged into one,
// which keeps its halves. So n erasures are answered from about log2(n/16) groups, newest first, by a binary search in
// each; a reader of an old version goes down into the halves of the one group that is partly too new for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/arena.h"
#include "runs/record.h"

namespace ingot::engine {

class MemtableErasures {
 public:
  explicit MemtableErasures(Arena& arena) : arena_(arena) {}
  MemtableErasures(const MemtableErasures&) = delete;
  MemtableErasures& operator=(const MemtableErasures&) = delete;

  // The writer's. Versions never fall. [begin, end) is not empty; an empty `end`: to the last key.
  void add(std::string_view begin, std::string_view end, std::uint64_t version);

  [[nodiscard]] bool empty() const { return set_.load(std::memory_order_acquire) == nullptr; }

  // The highest version <= `version` that erased `key`, if it is above `floor`; else 0.
  [[nodiscard]] std::uint64_t newest(std::string_view key, std::uint64_t version, std::uint64_t floor) const;

  // Whether a version > `version` erased anything in [begin, end).
  [[nodiscard]] bool overlaps_after(std::string_view begin, std::string_view end, std::uint64_t version) const;

  // All with a version <= `version`, oldest first.
  [[nodiscard]] std::vector<runs::RangeErasure> list(std::uint64_t version) const;

 private:
  struct Erasure {
    runs::RangeErasure range;
    const Erasure* older;
    std::uint64_t count;  // of this and all older
  };
  // From `begin` to the next fragment's begin, the newest erasure has this version; 0: none. The last one that is
  // not 0 goes to the last key.
  struct Fragment {
    std::string_view begin;
    std::uint64_t version;
  };
  struct Group {
    std::uint64_t version_min;
    std::uint64_t version_max;
    const Fragment* fragments;
    std::size_t fragment_count;
    const Erasure* newest;  // of erasure_count
    std::size_t erasure_count;
    const Group* older_half;  // null in a group of kListMax
    const Group* newer_half;
  };
  struct Set {
    const Erasure* newest;
    std::size_t list_count;   // how many of the newest are in no group
    std::size_t group_count;  // newest first
    const Group* const* groups;
  };
  static constexpr std::size_t kListMax = 16;

  const Group* make_group(const Erasure* newest);
  const Group* merge(const Group* older, const Group* newer);
  const Fragment* keep(const std::vector<Fragment>& fragments);
  std::string_view copy(std::string_view bytes);
  static std::uint64_t newest_in_list(const Erasure* erasure, std::size_t count, std::string_view key,
                                      std::uint64_t version);
  static std::uint64_t newest_in_group(const Group& group, std::string_view key, std::uint64_t version);
  static bool list_overlaps_after(const Erasure* erasure, std::size_t count, std::string_view begin,
                                  std::string_view end, std::uint64_t version);
  static bool group_overlaps_after(const Group& group, std::string_view begin, std::string_view end,
                                   std::uint64_t version);

  Arena& arena_;
  std::atomic<const Set*> set_{nullptr};
};

}  // namespace ingot::engine
