/// A store, its transactions and its snapshots.
///
///   ingot::Store store = ingot::open("./data");
///   ingot::Space stock{"stock"};
///   int left = store.transact([&](ingot::Transaction& tx) {
///     std::optional<ingot::Value> v = stock.get(tx, "bolts");
///     int n = v ? std::stoi(v->str()) - 1 : 0;
///     stock.put(tx, "bolts", std::to_string(n));
///     return n;
///   });
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ingot/error.h"
#include "ingot/options.h"
#include "ingot/status.h"
#include "ingot/value.h"

namespace ingot {

namespace engine {
class Engine;
class TransactionState;
class SnapshotState;
struct StoreMaker;
}  // namespace engine

class Store;
class Space;

namespace detail {
class Attempts;
}

/// A stable view: everything read from it is as of one version, and of one time: what had not expired then is there.
/// Blocks nobody and is never blocked; while it lives, the files that it reads stay on disk (see Stats::pinned_bytes),
/// but for a read-only Store, where a read may throw `expired`. One thread at a time; keep it no longer than its Store.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();
  /// Everything committed up to this version is seen, and nothing after it.
  [[nodiscard]] Version version() const;

 private:
  friend class Store;
  friend class Reader;
  explicit Snapshot(std::shared_ptr<engine::SnapshotState> state);
  std::shared_ptr<engine::SnapshotState> state_;
};

/// Reads and writes that become true together, or not at all. Reads see the store as of the begin, and the
/// transaction's own writes. One thread at a time; keep it no longer than its Store.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();  ///< Rolls back if it was not committed.

  /// Makes the writes true, if nothing that was read has changed since the begin.
  ///   returns  the version, or nothing if it lost to another (begin again; `Store::transact` does so by itself).
  ///            A transaction without writes returns the version that it read, and is never checked.
  ///   throws   unavailable: the deadline passed, and the transaction is not there.  read_only.  corrupt.
  ///            closed: also if it has ended before
  /// Whatever comes out, begin another one for the next try.
  std::optional<Version> commit();

  /// What this transaction's reads are as of.
  [[nodiscard]] Version snapshot_version() const;

  /// Bytes of its mutations so far; kTransactionBytesMax is the limit.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class Store;
  friend class Space;
  friend class Reader;
  friend class Writer;
  friend class detail::Attempts;
  explicit Transaction(std::unique_ptr<engine::TransactionState> state);
  std::unique_ptr<engine::TransactionState> state_;
};

struct TransactOptions {
  /// This transaction's durability; the store's if absent. In a bucket every commit is durable.
  std::optional<Durability> durability = {};
  /// Begins with everything that anybody had committed before this call. In a directory that is always so. In a bucket
  /// it costs a request: without, what is seen may be some seconds old (what was read is validated at the commit in
  /// either case).
  bool fresh = false;
};

struct SnapshotOptions {
  bool fresh = false;  ///< as TransactOptions::fresh
};

struct CopyProgress {
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  ///< an estimate, until the end
  std::uint64_t bytes_found = 0;  ///< of a copy that goes on where it was interrupted: what was there already
};

/// An open store. Safe from any thread. Movable; the destructor closes it, and transactions and snapshots must be gone
/// by then.
class Store {
 public:
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// Runs `function(Transaction&)` and commits; on a conflict runs it again, until it wins. An exception from it rolls
  /// back and passes through. Returns what the function returns. The function may run several times: it must have
  /// no effects but those on the transaction.
  ///   throws   unavailable: the deadline of one attempt's commit passed (nothing was committed).  read_only.  closed.
  ///            what the function throws
  /// Don't call transact of the same store inside of the function: it would commit on its own.
  /// The number of attempts has no bound; from the fifth loss on it goes first among those of its process.
  template <class Function>
  auto transact(Function&& function, TransactOptions options = {}) -> std::invoke_result_t<Function&, Transaction&>;

  /// A transaction by hand, for bindings and unusual control flow. Sees everything committed by now, by any process; in
  /// a bucket: by this process, and what of others it has heard of, unless `fresh`. Throws closed, unavailable,
  /// corrupt.
  [[nodiscard]] Transaction begin(TransactOptions options = {}) const;

  /// A stable view of everything committed by now, by any process; in a bucket as begin(). Throws closed, unavailable,
  /// corrupt.
  [[nodiscard]] Snapshot snapshot(SnapshotOptions options = {}) const;

  /// The newest committed version, by any process; in a bucket: that this process has heard of. 0: nothing was
  /// committed yet.
  [[nodiscard]] Version version() const;

  /// What became of a commit of this handle that ended as `Undecided`: its version if it is there, nothing if it is not
  /// and never will be. Waits for the bucket.
  ///   throws   unavailable: still not known; ask again.  invalid_argument: not a commit of this handle, or more than a
  ///            thousand such ago.  expired: this can't be known any more, since the machine slept for more than 30
  ///            days, or is a copy of another that went on.  closed: open the store.  With both, look at the data
  [[nodiscard]] std::optional<Version> outcome(const Undecided& undecided) const;

  /// Makes everything committed so far, by any process, durable on disk, whatever the durability of its commits.
  /// Throws unavailable at the deadline. Does nothing on a read-only store.
  void sync();

  /// Names of the spaces that hold anything, sorted by bytes. Costs a seek for each.
  [[nodiscard]] std::vector<std::string> spaces() const;

  /// Copies the store to `where`, while it is being written: a directory that does not exist yet or is empty, a prefix
  /// of a bucket ("s3://bucket/prefix") under which there is nothing, or what an interrupted copy left in either. The
  /// copy is as of one moment after this call began, and a store of its own like any other; restoring is opening it.
  /// Every byte that is read is verified, and healed if need be. Killed or failed at any moment, the same call goes on:
  /// what is there is not transferred again. In a directory that is read and verified first; in a bucket an object is
  /// whole or not there, and its size is looked at. Until all is there, `where` is no store, and opening it says so.
  ///   progress  is called on this thread, about once a MiB, and once a second while a network is waited for; for the
  ///             last time when all is there, before it becomes a store. An exception from it ends the copy, as soon as
  ///             the requests that are under way have ended or are given up; it can go on later
  ///   throws    invalid_argument: there are other files or objects, or a store, or it can't hold one.  unavailable: it
  ///             can't be written, or not now, or another copy to this directory is under way (of several to one prefix
  ///             of a bucket the first to be whole is the store, and the others are told so in the end).  corrupt:
  ///             something can't be read.  expired: this store is open read-only, or in a bucket, and files were
  ///             removed faster than they could be copied
  void copy(const std::string& where, const std::function<void(const CopyProgress&)>& progress = {}) const;

  /// Reads every byte of the store and verifies it; heals what it can (read-only: in memory only). Damage is reported,
  /// not thrown. `progress` counts bytes of runs.
  [[nodiscard]] CheckReport check(const std::function<void(const CopyProgress&)>& progress = {}) const;

  /// Flushes and merges until there is nothing left to do. Never needed; for benchmarks and before archiving. Throws
  /// read_only, unavailable.
  void settle();

  /// Cheap. Does not throw `closed`.
  [[nodiscard]] Health health() const;
  /// Lists the folder of the log: for once a second, not once a request.
  [[nodiscard]] Stats stats() const;

  /// Where it is, as given to open().
  [[nodiscard]] const std::string& where() const;

  /// Ends it: syncs, seals the log, and lets go of the locks. Reads and writes then throw `closed`. Called by the
  /// destructor. Not while other threads are inside a call on this store. A second time it does nothing.
  void close();

 private:
  friend struct engine::StoreMaker;
  friend class Reader;
  friend class Writer;
  friend class detail::Attempts;
  explicit Store(std::shared_ptr<engine::Engine> engine);
  std::shared_ptr<engine::Engine> engine_;
};

/// Opens the store at `where`: a directory (made if absent), "s3://bucket/prefix" (the bucket must be there), or
/// ":memory:" for one that ends with its handle. Many processes, and many handles of one process, may have it open: of
/// a directory 1024 for writing in all; of a bucket any number, on any machines. Waits, up to the deadline, for
/// another's opening to finish. Credentials and endpoint of a bucket are found as all S3 tools find them: see
/// docs/s3.md.
///   throws   not_a_store: other files or objects, a missing parent, or nothing there and none may be made.
///            newer_format.  read_only: can't be written, open it with read_only.  unavailable.  corrupt: nothing was
///            changed.  invalid_argument: an option out of range, a network file system, a directory of another user, a
///            bucket that ignores conditions, no credentials
Store open(const std::string& where, Options options = {});

namespace detail {
/// The attempts of one Store::transact: begins, commits, waits after a loss, and lets a transaction that lost often go
/// first.
class Attempts {
 public:
  Attempts(const Store& store, TransactOptions options);
  ~Attempts();
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;
  Transaction begin();
  std::optional<Version> commit(Transaction& tx);

 private:
  std::shared_ptr<engine::Engine> engine_;
  TransactOptions options_;
  std::uint32_t losses_ = 0;
  bool elder_ = false;
};
}  // namespace detail

template <class Function>
auto Store::transact(Function&& function, TransactOptions options) -> std::invoke_result_t<Function&, Transaction&> {
  detail::Attempts attempts(*this, options);
  for (;;) {
    Transaction tx = attempts.begin();
    if constexpr (std::is_void_v<std::invoke_result_t<Function&, Transaction&>>) {
      function(tx);
      if (attempts.commit(tx)) return;
    } else {
      decltype(auto) result = function(tx);  // what it returns: a reference stays one
      if (attempts.commit(tx)) return result;
    }
  }
}

/// What can be read: a Store (each call sees the newest), a Snapshot, or a Transaction. Made by conversion;
/// only ever a parameter.
class Reader {
 public:
  Reader(const Store& store) : store_(store.engine_.get()) {}                   // NOLINT(google-explicit-constructor)
  Reader(const Snapshot& snapshot) : snapshot_(snapshot.state_.get()) {}        // NOLINT(google-explicit-constructor)
  Reader(Transaction& transaction) : transaction_(transaction.state_.get()) {}  // NOLINT(google-explicit-constructor)

 private:
  friend class Space;
  friend class Scan;
  engine::Engine* store_ = nullptr;
  engine::SnapshotState* snapshot_ = nullptr;
  engine::TransactionState* transaction_ = nullptr;
};

/// What can be written: a Store (each call is a transaction of its own), or a Transaction.
class Writer {
 public:
  Writer(Store& store) : store_(store.engine_.get()) {}                         // NOLINT(google-explicit-constructor)
  Writer(Transaction& transaction) : transaction_(transaction.state_.get()) {}  // NOLINT(google-explicit-constructor)

 private:
  friend class Space;
  engine::Engine* store_ = nullptr;
  engine::TransactionState* transaction_ = nullptr;
};

}  // namespace ingot
