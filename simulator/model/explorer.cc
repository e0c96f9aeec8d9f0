#include "model/explorer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "model/packing.h"
#include "model/steps.h"

namespace ingot::bucket_model {

namespace {

using Words = std::span<const std::uint64_t>;

// The states found so far, in order, each with the one that it was found from.
class Found {
 public:
  explicit Found(std::size_t words) : words_(words), table_(1U << 16) {}

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Of memory, and what the next few states may take.
  [[nodiscard]] std::uint64_t bytes() const {
    const bool is_full = (size() + kChunk) * 8 > table_.size() * 5;
    const std::uint64_t places = table_.size() * (is_full ? 3 : 1);
    return (chunks_.size() + 1) * kChunk * bytes_each() + places * sizeof(std::uint64_t);
  }
  [[nodiscard]] Words at(std::uint64_t index) const {
    return {chunks_[index / kChunk].get() + index % kChunk * words_, words_};
  }
  [[nodiscard]] std::uint32_t parent(std::uint64_t index) const { return parents_[index / kChunk][index % kChunk]; }

  // The state's index, and whether it is a new one.
  std::pair<std::uint32_t, bool> insert(Words state, std::uint32_t parent) {
    if (size() * 8 > table_.size() * 5) grow();
    const std::uint64_t hash = hash_of(state);
    std::uint64_t& place = find(state, hash);
    if (place != 0) return {index_in(place), false};
    const std::uint64_t index = size();
    if (index % kChunk == 0) {
      chunks_.push_back(std::make_unique<std::uint64_t[]>(kChunk * words_));
      parents_.push_back(std::make_unique<std::uint32_t[]>(kChunk));
    }
    std::copy(state.begin(), state.end(), chunks_[index / kChunk].get() + index % kChunk * words_);
    parents_[index / kChunk][index % kChunk] = parent;
    ++size_;
    place = place_of(hash, index);
    return {static_cast<std::uint32_t>(index), true};
  }
  // Of a state that is there.
  [[nodiscard]] std::uint32_t index_of(Words state) { return index_in(find(state, hash_of(state))); }

 private:
  static constexpr std::uint64_t kChunk = 1U << 16;

  [[nodiscard]] std::uint64_t bytes_each() const { return words_ * sizeof(std::uint64_t) + sizeof(std::uint32_t); }
  static std::uint64_t hash_of(Words state) {
    std::uint64_t hash = 0;
    for (const std::uint64_t word : state) {
      hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
      hash ^= hash >> 29;
    }
    hash *= 0xBF58476D1CE4E5B9ULL;
    return hash ^ hash >> 32;
  }
  // Half of the hash and the index, plus one so that it is never 0.
  static std::uint64_t place_of(std::uint64_t hash, std::uint64_t index) { return (hash >> 32 << 32) | (index + 1); }
  static std::uint32_t index_in(std::uint64_t place) { return static_cast<std::uint32_t>(place) - 1; }

  std::uint64_t& find(Words state, std::uint64_t hash) {
    for (std::uint64_t at = hash;; ++at) {
      std::uint64_t& place = table_[at & (table_.size() - 1)];
      if (place == 0) return place;
      if (place >> 32 == hash >> 32 && std::ranges::equal(this->at(index_in(place)), state)) return place;
    }
  }
  void grow() {
    std::vector<std::uint64_t> larger(table_.size() * 2);
    std::swap(table_, larger);
    for (std::uint64_t index = 0; index < size(); ++index) {
      const std::uint64_t hash = hash_of(at(index));
      std::uint64_t at = hash;
      while (table_[at & (table_.size() - 1)] != 0) ++at;
      table_[at & (table_.size() - 1)] = place_of(hash, index);
    }
  }

  std::size_t words_;
  std::uint64_t size_ = 0;
  std::vector<std::unique_ptr<std::uint64_t[]>> chunks_;
  std::vector<std::unique_ptr<std::uint32_t[]>> parents_;
  std::vector<std::uint64_t> table_;  // open addressing, a power of two
};

class Exploration {
 public:
  Exploration(const World& world, const Effort& effort)
      : world_(world), effort_(effort), words_(packed_words(world)), found_(words_) {}

  Explored run() {
    add(first_state(world_), 0);
    std::uint64_t end_of_depth = 1;
    for (std::uint64_t index = 0; index < found_.size() && result_.violation.empty(); ++index) {
      if (index == end_of_depth) {
        ++result_.depth;
        end_of_depth = found_.size();
      }
      if (found_.size() >= effort_.states_max || found_.bytes() > effort_.bytes_max) {
        result_.is_whole = false;
        break;
      }
      visit(index);
    }
    result_.states = found_.size();
    result_.bytes = found_.bytes();
    if (effort_.checks_progress && result_.is_whole && result_.violation.empty()) check_progress();
    return std::move(result_);
  }

 private:
  // Of two states that differ only in which of the twins is which, one stands for both.
  std::span<const std::uint64_t> canonical(const State& state) {
    pack(world_, state, std::span(packed_).first(words_));
    if (world_.twins >= 0) {
      pack(world_, with_twins_exchanged(world_, state), std::span(exchanged_).first(words_));
      if (exchanged_ < packed_) packed_ = exchanged_;
    }
    return std::span(packed_).first(words_);
  }

  std::pair<std::uint32_t, bool> add(const State& state, std::uint64_t parent) {
    return found_.insert(canonical(state), static_cast<std::uint32_t>(parent));
  }

  void steps_from(const State& state) {
    successors_.clear();
    Steps(world_, state, successors_).all();
  }

  void visit(std::uint64_t index) {
    const State state = unpack(world_, found_.at(index));
    if (const char* const what = violated(world_, state)) return fail(index, std::nullopt, what);
    steps_from(state);
    result_.steps += successors_.size();
    for (const Successor& successor : successors_) {
      if (successor.violation != nullptr) return fail(index, successor.step, successor.violation);
    }
    for (const Successor& successor : successors_) add(successor.state, index);
  }

  // Walks from the first state to `last`, choosing at each state a step that leads to the next one; the twins keep
  // their names on the way.
  void fail(std::uint64_t last, const std::optional<Step>& step, const char* what) {
    std::vector<std::uint64_t> path;
    for (std::uint64_t index = last; index != 0; index = found_.parent(index)) path.push_back(index);
    std::ranges::reverse(path);
    State state = first_state(world_);
    for (const std::uint64_t index : path) {
      steps_from(state);
      const auto taken = std::ranges::find_if(successors_, [&](const Successor& successor) {
        return std::ranges::equal(canonical(successor.state), found_.at(index));
      });
      result_.trace.push_back(in_words(world_, state, taken->step));
      state = taken->state;
    }
    if (step.has_value()) {
      steps_from(state);
      const auto bad =
          std::ranges::find_if(successors_, [&](const Successor& successor) { return successor.violation != nullptr; });
      result_.trace.push_back(in_words(world_, state, bad->step));
    }
    result_.depth = static_cast<int>(result_.trace.size());
    result_.violation = what;
  }

  // Marks the settled states, then again and again those that have a step to a marked one, from the last found to the
  // first, until there are no more.
  void check_progress() {
    std::vector<bool> has_way(found_.size());
    std::uint64_t left = found_.size();
    for (std::uint64_t before = left + 1; left < before;) {
      before = left;
      for (std::uint64_t index = found_.size(); index-- > 0;) {
        if (has_way[index] || !goes_on(index, has_way)) continue;
        has_way[index] = true;
        --left;
      }
    }
    if (left == 0) return;
    const auto stuck = std::ranges::find(has_way, false) - has_way.begin();
    fail(static_cast<std::uint64_t>(stuck), std::nullopt, "P6: from here on no step leads to a decision");
  }

  bool goes_on(std::uint64_t index, const std::vector<bool>& has_way) {
    const State state = unpack(world_, found_.at(index));
    if (settled(world_, state)) return true;
    steps_from(state);
    return std::ranges::any_of(successors_, [&](const Successor& successor) {
      const Action action = successor.step.action;
      if (action == Action::is_killed || action == Action::is_copied) return false;
      return static_cast<bool>(has_way[found_.index_of(canonical(successor.state))]);
    });
  }

  const World& world_;
  const Effort effort_;
  const std::size_t words_;
  Found found_;
  Explored result_;
  std::vector<Successor> successors_;
  std::array<std::uint64_t, kWordsMax> packed_{};
  std::array<std::uint64_t, kWordsMax> exchanged_{};
};

}  // namespace

Explored explore(const World& world, const Effort& effort) {
  return Exploration(world, effort).run();
}

}  // namespace ingot::bucket_model
