// A record as runs and memtables hold it, and what walks over records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::runs {

enum class RecordKind : std::uint8_t {
  value = 1,   // a put
  erased = 2,  // a tombstone: hides what older runs say of the key
  add = 3,     // an operand of a counter whose base lies below; only in memtables
};

struct Record {
  std::string_view key;  // the whole internal key: space and user key
  std::uint64_t version = 0;
  RecordKind kind = RecordKind::value;
  std::int64_t expires_micros = 0;  // 0: never
  std::string_view value;
};

// An erased range: every record in [begin, end) with a lower version is gone. An empty `end` means: to the last key.
struct RangeErasure {
  std::string_view begin;
  std::string_view end;
  std::uint64_t version = 0;
};

// Records that can't be read: those with keys in (after, last], or [after, last] if `whole` (it is all of a file).
struct Unreadable {
  std::string after;
  std::string last;
  bool whole = false;
  std::string why;  // for a person
};

// Walks records in key order. Not thread-safe. record() and its views hold until the next call.
// A cursor stops being valid at either end, or when an error happened: then failed() says so.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek(std::string_view key) = 0;         // the first record with a key >= key
  virtual void seek_before(std::string_view key) = 0;  // the last record with a key < key
  virtual void seek_first() = 0;
  virtual void seek_last() = 0;
  virtual void next() = 0;
  virtual void previous() = 0;
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] const Record& record() const { return record_; }
  [[nodiscard]] virtual bool failed() const { return false; }
  // After a failure: what stood in the way. From behind it can be read on.
  [[nodiscard]] virtual const Unreadable* unreadable() const { return nullptr; }

 protected:
  bool valid_ = false;
  Record record_;
};

}  // namespace ingot::runs
