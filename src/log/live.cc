// See live.h.
#include "log/live.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/simulation.h"
#include "base/testing.h"
#include "base/time.h"
#include "log/live_memory.h"

namespace ingot::log {
namespace {

constexpr int kCellTries = 100;  // a writer is in the middle for nanoseconds
constexpr base::Duration kOpeningPoll = std::chrono::milliseconds(1);
constexpr base::Duration kEndingPatience = std::chrono::seconds(1);

std::uint64_t cell_check(const LiveCell& cell, std::uint64_t key) {
  char bytes[24];
  base::store_little(bytes, cell.sequence);
  base::store_little(bytes + 8, cell.version);
  base::store_little(bytes + 16, cell.segment);
  return base::hash64({bytes, sizeof bytes}, key);
}

std::uint64_t pin_check(std::uint64_t pin, std::size_t slot, std::uint64_t key) {
  char bytes[16];
  base::store_little(bytes, pin);
  base::store_little<std::uint64_t>(bytes + 8, slot);
  return base::hash64({bytes, sizeof bytes}, key);
}

std::size_t slot_at(std::size_t slot) {
  return kLiveSlotsAt + slot * kLiveSlotBytes;
}

void may_be_killed_here() {
#ifdef INGOT_TESTING
  if (base::Simulation* simulation = base::simulation()) simulation->step();
#endif
}

std::uint64_t store_key(const base::Hash128& store_id) {
  char bytes[16];
  base::store_hash(bytes, store_id);
  return base::hash64({bytes, sizeof bytes});
}

// Waits for the opening lock.
storage::IoError lock_opening(storage::File& file, base::Instant deadline) {
  for (;;) {
    bool taken = false;
    if (const auto failed = file.try_lock(kLockOpening, 1, storage::LockMode::exclusive, taken)) return failed;
    if (taken) return {};
    base::probe("live: waited for another's opening");
    if (base::now() >= deadline) return storage::IoError(ETIMEDOUT);
    base::sleep_for(kOpeningPoll);
  }
}

// Writes all of the file, which then has blocks that exist and can be read: a load or a store to a mapped page that has
// none, on a full or a damaged disk, would be a signal.
storage::IoError make_anew(storage::File& file, const base::Hash128& store_id) {
  std::string bytes(kLiveSlotsAt, '\0');
  std::size_t got = 0;
  std::uint64_t size = 0;
  if (const auto failed = file.size(size)) return failed;
  // `syncing` outlives those who open alone, but do not come far enough to act on it. If it can't be read, it may have
  // been anything.
  std::uint64_t syncing = 0;
  if (const auto failed = file.read_at(0, bytes, got)) {
    base::probe("live: it could not be read");
    syncing = size != 0 ? 1 : 0;
  } else if (got == bytes.size() && base::load_little<std::uint64_t>(bytes.data() + kLiveMagicAt) == kLiveMagic &&
             base::load_hash(bytes.data() + kLiveStoreAt) == store_id) {
    syncing = base::load_little<std::uint64_t>(bytes.data() + kLiveSyncingAt);
  }
  if (syncing != 0) base::probe("live: the last holder died in a sync, and all the others with it");
  bytes.assign(kLiveBytes, '\0');
  base::store_little<std::uint64_t>(bytes.data() + kLiveMagicAt, kLiveMagic);
  base::store_little<std::uint32_t>(bytes.data() + kLiveFormatAt, kLiveFormat);
  base::store_hash(bytes.data() + kLiveStoreAt, store_id);
  base::store_little(bytes.data() + kLiveSyncingAt, syncing);
  base::store_little(bytes.data() + kLiveHolderTokenAt, base::random_u64());  // readers see that it is another life
  return file.write_at(0, bytes);
}

// The slots in [begin, end) that somebody else's lock stands on.
storage::IoError locked_slots(storage::File& file, std::size_t begin, std::size_t end,
                              std::vector<std::size_t>& found) {
  bool locked = false;
  if (const auto failed = file.is_locked(kLockSlots + begin, end - begin, locked)) return failed;
  if (!locked) return {};
  if (end - begin == 1) {
    found.push_back(begin);
    return {};
  }
  const std::size_t middle = begin + (end - begin) / 2;
  if (const auto failed = locked_slots(file, begin, middle, found)) return failed;
  return locked_slots(file, middle, end, found);
}

}  // namespace

storage::IoError Live::Implementation::take_slot() {
  for (std::size_t index = 0; index < kLiveSlots && !slotted; ++index) {
    slot = (token + index) % kLiveSlots;
    if (const auto failed = file->try_lock(kLockSlots + slot, 1, storage::LockMode::exclusive, slotted)) return failed;
  }
  return slotted ? storage::IoError() : storage::IoError(EMFILE);
}

storage::IoError Live::Implementation::take_part() {
  auto failed = directory.open("store", storage::OpenMode::read_write, header);
  if (failed.code() == EACCES && !alone) failed = directory.open("store", storage::OpenMode::read, header);
  if (failed.code() == ENOENT) return {};
  if (failed) return failed;
  bool taken = true;
  // A process that ends lets go of one lock after the other.
  const base::Instant patience = base::now() + kEndingPatience;
  for (;;) {
    if (alone) failed = header->try_lock(kLockPresence, 1, storage::LockMode::exclusive, taken);
    if (failed || taken || base::now() >= patience) break;
    base::sleep_for(kOpeningPoll);
  }
  if (!failed && !taken) {
    base::probe("live: it was removed while others have the store open");
    return storage::IoError(EBUSY);
  }
  if (!failed) failed = header->try_lock(kLockPresence, 1, storage::LockMode::shared, taken);
  return failed;
}

void Live::Implementation::attach() {
  std::lock_guard guard(mutex);
  if (memory.ready()) return;
  // Where it may write to it, it pins what it reads like everybody else.
  std::uint64_t bytes = 0;
  const auto failed = directory.open("live", storage::OpenMode::read_write, file);
  if (failed.code() == ENOENT) return;
  if (!failed && !file->size(bytes) && bytes >= kLiveBytes && !directory.map("live", kLiveBytes, memory.memory)) {
    token = base::random_u64();
    (void)take_slot();
    if (slotted) {  // until it is known what is read, nothing is deleted
      memory.set_number(slot_at(slot), 0);
      memory.set_number(slot_at(slot) + 8, pin_check(0, slot, memory.key));
    }
  } else if (!directory.open("live", storage::OpenMode::read, file) && !file->size(bytes) && bytes >= kLiveBytes) {
    memory.file = file.get();
  } else {
    file.reset();
    return;
  }
  memory.set_ready();
}

std::uint64_t LiveMemory::news_hash() const {
  std::array<char, 2 * kLiveCellBytes + 8> bytes{};
  if (memory != nullptr) {
    for (std::size_t at = 0; at < 2 * kLiveCellBytes; at += 8) {
      base::store_little(bytes.data() + at, number(kLivePublishedAt + at));
    }
    base::store_little(bytes.data() + 2 * kLiveCellBytes, number(kLiveHolderTokenAt));
  } else {
    std::size_t got = 0;
    const std::span<char> all(bytes);
    (void)file->read_at(kLivePublishedAt, all.first(2 * kLiveCellBytes), got).code();
    (void)file->read_at(kLiveHolderTokenAt, all.last(8), got).code();
  }
  return base::hash64({bytes.data(), bytes.size()}, key);
}

bool LiveMemory::load(std::size_t at, LiveCell& cell) const {
  if (!ready()) return false;
  for (int tries = 0; tries < kCellTries; ++tries) {
    if (load_copy(at, cell) || load_copy(at + kLiveCellBytes, cell)) return true;
    base::spin_pause();
  }
  base::probe("live: a cell holds nothing that can be believed");
  return false;
}

bool LiveMemory::load_copy(std::size_t at, LiveCell& cell) const {
  std::uint64_t check = 0;
  if (memory != nullptr) {
    check = number(at + 24);
    cell.sequence = number(at);
    cell.version = number(at + 8);
    cell.segment = number(at + 16);
  } else {
    char bytes[kLiveCellBytes];
    std::size_t got = 0;
    if (file->read_at(at, bytes, got) || got != sizeof bytes) return false;
    cell.sequence = base::load_little<std::uint64_t>(bytes);
    cell.version = base::load_little<std::uint64_t>(bytes + 8);
    cell.segment = base::load_little<std::uint64_t>(bytes + 16);
    check = base::load_little<std::uint64_t>(bytes + 24);
  }
  return check == cell_check(cell, key);
}

void LiveMemory::store(std::size_t at, const LiveCell& cell) {
  // Killed anywhere, it leaves one copy whole: this version's, or the one's before.
  store_copy(at, cell);
  may_be_killed_here();
  store_copy(at + kLiveCellBytes, cell);
}

void LiveMemory::store_copy(std::size_t at, const LiveCell& cell) {
  set_number(at, cell.sequence);
  may_be_killed_here();
  set_number(at + 8, cell.version);
  set_number(at + 16, cell.segment);
  may_be_killed_here();
  set_number(at + 24, cell_check(cell, key));
}

Live::Live(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

Live::Opened Live::open(storage::Directory& directory, const base::Hash128& store_id, base::Instant deadline) {
  auto self = std::make_unique<Implementation>(directory);
  self->fork_generation = base::fork_generation();
  auto failed = directory.open("live", storage::OpenMode::read_write, self->file);
  if (failed.code() == ENOENT) {
    failed = directory.open("live", storage::OpenMode::create, self->file);
    if (failed.code() == EEXIST) failed = directory.open("live", storage::OpenMode::read_write, self->file);
  }
  if (failed) return {nullptr, failed};
  storage::File& file = *self->file;
  if ((failed = lock_opening(file, deadline))) return {nullptr, failed};
  if ((failed = file.try_lock(kLockPresence, 1, storage::LockMode::exclusive, self->alone))) return {nullptr, failed};
  if (self->alone && (failed = make_anew(file, store_id))) return {nullptr, failed};
  if ((failed = self->take_part())) return {nullptr, failed};
  if ((failed = directory.map("live", kLiveBytes, self->memory.memory))) return {nullptr, failed};
  self->memory.key = store_key(store_id);
  self->memory.set_ready();
  self->token = base::random_u64();
  bool present = false;
  if ((failed = file.try_lock(kLockPresence, 1, storage::LockMode::shared, present))) return {nullptr, failed};
  if (!present) return {nullptr, storage::IoError(EAGAIN)};  // nobody holds it exclusively but under the opening lock

  if ((failed = self->take_slot())) return {nullptr, failed};
  self->opening = true;
  const bool alone = self->alone;
  std::unique_ptr<Live> live(new Live(std::move(self)));
  live->publish_pin(kNoPin);
  if (!alone) live->finish_opening();  // nothing to recover: the next may come
  return {std::move(live), {}};
}

std::unique_ptr<Live> Live::open_read_only(storage::Directory& directory, const base::Hash128& store_id) {
  auto self = std::make_unique<Implementation>(directory);
  self->fork_generation = base::fork_generation();
  self->read_only = true;
  self->memory.key = store_key(store_id);
  self->attach();
  return std::unique_ptr<Live>(new Live(std::move(self)));
}

Live::~Live() {
  Implementation& self = *implementation_;
  if (self.is_child()) {  // the parent's locks and memory: not ours to give back, and closing frees nothing of it
    return;
  }
  finish_opening();
  publish_pin(kNoPin);
}

bool Live::alone() const {
  return implementation_->alone;
}

bool Live::recovers() const {
  return implementation_->alone && implementation_->opening.load();
}

void Live::finish_opening() {
  Implementation& self = *implementation_;
  if (self.opening.exchange(false)) (void)self.file->unlock(kLockOpening, 1);  // closing the file does it otherwise
}

bool Live::try_maintenance() {
  Implementation& self = *implementation_;
  if (self.read_only || self.is_child()) return false;
  std::lock_guard guard(self.mutex);
  if (self.maintaining) return false;
  bool taken = false;
  if (self.file->try_lock(kLockMaintenance, 1, storage::LockMode::exclusive, taken)) return false;
  self.maintaining = taken;
  return taken;
}

void Live::end_maintenance() {
  Implementation& self = *implementation_;
  if (self.is_child()) return;
  std::lock_guard guard(self.mutex);
  if (std::exchange(self.maintaining, false)) (void)self.file->unlock(kLockMaintenance, 1);
}

void Live::publish_pin(std::uint64_t edit_number) {
  Implementation& self = *implementation_;
  if (self.is_child()) return;
  std::lock_guard guard(self.mutex);
  if (!self.slotted) return;
  const std::size_t at = slot_at(self.slot);
  self.memory.set_number(at, edit_number);
  self.memory.set_number(at + 8, pin_check(edit_number, self.slot, self.memory.key));
  std::atomic_thread_fence(std::memory_order_seq_cst);  // before the reads that the pin protects
}

std::uint64_t Live::oldest_pin() {
  Implementation& self = *implementation_;
  if (self.read_only || self.is_child()) return 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::vector<std::size_t> slots;
  if (locked_slots(*self.file, 0, kLiveSlots, slots)) return 0;
  slots.push_back(self.slot);
  std::uint64_t oldest = kNoPin;
  for (const std::size_t slot : slots) {
    std::uint64_t pin = 0;
    bool good = false;
    for (int tries = 0; tries < kCellTries && !good; ++tries) {
      const std::uint64_t check = self.memory.number(slot_at(slot) + 8);
      pin = self.memory.number(slot_at(slot));
      good = check == pin_check(pin, slot, self.memory.key);
      if (!good) base::spin_pause();
    }
    if (!good) {
      base::probe("live: a pin can't be believed");
      return 0;
    }
    oldest = std::min(oldest, pin);
  }
  return oldest;
}

std::uint32_t Live::handles() {
  Implementation& self = *implementation_;
  if (self.read_only || self.is_child()) return 1;
  std::vector<std::size_t> slots;
  if (locked_slots(*self.file, 0, kLiveSlots, slots)) return 1;
  return static_cast<std::uint32_t>(slots.size()) + 1;
}

}  // namespace ingot::log
