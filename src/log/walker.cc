// See walker.h.
#include "log/walker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ingot::log {
namespace {

constexpr std::uint64_t kChunkBytesMax = 1ULL << 20;
constexpr std::size_t kUnreadableKept = 1024;    // more is a device that fails
constexpr int kReadTries = 3;                    // of a sector; a bus may hiccup
constexpr std::size_t kParityCandidatesMax = 8;  // remains of earlier groups that started at the same place

// What stands at one offset.
struct Parsed {
  HeaderCheck check = HeaderCheck::bad;
  bool whole = false;  // the identity is right too
  EntryHeader header;
  base::Hash128 identity;
  const char* bytes = nullptr;
};

Parsed parse(Window& window, std::uint64_t offset) {
  Parsed parsed;
  const std::uint64_t limit = window.segment().header.bytes;
  if (offset % kEntryAlignment != 0 || offset + kEntryFrameBytes > limit) return parsed;
  const char* bytes = window.at(offset, kEntryHeaderBytes);
  if (bytes == nullptr) return parsed;
  parsed.check = decode_entry_header(bytes, window.segment().seed, offset, limit - offset, parsed.header);
  if (parsed.check != HeaderCheck::good) return parsed;
  parsed.bytes = window.at(offset, entry_bytes(parsed.header.payload_bytes));
  if (parsed.bytes == nullptr) return parsed;
  parsed.whole = check_identity(parsed.bytes, parsed.header.payload_bytes, parsed.identity);
  return parsed;
}

bool follows(const Parsed& parsed, const Chain& chain) {
  if (!parsed.whole) return false;
  if (base::broken(base::Break::log_ignore_link)) return takes_sequence(parsed.header.kind);
  if (parsed.header.link != chain.link) return false;
  if (!takes_sequence(parsed.header.kind)) return parsed.header.sequence == chain.sequence;
  const bool counted = (parsed.header.kind == RecordKind::commit) == (parsed.header.transaction_count > 0);
  return parsed.header.sequence == chain.sequence + 1 && parsed.header.base_version == chain.version + 1 &&
         parsed.header.time_micros >= chain.time_micros && counted;
}

std::uint64_t parity_end(const Cursor& cursor) {
  return cursor.group_start + group_extent(cursor.offset - cursor.group_start);
}

void begin_group(Cursor& cursor, std::uint64_t offset) {
  cursor.offset = cursor.group_start = offset;
  if (cursor.durable >= cursor.chain.sequence) cursor.settle();
}

void take(Cursor& cursor, const Parsed& parsed, std::uint64_t offset, Found& found) {
  const EntryHeader& header = parsed.header;
  if (offset != cursor.offset) cursor.offset = cursor.group_start = offset;
  cursor.durable = std::max(cursor.durable, header.durable_mark);
  if (!cursor.in_group() && cursor.durable >= cursor.chain.sequence) cursor.settle();
  cursor.offset = offset + entry_bytes(header.payload_bytes);
  cursor.chain.sequence = header.sequence;
  cursor.chain.version = header.base_version - 1 + header.transaction_count;
  cursor.chain.time_micros = header.time_micros;
  cursor.chain.link = parsed.identity;
  cursor.home = header.home;
  cursor.sealed = false;
  found.header = header;
  found.identity = parsed.identity;
  found.offset = offset;
  found.payload = {parsed.bytes + kEntryHeaderBytes, static_cast<std::size_t>(header.payload_bytes)};
}

}  // namespace

Entry Found::entry() const {
  Entry entry;
  entry.kind = header.kind == RecordKind::edit ? EntryKind::edit : EntryKind::commit;
  entry.base_version = header.base_version;
  entry.transaction_count = header.transaction_count;
  entry.time_micros = header.time_micros;
  entry.segment = header.home;
  entry.payload = payload;
  return entry;
}

const char* Window::at(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t limit = segment_.header.bytes;
  if (offset > limit || bytes > limit - offset) return nullptr;
  if (offset < begin_ || offset + bytes > begin_ + size_) {
    const std::uint64_t begin = sector_down(offset);
    const std::uint64_t wanted = std::max(chunk_, sector_up(offset + bytes) - begin);
    read(begin, std::min(wanted, limit - begin));
    chunk_ = std::min(chunk_ * 2, kChunkBytesMax);
  }
  return buffer_.data() + (offset - begin_);
}

void Window::read(std::uint64_t offset, std::uint64_t bytes) {
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  begin_ = offset;
  size_ = bytes;
  std::size_t got = 0;
  if (segment_.file->read_at(offset, {buffer_.data(), static_cast<std::size_t>(bytes)}, got)) {
    read_sectors(offset, bytes);
  } else if (got < bytes) {
    std::memset(buffer_.data() + got, 0, bytes - got);  // a file cut short: damage, like any other
  }
  for (const Patch& patch : patches_) {
    if (patch.offset >= offset && patch.offset + patch.bytes.size() <= offset + bytes) {
      std::memcpy(buffer_.data() + (patch.offset - offset), patch.bytes.data(), patch.bytes.size());
    }
  }
}

void Window::read_sectors(std::uint64_t offset, std::uint64_t bytes) {
  base::probe("log: a read failed, sector by sector");
  for (std::uint64_t at = 0; at < bytes; at += kSectorBytes) {
    const std::uint64_t length = std::min(kSectorBytes, bytes - at);
    std::size_t got = 0;
    storage::IoError failed(EIO);
    for (int tries = 0; failed && tries < kReadTries; ++tries) {
      failed = segment_.file->read_at(offset + at, {buffer_.data() + at, static_cast<std::size_t>(length)}, got);
    }
    if (failed) {
      got = 0;
      error_ = failed.code();
      if (unreadable_.size() < kUnreadableKept &&
          std::find(unreadable_.begin(), unreadable_.end(), offset + at) == unreadable_.end()) {
        unreadable_.push_back(offset + at);
      }
    }
    std::memset(buffer_.data() + at + got, 0, length - got);
  }
}

std::size_t Window::unreadable_from(std::uint64_t offset, bool& first) const {
  first = false;
  std::size_t count = 0;
  for (const std::uint64_t sector : unreadable_) {
    first = first || sector == sector_down(offset);
    count += sector >= sector_down(offset) ? 1 : 0;
  }
  return count;
}

void Window::patch(std::uint64_t offset, std::string_view sector) {
  for (Patch& patch : patches_) {
    if (patch.offset == offset) {
      patch.bytes = sector;
      refresh();
      return;
    }
  }
  patches_.push_back({offset, std::string(sector)});
  refresh();
}

Step next_entry(Window& window, Cursor& cursor, Found& found) {
  // In a group: right behind the last entry.
  if (cursor.in_group()) {
    const Parsed here = parse(window, cursor.offset);
    if (here.check == HeaderCheck::newer_format) return Step::newer_format;
    if (here.check == HeaderCheck::good && takes_sequence(here.header.kind) && follows(here, cursor.chain)) {
      take(cursor, here, cursor.offset, found);
      return Step::entry;
    }
    // The group may have ended here. Its parity, then, is at the next sector.
    const std::uint64_t behind = sector_up(cursor.offset);
    const Parsed parity = parse(window, behind);
    if (parity.check == HeaderCheck::newer_format) return Step::newer_format;
    if (parity.check == HeaderCheck::good && follows(parity, cursor.chain)) {
      if (takes_sequence(parity.header.kind)) {  // a group that was left without parity
        take(cursor, parity, behind, found);
        return Step::entry;
      }
      if (parity.header.kind == RecordKind::parity) {
        cursor.durable = std::max(cursor.durable, parity.header.durable_mark);
        begin_group(cursor, sector_up(behind + entry_bytes(parity.header.payload_bytes)));
      }
    }
  }
  // At the start of a group; or in one whose parity is damaged, if there is anything behind it.
  const bool certain = !cursor.in_group();
  std::uint64_t start = certain ? cursor.offset : parity_end(cursor);
  const auto found_behind = [&] {
    if (certain) return;
    base::probe("log: walked over damaged parity");
    found.bare_start = cursor.group_start;
    found.bare_end = cursor.offset;
    found.bare_chain = cursor.chain;
  };
  found.bare_end = 0;
  for (bool damaged_seal = false;; start += kSectorBytes) {
    const Parsed first = parse(window, start);
    if (first.check == HeaderCheck::newer_format) return Step::newer_format;
    if (first.check != HeaderCheck::good || !follows(first, cursor.chain)) {
      if (std::exchange(damaged_seal, true)) break;
      continue;
    }
    if (takes_sequence(first.header.kind)) {
      if (cursor.in_group()) found_behind();
      take(cursor, first, start, found);
      return Step::entry;
    }
    if (first.header.kind != RecordKind::seal) break;
    if (cursor.in_group()) found_behind();
    cursor.durable = std::max(cursor.durable, first.header.durable_mark);
    begin_group(cursor, start + kSectorBytes);
    cursor.sealed = true;
    damaged_seal = false;
  }
  return Step::end;
}

std::string rebuild_parity(Window& window, std::uint64_t start, std::uint64_t end, const Chain& chain) {
  const char* bytes_read = window.at(start, end - start);
  if (bytes_read == nullptr) return {};
  const std::string group(bytes_read, static_cast<std::size_t>(end - start));
  // They may have been read anew, and differently: what is not verified must not become the redundancy of anything.
  for (std::uint64_t at = 0; at < group.size();) {
    EntryHeader entry;
    base::Hash128 identity;
    if (group.size() - at < kEntryFrameBytes ||
        decode_entry_header(group.data() + at, window.segment().seed, start + at, group.size() - at, entry) !=
            HeaderCheck::good) {
      return {};
    }
    if (!check_identity(group.data() + at, entry.payload_bytes, identity)) return {};
    at += entry_bytes(entry.payload_bytes);
  }
  EntryHeader header;
  header.kind = RecordKind::parity;
  header.payload_bytes = parity_payload_bytes(end - start);
  header.sequence = chain.sequence;
  header.base_version = chain.version + 1;
  header.time_micros = chain.time_micros;
  header.link = chain.link;
  header.home = window.segment().header.number;
  std::string bytes(sector_up(entry_bytes(header.payload_bytes)), '\0');
  encode_entry_header(header, bytes.data());
  encode_parity(start, group, bytes.data() + kEntryHeaderBytes);
  finish_entry(bytes.data(), header.payload_bytes, window.segment().seed, sector_up(end));
  return bytes;
}

bool heal_at(Window& window, const Cursor& cursor, std::vector<std::uint64_t>& sectors) {
  sectors.clear();
  if (base::broken(base::Break::log_skip_parity)) return false;
  const std::uint64_t limit = window.segment().header.bytes;
  std::size_t candidates = 0;
  for (std::uint64_t at = sector_up(cursor.offset + 1); at + kEntryFrameBytes <= limit; at += kSectorBytes) {
    Parsed parsed = parse(window, at);
    if (parsed.check != HeaderCheck::good || parsed.header.kind != RecordKind::parity || !parsed.whole) continue;
    const std::string payload(parsed.bytes + kEntryHeaderBytes, parsed.header.payload_bytes);
    Parity parity;
    if (!decode_parity(payload, at, parity) || sector_up(parity.group_start + parity.group_bytes) != at) continue;
    // The group that the cursor is in; or the one that starts there, or behind a seal, or behind a parity entry, that
    // is damaged too.
    const bool ours = parity.group_start == cursor.group_start ||
                      (!cursor.in_group() && parity.group_start == cursor.offset + kSectorBytes) ||
                      (cursor.in_group() && (parity.group_start == parity_end(cursor) ||
                                             parity.group_start == parity_end(cursor) + kSectorBytes));
    if (!ours || parity.group_start + parity.group_bytes <= cursor.offset) continue;
    if (++candidates > kParityCandidatesMax) return false;
    std::vector<char> group(parity.group_bytes);
    const char* damaged = window.at(parity.group_start, parity.group_bytes);
    if (damaged == nullptr) continue;
    std::memcpy(group.data(), damaged, group.size());
    const Rebuilt rebuilt = rebuild_group(parity, group.data());
    if (!rebuilt.whole || rebuilt.sectors.empty()) continue;
    for (const std::uint64_t index : rebuilt.sectors) {
      const std::uint64_t begin = index * kSectorBytes;
      std::string sector(group.data() + begin, std::min<std::uint64_t>(kSectorBytes, group.size() - begin));
      sector.resize(kSectorBytes, 0);
      window.patch(parity.group_start + begin, sector);
      sectors.push_back(parity.group_start + begin);
    }
    return true;
  }
  return false;
}

bool skip_damage(Window& window, Cursor& cursor, std::uint64_t sequence_max, std::uint64_t& found) {
  const std::uint64_t limit = window.segment().header.bytes;
  for (std::uint64_t at = cursor.offset; at + kEntryFrameBytes <= limit; at += kEntryAlignment) {
    const Parsed parsed = parse(window, at);
    const EntryHeader& header = parsed.header;
    if (!parsed.whole || header.sequence <= cursor.chain.sequence || header.sequence > sequence_max) continue;
    const bool counted = takes_sequence(header.kind);
    // Of the entry before, only the time is not said: it is this one's, or earlier.
    const Chain chain{header.sequence - (counted ? 1 : 0), header.base_version - 1,
                      counted ? std::min(cursor.chain.time_micros, header.time_micros) : header.time_micros,
                      header.link};
    // The next in number, but of another chain: what was refused once.
    if (chain.sequence == cursor.chain.sequence && chain.link != cursor.chain.link) continue;
    found = at;
    cursor.chain = chain;
    cursor.offset = cursor.group_start = counted ? at : sector_up(at + entry_bytes(header.payload_bytes));
    cursor.sealed = header.kind == RecordKind::seal;
    return true;
  }
  return false;
}

std::optional<std::uint64_t> durable_beyond(Window& window, const Cursor& cursor, EntryHeader& evidence) {
  // Every group begins with an entry at the start of a sector, and that entry's mark covers the groups before it.
  const std::uint64_t limit = window.segment().header.bytes;
  for (std::uint64_t at = sector_up(cursor.offset); at + kEntryFrameBytes <= limit; at += kSectorBytes) {
    const char* bytes = window.at(at, kEntryHeaderBytes);
    if (bytes == nullptr) break;
    EntryHeader header;
    if (decode_entry_header(bytes, window.segment().seed, at, limit - at, header) != HeaderCheck::good) continue;
    if (header.durable_mark > cursor.chain.sequence) {
      evidence = header;
      return at;
    }
  }
  return std::nullopt;
}

}  // namespace ingot::log
