// The world's faults: which kinds there are, how likely each is in a run, and how often each happened.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "chance.h"

namespace ingot::simulator {

/// One line per kind, with what the reports call it.
#define INGOT_FAULTS(X)                                                                                      \
  X(kill, "kill")                          /* a process ended by kill -9 */                                  \
  X(power_loss, "power loss")              /* the machine stopped: all processes, and what was not synced */ \
  X(pause, "pause")                        /* a process that stood still for a while */                      \
  X(wall_jump, "wall clock jump")          /* the machine's clock was set */                                 \
  X(lost_sector, "lost sector")            /* at a power loss: written, not synced, gone */                  \
  X(older_sector, "older sector")          /* at a power loss: an earlier un-synced write of it stayed */    \
  X(torn_page, "torn page")                /* at a power loss: a page with kept and lost sectors */          \
  X(garbage_page, "garbage page")          /* at a power loss: a page under write became noise */            \
  X(lost_size, "lost size")                /* at a power loss: a file's length was not yet durable */        \
  X(lost_name, "lost name")                /* at a power loss: a create, rename or remove undone */          \
  X(sync_error, "failing sync")            /* EIO, and the pages are clean afterwards */                     \
  X(evicted_page, "evicted unsynced page") /* after a failing sync the cache lets go of the only copy */     \
  X(read_error, "read error")              /* EIO, once */                                                   \
  X(unreadable, "unreadable sector")       /* EIO until it is written again */                               \
  X(write_error, "write error")            /* EIO, a part may be written */                                  \
  X(no_space, "no space")                  /* ENOSPC */                                                      \
  X(open_error, "too many files")          /* EMFILE */                                                      \
  X(short_io, "short read or write")       /* a call that did less than it was asked */                      \
  X(interrupted, "interrupted call")       /* EINTR */                                                       \
  X(slow, "slow i/o")                      /* an operation that takes 0.1 to 8 seconds */                    \
  X(bit_flip, "bit flip")                  /* one bit, in place */                                           \
  X(damaged_sector, "damaged sector")      /* 512 or 4096 bytes of noise or zeros, in place */               \
  X(killed_write, "half a write")          /* a process killed inside a write of several pages */            \
  /* object store: what befalls a request */                                                                 \
  X(delayed, "delayed request")                 /* 1 to 60 s, on the way there or back */                    \
  X(lost_request, "lost request")               /* not applied, no answer */                                 \
  X(lost_answer, "lost answer")                 /* applied, no answer */                                     \
  X(duplicate, "duplicate request")             /* delivered twice, the second time up to 30 hours later */  \
  X(late, "late request")                       /* applied minutes to hours after it was sent */             \
  X(conflict, "409")                            /* to a create, at random: not applied */                    \
  X(throttled, "429")                           /* with Retry-After: not applied */                          \
  X(error_before, "500 before applying")        /* not applied */                                            \
  X(error_after, "500 after applying")          /* applied */                                                \
  X(storm, "503 storm")                         /* nothing but 503 for seconds to minutes */                 \
  X(truncated, "truncated body")                /* of a get */                                               \
  X(stale_connection, "stale connection")       /* reset at once; mostly not applied */                      \
  X(outage, "outage")                           /* no answer for seconds to hours, for one process or all */ \
  X(no_connection, "no connection")             /* nothing can be sent for a while, by one process or all */ \
  X(wrong_date, "wrong date")                   /* an answer whose Date is minutes to days off */            \
  X(expired_credentials, "expired credentials") /* 403 for a while, for one process or all */                \
  X(stall, "stall around a request")            /* its process stands still for minutes to days */           \
  /* and not by chance of a request */                                                                       \
  X(killed_request, "request of the dead") /* handled after its process was killed */

enum class Fault : std::uint8_t {
#define INGOT_FAULT_NAME(name, text) name,
  INGOT_FAULTS(INGOT_FAULT_NAME)
#undef INGOT_FAULT_NAME
      count
};
inline constexpr std::size_t kFaultCount = static_cast<std::size_t>(Fault::count);
/// Those of processes and disks come first, those of the object store behind them.
inline constexpr std::size_t kDiskFaultCount = static_cast<std::size_t>(Fault::delayed);
const char* fault_name(Fault fault);

/// How likely each fault of an operation is, in a million. A scenario changes them as it goes on; all zero: a good
/// disk.
struct FaultProfile {
  std::uint32_t read_error = 0;
  std::uint32_t write_error = 0;
  std::uint32_t sync_error = 0;
  std::uint32_t deadly_sync = 0;  ///< per failing sync: its process, or all of them, are killed within the next steps
  std::uint32_t open_error = 0;
  std::uint32_t short_io = 0;
  std::uint32_t interrupted = 0;
  std::uint32_t slow = 0;
  std::uint32_t full_begins = 0;  ///< per operation that takes space: the disk is full from now on, for a while
  // At a power loss:
  std::uint32_t garbage_page = 0;  ///< per page under write
  bool names_in_order = true;      ///< lost names are the newest ones (a journal); else any of them

  /// A mixture for a seed: each kind is absent in most seeds, rare or frequent in others.
  static FaultProfile draw(Chance& chance);
};

/// The same for an object store: how likely each fault is to befall a request, in a million; a request has one at most.
class BucketProfile {
 public:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(Fault::killed_request) - kDiskFaultCount;
  /// `fault`: delayed to stall.
  std::uint32_t& operator[](Fault fault) { return per_million_[static_cast<std::size_t>(fault) - kDiskFaultCount]; }
  /// Which one a number below a million stands for; nothing: none.
  [[nodiscard]] std::optional<Fault> at(std::uint64_t roll) const;

  /// A mixture for a seed: each kind is absent in most seeds, rare or frequent in others.
  static BucketProfile draw(Chance& chance);

 private:
  std::array<std::uint32_t, kKinds> per_million_{};
};

/// What a run did, to be added up over seeds.
struct Report {
  std::uint64_t operations = 0;  ///< by the scenario's processes
  std::uint64_t steps = 0;
  std::uint64_t switches = 0;
  std::uint64_t disk_calls = 0;
  std::uint64_t bucket_requests = 0;
  std::uint64_t processes = 0;
  std::uint64_t virtual_micros = 0;  ///< that passed on the simulated clocks
  std::array<std::uint64_t, kFaultCount> faults{};
  std::map<std::string, std::uint64_t, std::less<>> outcomes;  ///< what the operations came to
  std::map<std::string, std::uint64_t, std::less<>> probes;    ///< rare branches of the code that ran

  void count(Fault fault, std::uint64_t times = 1) { faults[static_cast<std::size_t>(fault)] += times; }
  void outcome(std::string_view name);
  void probe(std::string_view name);
  [[nodiscard]] std::uint64_t counted(Fault fault) const { return faults[static_cast<std::size_t>(fault)]; }

  void add(const Report& other);
  /// As lines of "kind<tab>name<tab>count", to pass from a worker to its parent; `take` adds such a line.
  [[nodiscard]] std::string serialise() const;
  void take(std::string_view line);
  /// For a person.
  [[nodiscard]] std::string text() const;
};

}  // namespace ingot::simulator
