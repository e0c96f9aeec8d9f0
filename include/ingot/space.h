/// Records: the named, ordered maps of bytes to bytes that everything else stands on.
///
///   ingot::Space users{"users"};                       // costs nothing and touches nothing
///   users.put(store, "42", "Ada");                     // a transaction of its own
///   users.get(tx, "42");                               // part of a larger one
///   for (const auto& [key, value] : users.scan(snapshot, ingot::prefix("4"))) …
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingot/key.h"
#include "ingot/store.h"
#include "ingot/value.h"

namespace ingot {

namespace engine {
class ScanState;
}

struct PutOptions {
  /// After this long, from the call on, the record is gone, for every reader at once. At least 1 µs (else
  /// invalid_argument).
  std::optional<std::chrono::microseconds> ttl = std::nullopt;
  /// The same as a point in time: microseconds since 1970, 0: never. Not together with `ttl`. A time that has passed is
  /// allowed: nobody sees the record.
  std::int64_t expires_micros = 0;
};

struct ScanOptions {
  bool reverse = false;                              ///< from the last key of the range to the first
  std::size_t limit = static_cast<std::size_t>(-1);  ///< records at most; 0: none
  bool peek = false;                                 ///< in a transaction: don't record the read (see Space::peek)
};

/// One record of a scan. The views end with the next step of the scan.
struct Item {
  std::string_view key;
  std::string_view value;
};

/// The records of a range, in order, read as they are asked for. One pass; one thread at a time; not beyond
/// the Snapshot, Transaction or Store it reads. On a Store it sees the moment of the call. `begin()` may be called
/// once.
class Scan {
 public:
  Scan(Scan&&) noexcept;
  Scan& operator=(Scan&&) noexcept;
  ~Scan();

  /// Goes to the next record (at first: the first). False at the end, or at the limit. Throws as Space::get.
  bool next();
  [[nodiscard]] const Item& item() const { return item_; }
  [[nodiscard]] std::string_view key() const { return item_.key; }
  [[nodiscard]] std::string_view value() const { return item_.value; }
  /// The version that wrote the record; 0 if this transaction did.
  [[nodiscard]] Version version() const;
  /// When the record expires, microseconds since 1970; 0: never.
  [[nodiscard]] std::int64_t expires_micros() const;

  struct Sentinel {};
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = const Item*;
    using reference = const Item&;
    explicit Iterator(Scan* scan) : scan_(scan) {}
    reference operator*() const { return scan_->item_; }
    Iterator& operator++() {
      more_ = scan_->next();
      return *this;
    }
    friend bool operator==(const Iterator& a, Sentinel) { return !a.more_; }
    friend bool operator!=(const Iterator& a, Sentinel) { return a.more_; }

   private:
    friend class Scan;
    Scan* scan_;
    bool more_ = true;
  };
  [[nodiscard]] Iterator begin();
  [[nodiscard]] Sentinel end() const { return {}; }

 private:
  friend class Space;
  explicit Scan(std::unique_ptr<engine::ScanState> state);
  std::unique_ptr<engine::ScanState> state_;
  Item item_;
};

/// A record's value with what the store knows of it.
struct Record {
  Value value;
  Version version = 0;              ///< 0: written by this transaction
  std::int64_t expires_micros = 0;  ///< microseconds since 1970; 0: never
};

/// Bytes of a versionstamp: the commit's version (8 bytes) and the mutation's ordinal in its transaction (4 bytes),
/// both big-endian: unique for each mutation, and sorted as committed.
inline constexpr std::size_t kVersionstampBytes = 12;

/// A named, ordered map of keys to values. Holds only its name.
///
/// Keys: 0 to kKeyBytesMax bytes, in byte order. Values: up to kValueBytesMax. Verbs take a Store, a Snapshot (reads)
/// or a Transaction first. All of them may throw closed, unavailable and corrupt, reads expired (read-only stores
/// only), writes read_only; arguments beyond a limit: too_large. Names beginning with '\0' are reserved. A Space may be
/// used by any threads at once; what it is given as `where` has rules of its own.
class Space {
 public:
  /// Throws invalid_argument: empty, or reserved.  too_large: more than kSpaceNameBytesMax.
  explicit Space(std::string_view name);
  [[nodiscard]] const std::string& name() const { return name_; }

  /// The value of `key`, or nothing. In a transaction: a recorded read, which conflicts with later commits to `key`.
  [[nodiscard]] std::optional<Value> get(Reader where, std::string_view key) const;
  /// The same with version and expiry.
  [[nodiscard]] std::optional<Record> get_record(Reader where, std::string_view key) const;
  /// Several, in the order of `keys`, as of one moment.
  [[nodiscard]] std::vector<std::optional<Value>> get_many(Reader where, std::span<const std::string> keys) const;
  /// As get, but not recorded: a later change of `key` by others is no conflict.
  [[nodiscard]] std::optional<Value> peek(Transaction& tx, std::string_view key) const;

  /// The records of `range`, in order. In a transaction what was passed over is recorded, absent keys included.
  /// Throws invalid_argument if the range ends before it begins.
  [[nodiscard]] Scan scan(Reader where, const Range& range = {}, ScanOptions options = {}) const;

  /// Sets `key` to `value`, and its expiry (none, unless `options` say one). Records no read: two puts never conflict.
  void put(Writer where, std::string_view key, std::string_view value, PutOptions options = {}) const;
  /// Removes `key`, if it is there.
  void erase(Writer where, std::string_view key) const;
  /// Removes all keys of `range`: one mutation, whatever it covers. Throws invalid_argument if it ends before it
  /// begins.
  void erase_range(Writer where, const Range& range) const;
  /// Adds to the 64-bit counter at `key` (absent or expired: 0), modulo 2^64. No read, no conflict. The record's expiry
  /// stays. A value that is no counter counts by its first 8 bytes: see Value::counter.
  void add(Writer where, std::string_view key, std::int64_t delta) const;
  /// Sets when `key` expires, from now (at least 1 µs); nothing: never. Returns whether it was there. Reads `key`, and
  /// puts its value again: not for what was stamped in the same transaction.
  bool expire(Writer where, std::string_view key, std::optional<std::chrono::microseconds> ttl) const;

  /// Puts under the key `key_prefix` + versionstamp (kVersionstampBytes; together at most kKeyBytesMax). Never
  /// conflicts. The stamp is filled in at the commit: inside of the transaction it reads as zeros, so that two records
  /// of one prefix look like one, and `erase` can't name either (erase_range can).
  void put_versioned(Writer where, std::string_view key_prefix, std::string_view value, PutOptions options = {}) const;
  /// Puts, with the versionstamp in place of value[offset … offset + kVersionstampBytes), filled in at the commit.
  /// Throws invalid_argument if it does not fit in.
  void put_stamped(Writer where, std::string_view key, std::string value, std::size_t offset,
                   PutOptions options = {}) const;

 private:
  std::string name_;
};

}  // namespace ingot
