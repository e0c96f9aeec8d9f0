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
  visit(process.epoch, 1);
  visit(process.heir, 2);
  visit(process.position, 3);
  visit(process.from, 3);
  visit(process.known, 2);
  visit(process.confirmed, 4);
  visit(process.is_blind, 1);
  visit(process.sequence, 3);
  visit(process.transaction, 3);
  for (auto& fate : process.fates) visit(fate, 3);
  visit(process.attempt, kEntryBits);
  visit(process.earlier, kEntryBits);
  visit(process.attempt_done, 1);
  visit(process.earlier_done, 1);
  visit(process.held, 2);
  visit(process.held_counts, 1);
  visit(process.listed, 3);
  visit(process.listed_before, 6);
  visit(process.listed_number, 2);
  visit(process.checkpoint, 3);
  visit(process.observed, 4);
  if (world.uploads != 0) {
    visit(process.candidates, kUploadsMax + 1);
    visit(process.tail_read, 1);
    visit(process.upload, 2);
  }
}

template <typename AnyState, typename Visit>
void visit_state(const World& world, AnyState& state, const Visit& visit) {
  for (int slot = 1; slot <= world.slots; ++slot) visit(state.won(slot), kEntryBits);
  visit(state.deleted, kSlotsMax + 1);
  visit(state.checkpoints, kSlotsMax + 2);
  visit(state.tail_from, 3);
  visit(state.tail_upto, 3);
  visit(state.named_numbers, 2);
  for (std::size_t k = 1; k <= static_cast<std::size_t>(world.boundaries); ++k) {
    visit(state.boundaries[k], 3);
    visit(state.seen[k], 4);
  }
  visit(state.proposed, 4 * world.boundaries + 4);
  for (std::size_t u = 1; u <= static_cast<std::size_t>(world.uploads); ++u) {
    auto& upload = state.uploads[u];
    visit(upload.is_there, 1);
    visit(upload.was_named, 1);
    visit(upload.modified, 4);
    visit(upload.begun, 4);
    visit(upload.left, 4);
    visit(upload.heard, 1);
  }
  visit(state.kills, 2);
  visit(state.copies, 1);
  for (int i = 0; i < world.processes(); ++i) {
    visit_process(world, state.processes[static_cast<std::size_t>(i)], visit);
  }
  for (auto& request : state.wire) {
    visit(request.entry, kEntryBits);
    visit(request.slot, 3);
    visit(request.left, 4);
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

}  // namespace

std::size_t packed_words(const World& world) {
  int bits_used = 0;
  const State state;
  visit_state(world, state, [&](const auto&, int bits) { bits_used += bits; });
  return (static_cast<std::size_t>(bits_used) + 63) / 64;
}

void pack(const World& world, const State& state, std::span<std::uint64_t> words) {
  std::fill(words.begin(), words.end(), 0);
  std::size_t at = 0;
  visit_state(world, state, [&](const auto& value, int bits) {
    const std::uint64_t number = number_of(value);
    assert(number >> bits == 0);
    words[at / 64] |= number << at % 64;
    if (at % 64 + static_cast<std::size_t>(bits) > 64) words[at / 64 + 1] |= number >> (64 - at % 64);
    at += static_cast<std::size_t>(bits);
  });
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
