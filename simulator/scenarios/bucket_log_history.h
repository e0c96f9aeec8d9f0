// What happened to one log in a bucket, as the bucket itself and all processes saw it, and whether that can be: the
// checker of the bucket-log scenario. It belongs to the host; the processes' fibers call it.
//
// The bucket tells each object that is made or removed, so what is in the log is known at the very instant. Each append
// is an *attempt* with a number, which its payload carries. Rules (each is checked where a comment says so):
//   1. No slot is won twice, none is left out, and none is removed above the newest boundary.
//   2. An entry is whole, is what its writer wrote, stands where its writer believed, and stands there once.
//   3. What was said to be kept is there; what was said to be lost or unavailable, or was found not to have happened,
//   is
//      not and never comes. What was undecided or collected may be there, and whoever finds out finds what is true.
//   4. Every reader sees the one log from where it began, and who caught up has seen what was there when it began to
//      look: nobody takes a collected slot for the end.
//   5. Versions are dense. Times never go back, and one server with a wrong clock moves nobody's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/bucket_log.h"
#include "scenario.h"

namespace ingot::simulator {

inline constexpr base::Hash128 kBucketStoreId{0x0123456789abcdef, 0xfedcba9876543210};
inline constexpr std::chrono::hours kBucketGrace{24};

class BucketLogHistory {
 public:
  explicit BucketLogHistory(World& world);
  ~BucketLogHistory() { world_.bucket.on_change(nullptr); }
  BucketLogHistory(const BucketLogHistory&) = delete;
  BucketLogHistory& operator=(const BucketLogHistory&) = delete;

  /// What one process has read: a point of the log. The process's own.
  struct View {
    std::uint64_t index = 0;  // entries before this point, but for those that say nothing
    log::Version version = 0;
    std::int64_t time_micros = 0;
    std::uint64_t segment = 0;
  };

  struct Draft {
    log::EntryKind kind = log::EntryKind::commit;
    std::uint32_t transactions = 1;
    std::size_t payload_bytes = 0;
  };
  std::uint64_t begin_append(const View& view, const Draft& draft);
  [[nodiscard]] std::string payload(std::uint64_t attempt) const;
  static constexpr std::size_t kPayloadBytesMin = 24;
  /// What the log said about who it is.
  void sent_as(std::uint64_t attempt, const log::Log::Attempt& as);
  // What it came to.
  void kept(View& view, std::uint64_t attempt, const log::Position& position);
  void refused(std::uint64_t attempt);
  /// Undecided, or collected, and now its process has found out.
  void resolved(std::uint64_t attempt, bool was_kept);

  /// An entry, from a sink: its attempt.
  std::uint64_t observe(View& view, const log::Entry& entry);

  /// How many entries there are now: the floor of a look, or an opening, that begins now.
  [[nodiscard]] std::uint64_t entries() const { return entries_.size(); }
  void caught_up(const View& view, std::uint64_t floor, const char* what);
  void published(log::Version version);
  /// What a checkpoint said was applied.
  void check_applied(const std::vector<std::uint64_t>& applied);
  void clock(std::int64_t micros);

  /// Nothing is under way any more: what the bucket holds is what it should.
  void check_end();
  [[nodiscard]] std::uint64_t slots() const { return slots_.size(); }
  [[nodiscard]] std::uint64_t boundary_slot() const { return boundary_slot_; }

 private:
  static constexpr std::uint64_t kNowhere = ~0ULL;
  enum class State { open, kept, refused };
  struct Attempt {
    std::uint32_t process = 0;
    Draft draft;
    std::uint64_t believed_index = 0;
    log::Version believed_version = 0;
    State state = State::open;
    std::uint64_t index = kNowhere;  // in entries_
    bool is_known_as = false;
    log::Log::Attempt as;
  };

  void changed(std::string_view key, const std::string* bytes);
  void slot_won(std::uint64_t slot, const std::string& bytes);
  std::uint64_t attempt_in(std::string_view payload, const std::string& where) const;
  [[nodiscard]] std::int64_t bucket_micros() const;
  [[noreturn]] void fail(const std::string& why) const;
  [[nodiscard]] std::string describe(std::uint64_t attempt) const;

  World& world_;
  std::vector<Attempt> attempts_;
  std::map<std::string, std::string, std::less<>> payloads_;  // of bulk objects, by key: all that ever were
  std::vector<std::string> slots_;                            // the bytes that won slot i + 1
  std::vector<std::uint64_t> entries_;                        // attempts, in order
  log::Version version_ = 0;
  std::int64_t time_micros_ = 0;
  std::uint64_t boundary_slot_ = 0;
};

}  // namespace ingot::simulator
