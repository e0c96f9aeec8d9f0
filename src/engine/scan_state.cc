#include "engine/scan_state.h"

#include "ingot/error.h"
#include "ingot/space.h"

namespace ingot::engine {

bool ScanState::next() {
  if (finished_) return false;
  engine->require_open();
  if (transaction != nullptr) transaction->require_open();
  if (recorded && range_ == nullptr) {
    // Grows with the scan: what was not reached was not read.
    range_ = reverse ? transaction->reads.open_range(end, end) : transaction->reads.open_range(begin, begin);
  }
  if (left == 0) return false;  // the range up to the last record is recorded
  const bool more = transaction != nullptr && transaction->has_own() ? next_overlaid() : next_plain();
  if (!more) return finish();
  --left;
  record();
  return true;
}

bool ScanState::finish() {
  finished_ = true;
  if (view->failed()) engine->throw_read_failure(view->why());
  if (range_ != nullptr) {
    range_->begin = begin;
    range_->end = end;
  }
  return false;
}

void ScanState::record() {
  if (range_ == nullptr) return;
  if (reverse) {
    range_->begin.assign(key);
  } else {
    range_->end.assign(key).push_back('\0');
  }
  transaction->reads.saw_expiry(read_expires_);
}

void ScanState::move_view() {
  if (!started_) {
    view_valid_ = reverse ? view->last() : view->first();
    started_ = true;
  } else if (view_shown_ && view_valid_) {
    view_valid_ = reverse ? view->previous() : view->next();
  }
  view_shown_ = false;
  if (!view_valid_ && view->failed()) engine->throw_read_failure(view->why());
}

void ScanState::show_view() {
  key = view->key();
  value = view->seen().value;
  version = view->seen().version;
  expires_micros = view->seen().expires_micros;
  read_expires_ = expires_micros;
  view_shown_ = true;
}

bool ScanState::next_plain() {
  move_view();
  if (!view_valid_) return false;
  show_view();
  if (transaction != nullptr) {
    passed_.assign(key);  // writes may follow
    passed_any_ = true;
  }
  return true;
}

// Own writes are looked up anew at each step, by the last key that was passed: the application may write while it
// scans.
bool ScanState::next_overlaid() {
  for (;;) {
    move_view();
    const std::pair<const std::string, OwnWrite>* own = nullptr;
    if (reverse) {
      own = transaction->own_before(passed_any_ ? std::string_view(passed_) : std::string_view(end));
      if (own != nullptr && own->first < begin) own = nullptr;
    } else {
      own = transaction->own_from(passed_any_ ? passed_ + '\0' : begin);
      if (own != nullptr && own->first >= end) own = nullptr;
    }
    if (!view_valid_ && own == nullptr) return false;
    const int order = !view_valid_ ? 1 : own == nullptr ? -1 : view->key().compare(own->first);
    const bool view_first = order != 0 && (order < 0) != reverse;
    if (view_valid_ && (own == nullptr || (order != 0 && view_first))) {
      passed_.assign(view->key());
      passed_any_ = true;
      view_shown_ = true;
      if (transaction->own_erased(view->key())) continue;
      show_view();
      return true;
    }
    const bool on_view = view_valid_ && order == 0;
    passed_.assign(own->first);
    passed_any_ = true;
    if (on_view) view_shown_ = true;
    if (own->second.kind == OwnWrite::Kind::erased) continue;
    show_own(*own, on_view);
    return true;
  }
}

void ScanState::show_own(const std::pair<const std::string, OwnWrite>& own, bool on_view) {
  own_key_ = own.first;
  version = 0;
  if (own.second.kind == OwnWrite::Kind::value) {
    own_value_ = own.second.value;
    expires_micros = own.second.expires_micros;
    read_expires_ = 0;
  } else {
    const std::int64_t base = on_view ? counter_of(view->seen().value) : 0;
    own_value_.resize(8);
    base::store_little(own_value_.data(),
                       static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(own.second.delta));
    expires_micros = on_view ? view->seen().expires_micros : 0;
    read_expires_ = expires_micros;
  }
  key = own_key_;
  value = own_value_;
}

}  // namespace ingot::engine

namespace ingot {

Scan::Scan(std::unique_ptr<engine::ScanState> state) : state_(std::move(state)) {}
Scan::Scan(Scan&&) noexcept = default;
Scan& Scan::operator=(Scan&&) noexcept = default;
Scan::~Scan() = default;

bool Scan::next() {
  if (!state_->next()) return false;
  item_.key = state_->key.substr(state_->prefix_bytes);
  item_.value = state_->value;
  return true;
}

Version Scan::version() const {
  return state_->version;
}
std::int64_t Scan::expires_micros() const {
  return state_->expires_micros;
}

Scan::Iterator Scan::begin() {
  Iterator iterator(this);
  iterator.more_ = next();
  return iterator;
}

}  // namespace ingot
