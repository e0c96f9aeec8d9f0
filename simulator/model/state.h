// A state of the model: the bucket, the requests under way, and what each process knows.
//
// There is no clock in it, only ages: how many steps of the bucket's clock ago something happened. All rules compare
// differences, so the model's time goes on for ever, and the number of states is finite all the same: an age stops at
// the first value from which on it makes no difference. Where two dates are compared that both grow old, a bit says how
// they compare, from the moment on when the second is known.
#pragma once

#include <array>
#include <cstdint>

namespace ingot::bucket_model {

inline constexpr int kProcessesMax = 4;
inline constexpr int kSlotsMax = 4;
inline constexpr int kBoundariesMax = 3;
inline constexpr int kUploadsMax = 3;
inline constexpr int kTransactionsMax = 3;
inline constexpr int kWireMax = 12;

/// An age: it has not happened, or nobody knows when.
inline constexpr int kNever = 15;

/// An entry of the log: one transaction of one process, in one attempt. The code is its nonce: two attempts with the
/// same code are the same request.
class Entry {
 public:
  struct Parts {
    int owner = 0;
    int epoch = 0;
    int heir = 0;
    int sequence = 0;
    int transaction = 0;
    int upload = 0;
    int outdated = 0;
    int month = 0;
  };

  Entry() = default;
  explicit Entry(const Parts& parts)
      : code_(static_cast<std::uint16_t>(parts.owner | parts.epoch << 2 | parts.heir << 3 | parts.sequence << 5 |
                                         parts.transaction << 8 | parts.upload << 10 | parts.outdated << 12 |
                                         parts.month << 15)) {}
  static Entry of_code(std::uint64_t code) {
    Entry entry;
    entry.code_ = static_cast<std::uint16_t>(code);
    return entry;
  }

  [[nodiscard]] bool empty() const { return code_ == 0; }
  [[nodiscard]] int owner() const { return code_ & 3; }
  /// Of its owner's sessions.
  [[nodiscard]] int epoch() const { return code_ >> 2 & 1; }
  /// 0: sent before the owner's machine was copied; 1, 2: by which of the two, after that.
  [[nodiscard]] int heir() const { return code_ >> 3 & 3; }
  /// From 1.
  [[nodiscard]] int sequence() const { return code_ >> 5 & 7; }
  /// From 1. An attempt that has lost is followed by another, with the same transaction.
  [[nodiscard]] int transaction() const { return code_ >> 8 & 3; }
  /// The upload that it names, from 1; or 0.
  [[nodiscard]] int upload() const { return code_ >> 10 & 3; }
  /// Bits: uploads that are so much older than this entry's time that no entry behind it names them.
  [[nodiscard]] int outdated() const { return code_ >> 12 & 7; }
  /// In which month it was made.
  [[nodiscard]] int month() const { return code_ >> 15 & 1; }
  [[nodiscard]] std::uint16_t code() const { return code_; }
  /// The first session of a machine is that of its copy, too; those that they draw later are their own.
  [[nodiscard]] bool same_session(const Entry& other) const {
    return owner() == other.owner() && epoch() == other.epoch() && (epoch() == 0 || heir() == other.heir());
  }
  [[nodiscard]] Entry with_owner(int owner) const { return of_code((code_ & ~3) | owner); }

  bool operator==(const Entry&) const = default;

 private:
  std::uint16_t code_ = 0;
};
inline constexpr int kEntryBits = 16;

/// A put of an entry that may still take effect. There may be any number of copies of it; all are the same to whoever
/// waits for the worst. So a request that was lost is one that is never carried out.
struct Request {
  Entry entry;
  int slot = 0;
  int left = 0;  ///< for so many steps of the clock it may still be carried out, this one included; 0: no request
};

enum class Life : std::uint8_t {
  absent,   ///< not yet there
  opening,  ///< it has to list the checkpoints
  listing,  ///< it has begun to
  listed,   ///< it has chosen one
  open,
};

/// What an application knows of its transaction.
enum class Fate : std::uint8_t {
  open,         ///< not decided
  kept,         ///< acknowledged, at once or after it was undecided
  lost,         ///< it was undecided, and is known not to be in the log
  unavailable,  ///< told that it is not in the log and never will be
  undecided,    ///< told that this is not known yet
  unknown,      ///< told that it can't be known any more
  abandoned,    ///< its process was killed
};

/// An answer about the next slot that the process has received and not looked at.
enum class Held : std::uint8_t { nothing, absent, collected, bytes };

struct Process {
  Life life = Life::absent;
  int owner = 0;
  int epoch = 0;
  int heir = 0;
  int position = 0;        ///< it has consumed the slots up to here
  int from = 1;            ///< the checkpoint that it has opened: the state before this slot
  int known = 0;           ///< the number of the newest boundary that it knows
  int confirmed = kNever;  ///< the age of its last confirmation that there is none after it
  bool is_blind = false;   ///< (a broken rule) it knows that boundary's number only
  int sequence = 0;        ///< of its last attempt
  int transaction = 1;     ///< the one that it is to commit
  std::array<Fate, kTransactionsMax> fates{};
  Entry attempt;              ///< the one under way, for the slot after position
  Entry earlier;              ///< an undecided one for the same slot
  bool attempt_done = false;  ///< the answer "done" to it has arrived and was not looked at
  bool earlier_done = false;
  int recheck = 0;  ///< the slot of its first entry, which is put once more; 0: none
  Held held = Held::nothing;
  bool held_counts = false;  ///< it came soon enough after a confirmation, or before one
  int listed = 0;            ///< the checkpoint that it is about to read
  int listed_before = 0;     ///< those that were there when its listing began
  int listed_number = 0;     ///< the greatest number of a boundary in their names
  int own = 0;               ///< the newest checkpoint that it has written; 0: none
  int named = 0;             ///< the last one that it has sent in a boundary: it does not remove it
  int sweeping = 0;          ///< the boundary below which it sweeps; 0: none
  int candidates = 0;        ///< bits: uploads that it has listed and found old
  bool tail_read = false;    ///< since it began to sweep
  int upload = 0;            ///< the one that its transaction is to name
};

struct Upload {
  bool is_there = false;
  int modified = kNever;  ///< the age of the object, as a listing shows it
  int before_seen = 0;    ///< bits: boundaries that were seen at the object's date, or after it
  int begun = kNever;     ///< the age of what its writer takes for its date
  int left = 0;           ///< as Request::left
  bool heard = false;     ///< its writer knows that it is there
  int removed = kNever;   ///< a run: since another has taken its place
};

/// A checkpoint is named by the slot before which its state was taken. Where its replay starts is what replay_start
/// (steps.h) says.
struct State {
  std::array<Entry, kSlotsMax> log;  ///< what has won each slot, for ever
  int deleted = 0;                   ///< bits: slots whose object is gone
  int checkpoints = 0;               ///< bits: those that are there
  int tail_from = 0;                 ///< the tail that is there: the first slot; 0: none
  int tail_upto = 0;
  int named_numbers = 0;                             ///< the greatest number of a boundary in a checkpoint's name
  std::array<int, kBoundariesMax + 1> boundaries{};  ///< by number: the checkpoint that it names; 0: none
  std::array<int, kBoundariesMax + 1> made{};        ///< by number: its age, until it is recorded as seen
  std::array<int, kBoundariesMax + 1> seen{};        ///< by number: the age of the date in its record
  int swept = 0;                                     ///< bits: numbers of boundaries with a record that says so
  int proposed = 0;                                  ///< bits: creates of boundaries under way
  std::array<Upload, kUploadsMax + 1> uploads;       ///< from 1
  int month = 0;
  int deadlines = 0;  ///< still to come
  int kills = 0;
  int copies = 0;
  std::array<Request, kWireMax> wire;  ///< sorted, the empty ones last
  std::array<Process, kProcessesMax> processes;

  State() {
    made.fill(kNever);
    seen.fill(kNever);
  }
  [[nodiscard]] bool is_deleted(int slot) const { return (deleted >> slot & 1) != 0; }
  [[nodiscard]] bool is_swept(int number) const { return (swept >> number & 1) != 0; }
  [[nodiscard]] bool has_checkpoint(int before) const { return (checkpoints >> before & 1) != 0; }
  [[nodiscard]] const Entry& won(int slot) const { return log[static_cast<std::size_t>(slot - 1)]; }
  [[nodiscard]] Entry& won(int slot) { return log[static_cast<std::size_t>(slot - 1)]; }
  [[nodiscard]] const Upload& upload(int number) const { return uploads[static_cast<std::size_t>(number)]; }
  [[nodiscard]] Upload& upload(int number) { return uploads[static_cast<std::size_t>(number)]; }
  /// Of the newest boundary; 0: none yet.
  [[nodiscard]] int newest_boundary() const {
    int number = kBoundariesMax;
    while (number > 0 && boundaries[static_cast<std::size_t>(number)] == 0) --number;
    return number;
  }
  /// The last slot that something has won; 0: none.
  [[nodiscard]] int end() const {
    int slot = 0;
    while (slot < kSlotsMax && !won(slot + 1).empty()) ++slot;
    return slot;
  }
};

}  // namespace ingot::bucket_model
