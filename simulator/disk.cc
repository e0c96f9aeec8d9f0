#include "disk.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "memory.h"
#include "storage/whole_io.h"

namespace ingot::simulator {

using storage::IoError;
using storage::LockMode;
using storage::OpenMode;

struct Disk::Node : std::enable_shared_from_this<Disk::Node> {
  Node(std::vector<Node*>& among, std::uint64_t its_number, bool directory)
      : all(among), number(its_number), is_directory(directory) {
    all.push_back(this);
  }
  ~Node() { std::erase(all, this); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::vector<Node*>& all;
  std::uint64_t number;
  bool is_directory;
  FileImage image;
  std::int64_t modified_micros = 0;
  std::map<std::string, NodePointer, std::less<>> names;    // as the processes see it
  std::map<std::string, NodePointer, std::less<>> durable;  // as a power loss leaves it

  struct Lock {
    const Open* owner;
    std::uint64_t offset;
    std::uint64_t end;
    LockMode mode;
  };
  std::vector<Lock> locks;
};

// An open file description.
struct Disk::Open {
  Process* process;
  NodePointer node;
  OpenMode mode;
  int sync_error;  // to be told at the next sync
};

// What a process holds of it. In the process's memory; the description is the host's.
class Disk::OpenedFile final : public storage::File {
 public:
  OpenedFile(Disk& disk, Open& open) : disk_(disk), open_(open) {}
  ~OpenedFile() override {
    HostMemory host;
    disk_.scheduler_.step();
    disk_.scheduler_.trace().event("close", open_.node->number);
    disk_.close(open_);
  }

  IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override;
  IoError write_at(std::uint64_t offset, std::string_view bytes) override;
  IoError sync_data() override {
    HostMemory host;
    return disk_.sync_file(open_);
  }
  IoError sync() override {
    HostMemory host;
    return disk_.sync_file(open_);
  }
  IoError size(std::uint64_t& bytes) override;
  IoError truncate(std::uint64_t bytes) override;
  IoError status(storage::FileStatus& status) override;
  IoError touch() override;
  IoError try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) override;
  IoError unlock(std::uint64_t offset, std::uint64_t bytes) override;
  IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) override;

 private:
  static std::uint64_t end_of(std::uint64_t offset, std::uint64_t bytes) {
    return bytes == 0 || offset > ~0ULL - bytes ? ~0ULL : offset + bytes;
  }
  void drop_locks(std::uint64_t offset, std::uint64_t end);
  // As pwrite: a count, or -1 and errno.
  ssize_t write_once(std::uint64_t offset, std::string_view bytes, bool in_pieces);

  Disk& disk_;
  Open& open_;
};

class Disk::Mapping final : public storage::SharedMemory {
 public:
  Mapping(Disk& disk, char* data, std::size_t bytes) : disk_(disk), data_(data), bytes_(bytes) {}
  char* data() override { return data_; }
  [[nodiscard]] std::size_t bytes() const override { return bytes_; }
  bool wait_until(std::size_t offset, std::uint32_t expected, base::Instant deadline) override {
    // The look and the wait are one, as in the kernel.
    disk_.scheduler_.step();
    if (word(offset) != expected) return true;
    return disk_.scheduler_.wait_until(data_ + offset, deadline);
  }
  void wake_all(std::size_t offset) override {
    disk_.scheduler_.step();
    disk_.scheduler_.wake_all(data_ + offset);
  }

 private:
  std::uint32_t word(std::size_t offset) {
    return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(data_ + offset)).load();
  }

  Disk& disk_;
  char* data_;
  std::size_t bytes_;
};

Disk::Disk(Scheduler& scheduler, Chance chance, std::uint64_t pages_max)
    : scheduler_(scheduler), chance_(chance), pages_max_(pages_max), root_(make_node(true)) {
  scheduler_.on_death([this](Process& process) { process_died(process); });
}

Disk::~Disk() = default;

Disk::NodePointer Disk::make_node(bool is_directory) {
  return std::make_shared<Node>(nodes_, next_node_++, is_directory);
}

std::uint64_t Disk::pages_used() const {
  std::uint64_t pages = 0;
  for (const Node* node : nodes_) pages += node->image.pages_allocated();
  return pages;
}

// The machine.

void Disk::lose_power() {
  HostMemory host;
  scheduler_.trace().event("POWER LOSS", unsynced_names_.size());
  scheduler_.report().count(Fault::power_loss);
  for (const auto& process : scheduler_.processes()) {
    if (process->number() != 0) scheduler_.kill(*process);
  }
  if (!opens_.empty()) scheduler_.fail("the director has files open while the power fails");
  syncs_.clear();
  std::size_t kept = unsynced_names_.size();
  if (profile_.names_in_order) kept = chance_.below(kept + 1);
  for (std::size_t i = 0; i < unsynced_names_.size(); ++i) {
    if (profile_.names_in_order ? i < kept : chance_.one_in(2)) {
      apply(unsynced_names_[i]);
    } else {
      scheduler_.report().count(Fault::lost_name);
    }
  }
  unsynced_names_.clear();
  std::vector<NodePointer> nodes;
  for (Node* node : nodes_) nodes.push_back(node->shared_from_this());
  for (const NodePointer& node : nodes) node->names = node->durable;
  for (const NodePointer& node : nodes) {
    // Only what is still named: the rest goes with `nodes`.
    if (!node->is_directory && node.use_count() > 1) {
      node->image.lose_power(profile_, chance_, scheduler_.report());
    }
  }
}

std::vector<Disk::Listed> Disk::files() const {
  std::vector<Listed> files;
  const auto walk = [&files](const auto& self, const Node& directory, const std::string& prefix) -> void {
    for (const auto& [name, node] : directory.names) {
      if (node->is_directory) {
        self(self, *node, prefix + name + "/");
      } else {
        files.push_back({prefix + name, node->image.size()});
      }
    }
  };
  walk(walk, *root_, "");
  std::sort(files.begin(), files.end(), [](const Listed& a, const Listed& b) { return a.path < b.path; });
  return files;
}

FileImage* Disk::image(std::string_view path) {
  const NodePointer found = node(path);
  return found == nullptr || found->is_directory ? nullptr : &found->image;
}

bool Disk::damage(std::string_view path, std::uint64_t offset, Damage kind) {
  HostMemory host;
  FileImage* const at = image(path);
  if (at == nullptr || !scheduler_.choices().take(Optional::fault) || !at->damage(offset, kind, chance_)) return false;
  scheduler_.trace().event("damage", static_cast<std::uint64_t>(kind), offset, path);
  scheduler_.report().count(kind == Damage::bit_flip     ? Fault::bit_flip
                            : kind == Damage::unreadable ? Fault::unreadable
                                                         : Fault::damaged_sector);
  return true;
}

// Time, steps and faults.

void Disk::begin(const char* what, std::uint64_t a, std::uint64_t b, std::string_view detail) {
  scheduler_.step();
  scheduler_.trace().event(what, a, b, detail);
  ++scheduler_.report().disk_calls;
}

void Disk::take_time(std::uint64_t low_nanos, std::uint64_t high_nanos) {
  if (!scheduler_.in_fiber()) return;
  std::uint64_t nanos = chance_.magnitude(low_nanos, high_nanos);
  if (strikes(profile_.slow, Fault::slow)) nanos = chance_.magnitude(100'000'000, 8'000'000'000);
  scheduler_.sleep_for(base::Duration(static_cast<std::int64_t>(nanos)));
}

bool Disk::strikes(std::uint32_t per_million, Fault fault) {
  if (!chance_.per_million(per_million) || !scheduler_.choices().take(Optional::fault)) return false;
  scheduler_.report().count(fault);
  scheduler_.trace().event("fault", 0, 0, fault_name(fault));
  return true;
}

ssize_t Disk::one_call(std::size_t bytes) {
  if (strikes(profile_.interrupted, Fault::interrupted)) {
    scheduler_.step();
    errno = EINTR;
    return -1;
  }
  if (bytes < 2 || !strikes(profile_.short_io, Fault::short_io)) return static_cast<ssize_t>(bytes);
  const std::size_t part = 1 + chance_.below(bytes - 1);
  scheduler_.step();
  return static_cast<ssize_t>(part);
}

bool Disk::out_of_space(FileImage& image, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t needed = image.pages_needed(offset, bytes);
  if (needed == 0) return false;
  if (!full() && chance_.per_million(profile_.full_begins)) {
    const auto lasts = static_cast<std::int64_t>(chance_.magnitude(1'000'000, 2'000'000'000));
    if (scheduler_.choices().take(Optional::fault)) full_until_ = scheduler_.time() + base::Duration(lasts);
  }
  if (!full() && pages_used() + needed <= pages_max_) return false;
  scheduler_.report().count(Fault::no_space);
  scheduler_.trace().event("fault", needed, 0, fault_name(Fault::no_space));
  return true;
}

void Disk::process_died(Process& process) {
  HostMemory host;
  const bool killed = process.state() == Process::State::killed;
  for (auto sync = syncs_.begin(); sync != syncs_.end();) {
    if (sync->process == &process) {
      if (killed && chance_.one_in(2)) sync->node->image.end_sync(sync->syncing);  // the kernel may go on with it
      sync = syncs_.erase(sync);
    } else {
      ++sync;
    }
  }
  scheduler_.report().count(Fault::killed_write, static_cast<std::uint64_t>(std::erase(writing_, &process)));
  std::size_t left_open = 0;
  for (auto open = opens_.begin(); open != opens_.end();) {
    Open& each = *open++;
    if (each.process == &process) {
      ++left_open;
      close(each);
    }
  }
  if (!killed && left_open != 0) {
    scheduler_.fail("process " + process.name() + " ended with " + std::to_string(left_open) + " files open");
  }
}

void Disk::close(Open& open) {
  std::erase_if(open.node->locks, [&open](const Node::Lock& lock) { return lock.owner == &open; });
  opens_.remove_if([&open](const Open& each) { return &each == &open; });
}

// Names.

Disk::Place Disk::place(std::string_view path) const {
  NodePointer directory = root_;
  for (;;) {
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return {std::move(directory), std::string(path)};
    const auto found = directory->names.find(path.substr(0, slash));
    if (found == directory->names.end() || !found->second->is_directory) return {};
    NodePointer next = found->second;
    directory = std::move(next);
    path.remove_prefix(slash + 1);
  }
}

Disk::NodePointer Disk::node(std::string_view path) const {
  if (path.empty()) return root_;
  const Place at = place(path);
  if (at.directory == nullptr) return nullptr;
  const auto found = at.directory->names.find(at.name);
  return found == at.directory->names.end() ? nullptr : found->second;
}

void Disk::change_names(NameChange change) {
  if (change.from != nullptr) change.from->names.erase(change.lost);
  if (change.to != nullptr) change.to->names[change.gained] = change.node;
  unsynced_names_.push_back(std::move(change));
}

void Disk::apply(const NameChange& change) {
  if (change.from != nullptr) change.from->durable.erase(change.lost);
  if (change.to != nullptr) change.to->durable[change.gained] = change.node;
}

IoError Disk::open(std::string_view path, OpenMode mode, std::unique_ptr<storage::File>& file) {
  Open* opened = nullptr;
  {
    HostMemory host;
    begin("open", static_cast<std::uint64_t>(mode), 0, path);
    take_time(1'000, 30'000);
    if (strikes(profile_.open_error, Fault::open_error)) return IoError(EMFILE);
    const Place at = place(path);
    if (at.directory == nullptr) return IoError(ENOENT);
    const auto found = at.directory->names.find(at.name);
    NodePointer found_node;
    if (mode == OpenMode::create) {
      if (found != at.directory->names.end()) return IoError(EEXIST);
      if (full()) {
        scheduler_.report().count(Fault::no_space);
        return IoError(ENOSPC);
      }
      found_node = make_node(false);
      change_names({nullptr, {}, at.directory, at.name, found_node});
    } else {
      if (found == at.directory->names.end()) return IoError(ENOENT);
      if (found->second->is_directory) return IoError(EISDIR);
      found_node = found->second;
    }
    opens_.push_back({scheduler_.current_process(), std::move(found_node), mode, 0});
    opened = &opens_.back();
  }
  file = std::make_unique<OpenedFile>(*this, *opened);
  return {};
}

IoError Disk::rename(std::string_view from, std::string_view to) {
  HostMemory host;
  begin("rename", 0, 0, to);
  take_time(1'000, 50'000);
  const Place source = place(from);
  const Place target = place(to);
  if (source.directory == nullptr || target.directory == nullptr) return IoError(ENOENT);
  const auto found = source.directory->names.find(source.name);
  if (found == source.directory->names.end()) return IoError(ENOENT);
  const auto replaced = target.directory->names.find(target.name);
  if (replaced != target.directory->names.end() && replaced->second->is_directory) return IoError(EISDIR);
  if (replaced != target.directory->names.end() && replaced->second == found->second) return {};
  const NodePointer moved = found->second;
  change_names({source.directory, source.name, target.directory, target.name, moved});
  return {};
}

IoError Disk::remove(std::string_view path) {
  HostMemory host;
  begin("remove", 0, 0, path);
  take_time(1'000, 50'000);
  const Place at = place(path);
  if (at.directory == nullptr) return IoError(ENOENT);
  const auto found = at.directory->names.find(at.name);
  if (found == at.directory->names.end()) return IoError(ENOENT);
  if (found->second->is_directory && !found->second->names.empty()) return IoError(ENOTEMPTY);
  change_names({at.directory, at.name, nullptr, {}, found->second});
  return {};
}

IoError Disk::make_directory(std::string_view path) {
  HostMemory host;
  begin("make directory", 0, 0, path);
  take_time(1'000, 50'000);
  const Place at = place(path);
  if (at.directory == nullptr) return IoError(ENOENT);
  if (at.directory->names.contains(at.name)) return IoError(EEXIST);
  change_names({nullptr, {}, at.directory, at.name, make_node(true)});
  return {};
}

IoError Disk::list(std::string_view path, std::vector<std::string>& names) {
  Allocations* const theirs = Allocations::current();
  NodePointer directory;
  std::size_t count = 0;
  {
    HostMemory host;
    begin("list", 0, 0, path);
    take_time(1'000, 50'000);
    if (strikes(profile_.read_error, Fault::read_error)) return IoError(EIO);
    directory = node(path);
    if (directory == nullptr) return IoError(ENOENT);
    if (!directory->is_directory) return IoError(ENOTDIR);
    count = directory->names.size();
  }
  names.clear();
  names.reserve(count);
  // Unordered, for the caller; the same order for a seed.
  const std::size_t start = count == 0 ? 0 : chance_.below(count);
  MemoryOf memory(theirs);
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back(std::next(directory->names.begin(), static_cast<std::ptrdiff_t>((start + i) % count))->first);
  }
  return {};
}

IoError Disk::sync_directory(std::string_view path) {
  HostMemory host;
  begin("sync directory", unsynced_names_.size(), 0, path);
  take_time(20'000, 3'000'000);
  if (strikes(profile_.sync_error, Fault::sync_error)) return IoError(EIO);
  const NodePointer directory = node(path);
  if (directory == nullptr) return IoError(ENOENT);
  // A rename between two directories takes all that came before it along, so that no name is in both or in none.
  std::size_t whole = 0;
  for (std::size_t i = 0; i < unsynced_names_.size(); ++i) {
    const NameChange& change = unsynced_names_[i];
    const bool ours = change.from == directory || change.to == directory;
    if (ours && change.from != nullptr && change.to != nullptr && change.from != change.to) whole = i + 1;
  }
  std::size_t index = 0;
  std::erase_if(unsynced_names_, [&](const NameChange& change) {
    const bool ours = index++ < whole || change.from == directory || change.to == directory;
    if (ours) apply(change);
    return ours;
  });
  return {};
}

IoError Disk::map(std::string_view path, std::size_t bytes, std::unique_ptr<storage::SharedMemory>& memory) {
  char* data = nullptr;
  {
    HostMemory host;
    begin("map", bytes, 0, path);
    take_time(1'000, 30'000);
    const NodePointer mapped = node(path);
    if (mapped == nullptr) return IoError(ENOENT);
    if (mapped->image.size() < bytes) return IoError(EINVAL);
    data = mapped->image.map(bytes);
    if (data == nullptr) return IoError(EIO);
  }
  memory = std::make_unique<Mapping>(*this, data, bytes);
  return {};
}

storage::FileStatus Disk::status_of(const Node& node) const {
  const auto names_it = [&node](const Node* directory) {
    return std::any_of(directory->names.begin(), directory->names.end(),
                       [&node](const auto& entry) { return entry.second.get() == &node; });
  };
  return {node.image.size(), node.image.pages_allocated() * kPageBytes, node.modified_micros,
          std::any_of(nodes_.begin(), nodes_.end(), names_it)};
}

IoError Disk::status(std::string_view path, storage::FileStatus& status) {
  HostMemory host;
  begin("status", 0, 0, path);
  const NodePointer found = node(path);
  if (found == nullptr) return IoError(ENOENT);
  if (found->is_directory) return IoError(EISDIR);
  status = status_of(*found);
  return {};
}

IoError Disk::free_bytes(std::uint64_t& bytes) {
  HostMemory host;
  begin("free bytes");
  const std::uint64_t used = pages_used();
  bytes = full() || used >= pages_max_ ? 0 : (pages_max_ - used) * kPageBytes;
  return {};
}

// Files.

IoError Disk::OpenedFile::read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) {
  HostMemory host;
  disk_.begin("read", open_.node->number, offset);
  disk_.take_time(500, 20'000);
  return storage::read_whole(offset, out, got, [this](std::uint64_t at, std::span<char> rest) -> ssize_t {
    const ssize_t part = disk_.one_call(rest.size());
    if (part < 0) return part;
    if (disk_.strikes(disk_.profile_.read_error, Fault::read_error)) {
      errno = EIO;
      return -1;
    }
    std::size_t count = 0;
    if (open_.node->image.read(at, rest.first(static_cast<std::size_t>(part)), count)) {
      return static_cast<ssize_t>(count);
    }
    disk_.scheduler_.report().count(Fault::unreadable);
    errno = EIO;
    return -1;
  });
}

// A page at a time, as the kernel does it: between two, others may look, and the process may be killed.
IoError Disk::OpenedFile::write_at(std::uint64_t offset, std::string_view bytes) {
  HostMemory host;
  disk_.begin("write", open_.node->number, offset, {});
  if (open_.mode == OpenMode::read) return IoError(EBADF);
  open_.node->modified_micros = disk_.scheduler_.wall_micros();
  // Mostly in one go, so that long zero-filling writes stay cheap.
  const bool in_pieces = bytes.size() <= 64 * kPageBytes && disk_.chance_.one_in(4);
  const IoError failed = storage::write_whole(offset, bytes, [&](std::uint64_t at, std::string_view rest) {
    const ssize_t part = disk_.one_call(rest.size());
    return part < 0 ? part : write_once(at, rest.substr(0, static_cast<std::size_t>(part)), in_pieces);
  });
  if (!failed) disk_.take_time(1'000, 50'000);
  return failed;
}

ssize_t Disk::OpenedFile::write_once(std::uint64_t offset, std::string_view bytes, bool in_pieces) {
  FileImage& image = open_.node->image;
  const std::size_t until = disk_.strikes(disk_.profile_.write_error, Fault::write_error)
                                ? disk_.chance_.below(bytes.size() + 1)
                                : bytes.size() + 1;
  for (std::size_t done = 0; done < bytes.size();) {
    std::size_t count = bytes.size() - done;
    if (in_pieces) count = std::min<std::size_t>(count, kPageBytes - (offset + done) % kPageBytes);
    if (disk_.out_of_space(image, offset + done, count)) {
      // What fits is written.
      const std::size_t fits = disk_.chance_.below(count + 1) / kPageBytes * kPageBytes;
      if (image.pages_needed(offset + done, fits) == 0)
        image.write(offset + done, bytes.substr(done, fits), disk_.chance_);
      errno = ENOSPC;
      return -1;
    }
    if (done + count >= until) {
      image.write(offset + done, bytes.substr(done, until - std::min(done, until)), disk_.chance_);
      errno = EIO;
      return -1;
    }
    image.write(offset + done, bytes.substr(done, count), disk_.chance_);
    done += count;
    if (in_pieces && done < bytes.size()) {
      Process* const process = disk_.scheduler_.current_process();
      disk_.writing_.push_back(process);
      disk_.scheduler_.step();
      disk_.writing_.erase(std::find(disk_.writing_.begin(), disk_.writing_.end(), process));
    }
  }
  return static_cast<ssize_t>(bytes.size());
}

IoError Disk::sync_file(Open& open) {
  begin("sync", open.node->number, open.node->image.has_unsynced() ? 1 : 0);
  if (open.sync_error != 0) {
    take_time(20'000, 3'000'000);
    return IoError(std::exchange(open.sync_error, 0));
  }
  if (strikes(profile_.sync_error, Fault::sync_error)) {
    take_time(20'000, 3'000'000);
    open.node->image.fail_sync(chance_);
    // Everybody who has it open is told; this caller is told now.
    for (Open& other : opens_) {
      if (other.node == open.node && &other != &open) other.sync_error = EIO;
    }
    if (chance_.one_in(2)) {
      scheduler_.report().count(Fault::evicted_page, open.node->image.evict(chance_));
    }
    if (chance_.per_million(profile_.deadly_sync)) {
      const std::uint64_t steps = chance_.magnitude(1, 500);
      const bool all = chance_.one_in(2);
      if (!scheduler_.choices().take(Optional::event)) return IoError(EIO);
      for (const auto& process : scheduler_.processes()) {
        if (!process->running() || process->number() == 0) continue;
        if (all || process.get() == open.process) scheduler_.kill_after(*process, steps);
      }
    }
    return IoError(EIO);
  }
  syncs_.push_back({scheduler_.current_process(), open.node, open.node->image.begin_sync()});
  const auto pending = std::prev(syncs_.end());
  take_time(20'000, 3'000'000);
  if (open.sync_error != 0) {  // another's failed meanwhile: it took our pages along
    syncs_.erase(pending);
    return IoError(std::exchange(open.sync_error, 0));
  }
  pending->node->image.end_sync(pending->syncing);
  syncs_.erase(pending);
  scheduler_.trace().event("synced", open.node->number);
  return {};
}

IoError Disk::OpenedFile::size(std::uint64_t& bytes) {
  HostMemory host;
  disk_.begin("size", open_.node->number);
  bytes = open_.node->image.size();
  return {};
}

IoError Disk::OpenedFile::status(storage::FileStatus& status) {
  HostMemory host;
  disk_.begin("status", open_.node->number);
  status = disk_.status_of(*open_.node);
  return {};
}

IoError Disk::OpenedFile::touch() {
  HostMemory host;
  disk_.begin("touch", open_.node->number);
  open_.node->modified_micros = disk_.scheduler_.wall_micros();
  return {};
}

IoError Disk::OpenedFile::truncate(std::uint64_t bytes) {
  HostMemory host;
  disk_.begin("truncate", open_.node->number, bytes);
  if (open_.mode == OpenMode::read) return IoError(EINVAL);
  disk_.take_time(1'000, 50'000);
  open_.node->image.truncate(bytes);
  return {};
}

// Locks.

void Disk::OpenedFile::drop_locks(std::uint64_t offset, std::uint64_t end) {
  std::vector<Node::Lock> kept;
  for (const Node::Lock& lock : open_.node->locks) {
    if (lock.owner != &open_ || lock.end <= offset || lock.offset >= end) {
      kept.push_back(lock);
      continue;
    }
    if (lock.offset < offset) kept.push_back({lock.owner, lock.offset, offset, lock.mode});
    if (lock.end > end) kept.push_back({lock.owner, end, lock.end, lock.mode});
  }
  open_.node->locks = std::move(kept);
}

IoError Disk::OpenedFile::try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) {
  HostMemory host;
  taken = false;
  disk_.begin("lock", open_.node->number, offset);
  if (mode == LockMode::exclusive && open_.mode == OpenMode::read) return IoError(EBADF);
  const std::uint64_t end = end_of(offset, bytes);
  for (const Node::Lock& lock : open_.node->locks) {
    if (lock.owner == &open_ || lock.end <= offset || lock.offset >= end) continue;
    if (mode == LockMode::exclusive || lock.mode == LockMode::exclusive) return {};
  }
  drop_locks(offset, end);
  open_.node->locks.push_back({&open_, offset, end, mode});
  taken = true;
  disk_.scheduler_.trace().event("locked", open_.node->number, offset);
  return {};
}

IoError Disk::OpenedFile::unlock(std::uint64_t offset, std::uint64_t bytes) {
  HostMemory host;
  disk_.begin("unlock", open_.node->number, offset);
  drop_locks(offset, end_of(offset, bytes));
  return {};
}

IoError Disk::OpenedFile::is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) {
  HostMemory host;
  disk_.begin("is locked", open_.node->number, offset);
  const std::uint64_t end = end_of(offset, bytes);
  locked = std::any_of(open_.node->locks.begin(), open_.node->locks.end(), [&](const Node::Lock& lock) {
    return lock.owner != &open_ && lock.end > offset && lock.offset < end;
  });
  return {};
}

}  // namespace ingot::simulator
