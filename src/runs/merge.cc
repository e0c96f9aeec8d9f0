#include "runs/merge.h"

#include <algorithm>
#include <string>

namespace ingot::runs {

namespace {

// A heap of sources, ordered by key and then by age. The winner is kept outside of the heap: as long as its next key is
// below the heap's top, a step costs one comparison.
class MergeCursor final : public Cursor {
 public:
  explicit MergeCursor(std::vector<std::unique_ptr<Cursor>> sources) : sources_(std::move(sources)) {
    heap_.reserve(sources_.size());
  }

  void seek(std::string_view key) override {
    for (const auto& source : sources_) source->seek(key);
    begin(true);
  }
  void seek_before(std::string_view key) override {
    for (const auto& source : sources_) source->seek_before(key);
    begin(false);
  }
  void seek_first() override {
    for (const auto& source : sources_) source->seek_first();
    begin(true);
  }
  void seek_last() override {
    for (const auto& source : sources_) source->seek_last();
    begin(false);
  }

  void next() override {
    if (!forward_) turn(true);
    pass_equals();
    sources_[winner_]->next();
    choose();
  }
  void previous() override {
    if (forward_) turn(false);
    pass_equals();
    sources_[winner_]->previous();
    choose();
  }

  [[nodiscard]] bool failed() const override {
    return std::any_of(sources_.begin(), sources_.end(), [](const auto& source) { return source->failed(); });
  }
  [[nodiscard]] const Unreadable* unreadable() const override {
    for (const auto& source : sources_) {
      if (source->failed()) return source->unreadable();
    }
    return nullptr;
  }

 private:
  // Whether source `a` comes after source `b`.
  [[nodiscard]] bool later(std::size_t a, std::size_t b) const {
    const int order = sources_[a]->record().key.compare(sources_[b]->record().key);
    if (order != 0) return (order > 0) == forward_;
    return a > b;
  }

  void begin(bool forward) {
    forward_ = forward;
    heap_.clear();
    lost_ = failed();
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i]->valid()) heap_.push_back(i);
    }
    std::make_heap(heap_.begin(), heap_.end(), [this](std::size_t a, std::size_t b) { return later(a, b); });
    take_top();
  }

  void take_top() {
    valid_ = !heap_.empty() && !lost_;
    if (!valid_) return;
    std::pop_heap(heap_.begin(), heap_.end(), [this](std::size_t a, std::size_t b) { return later(a, b); });
    winner_ = heap_.back();
    heap_.pop_back();
    record_ = sources_[winner_]->record();
  }

  // The winner has moved: who is next?
  void choose() {
    if (!sources_[winner_]->valid()) {
      lost_ |= sources_[winner_]->failed();
      take_top();
      return;
    }
    if (lost_) {
      valid_ = false;
      return;
    }
    if (heap_.empty() || later(heap_.front(), winner_)) {
      record_ = sources_[winner_]->record();
      return;
    }
    heap_.push_back(winner_);
    std::push_heap(heap_.begin(), heap_.end(), [this](std::size_t a, std::size_t b) { return later(a, b); });
    take_top();
  }

  // Older records of the winner's key are passed over.
  void pass_equals() {
    const auto compare = [this](std::size_t a, std::size_t b) { return later(a, b); };
    while (!heap_.empty() && sources_[heap_.front()]->record().key == record_.key) {
      std::pop_heap(heap_.begin(), heap_.end(), compare);
      Cursor& source = *sources_[heap_.back()];
      forward_ ? source.next() : source.previous();
      if (source.valid()) {
        std::push_heap(heap_.begin(), heap_.end(), compare);
      } else {
        lost_ |= source.failed();
        heap_.pop_back();
      }
    }
  }

  // Goes the other way: every source stands at the key again, or beyond it in the new direction.
  void turn(bool forward) {
    const std::string key(record_.key);
    const std::size_t winner = winner_;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (i == winner) continue;
      if (forward) {
        sources_[i]->seek(key);
      } else {
        sources_[i]->seek_before(key);
      }
    }
    forward_ = forward;
    lost_ = failed();
    heap_.clear();
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (i != winner && sources_[i]->valid()) heap_.push_back(i);
    }
    std::make_heap(heap_.begin(), heap_.end(), [this](std::size_t a, std::size_t b) { return later(a, b); });
    record_ = sources_[winner]->record();
  }

  std::vector<std::unique_ptr<Cursor>> sources_;
  std::vector<std::size_t> heap_;
  std::size_t winner_ = 0;
  bool forward_ = true;
  bool lost_ =
      false;  // a source failed, which looks as if it had ended: what it had must not be passed over in silence
};

class NoCursor final : public Cursor {
 public:
  void seek(std::string_view) override {}
  void seek_before(std::string_view) override {}
  void seek_first() override {}
  void seek_last() override {}
  void next() override {}
  void previous() override {}
};

}  // namespace

std::unique_ptr<Cursor> merge_cursors(std::vector<std::unique_ptr<Cursor>> newest_first) {
  if (newest_first.empty()) return std::make_unique<NoCursor>();
  if (newest_first.size() == 1) return std::move(newest_first.front());
  return std::make_unique<MergeCursor>(std::move(newest_first));
}

}  // namespace ingot::runs
