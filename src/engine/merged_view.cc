#include "engine/merged_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/testing.h"

namespace ingot::engine {

ErasureMap::ErasureMap(const std::vector<runs::RangeErasure>& erasures) {
  // A sweep over the boundaries, with the versions of the erasures that are open.
  struct Boundary {
    std::string_view key;
    bool at_end = false;  // beyond every key
    bool opens = false;
    Version version = 0;
  };
  std::vector<Boundary> boundaries;
  boundaries.reserve(erasures.size() * 2);
  for (const runs::RangeErasure& erasure : erasures) {
    boundaries.push_back({erasure.begin, false, true, erasure.version});
    boundaries.push_back({erasure.end, erasure.end.empty(), false, erasure.version});
  }
  std::sort(boundaries.begin(), boundaries.end(), [](const Boundary& a, const Boundary& b) {
    if (a.at_end != b.at_end) return b.at_end;
    return a.key < b.key;
  });
  std::multiset<Version> open;
  for (std::size_t i = 0; i < boundaries.size(); ++i) {
    const Boundary& boundary = boundaries[i];
    if (boundary.opens) {
      open.insert(boundary.version);
    } else {
      open.erase(open.find(boundary.version));
    }
    if (i + 1 == boundaries.size() || open.empty()) continue;
    const Boundary& following = boundaries[i + 1];
    if (boundary.at_end || (!following.at_end && following.key == boundary.key)) continue;  // nothing lies between
    const Version newest = *open.rbegin();
    if (!fragments_.empty() && fragments_.back().end == boundary.key && fragments_.back().version == newest) {
      fragments_.back().end = following.key;
    } else {
      fragments_.push_back({std::string(boundary.key), std::string(following.key), newest});
    }
  }
}

const ErasureMap::Fragment* ErasureMap::over(std::string_view key) const {
  auto after =
      std::upper_bound(fragments_.begin(), fragments_.end(), key,
                       [](std::string_view wanted, const Fragment& fragment) { return wanted < fragment.begin; });
  if (after == fragments_.begin()) return nullptr;
  --after;
  return after->end.empty() || key < after->end ? &*after : nullptr;
}

namespace {

class SortedRunCursor final : public runs::Cursor {
 public:
  SortedRunCursor(std::vector<std::shared_ptr<runs::Run>> files, bool sequential)
      : files_(std::move(files)), sequential_(sequential) {}

  void seek(std::string_view key) override {
    const auto file = std::lower_bound(files_.begin(), files_.end(), key, [](const auto& run, std::string_view wanted) {
      return run->summary().largest < wanted;
    });
    if (!open(file)) return;
    cursor_->seek(key);
    go_forward();
  }
  void seek_before(std::string_view key) override {
    auto file = std::lower_bound(files_.begin(), files_.end(), key, [](const auto& run, std::string_view wanted) {
      return run->summary().smallest < wanted;
    });
    if (file == files_.begin()) {
      valid_ = false;
      cursor_.reset();
      return;
    }
    if (!open(--file)) return;
    cursor_->seek_before(key);
    go_backward();
  }
  void seek_first() override {
    if (!open(files_.begin())) return;
    cursor_->seek_first();
    go_forward();
  }
  void seek_last() override {
    if (files_.empty() || !open(files_.end() - 1)) return;
    cursor_->seek_last();
    go_backward();
  }
  void next() override {
    cursor_->next();
    go_forward();
  }
  void previous() override {
    cursor_->previous();
    go_backward();
  }
  [[nodiscard]] bool failed() const override { return cursor_ != nullptr && cursor_->failed(); }
  [[nodiscard]] const runs::Unreadable* unreadable() const override {
    return cursor_ == nullptr ? nullptr : cursor_->unreadable();
  }

 private:
  using Files = std::vector<std::shared_ptr<runs::Run>>;

  bool open(Files::const_iterator file) {
    if (file == files_.end()) {
      valid_ = false;
      cursor_.reset();  // which may have failed
      return false;
    }
    const auto index = static_cast<std::size_t>(file - files_.begin());
    if (cursor_ == nullptr || index != index_) {
      index_ = index;
      cursor_ = files_[index]->cursor(files_[index], sequential_);
    }
    return true;
  }
  void go_forward() {
    while (!cursor_->valid() && !cursor_->failed() && index_ + 1 < files_.size()) {
      cursor_ = files_[index_ + 1]->cursor(files_[index_ + 1], sequential_);
      ++index_;
      cursor_->seek_first();
    }
    take();
  }
  void go_backward() {
    while (!cursor_->valid() && !cursor_->failed() && index_ > 0) {
      cursor_ = files_[index_ - 1]->cursor(files_[index_ - 1], sequential_);
      --index_;
      cursor_->seek_last();
    }
    take();
  }
  void take() {
    valid_ = cursor_->valid();
    if (valid_) record_ = cursor_->record();
  }

  Files files_;
  bool sequential_;
  std::size_t index_ = 0;
  std::unique_ptr<runs::Cursor> cursor_;
};

// A sorted run under erasures that are newer than all of it: what they cover is jumped over, not walked through.
class SkippingCursor final : public runs::Cursor {
 public:
  SkippingCursor(std::unique_ptr<runs::Cursor> source, Version newest, const ErasureMap& erasures)
      : source_(std::move(source)), newest_(newest), erasures_(erasures) {}
  void seek(std::string_view key) override {
    source_->seek(key);
    go_forward();
  }
  void seek_before(std::string_view key) override {
    source_->seek_before(key);
    go_backward();
  }
  void seek_first() override {
    source_->seek_first();
    go_forward();
  }
  void seek_last() override {
    source_->seek_last();
    go_backward();
  }
  void next() override {
    source_->next();
    go_forward();
  }
  void previous() override {
    source_->previous();
    go_backward();
  }
  [[nodiscard]] bool failed() const override { return source_->failed(); }
  [[nodiscard]] const runs::Unreadable* unreadable() const override { return source_->unreadable(); }

 private:
  const ErasureMap::Fragment* dead() const {
    if (!source_->valid()) return nullptr;
    const ErasureMap::Fragment* fragment = erasures_.over(source_->record().key);
    return fragment != nullptr && newest_ < fragment->version ? fragment : nullptr;
  }
  void go_forward() {
    while (const ErasureMap::Fragment* fragment = dead()) {
      if (fragment->end.empty()) {
        valid_ = false;
        return;
      }
      source_->seek(fragment->end);
    }
    take();
  }
  void go_backward() {
    while (const ErasureMap::Fragment* fragment = dead()) source_->seek_before(fragment->begin);
    take();
  }
  void take() {
    valid_ = source_->valid();
    if (valid_) record_ = source_->record();
  }

  std::unique_ptr<runs::Cursor> source_;
  const Version newest_;
  const ErasureMap& erasures_;
};

Version newest_of(const SortedRun& sorted) {
  Version newest = 0;
  for (const auto& file : sorted.files) newest = std::max(newest, file->summary().version_max);
  return newest;
}

bool overlaps(const SortedRun& sorted, std::string_view begin, std::string_view end) {
  if (sorted.files.empty()) return false;
  if (sorted.files.back()->summary().largest < begin) return false;
  return end.empty() || sorted.files.front()->summary().smallest < end;
}

}  // namespace

std::unique_ptr<runs::Cursor> sorted_run_cursor(const SortedRun& sorted, bool sequential) {
  if (sorted.files.size() == 1) return sorted.files.front()->cursor(sorted.files.front(), sequential);
  return std::make_unique<SortedRunCursor>(sorted.files, sequential);
}

MergedView::MergedView(std::shared_ptr<const State> state, Version version, std::int64_t time_micros, std::string begin,
                       std::string end, ScanUse use, std::function<void(const std::string&)> on_lost)
    : on_lost_(std::move(on_lost)),
      state_(std::move(state)),
      view_{state_.get(), version, time_micros},
      begin_(std::move(begin)),
      end_(std::move(end)) {
  std::vector<std::unique_ptr<runs::Cursor>> sources;
  std::vector<runs::RangeErasure> erasures;
  const auto note_memtable = [&](const Memtable& memtable) {
    if (!memtable.has_erasures()) return;
    for (const runs::RangeErasure& erasure : memtable.erasures(version)) erasures.push_back(erasure);
  };
  note_memtable(*state_->active);
  for (const auto& memtable : state_->sealed) note_memtable(*memtable);
  std::vector<const SortedRun*> sorted_runs;
  for (const SortedRun& sorted : state_->sorted_runs) {
    if (!overlaps(sorted, begin_, end_)) continue;
    sorted_runs.push_back(&sorted);
    for (const auto& file : sorted.files) {
      if (!file->has_range_erasures()) continue;
      if (!file->readable()) {   // not to be taken for one that erases nothing
        if (on_lost_) continue;  // all keys that it says anything of are passed over
        why_ = file->why();
        return;
      }
      for (const runs::RangeErasure& erasure : file->range_erasures()) erasures.push_back(erasure);
    }
  }
  if (!erasures.empty()) erasures_ = std::make_unique<ErasureMap>(erasures);

  if (state_->active->records() != 0) sources.push_back(state_->active->cursor(version));
  for (const auto& memtable : state_->sealed) sources.push_back(memtable->cursor(version));
  for (const SortedRun* sorted : sorted_runs) {
    std::unique_ptr<runs::Cursor> cursor = sorted_run_cursor(*sorted, use == ScanUse::sequential);
    if (erasures_ != nullptr)
      cursor = std::make_unique<SkippingCursor>(std::move(cursor), newest_of(*sorted), *erasures_);
    sources.push_back(std::move(cursor));
  }
  if (sources.size() == 1) {
    cursor_ = std::move(sources.front());
  } else if (!sources.empty()) {
    cursor_ = runs::merge_cursors(std::move(sources));
  }
}

MergedView::~MergedView() = default;

bool MergedView::first() {
  if (cursor_ == nullptr) return false;
  cursor_->seek(begin_);
  return settle(Direction::forward);
}

bool MergedView::last() {
  if (cursor_ == nullptr) return false;
  if (end_.empty()) {
    cursor_->seek_last();
  } else {
    cursor_->seek_before(end_);
  }
  return settle(Direction::backward);
}

bool MergedView::next() {
  cursor_->next();
  return settle(Direction::forward);
}

bool MergedView::previous() {
  cursor_->previous();
  return settle(Direction::backward);
}

bool MergedView::seek(std::string_view key) {
  if (cursor_ == nullptr) return false;
  cursor_->seek(std::max<std::string_view>(key, begin_));
  return settle(Direction::forward);
}

bool MergedView::seek_before(std::string_view key) {
  if (cursor_ == nullptr) return false;
  cursor_->seek_before(end_.empty() ? key : std::min<std::string_view>(key, end_));
  return settle(Direction::backward);
}

// Goes on from where the cursor stands to the next record that the reader sees.
bool MergedView::settle(Direction direction) {
  passed_.clear();
  do {
    if (find(direction)) return true;
    if (failed()) return false;
  } while (cursor_->failed() && pass_unreadable(direction));
  return false;
}

// Keys that can't be read are told and passed over; or, by all who do not ask for that, the end with an error.
// (Backwards too: what others say of keys behind the stretch may not have been shown yet.)
bool MergedView::pass_unreadable(Direction direction) {
  const runs::Unreadable* unreadable = cursor_->unreadable();
  why_ = unreadable == nullptr || unreadable->why.empty() ? "a run could not be read" : unreadable->why;
  if (!on_lost_ || unreadable == nullptr || direction == Direction::backward) return false;
  if (unreadable->last == passed_) return false;  // never over one twice
  passed_ = unreadable->last;
  on_lost_(std::exchange(why_, {}));
  const std::string from = unreadable->last + '\0';
  if (!end_.empty() && from >= end_) return false;
  cursor_->seek(std::max(from, begin_));
  return true;
}

bool MergedView::find(Direction direction) {
  const auto step = [&] { direction == Direction::forward ? cursor_->next() : cursor_->previous(); };
  while (cursor_->valid()) {
    const runs::Record& record = cursor_->record();
    if (direction == Direction::forward) {
      if (!end_.empty() && record.key >= end_) return false;
    } else if (record.key < begin_) {
      return false;
    }
    if (record.kind == RecordKind::erased) {
      step();
      continue;
    }
    if (erasures_ != nullptr) {
      const ErasureMap::Fragment* fragment = erasures_->over(record.key);
      if (fragment != nullptr && record.version < fragment->version) {
        step();
        continue;
      }
    }
    key_ = record.key;
    if (record.kind == RecordKind::add) {
      if (fold()) return true;
      if (failed() && !on_lost_) return false;
      if (failed()) on_lost_(std::exchange(why_, {}));
    } else if (record.expires_micros == 0 || record.expires_micros > view_.time_micros ||
               base::broken(base::Break::engine_ignore_expiry)) {
      seen_ = {record.value, record.version, record.expires_micros};
      return true;
    }
    step();
  }
  return false;
}

// A counter's newest record is an operand: what it makes with all that lies below takes a look-up of its own.
bool MergedView::fold() {
  const Got got = get(
      view_, key_, runs::Io::allowed,
      [&](const Seen& seen) {
        folded_.assign(seen.value);
        seen_ = {folded_, seen.version, seen.expires_micros};
      },
      why_);
  return got == Got::found;
}

}  // namespace ingot::engine
