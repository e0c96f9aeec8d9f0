// The class behind directory_log.h. Its functions are in directory_log.cc (what the owner and others call),
// recovery.cc (opening), commit_lock.cc (mutual exclusion and taking over), sync.cc (making durable, and what follows
// if that fails), roll.cc (new segments) and background.cc (its threads).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/thread.h"
#include "log/directory_log.h"
#include "log/group_image.h"
#include "log/live_memory.h"
#include "log/reader.h"
#include "log/segment_files.h"

namespace ingot::log {

class DirectoryLog final : public Log {
 public:
  DirectoryLog(storage::Directory& directory, Live& live, DirectoryLogOptions options);
  ~DirectoryLog() override;

  Read open(const Sink& sink, std::string& why);  // recovery.cc; once, before all else

  [[nodiscard]] Version published() const override;
  Read read(const Sink& sink) override;
  Read look(base::Instant /*deadline*/) override { return Read::caught_up; }
  [[nodiscard]] std::int64_t clock_micros() const override { return base::wall_micros(); }
  [[nodiscard]] Attempt attempt() const override { return {}; }
  bool prepare(base::Instant deadline) override;
  Append append(const Draft& draft, base::Instant deadline) override;
  [[nodiscard]] Position position() const override;
  [[nodiscard]] std::optional<Start> start_of(std::uint64_t segment) const override;
  bool sync(base::Instant deadline) override;
  [[nodiscard]] Version durable() const override;
  Version wait(Version version, base::Instant deadline) override;
  void release(std::uint64_t segment) override;
  void check(const Start& start, std::uint64_t& entries, std::uint64_t& bytes, std::vector<std::string>& healed,
             std::vector<std::string>& damage) override;
  [[nodiscard]] std::string why() const override;
  [[nodiscard]] std::string problem() const override;
  [[nodiscard]] bool short_of_room() const override;
  [[nodiscard]] LogStats stats() const override;
  void close() override;

 private:
  using Lock = std::unique_lock<base::Mutex>;
  enum class Sync { done, cut, failed };
  enum class Room { ready, none, failed };
  enum class Found { there, none, full };
  enum class Claim { ordinary, reserve };  // what an append may use of a disk that is full
  // The only one inside append, acquire, seal, …: what they do is of several steps, between which the mutex may be
  // free.
  class Busy {
   public:
    Busy(DirectoryLog& log, Lock& lock, base::Instant deadline);
    ~Busy();
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    explicit operator bool() const { return good_; }

   private:
    DirectoryLog& log_;
    bool good_ = false;
  };

  [[nodiscard]] bool is_child() const { return base::fork_generation() != fork_generation_; }
  [[nodiscard]] bool usable();
  void say(const std::string& message) const;
  void set_why(const std::string& sentence);
  void set_problem(const std::string& sentence);
  void set_room_problem(const std::string& sentence);
  void tell_damage(const std::string& sentence);

  // recovery.cc
  Read create_first_segment(std::string& why);
  Read recover(const Sink& sink, std::string& why);
  storage::IoError clear_unreadable_end();
  Read remove_leftovers(std::string& why);
  Read join(const Sink& sink, std::string& why);
  void adopt_tail(const Cursor& cursor, std::shared_ptr<SegmentFile> segment);
  // The published end of the log, for a reader; false: unknown (then `why` is set).
  bool published_end(Goal& goal);
  bool published_cell(Goal& goal) const;
  Read read_to(Goal goal, const Sink& sink);
  bool has_diverged();
  [[nodiscard]] Version told_version(bool following) const;
  Read find_end(LogReader& finder, bool thorough, Goal& goal);
  Read end_alone(const LogReader& finder);
  Read look_again(Read outcome, Goal& goal, const Sink& sink);
  void advance_tail();
  void repair(LogReader& reader);
  void write_repairs(LogReader& reader, base::Duration patience);
  void heal_seal(const Chain& end, std::vector<std::string>& healed);
  Version scout();  // read-only handles: looks how far the log goes

  Append append_at_tail(Lock& lock, const Draft& draft, std::uint64_t payload_bytes, base::Instant deadline);

  // commit_lock.cc. The mutex is held on entry and exit of everything that takes a Lock.
  bool acquire(Lock& lock, base::Instant deadline);
  bool take_over(Lock& lock, base::Instant deadline);
  bool settle_found(Lock& lock, base::Instant deadline, bool unpublished);
  void record_loss(const LogReader& reader);
  bool load_image();
  bool image_is_whole();
  void release_commit_lock();
  void release_if_asked();
  [[nodiscard]] std::string holder() const;
  base::Hash128 next_nonce();
  void publish();
  void publish_durable();

  // sync.cc
  bool write_range(std::uint64_t from, std::uint64_t to);
  void append_parity();
  bool close_group();
  Sync sync_tail(Lock& lock, base::Instant deadline, const Cursor* undo);
  Sync fail_over(Lock& lock, base::Instant deadline, const Cursor* undo);
  void take_back(const Cursor& undo);
  bool carry_over(const Cursor& upto);
  [[nodiscard]] bool stands_in_file(const Cursor& before);
  void seal(Lock& lock);
  [[nodiscard]] bool unsynced() const { return tail_.offset > tail_.settled; }
  bool wait_for_sync(Lock& lock, base::Instant deadline);
  bool end_failure(Lock& lock, base::Instant deadline);
  [[nodiscard]] bool closing() const { return closing_.load(std::memory_order_relaxed); }

  // roll.cc
  Room make_room(Lock& lock, std::uint64_t payload_bytes, Claim claim, base::Instant deadline);
  bool choose_number();
  [[nodiscard]] bool fits(std::uint64_t payload_bytes) const;
  Room roll(Lock& lock, std::uint64_t payload_bytes, Claim claim, base::Instant deadline);
  bool look_for_room();
  bool begin_segment(SegmentFiles::Spare& spare);
  Found find_spare(std::uint64_t payload_bytes, Claim claim, SegmentFiles::Spare& spare);
  bool install(SegmentFiles::Spare& spare, const SegmentHeader& header);

  // background.cc
  void start_threads();
  void stop_threads();
  void work();
  void keep_lock();
  void work_once(Lock& lock);
  void make_spares(Lock& lock);
  [[nodiscard]] base::Instant next_work() const;
  void background_sync(Lock& lock);
  void work_by(base::Instant when);

  storage::Directory& directory_;
  Live& live_handle_;
  Live::Implementation& live_;
  LiveMemory& memory_;
  const DirectoryLogOptions options_;
  mutable SegmentFiles files_;
  const std::uint32_t fork_generation_;
  std::atomic<Version> durable_version_{0};
  std::atomic<Version> seen_version_{0};  // newest version that the owner has passed over
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<std::uint64_t> bytes_written_{0};
  std::atomic<std::uint64_t> healed_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> broken_{false};  // an outcome could not be decided: nothing is appended any more

  // The owner's.
  LogReader reader_;
  std::map<std::uint64_t, Start> starts_;
  bool diverged_ = false;                   // what was read is not in the log any more
  std::uint64_t losses_seen_ = 0;           // of `live`, when has_diverged looked last
  std::atomic<std::uint64_t> released_{0};  // segments below it were released

  // Read-only handles without others to follow.
  base::Mutex scout_mutex_;
  std::unique_ptr<LogReader> scout_;
  std::atomic<bool> following_{false};          // others have the store open, and `live` says how far the log goes
  std::atomic<std::uint64_t> ignored_news_{0};  // what it said when nobody had it open
  bool alone_sync_failed_ = false;              // under scout_mutex_
  std::uint64_t synced_alone_ = 0;              // under scout_mutex_: entries up to here were synced by a reader

  // The tail as whoever holds the commit lock knows it; guarded by mutex_.
  mutable base::Mutex mutex_;
  base::ConditionVariable changed_;  // busy_, syncing_, failing_, closing_ changed, or a spare was made
  base::ConditionVariable for_worker_;
  base::ConditionVariable for_keeper_;
  bool held_ = false;  // this handle holds the commit lock
  bool busy_ = false;  // a thread is inside something of several steps, and may have left the mutex
  std::uint32_t busy_waiters_ = 0;
  bool syncing_ = false;      // a sync is under way; the mutex may be free meanwhile
  bool failing_ = false;      // the tail's segment can't be appended to: entries are to be carried over
  bool carrying_ = false;     // a thread is at that; it may have left the mutex between two tries
  bool roll_wanted_ = false;  // the entry under way shall begin a segment
  bool must_roll_ = false;    // a later segment may have a name: the tail's gets no more entries
  bool room_known_ = false;   // when the tail's segment was begun, or since, the disk had room for what follows from it
  bool exposed_ = false;      // while failing_: the entry under way may be found by whoever opens the store after us
  Cursor tail_;
  std::shared_ptr<SegmentFile> tail_segment_;
  std::uint64_t tail_losses_ = 0;  // of `live`, when the tail was where it is said to be
  GroupImage image_;               // [tail_.settled, tail_.offset), while held_
  std::uint64_t image_segment_ = 0;
  std::uint64_t written_end_ = 0;  // sectors up to here were written whole
  std::uint64_t next_number_ = 0;  // the next segment's number, or a later one: see choose_number
  base::Hash128 nonce_;
  std::uint32_t request_seen_ = 0;
  base::Instant acquired_at_{};
  base::Instant hold_until_{};
  base::Instant used_at_{};  // when the commit lock was taken, or something appended
  base::Instant released_at_{};
  bool released_for_others_ = false;
  base::Instant unsynced_since_ = base::kNever;
  base::Instant durable_at_ = base::kNever;  // a seal is due some time after; kNever: none is due
  base::Instant worker_wakes_at_ = base::kNever;
  bool spare_wanted_ = false;
  storage::IoError spare_error_;  // of the last try to make one
  base::Instant spare_retry_at_{};

  mutable base::Mutex words_mutex_;
  std::string why_;
  std::string problem_;
  std::string room_problem_;                    // as long as a segment is missing for want of room
  std::vector<std::string> damage_;             // that was passed over
  std::vector<std::string> healed_by_opening_;  // until check() has told

  base::Thread worker_;
  base::Thread keeper_;
  bool threads_ = false;
  bool closed_ = false;
};

inline constexpr base::Duration kBackgroundSyncAfter = std::chrono::milliseconds(60);  // promised: 100 ms
inline constexpr base::Duration kSealAfter = std::chrono::milliseconds(300);
// The commit lock is not kept for longer than this without an append: a process that is stopped while it has it
// holds up all others.
inline constexpr base::Duration kIdleHold = std::chrono::milliseconds(350);
inline constexpr base::Duration kHoldMin = std::chrono::microseconds(300);     // against handing over for each group
inline constexpr base::Duration kHoldForOwner = std::chrono::milliseconds(5);  // to read and validate under the lock
inline constexpr base::Duration kStandBack = std::chrono::microseconds(200);
inline constexpr base::Duration kKeeperPause = std::chrono::microseconds(100);
inline constexpr base::Duration kKeeperPauseMax = std::chrono::milliseconds(5);
inline constexpr base::Duration kRetry = std::chrono::milliseconds(1);
// Whoever holds the lock for longer than this is stopped, or its device is: then it is asked less often.
inline constexpr base::Duration kRetryOften = std::chrono::milliseconds(200);
inline constexpr base::Duration kRetryMax = std::chrono::milliseconds(20);
inline constexpr base::Duration kSpareRetry = std::chrono::seconds(1);
inline constexpr base::Duration kBackOffMax = std::chrono::milliseconds(200);
inline constexpr base::Duration kUndecidedMax = std::chrono::seconds(30);
inline constexpr base::Duration kRepairPatience = std::chrono::milliseconds(100);  // else another time
inline constexpr base::Duration kInternalDeadline = std::chrono::seconds(10);      // where the caller gave none
inline constexpr std::uint64_t kUnsyncedWakeBytes = 2ULL << 20;  // the background sync starts before its time
inline constexpr std::uint64_t kUnsyncedBytesMax =
    8ULL << 20;  // appends wait for it: bounds memory and what a roll must sync

}  // namespace ingot::log
