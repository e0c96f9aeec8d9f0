// The newest versions of each key, sorted, until a flush makes them a run.
//
// Writes: one thread at a time (the committer, under its lock). Reads: any thread, without locks or waiting, at any
// time, while a write happens. Invariants: a record never changes once `visible`; nodes and records die with the table;
// contents are published before links (release/acquire), so a reader sees a whole node or none.
// A reader at version v sees exactly the records with a version <= v that were inserted before the version was
// published.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "runs/record.h"

namespace ingot::engine {

using runs::Record;
using runs::RecordKind;

class Memtable {
 public:
  // `segment`: the stretch of the log that it covers.
  explicit Memtable(std::uint64_t segment);
  ~Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  [[nodiscard]] std::uint64_t segment() const { return segment_; }

  // Copies key and value. Versions never fall; a second record of one key with the same version shadows the first.
  void put(std::string_view key, std::uint64_t version, std::int64_t expires_micros, std::string_view value);
  void erase(std::string_view key, std::uint64_t version);
  // An operand: kept with the sum of the operands before it (see CounterView) unless a base is in this table.
  // `time_micros` is the commit's: a base that had expired by then counts as absent.
  void add(std::string_view key, std::uint64_t version, std::int64_t time_micros, std::int64_t delta);
  // An empty `end`: to the last key.
  void erase_range(std::string_view begin, std::string_view end, std::uint64_t version);

  // One version of a key as a reader at a version finds it.
  struct Found {
    RecordKind kind = RecordKind::value;
    std::uint64_t version = 0;
    std::int64_t expires_micros = 0;
    std::string_view value;      // lives as long as the table
    const void* node = nullptr;  // for adds: see fold
  };
  // The newest record of `key` with a version <= `version`. A range erasure of this table that is newer shows as
  // `erased`, so the caller need not ask for erasures again. False: this table says nothing of the key.
  bool get(std::string_view key, std::uint64_t version, Found& found) const;

  // For a found `add`: the counter that it makes on top of a base below this table (`base_present` false: none; expired
  // ones are passed as they are). `expires_micros` comes back as the result's expiry.
  [[nodiscard]] std::int64_t fold(const Found& found, bool base_present, std::int64_t base_value,
                                  std::int64_t base_expires, std::int64_t& expires_micros) const;

  // Whether any record of `key`, or erasure over it, has a version > `version`. For validation.
  [[nodiscard]] bool changed_after(std::string_view key, std::uint64_t version) const;
  // The same for [begin, end); an empty `end`: to the last key.
  [[nodiscard]] bool range_changed_after(std::string_view begin, std::string_view end, std::uint64_t version) const;

  // A cursor over the newest record of each key with a version <= `version`; range erasures are not applied to it (they
  // are in erasures()), records of kind add are shown as such with `value` = 8 bytes of their sum; `found()` gives the
  // node.
  class Cursor : public runs::Cursor {
   public:
    virtual const void* node() const = 0;
  };
  [[nodiscard]] std::unique_ptr<Cursor> cursor(std::uint64_t version) const;

  // The erasures with a version <= `version`, in order of version. Views live as long as the table.
  [[nodiscard]] std::vector<runs::RangeErasure> erasures(std::uint64_t version) const;
  [[nodiscard]] bool has_erasures() const;
  // The newest erasure over `key` with a version <= `version`; 0: none.
  [[nodiscard]] std::uint64_t erased_version(std::string_view key, std::uint64_t version) const;

  [[nodiscard]] std::uint64_t memory_bytes() const;
  [[nodiscard]] std::uint64_t records() const;
  [[nodiscard]] bool empty() const { return records() == 0 && !has_erasures(); }
  [[nodiscard]] std::uint64_t version_max() const;  // of all records and erasures; 0 if empty

 private:
  struct Implementation;
  std::uint64_t segment_;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace ingot::engine
