// The class behind bucket_log.h. Its functions are in bucket_log.cc (opening, and what is asked of it),
// bucket_append.cc (appending), bucket_follow.cc (its thread, which does all reading of slots), bucket_chain.cc (what
// an entry must fit), bucket_background.cc (tails, payloads of their own, the check of conditions), bucket_check.cc.
//
//  append ── puts of slot N+1 ──┐                        ┌── gets of slots N+1 …, of the boundary ── the follower
//                               ├── threads of the pool ──┤
//  (waits, with the mutex free) ┘                        └── tails
//
// All requests run on the pool's threads and write their answers into a Call, under the mutex of `shared_`, which they
// own with us: so whoever waits can give up at its deadline, or when the handle is closed, and a request that is still
// under way then ends by itself and touches nothing of ours.
//
//   1. `end_` is the newest entry that was fetched, or appended: all before it are settled, and it was learnt by the
//   rules
//      of boundary.h. It only moves forwards, by one slot at a time (accept).
//   2. `position_` is where the owner is; `arrived_` is what lies between it and `end_`. An append is only begun when
//      that is empty.
//   3. Of one slot at most one attempt is under way. What is in the slot decides it, or `done` to one of its puts.
//   4. `confirmation_` never goes back, and `end_.slot` is never below its slot, unless `gone_` is set; then nothing
//   more
//      is learnt or put.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "log/bucket_clock.h"
#include "log/bucket_log.h"
#include "log/bucket_requests.h"
#include "log/bucket_turns.h"
#include "storage/back_off.h"

namespace ingot::log {

class BucketLogHandle final : public BucketLog {
 public:
  BucketLogHandle(storage::Bucket& bucket, storage::RequestPool& pool, BucketLogOptions options);
  ~BucketLogHandle() override;

  Read open(BucketOpening opening, const Sink& sink, base::Instant deadline,
            std::string& why);  // once, before all else

  [[nodiscard]] Version published() const override;
  Read read(const Sink& sink) override;
  Read look(base::Instant deadline) override;
  [[nodiscard]] std::int64_t clock_micros() const override;
  bool prepare(base::Instant deadline) override;
  Append append(const Draft& draft, base::Instant deadline) override;
  [[nodiscard]] Attempt attempt() const override;
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
  [[nodiscard]] bool short_of_room() const override { return false; }
  [[nodiscard]] LogStats stats() const override;
  void close() override;

  [[nodiscard]] bool leads() const override;
  [[nodiscard]] std::uint64_t slot() const override;
  [[nodiscard]] Confirmation confirmation() const override;
  Read confirm(base::Instant deadline) override;
  [[nodiscard]] std::optional<Boundary> boundary() const override;
  [[nodiscard]] Bulk bulk_named() const override;
  Read settle(base::Instant deadline) override;

 private:
  using Lock = std::unique_lock<base::Mutex>;

  // What outlives the handle for as long as a request does.
  struct Shared {
    base::Mutex mutex;
    base::ConditionVariable changed;  // of anything that the mutex guards
  };
  // A request that was given to the pool. Guarded by the mutex.
  template <class Result>
  struct Call {
    bool begun = false;      // it may have been sent
    bool cancelled = false;  // it is not to begin
    bool ended = false;
    Result result{};
    base::Instant sent{};
    base::Instant answered{};
  };
  template <class Result>
  using CallOf = std::shared_ptr<Call<Result>>;

  // An entry with its payload, wherever that is.
  struct Arrived {
    std::shared_ptr<const std::string> bytes;    // of the slot
    std::shared_ptr<const std::string> payload;  // if it is in bulk
    SlotEntry entry;                             // points into these
  };
  using ArrivedEntry = std::shared_ptr<Arrived>;

  struct End {
    std::uint64_t slot = 0;
    Version version = 0;
    base::Hash128 link;
    std::int64_t time_micros = 0;
    std::uint64_t segment = 0;  // 0: none has begun
    std::uint64_t segment_bytes = 0;
    std::uint64_t segment_slots = 0;
  };

  // A payload, and the object that has it.
  struct PutPayload {
    std::string name;  // empty: it is in the slot itself
    base::Hash128 hash{};
    std::uint64_t bytes = 0;
    storage::BucketDate date{};  // when it was put
  };

  // One append.
  struct Delivery {
    CallOf<storage::Answer> call;
    bool is_digested = false;
  };
  struct Tried {
    ArrivedEntry entry;  // as it is in the slot if it wins
    std::vector<Delivery> deliveries;
    bool may_be_there = false;         // some delivery that was answered has, or may have, been carried out
    std::optional<DateSample> won;     // `done`, and when; it counts if it is covered
    bool is_taken = false;             // `exists`: the follower is to read it
    std::uint64_t taken_round = 0;     // of the follower, which began after that
    std::uint64_t confirm_needed = 0;  // nothing more is sent before this confirmation
    base::Instant send_at{};
    base::Instant hedge_at = base::kNever;
    base::Instant again_at = base::kNever;  // although others are under way
    std::size_t hedges = 0;
    int denials = 0;                                  // it was taken, and then absent
    std::optional<storage::BucketDate> payload_date;  // of a payload in bulk
    std::optional<storage::BucketDate> sign_until;    // as Draft has it
    bool is_stale = false;                            // that is so old that it must not be named
    storage::BackOff back_off;
  };

  // While alive, the follower goes on trying. The mutex is held at both ends.
  class Looker {
   public:
    explicit Looker(std::size_t& count) : count_(count) { ++count_; }
    ~Looker() { --count_; }
    Looker(const Looker&) = delete;
    Looker& operator=(const Looker&) = delete;

   private:
    std::size_t& count_;
  };

  [[nodiscard]] bool is_child() const { return base::fork_generation() != fork_generation_; }
  [[nodiscard]] bool is_stopped() const { return gone_ || corrupt_; }
  template <class Result, class Function>
  CallOf<Result> call(Lock& lock, storage::Urgency urgency, Function function);
  CallOf<storage::Got> get(Lock& lock, std::string key, base::Duration patience);
  void set_why(const std::string& sentence);
  void set_trouble(const std::string& sentence);  // what stands in the way right now; empty: nothing
  void set_corrupt(const std::string& sentence);
  void set_gone();
  Read stopped_as();
  void say_later(std::string message) { to_say_.push_back(std::move(message)); }
  void say(Lock& lock);  // what was put off, with the mutex free
  void note_date(const DateSample& date);
  template <class Result>
  void note_date_of(const Call<Result>& call);
  void note_interest(std::int64_t now) const;

  // bucket_log.cc
  Read open_from(BucketOpening opening, const Sink& sink, base::Instant deadline);
  void take_opening(Lock& lock, BucketOpening& opening);
  void take_tail(Lock& lock, const BucketOpening& opening);
  void take_slots(Lock& lock, BucketOpening& opening);
  void read_arrived(Lock& lock, const Sink& sink);
  void consume(const Arrived& arrived);
  void wait_for_change(Lock& lock, base::Instant deadline) { (void)shared_->changed.wait_until(lock, deadline); }

  // bucket_chain.cc
  ArrivedEntry decode(std::string bytes, std::uint64_t slot, std::string& misfit) const;
  [[nodiscard]] std::string misfit_of(const SlotEntry& entry) const;
  void accept(const ArrivedEntry& arrived);
  bool accept_or_compare(const ArrivedEntry& arrived);
  void begin_segment(const SlotEntry& entry);
  void remember(const Arrived& arrived);
  void forget_raw();

  // bucket_follow.cc
  void follow();
  [[nodiscard]] base::Instant next_due() const;
  [[nodiscard]] bool has_answers() const;
  [[nodiscard]] base::Instant slots_due() const;
  [[nodiscard]] bool wants_confirmation() const;
  void work_on_confirmation(Lock& lock);
  void digest_confirmation(const Call<Confirmed>& call, std::uint64_t number);
  struct Round;
  void fetch_once(Lock& lock);
  void start_round(Lock& lock, Round& round);
  [[nodiscard]] bool is_decided(const Round& round) const;
  void digest_slots(Lock& lock, Round& round);
  [[nodiscard]] bool is_covered(std::uint64_t slot, const std::optional<storage::BucketDate>& date, base::Instant sent,
                                base::Instant answered) const;
  [[nodiscard]] bool is_covered(std::uint64_t slot, const Call<storage::Got>& call) const {
    return is_covered(slot, call.result.date, call.sent, call.answered);
  }
  [[nodiscard]] bool counts(std::uint64_t slot, const Call<storage::Got>& call);
  ArrivedEntry take_slot(std::string bytes, std::uint64_t slot);
  bool fetch_payloads(Lock& lock, std::vector<ArrivedEntry>& entries);
  bool take_payload(Arrived& entry, Call<storage::Got>& call);
  void caught_up(const Round& round);
  void follow_failed(const storage::Answer& answer, const std::string& what);
  void want_look();
  std::uint64_t want_confirmation();
  [[nodiscard]] bool knows_boundary() const { return confirms_done_ != 0; }
  [[nodiscard]] base::Duration confirmation_age() const { return base::now() - confirmation_.sent; }

  // bucket_append.cc
  Append begin_append(Lock& lock, const Draft& draft, base::Instant deadline);
  Append append_in_bulk(Lock& lock, const Draft& draft, std::uint64_t bytes, base::Instant deadline);
  ArrivedEntry make_entry(SlotKind kind, const Draft& draft, const PutPayload& payload);
  Append decide(Lock& lock, Tried& tried, base::Instant deadline);
  std::optional<Append> decided(Tried& tried);
  Append give_up(Tried& tried);
  [[nodiscard]] static std::size_t under_way(const Tried& tried);
  [[nodiscard]] static bool may_be_there(const Tried& tried);
  [[nodiscard]] bool is_too_late(const Tried& tried) const;
  void digest_answers(Tried& tried);
  void digest_answer(Tried& tried, const Call<storage::Answer>& call);
  bool may_send(Tried& tried);
  bool send_what_is_due(Lock& lock, Tried& tried, base::Instant deadline);
  void send(Lock& lock, Tried& tried, base::Instant deadline);
  [[nodiscard]] base::Instant next_step(const Tried& tried) const;
  Append keep(const ArrivedEntry& entry);
  void wait_for_turn(Lock& lock, base::Instant deadline);
  void wait_for_strangers(Lock& lock, base::Instant until);

  // bucket_check.cc
  struct Check;
  void check_some(Lock& lock, Check& check, std::uint64_t last);
  void check_payloads(Lock& lock, Check& check, const std::vector<ArrivedEntry>& entries);

  // bucket_background.cc
  bool send_payload(Lock& lock, PutPayload& to, const std::shared_ptr<const std::string>& payload,
                    base::Instant deadline);
  bool is_plausible_at_last(Lock& lock, const DateSample& sample, base::Instant deadline);
  bool put_payload(Lock& lock, const std::shared_ptr<const std::string>& payload, const base::Hash128& hash,
                   base::Instant deadline);
  [[nodiscard]] bool is_fresh(storage::BucketDate payload) const;
  void background_work(Lock& lock);
  void recheck_conditions(Lock& lock);
  void work_on_tail(Lock& lock);
  void start_tail(Lock& lock);

  storage::Bucket& bucket_;
  storage::RequestPool& pool_;
  const BucketLogOptions options_;
  const std::uint32_t fork_generation_;
  const base::Hash128 session_;  // of this handle: entries say who appended them
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  base::Thread follower_;
  bool has_follower_ = false;

  // Read by anybody, written under the mutex.
  std::atomic<Version> end_version_ = 0;
  mutable std::atomic<std::int64_t> interest_at_;  // nanoseconds of the monotonic clock
  std::atomic<std::int64_t> looked_at_;            // what was published before that is known
  std::atomic<std::int64_t> look_failed_at_;
  std::atomic<bool> is_asleep_ = false;         // the follower waits without a deadline
  std::atomic<std::int64_t> clock_offset_ = 0;  // of clock_, in microseconds
  std::atomic<bool> is_stopped_ = false;

  // Guarded by shared_->mutex:
  End end_;
  std::deque<ArrivedEntry> arrived_;
  std::uint64_t arrived_bytes_ = 0;
  Position position_;           // changed by the owner only
  std::uint64_t consumed_ = 0;  // the slot of it
  bool gone_ = false;
  bool corrupt_ = false;
  bool closing_ = false;
  Confirmation confirmation_;
  bool is_outdated_ = false;  // it: some answer's Date was half the grace after it
  std::optional<Boundary> boundary_;
  BucketClock clock_;
  Turns turns_;
  Latencies put_latencies_;
  LogStats stats_;
  bool leads_ = false;
  std::map<std::uint64_t, Start> starts_;  // of segments that a checkpoint may still ask for
  std::uint64_t replay_from_ = 0;          // the highest start of a checkpoint that is known to be durable
  struct Identified {
    std::uint64_t slot = 0;
    base::Hash128 identity;
  };
  std::deque<Identified> identities_;  // of the newest slots
  struct Raw {
    std::uint64_t slot = 0;
    std::shared_ptr<const std::string> bytes;
  };
  std::deque<Raw> raw_;  // the newest slots, for the next tail
  std::uint64_t raw_bytes_ = 0;
  std::deque<std::pair<std::uint64_t, std::string>> bulk_;  // slots and the objects they name
  std::uint64_t bulk_from_ = 0;

  // The follower's. Rounds and confirmations are counted when they begin; `done` is the newest that went well.
  std::uint64_t rounds_begun_ = 0;
  std::uint64_t rounds_done_ = 0;
  std::uint64_t round_wanted_ = 0;
  bool is_looking_ = false;  // the round that began last has not ended
  std::uint64_t confirms_begun_ = 0;
  std::uint64_t confirms_done_ = 0;
  std::uint64_t confirm_wanted_ = 0;
  CallOf<Confirmed> confirming_;   // the one that began last; null: none is under way
  std::size_t lookers_ = 0;        // who waits for either
  std::size_t waiters_ = 0;        // who waits for news
  std::uint64_t width_ = 1;        // slots that are asked for at once
  std::uint64_t full_rounds_ = 0;  // in a row: all that was asked for was there
  base::Instant retry_at_{};
  base::Instant poll_at_{};
  base::Duration poll_pause_{};
  base::Duration get_patience_ = kRequestPatience;  // longer for whom it was too short
  base::Instant asks_until_ = base::kNever;         // while it is opened: nothing is waited for longer
  storage::BackOff follow_back_off_;
  std::uint64_t damaged_slot_ = 0;    // it could not be decoded the last time
  std::string damaged_payload_;       // the same
  std::string absent_payload_;        // it was not there the last time …
  std::uint64_t absent_confirm_ = 0;  // … when this confirmation was the newest
  std::vector<std::string> to_say_;

  // The owner's appends.
  ArrivedEntry deciding_;              // of the attempt that is under way
  std::uint64_t sequence_ = 0;         // of our last attempt
  std::int64_t attempt_micros_ = 0;    // its time
  std::uint64_t sequence_read_ = 0;    // the newest of our session in the log: ours, or our machine's copy's
  std::uint64_t undecided_slot_ = 0;   // an attempt at this slot was given up, and may be there
  std::uint64_t turn_taken_ = 0;       // the slot for which it was waited already
  base::Instant kept_at_{};            // when the last append was
  std::optional<PutPayload> payload_;  // the last one, for who tries again

  // In the background.
  bool recheck_due_ = false;
  int rechecks_ = 0;
  ArrivedEntry recheck_entry_;
  CallOf<storage::Answer> recheck_;
  bool tail_due_ = false;
  CallOf<storage::Answer> tail_;
  std::string tail_key_;
  std::vector<std::string> old_tails_;

  mutable base::Mutex words_mutex_;
  std::string why_;
  std::string trouble_;
  bool closed_ = false;
};

// How old the confirmation may get: it is renewed beside what a writer sends at 4 minutes, and before it at 13, since
// the bucket refuses what was signed 15 minutes ago.
inline constexpr base::Duration kRenewAfter = std::chrono::minutes(4);
inline constexpr base::Duration kSignedMax = std::chrono::minutes(13);
inline constexpr base::Duration kMustLookAfter = std::chrono::seconds(10);
inline constexpr base::Duration kLookAgainAfter = std::chrono::seconds(5);  // it failed
inline constexpr base::Duration kInterest = std::chrono::seconds(30);
inline constexpr base::Duration kPollMin = std::chrono::milliseconds(50);
inline constexpr base::Duration kPollMax = std::chrono::seconds(5);
inline constexpr std::uint64_t kWindow = 16;
inline constexpr base::Duration kHedgeMin = std::chrono::milliseconds(20);
inline constexpr base::Duration kSendAgainAfter = std::chrono::seconds(2);  // on another connection
inline constexpr std::size_t kDeliveriesMax = 4;                            // under way at once
inline constexpr std::uint64_t kHedgeBytesMax = 128 << 10;
inline constexpr std::size_t kIdentitiesMax = 64;
inline constexpr std::uint64_t kTailEvery = 16;
inline constexpr std::size_t kStartsMax = 4096;  // segments that a checkpoint may still ask for
inline constexpr int kRechecksMax = 4;

inline void set_unsent(storage::Answer& answer) {
  answer.outcome = storage::Outcome::unsent;
}
inline void set_unsent(Confirmed& /*unavailable*/) {}

template <class Result, class Function>
BucketLogHandle::CallOf<Result> BucketLogHandle::call(Lock& lock, storage::Urgency urgency, Function function) {
  auto call = std::make_shared<Call<Result>>();
  lock.unlock();  // the pool may have no thread, and call it here
  const bool started = pool_.start(urgency, [shared = shared_, call, function = std::move(function)] {
    {
      const std::lock_guard guard(shared->mutex);
      if (call->cancelled) {
        set_unsent(call->result);
        call->ended = true;
        shared->changed.notify_all();
        return;
      }
      call->begun = true;
    }
    Result result{};
    const base::Instant sent = base::now();
    try {
      result = function();
    } catch (const std::exception& error) {
      result.why = error.what();  // unanswered: nobody knows how far it came
    }
    const base::Instant answered = base::now();
    const std::lock_guard guard(shared->mutex);
    call->result = std::move(result);
    call->sent = sent;
    call->answered = answered;
    call->ended = true;
    shared->changed.notify_all();
  });
  lock.lock();
  if (!started) {
    set_unsent(call->result);
    call->ended = true;
  }
  return call;
}

template <class Result>
void BucketLogHandle::note_date_of(const Call<Result>& call) {
  if (call.result.date.has_value()) note_date({*call.result.date, call.sent, call.answered});
}

}  // namespace ingot::log
