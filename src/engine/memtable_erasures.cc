#include "engine/memtable_erasures.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace ingot::engine {

namespace {

bool covers(const runs::RangeErasure& range, std::string_view key) {
  return range.begin <= key && (range.end.empty() || key < range.end);
}

bool overlaps(const runs::RangeErasure& range, std::string_view begin, std::string_view end) {
  return (range.end.empty() || begin < range.end) && (end.empty() || range.begin < end);
}

}  // namespace

std::string_view MemtableErasures::copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* to = static_cast<char*>(arena_.allocate(bytes.size()));
  std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

void MemtableErasures::add(std::string_view begin, std::string_view end, std::uint64_t version) {
  const Set* before = set_.load(std::memory_order_relaxed);
  const Erasure* older = before == nullptr ? nullptr : before->newest;
  assert(older == nullptr || older->range.version <= version);
  const auto* erasure = new (arena_.allocate(sizeof(Erasure)))
      Erasure{{copy(begin), copy(end), version}, older, older == nullptr ? 1 : older->count + 1};

  std::vector<const Group*> groups;
  if (before != nullptr) groups.assign(before->groups, before->groups + before->group_count);
  std::size_t list_count = before == nullptr ? 1 : before->list_count + 1;
  if (list_count == kListMax) {
    list_count = 0;
    const Group* group = make_group(erasure);
    while (!groups.empty() && groups.front()->erasure_count == group->erasure_count) {
      group = merge(groups.front(), group);
      groups.erase(groups.begin());
    }
    groups.insert(groups.begin(), group);
  }
  const Group** kept = nullptr;
  if (list_count != 0 && before != nullptr) {
    kept = const_cast<const Group**>(before->groups);  // unchanged
  } else if (!groups.empty()) {
    kept = static_cast<const Group**>(
        arena_.allocate(groups.size() * sizeof(const Group*)));  // NOLINT(bugprone-sizeof-expression)
    std::copy(groups.begin(), groups.end(), kept);
  }
  set_.store(new (arena_.allocate(sizeof(Set))) Set{erasure, list_count, groups.size(), kept},
             std::memory_order_release);
}

const MemtableErasures::Fragment* MemtableErasures::keep(const std::vector<Fragment>& fragments) {
  auto* kept = static_cast<Fragment*>(arena_.allocate(fragments.size() * sizeof(Fragment)));
  std::uninitialized_copy(fragments.begin(), fragments.end(), kept);
  return kept;
}

// A group of the kListMax newest erasures.
const MemtableErasures::Group* MemtableErasures::make_group(const Erasure* newest) {
  std::vector<std::string_view> bounds;
  const Erasure* oldest = newest;
  for (std::size_t i = 0; i < kListMax; ++i) {
    const Erasure* erasure = i == 0 ? newest : oldest->older;
    oldest = erasure;
    bounds.push_back(erasure->range.begin);
    if (!erasure->range.end.empty()) bounds.push_back(erasure->range.end);
  }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  std::vector<Fragment> fragments;
  for (const std::string_view bound : bounds) {
    const std::uint64_t version = newest_in_list(newest, kListMax, bound, ~0ULL);
    if (fragments.empty() || fragments.back().version != version) fragments.push_back({bound, version});
  }
  return new (arena_.allocate(sizeof(Group))) Group{oldest->range.version,
                                                    newest->range.version,
                                                    keep(fragments),
                                                    fragments.size(),
                                                    newest,
                                                    kListMax,
                                                    nullptr,
                                                    nullptr};
}

const MemtableErasures::Group* MemtableErasures::merge(const Group* older, const Group* newer) {
  std::vector<Fragment> fragments;
  fragments.reserve(older->fragment_count + newer->fragment_count);
  std::size_t i = 0;
  std::size_t j = 0;
  std::uint64_t older_version = 0;
  std::uint64_t newer_version = 0;
  while (i < older->fragment_count || j < newer->fragment_count) {
    std::string_view bound;
    if (j == newer->fragment_count) {
      bound = older->fragments[i].begin;
    } else if (i == older->fragment_count) {
      bound = newer->fragments[j].begin;
    } else {
      bound = std::min(older->fragments[i].begin, newer->fragments[j].begin);
    }
    if (i < older->fragment_count && older->fragments[i].begin == bound) older_version = older->fragments[i++].version;
    if (j < newer->fragment_count && newer->fragments[j].begin == bound) newer_version = newer->fragments[j++].version;
    const std::uint64_t version = newer_version != 0 ? newer_version : older_version;
    if (fragments.empty() || fragments.back().version != version) fragments.push_back({bound, version});
  }
  return new (arena_.allocate(sizeof(Group))) Group{older->version_min,
                                                    newer->version_max,
                                                    keep(fragments),
                                                    fragments.size(),
                                                    newer->newest,
                                                    older->erasure_count + newer->erasure_count,
                                                    older,
                                                    newer};
}

std::uint64_t MemtableErasures::newest_in_list(const Erasure* erasure, std::size_t count, std::string_view key,
                                               std::uint64_t version) {
  for (; count != 0; --count, erasure = erasure->older) {
    if (erasure->range.version <= version && covers(erasure->range, key)) return erasure->range.version;
  }
  return 0;
}

std::uint64_t MemtableErasures::newest_in_group(const Group& group, std::string_view key, std::uint64_t version) {
  if (group.version_min > version) return 0;
  if (group.version_max <= version) {
    const Fragment* end = group.fragments + group.fragment_count;
    const Fragment* after =
        std::upper_bound(group.fragments, end, key,
                         [](std::string_view wanted, const Fragment& fragment) { return wanted < fragment.begin; });
    return after == group.fragments ? 0 : after[-1].version;
  }
  if (group.newer_half == nullptr) return newest_in_list(group.newest, group.erasure_count, key, version);
  const std::uint64_t found = newest_in_group(*group.newer_half, key, version);
  return found != 0 ? found : newest_in_group(*group.older_half, key, version);
}

std::uint64_t MemtableErasures::newest(std::string_view key, std::uint64_t version, std::uint64_t floor) const {
  const Set* set = set_.load(std::memory_order_acquire);
  if (set == nullptr || set->newest->range.version <= floor) return 0;
  std::uint64_t found = newest_in_list(set->newest, set->list_count, key, version);
  for (std::size_t i = 0; found == 0 && i < set->group_count && set->groups[i]->version_max > floor; ++i) {
    found = newest_in_group(*set->groups[i], key, version);
  }
  return found > floor ? found : 0;
}

bool MemtableErasures::list_overlaps_after(const Erasure* erasure, std::size_t count, std::string_view begin,
                                           std::string_view end, std::uint64_t version) {
  for (; count != 0 && erasure->range.version > version; --count, erasure = erasure->older) {
    if (overlaps(erasure->range, begin, end)) return true;
  }
  return false;
}

bool MemtableErasures::group_overlaps_after(const Group& group, std::string_view begin, std::string_view end,
                                            std::uint64_t version) {
  if (group.version_max <= version) return false;
  if (group.version_min > version) {
    const Fragment* last = group.fragments + group.fragment_count;
    const Fragment* fragment =
        std::upper_bound(group.fragments, last, begin,
                         [](std::string_view wanted, const Fragment& other) { return wanted < other.begin; });
    if (fragment != group.fragments) --fragment;
    // Neighbours differ in version, so of two at least one was erased: this looks at no more than three.
    for (; fragment != last && (end.empty() || fragment->begin < end); ++fragment) {
      if (fragment->version != 0) return true;
    }
    return false;
  }
  if (group.newer_half == nullptr) return list_overlaps_after(group.newest, group.erasure_count, begin, end, version);
  return group_overlaps_after(*group.newer_half, begin, end, version) ||
         group_overlaps_after(*group.older_half, begin, end, version);
}

bool MemtableErasures::overlaps_after(std::string_view begin, std::string_view end, std::uint64_t version) const {
  const Set* set = set_.load(std::memory_order_acquire);
  if (set == nullptr || set->newest->range.version <= version) return false;
  if (list_overlaps_after(set->newest, set->list_count, begin, end, version)) return true;
  for (std::size_t i = 0; i < set->group_count; ++i) {
    if (group_overlaps_after(*set->groups[i], begin, end, version)) return true;
  }
  return false;
}

std::vector<runs::RangeErasure> MemtableErasures::list(std::uint64_t version) const {
  const Set* set = set_.load(std::memory_order_acquire);
  const Erasure* erasure = set == nullptr ? nullptr : set->newest;
  while (erasure != nullptr && erasure->range.version > version) erasure = erasure->older;
  std::vector<runs::RangeErasure> result;
  if (erasure == nullptr) return result;
  result.resize(erasure->count);
  for (; erasure != nullptr; erasure = erasure->older) result[erasure->count - 1] = erasure->range;
  return result;
}

}  // namespace ingot::engine
