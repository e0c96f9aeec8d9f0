// Histories of transactions, recorded by those who ran them, and what must hold of one if the store is strictly
// serializable. Knows nothing of Ingot's code: the simulator and programs in other processes use it alike.
//
// check() believes the versions that the store gave out, and with them is linear: it replays the transactions in the
// order of their versions into a model and compares every read. check_lists() does not believe them: transactions
// append their ids to lists, the order of the ids in the lists is the order of the writes, and a cycle in the graph of
// who must have come before whom is an anomaly (after Kingsbury and Alvaro, "Elle", VLDB 2020).
//
// What a recorder does:
// - A read is what the store said before the transaction's own writes could show; reads of own writes are left out.
// - A range read is whole. One that stopped early (a limit) is recorded with the end it reached: up to the last key
//   and '\0' forwards, from the last key backwards.
// - Values do not expire. To have counters, write them with `add` only, or as 8 bytes, little-endian.
// - A transaction that writes puts its marker, a key that no other transaction ever touches: the final state then tells
//   whether it is there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::history {

// What is kept of a value that was read.
std::uint64_t digest(std::string_view value);

struct PointRead {
  std::string key;
  std::optional<std::uint64_t> value;  // its digest; nothing: the key was absent
  bool validated = true;               // false: not part of the conflict check (a peek)
};

struct RangeRead {
  std::string begin;
  std::string end;                                             // empty: to the last key
  std::vector<std::pair<std::string, std::uint64_t>> records;  // in key order, with digests
  bool validated = true;
};

struct Write {
  enum class Kind : std::uint8_t { put = 1, erase = 2, erase_range = 3, add = 4 };
  Kind kind = Kind::put;
  std::string key;    // erase_range: the begin
  std::string value;  // put: the value; erase_range: the end, empty: to the last key
  std::int64_t delta = 0;
};

struct ListRead {
  std::string key;
  std::vector<std::uint64_t> ids;
};

enum class Outcome : std::uint8_t {
  committed = 1,  // acknowledged
  lost = 2,       // refused: it must not be there
  unknown = 3,    // killed, or still waiting: there wholly, or not at all
};

inline constexpr std::int64_t kNeverReturned = INT64_MAX;

struct Transaction {
  std::uint64_t id = 0;  // unique in the history, not 0
  std::uint32_t process = 0;
  std::int64_t invoked = 0;  // on one monotonic clock that all processes share
  std::int64_t returned = kNeverReturned;
  std::uint64_t snapshot = 0;  // the version that its reads are of
  // The snapshot is as new as what had returned, to whomever, before it began. Not so: only as what had returned to its
  // own process (a bucket without `fresh`).
  bool fresh = true;
  Outcome outcome = Outcome::unknown;
  std::uint64_t version = 0;  // if committed and it wrote
  std::string marker;         // see above
  std::vector<PointRead> reads;
  std::vector<RangeRead> ranges;
  std::vector<Write> writes;         // in order, the marker's put among them
  std::vector<ListRead> lists;       // for check_lists
  std::vector<std::string> appends;  // keys of `lists` that it then wrote with its own id at the end
};

// A list as a value: 8 bytes an id, little-endian.
std::string list_value(const std::vector<std::uint64_t>& ids);
std::vector<std::uint64_t> list_ids(std::string_view value);

struct FinalRecord {
  std::string value;
  std::uint64_t version = 0;  // that wrote it; 0: not known
};

// Everything in the store, after all that was recorded has ended.
struct FinalState {
  std::map<std::string, FinalRecord> records;
  std::uint64_t version = 0;  // of the store; 0: not known
};

struct CheckOptions {
  std::map<std::string, std::string> initial;  // what was there before the first transaction …
  std::uint64_t initial_version = 0;           // … at this version
  // Versions follow each other without gaps. Off if others, who are not in the history, write too; then reads are
  // compared only if `initial` and the history explain all keys that they touch.
  bool dense = true;
  // Snapshots are held to real time, as Transaction::fresh says. Off: only commits are.
  bool fresh_snapshots = true;
};

struct Violation {
  enum class Kind : std::uint8_t {
    malformed,          // the history itself makes no sense, or its file is damaged
    version,            // two with the same version, a gap, a version not above its snapshot
    read,               // a read differs from the model at the version it claims to be of
    conflict,           // what was read had changed by the commit: it should have lost
    real_time,          // older than what had returned before it began
    missing,            // acknowledged, and not there
    resurrected,        // lost, and there all the same
    torn,               // partly there
    final_state,        // the store holds something else than the model
    dirty_read,         // saw a list's id of a transaction that was lost, or that nobody wrote
    inconsistent_list,  // two lists of one key disagree, or an id is there twice: a lost update
    cycle,              // transactions that must each have come before the other
  };
  Kind kind;
  std::string text;
};

const char* name(Violation::Kind kind);

// At most this many violations are told; one bug makes thousands.
inline constexpr std::size_t kViolationsMax = 20;

// `final_state` must be given if any outcome is unknown.
std::vector<Violation> check(const std::vector<Transaction>& history, const std::optional<FinalState>& final_state,
                             const CheckOptions& options = {});

std::vector<Violation> check_lists(const std::vector<Transaction>& history,
                                   const std::optional<FinalState>& final_state);

// All violations, a line each; empty if there are none.
std::string explain(const std::vector<Violation>& violations);

// Appends a history to a file while it happens. `intend` is called before the commit, `returned` after it; each is one
// write to a file opened with O_APPEND, so what was recorded survives kill -9 of the recorder, and a transaction
// without its return is unknown. One file for each process. Throws std::runtime_error.
//
//   frame: u32 payload bytes | u32 ~(payload bytes) | u64 digest of the payload | payload
class Recorder {
 public:
  explicit Recorder(const std::string& path);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void intend(const Transaction& transaction);  // `returned`, `outcome` and `version` are not looked at
  void returned(const Transaction& transaction);

 private:
  void append(const std::string& payload);
  int descriptor_;
};

// Reads what Recorders wrote. A cut-off frame at a file's end is left out: its writer was killed. Anything else that is
// damaged is told in `violations` (kind malformed).
std::vector<Transaction> read_history(const std::vector<std::string>& paths, std::vector<Violation>& violations);

// Bytes for a person: escaped and shortened.
std::string printable(std::string_view bytes);

}  // namespace ingot::history
