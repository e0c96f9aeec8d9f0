#include "support/fake_s3/journal.h"

namespace ingot::fake_s3 {

void Journal::add(Verb verb, int status, std::string line) {
  const std::lock_guard lock(mutex_);
  ++counts_[{verb, status}];
  lines_.push_back(std::move(line));
  if (lines_.size() > kJournalLinesMax) lines_.pop_front();
}

void Journal::add_connection() {
  const std::lock_guard lock(mutex_);
  ++connections_;
}

std::uint64_t Journal::count() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [what, number] : counts_) sum += number;
  return sum;
}

std::uint64_t Journal::count(Verb verb) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [what, number] : counts_) sum += what.first == verb ? number : 0;
  return sum;
}

std::uint64_t Journal::count(Verb verb, int status) const {
  const std::lock_guard lock(mutex_);
  const auto it = counts_.find({verb, status});
  return it == counts_.end() ? 0 : it->second;
}

std::map<std::pair<Verb, int>, std::uint64_t> Journal::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::uint64_t Journal::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void Journal::clear() {
  const std::lock_guard lock(mutex_);
  counts_.clear();
  connections_ = 0;
  lines_.clear();
}

std::string Journal::log(std::size_t lines) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (std::size_t i = lines_.size() - std::min(lines, lines_.size()); i < lines_.size(); ++i) text += lines_[i] + '\n';
  return text;
}

}  // namespace ingot::fake_s3
