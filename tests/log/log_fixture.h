// What the log's tests share: opening a store's log on any directory, appending, and reading back.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/testing.h"
#include "base/time.h"
#include "log/directory_log.h"
#include "log/live.h"
#include "log/segment_files.h"
#include "storage/memory_directory.h"

namespace ingot::log {

inline constexpr base::Hash128 kStore{0x1111, 0x2222};
inline constexpr std::uint64_t kSmallSegment = 256 * 1024;

inline base::Instant soon(int milliseconds = 5000) {
  return base::deadline_after(base::now(), std::chrono::milliseconds(milliseconds));
}

// One "process": a Live and a Log over a directory, and what it has read.
struct Handle {
  std::unique_ptr<Live> live;
  std::unique_ptr<Log> log;
  Read outcome = Read::caught_up;
  std::string why;
  std::vector<std::string> payloads;  // of all entries, in order: read and appended
  std::vector<std::uint64_t> homes;   // their segments
  std::vector<std::string> messages;
  Version version = 0;

  Sink sink() {
    return [this](const Entry& entry) {
      if (entry.kind == EntryKind::commit) {
        EXPECT_EQ(entry.base_version, version + 1);
        version = entry.base_version + entry.transaction_count - 1;
      } else {
        EXPECT_EQ(entry.base_version, version + 1);
      }
      payloads.emplace_back(entry.payload);
      homes.push_back(entry.segment);
    };
  }

  bool open(storage::Directory& directory, bool read_only = false, Start start = {},
            std::uint64_t segment_bytes = kSmallSegment) {
    if (read_only) {
      live = Live::open_read_only(directory, kStore);
    } else {
      auto opened = Live::open(directory, kStore, soon());
      live = std::move(opened.live);
      if (!live) {
        why = opened.error.text();
        return false;
      }
    }
    DirectoryLogOptions options;
    options.read_only = read_only;
    options.store_id = kStore;
    options.start = start;
    options.segment_bytes = segment_bytes;
    options.on_message = [this](const std::string& message) { messages.push_back(message); };
    version = start.version;
    log = open_directory_log(directory, *live, options, sink(), outcome, why);
    return log != nullptr;
  }

  // As after a kill: nothing is synced or sealed.
  void drop() {
    log.reset();
    live.reset();
  }
  void close() {
    if (log) log->close();
    drop();
  }

  Append append(const std::string& payload, bool durable = true, EntryKind kind = EntryKind::commit,
                int milliseconds = 5000) {
    const std::string_view parts[] = {payload};
    Draft draft;
    draft.kind = kind;
    draft.transaction_count = kind == EntryKind::commit ? 1 : 0;
    draft.time_micros = log->position().time_micros + 1;
    draft.parts = parts;
    draft.durable = durable;
    const Append outcome_ = log->append(draft, soon(milliseconds));
    if (outcome_ == Append::kept) {
      payloads.push_back(payload);
      homes.push_back(log->position().segment);
      version = log->position().version;
    }
    return outcome_;
  }

  // Until it is kept, as the engine does.
  Append commit(const std::string& payload, bool durable = true, int milliseconds = 5000) {
    for (;;) {
      if (!log->prepare(soon(milliseconds))) return Append::unavailable;
      if (log->read(sink()) != Read::caught_up) return Append::unavailable;
      const Append result = append(payload, durable, EntryKind::commit, milliseconds);
      if (result != Append::lost) return result;
    }
  }
  Read read() { return log->read(sink()); }
};

inline std::string bytes_of(storage::Directory& directory, const std::string& path) {
  std::unique_ptr<storage::File> file;
  if (directory.open(path, storage::OpenMode::read, file)) return {};
  std::uint64_t size = 0;
  if (file->size(size)) return {};
  std::string bytes(size, '\0');
  std::size_t got = 0;
  if (file->read_at(0, bytes, got)) return {};
  return bytes;
}

inline void overwrite(storage::Directory& directory, const std::string& path, std::uint64_t offset,
                      const std::string& bytes) {
  std::unique_ptr<storage::File> file;
  ASSERT_FALSE(directory.open(path, storage::OpenMode::read_write, file));
  ASSERT_FALSE(file->write_at(offset, bytes));
}

inline std::string numbered(int number, std::size_t bytes = 100) {
  std::string text = std::to_string(number) + ":";
  while (text.size() < bytes) text += static_cast<char>('a' + (number + static_cast<int>(text.size())) % 26);
  return text;
}

}  // namespace ingot::log
