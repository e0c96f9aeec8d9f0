#include "model/packing.h"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

namespace ingot::bucket_model {

namespace {

// Calls visit(value, bits) for each value of a state that can differ in this world.
template <typename AnyProcess, typename Visit>
void visit_process(const World& world, AnyProcess& process, const Visit& visit) {
  visit(process.life, 3);
  visit(process.owner, 2);
  visit(process.position, 3);
  visit(process.from, 3);
  visit(process.known, 2);
  visit(process.confirmed, 4);
  visit(process.sequence, 3);
  visit(process.transaction, 3);
  for (auto& fate : process.fates) visit(fate, 3);
  visit(process.attempt, kEntryBits);
  visit(process.attempt_done, 1);
  visit(process.listed, 3);
  visit(process.own, 3);
  visit(process.named, 3);
  visit(process.sweeping, 2);
  if (world.kills != 0 || world.copies) {
    visit(process.epoch, 1);
    visit(process.heir, 2);
  }
  if (world.deadlines != 0) {
    visit(process.earlier, kEntryBits);
    visit(process.earlier_done, 1);
  }
  if (world.rechecks) visit(process.recheck, 3);
  if (world.answers_are_held) {
    visit(process.held, 2);
    visit(process.held_counts, 1);
  }
  if (world.slow_listing) {
    visit(process.is_blind, 1);
    visit(process.listed_before, kSlotsMax + 2);
    visit(process.listed_number, 2);
  }
  if (world.uploads != 0) {
    visit(process.candidates, kUploadsMax + 1);
    visit(process.tail_read, 1);
    visit(process.upload, 2);
  }
}

template <typename AnyState, typename Visit>
void visit_bucket(const World& world, AnyState& state, const Visit& visit) {
  for (int slot = 1; slot <= world.slots; ++slot) visit(state.won(slot), kEntryBits);
  visit(state.deleted, kSlotsMax + 1);
  visit(state.checkpoints, kSlotsMax + 2);
  if (world.tails) {
    visit(state.tail_from, 3);
    visit(state.tail_upto, 3);
  }
  if (world.slow_listing) visit(state.named_numbers, 2);
  for (std::size_t k = 1; k <= static_cast<std::size_t>(world.boundaries); ++k) {
    visit(state.boundaries[k], 3);
    visit(state.made[k], 4);
    visit(state.seen[k], 4);
  }
  visit(state.swept, kBoundariesMax + 1);
  visit(state.proposed, kSlotsMax * world.boundaries + 4);
  for (int u = 1; u <= world.uploads; ++u) {
    auto& upload = state.upload(u);
    visit(upload.is_there, 1);
    visit(upload.modified, 4);
    visit(upload.before_seen, kBoundariesMax + 1);
    visit(upload.begun, 4);
    visit(upload.left, 4);
    visit(upload.heard, 1);
    visit(upload.removed, 4);
  }
}

template <typename AnyState, typename Visit>
void visit_state(const World& world, AnyState& state, const Visit& visit) {
  visit_bucket(world, state, visit);
  visit(state.month, 1);
  visit(state.deadlines, 2);
  visit(state.kills, 2);
  visit(state.copies, 1);
  for (int i = 0; i < world.processes(); ++i) {
    visit_process(world, state.processes[static_cast<std::size_t>(i)], visit);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(world.requests); ++i) {
    auto& request = state.wire[i];
    visit(request.left, 4);
    if (request.left == 0) return;  // nor are there any behind it
    visit(request.entry, kEntryBits);
    visit(request.slot, 3);
  }
}

template <typename Value>
std::uint64_t number_of(const Value& value) {
  if constexpr (std::is_same_v<Value, Entry>) {
    return value.code();
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <typename Value>
void set_number(Value& value, std::uint64_t number) {
  if constexpr (std::is_same_v<Value, Entry>) {
    value = Entry::of_code(number);
  } else {
    value = static_cast<Value>(number);
  }
}

// Writes values of some bits each into words, one behind the other.
class Packer {
 public:
  explicit Packer(std::uint64_t* words) : next_(words) {}

  void put(std::uint64_t number, int bits) {
    assert(number >> bits == 0);
    word_ |= number << used_;
    used_ += bits;
    if (used_ < 64) return;
    *next_++ = word_;
    used_ -= 64;
    word_ = used_ == 0 ? 0 : number >> (bits - used_);
  }
  void end() {
    if (used_ != 0) *next_ = word_;
  }

 private:
  std::uint64_t* next_;
  std::uint64_t word_ = 0;
  int used_ = 0;
};

}  // namespace

std::size_t packed_words(const World& world) {
  State state;
  for (Request& request : state.wire) request.left = 1;  // all of them are stored
  int bits_used = 0;
  visit_state(world, state, [&](const auto&, int bits) { bits_used += bits; });
  return (static_cast<std::size_t>(bits_used) + 63) / 64;
}

void pack(const World& world, const State& state, std::span<std::uint64_t> words) {
  std::fill(words.begin(), words.end(), 0);
  Packer packer(words.data());
  visit_state(world, state, [&](const auto& value, int bits) { packer.put(number_of(value), bits); });
  packer.end();
}

State unpack(const World& world, std::span<const std::uint64_t> words) {
  State state;
  std::size_t at = 0;
  visit_state(world, state, [&](auto& value, int bits) {
    std::uint64_t number = words[at / 64] >> at % 64;
    if (at % 64 + static_cast<std::size_t>(bits) > 64) number |= words[at / 64 + 1] << (64 - at % 64);
    set_number(value, number & ((1ULL << bits) - 1));
    at += static_cast<std::size_t>(bits);
  });
  return state;
}

State with_twins_exchanged(const World& world, const State& state) {
  const int twin = world.twins;
  const auto exchanged = [twin](const Entry& entry) {
    if (entry.empty()) return entry;
    if (entry.owner() == twin) return entry.with_owner(twin + 1);
    if (entry.owner() == twin + 1) return entry.with_owner(twin);
    return entry;
  };
  State other = state;
  auto& one = other.processes[static_cast<std::size_t>(twin)];
  auto& two = other.processes[static_cast<std::size_t>(twin) + 1];
  std::swap(one, two);
  std::swap(one.owner, two.owner);
  for (Entry& entry : other.log) entry = exchanged(entry);
  for (Request& request : other.wire) request.entry = exchanged(request.entry);
  for (Process& process : other.processes) {
    process.attempt = exchanged(process.attempt);
    process.earlier = exchanged(process.earlier);
  }
  normalize(other);
  return other;
}

void normalize(State& state) {
  std::sort(state.wire.begin(), state.wire.end(), [](const Request& a, const Request& b) {
    const auto order = [](const Request& request) {
      return std::tuple(request.left == 0, request.entry.code(), request.slot, request.left);
    };
    return order(a) < order(b);
  });
}

}  // namespace ingot::bucket_model
