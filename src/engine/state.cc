#include "engine/state.h"

#include <algorithm>

namespace ingot::engine {

const runs::Run* SortedRun::file_for(std::string_view key) const {
  if (files.size() == 1) {
    const runs::RunSummary& summary = files.front()->summary();
    return key < summary.smallest || key > summary.largest ? nullptr : files.front().get();
  }
  const auto file = std::lower_bound(files.begin(), files.end(), key, [](const auto& run, std::string_view wanted) {
    return run->summary().largest < wanted;
  });
  if (file == files.end() || key < (*file)->summary().smallest) return nullptr;
  return file->get();
}

void PinRegistry::add(std::uint64_t edit_number) {
  const std::lock_guard lock(mutex_);
  pinned_.insert(edit_number);
}

void PinRegistry::remove(std::uint64_t edit_number) {
  const std::lock_guard lock(mutex_);
  pinned_.erase(pinned_.find(edit_number));
}

std::uint64_t PinRegistry::oldest() const {
  const std::lock_guard lock(mutex_);
  return pinned_.empty() ? ~0ULL : *pinned_.begin();
}

State::State(std::shared_ptr<PinRegistry> registry, std::uint64_t number)
    : pins(std::move(registry)), edit_number(number) {
  pins->add(edit_number);
}

std::shared_ptr<State> State::make(std::shared_ptr<PinRegistry> pins, std::uint64_t edit_number) {
  const std::uint32_t generation = base::fork_generation();
  return {new State(std::move(pins), edit_number), [generation](const State* gone) {
            if (base::fork_generation() == generation) delete gone;
          }};
}

State::~State() {
  pins->remove(edit_number);
}

std::shared_ptr<State> State::copy(std::uint64_t new_edit_number) const {
  auto next = State::make(pins, new_edit_number);
  next->active = active;
  next->sealed = sealed;
  next->sorted_runs = sorted_runs;
  next->floor = floor;
  next->flushed_segment = flushed_segment;
  next->floor_time_micros = floor_time_micros;
  next->runs_have_erasures = runs_have_erasures;
  return next;
}

void State::note_erasures() {
  runs_have_erasures = std::any_of(sorted_runs.begin(), sorted_runs.end(), [](const SortedRun& sorted) {
    return std::any_of(sorted.files.begin(), sorted.files.end(),
                       [](const auto& file) { return file->summary().range_erasures != 0; });
  });
}

}  // namespace ingot::engine
