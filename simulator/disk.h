// The simulated disk of one machine, with a file system on it as POSIX promises it and no better: see image.h for what
// a file keeps when the power fails. Names, too, are only durable once their directory was synced. It implements
// storage::Directory for all the processes of the machine, and belongs to the host.
//
// Every call is a step of the scheduler, takes virtual time, and may fail as the FaultProfile says. A failing sync
// behaves as Linux does: the pages count as clean, the medium may not have them, every open file of it is told once.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chance.h"
#include "faults.h"
#include "image.h"
#include "scheduler.h"
#include "storage/directory.h"

namespace ingot::simulator {

class Disk final : public storage::Directory {
 public:
  /// `pages_max`: how much it holds.
  Disk(Scheduler& scheduler, Chance chance, std::uint64_t pages_max = 1UL << 18);
  ~Disk() override;

  /// What fails from now on. A good disk to begin with.
  void set_faults(const FaultProfile& profile) { profile_ = profile; }
  [[nodiscard]] const FaultProfile& faults() const { return profile_; }
  /// Full from now on, or not any more.
  void set_full(bool full) { full_until_ = full ? base::kNever : base::Instant{}; }
  void set_pages_max(std::uint64_t pages) { pages_max_ = pages; }

  /// The machine stops: all processes die, and the disk keeps what the chance leaves. From the director or an action.
  void lose_power();

  // For scenarios that damage things: what is there, without a step, fault or open file.
  struct Listed {
    std::string path;
    std::uint64_t bytes;
  };
  [[nodiscard]] std::vector<Listed> files() const;  ///< sorted by path
  /// The image at `path`; null: none.
  [[nodiscard]] FileImage* image(std::string_view path);
  /// Damages one place of a file, and counts it. False: there was nothing there.
  bool damage(std::string_view path, std::uint64_t offset, Damage kind);
  [[nodiscard]] std::size_t open_files() const { return opens_.size(); }
  [[nodiscard]] std::size_t unsynced_names() const { return unsynced_names_.size(); }

  // storage::Directory
  storage::IoError open(std::string_view path, storage::OpenMode mode, std::unique_ptr<storage::File>& file) override;
  storage::IoError rename(std::string_view from, std::string_view to) override;
  storage::IoError remove(std::string_view path) override;
  storage::IoError make_directory(std::string_view path) override;
  storage::IoError list(std::string_view path, std::vector<std::string>& names) override;
  storage::IoError sync_directory(std::string_view path) override;
  storage::IoError map(std::string_view path, std::size_t bytes,
                       std::unique_ptr<storage::SharedMemory>& memory) override;
  storage::IoError status(std::string_view path, storage::FileStatus& status) override;
  storage::IoError free_bytes(std::uint64_t& bytes) override;
  [[nodiscard]] std::string where() const override { return "/simulated"; }

 private:
  class OpenedFile;
  class Mapping;
  struct Node;
  using NodePointer = std::shared_ptr<Node>;
  struct Open;

  // A change of names that is not yet durable. All of it happens, or nothing.
  struct NameChange {
    NodePointer from;  // directory that loses `lost`; null: none
    std::string lost;
    NodePointer to;  // directory that gets `gained`; null: none
    std::string gained;
    NodePointer node;
  };
  static void apply(const NameChange& change);

  struct Place {
    NodePointer directory;  // null: there is no such directory
    std::string name;
  };
  NodePointer make_node(bool is_directory);
  [[nodiscard]] std::uint64_t pages_used() const;
  [[nodiscard]] Place place(std::string_view path) const;
  [[nodiscard]] NodePointer node(std::string_view path) const;
  [[nodiscard]] storage::FileStatus status_of(const Node& node) const;
  void change_names(NameChange change);

  // A step that takes time: what kind of call, and the file. May come back in a world that has moved on.
  void take_time(std::uint64_t low_nanos, std::uint64_t high_nanos);
  void begin(const char* what, std::uint64_t a = 0, std::uint64_t b = 0, std::string_view detail = {});
  bool strikes(std::uint32_t per_million, Fault fault);
  [[nodiscard]] bool full() const { return scheduler_.time() < full_until_; }
  // How much of so many bytes one call does; -1: it was interrupted, and errno says so. Also waits.
  ssize_t one_call(std::size_t bytes);
  bool out_of_space(FileImage& image, std::uint64_t offset, std::uint64_t bytes);
  void close(Open& open);
  void process_died(Process& process);
  storage::IoError sync_file(Open& open);

  Scheduler& scheduler_;
  Chance chance_;
  FaultProfile profile_;
  std::uint64_t pages_max_;
  base::Instant full_until_{};
  std::uint64_t next_node_ = 1;
  std::vector<Node*> nodes_;  // all that are alive, by number: named, open, or only on the medium
  NodePointer root_;
  std::vector<NameChange> unsynced_names_;
  std::list<Open> opens_;

  // Syncs that are under way: here, and not on the stack of a fiber, which may be abandoned.
  struct PendingSync {
    Process* process;
    NodePointer node;
    FileImage::Syncing syncing;
  };
  std::list<PendingSync> syncs_;
  std::vector<const Process*> writing_;  // who is between two pages of a write
};

}  // namespace ingot::simulator
