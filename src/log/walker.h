// Walking over the entries of a segment: where the next one may stand, whether it is one, and healing it if it is not.
// Recovery, readers, whoever takes the commit lock, and check() all use this.
//
// After the end `e` of an entry in the group that starts at `g`, the next entry stands at `e`; or, if the group ended
// there, at the start of the next one, which follows the parity entry at sector_up(e). A seal may stand at the start of
// a group; then the group starts in the sector after it (or after another one: a store that is opened twice). The
// length of a parity entry follows from e - g, and a seal has one sector: so damage to either hides nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/parity.h"
#include "log/segment_format.h"
#include "storage/directory.h"

namespace ingot::log {

/// A file of the log, open.
struct SegmentFile {
  std::unique_ptr<storage::File> file;
  SegmentHeader header;
  PlaceSeed seed;
  std::optional<std::uint64_t> damaged_header;  // the offset of the copy that is to be healed
};

/// A point between two entries, and everything before it that is not known durable.
struct Cursor {
  std::uint64_t segment = 0;
  std::uint64_t offset = kEntriesStart;       // end of the last entry, or the start of a group
  std::uint64_t group_start = kEntriesStart;  // of the group that `offset` is in; equal to it if that has no entry yet
  Chain chain;
  std::uint64_t home = 0;                 // of the last entry: the segment it was first written to
  bool sealed = false;                    // a seal was the last thing
  std::uint64_t durable = 0;              // highest durable mark seen
  std::uint64_t settled = kEntriesStart;  // start of the first group of this segment that is not known durable
  Chain settled_chain;                    // the log at that point
  [[nodiscard]] bool in_group() const { return offset > group_start; }
  /// Everything up to here is known durable, now.
  void settle() {
    durable = chain.sequence > durable ? chain.sequence : durable;
    settled = group_start;
    settled_chain = chain;
    if (in_group()) settled = offset;  // only without parity (a deliberate break)
  }
  /// The start of the segment behind `header`.
  static Cursor at_start(const SegmentHeader& header) {
    Cursor cursor;
    cursor.segment = cursor.home = header.number;
    cursor.chain = cursor.settled_chain = header.start;
    cursor.durable = header.start.sequence;
    return cursor;
  }
};

/// Reads of a segment in large pieces. A sector that can't be read counts as zeros, and is remembered.
class Window {
 public:
  explicit Window(const SegmentFile& segment) : segment_(segment) {}

  /// `bytes` bytes at `offset`, valid until the next call; null if they pass the end of the segment.
  const char* at(std::uint64_t offset, std::uint64_t bytes);
  /// Forgets what was read: the file may have grown since.
  void refresh() {
    size_ = 0;
    chunk_ = kSectorBytes;
  }
  /// What was rebuilt, and counts instead of what the file holds.
  void patch(std::uint64_t offset, std::string_view sector);
  /// How many sectors from that of `offset` on could not be read, and whether that one is among them.
  [[nodiscard]] std::size_t unreadable_from(std::uint64_t offset, bool& first) const;
  [[nodiscard]] int error() const { return error_; }  // errno of the last sector that could not be read
  [[nodiscard]] const SegmentFile& segment() const { return segment_; }

 private:
  struct Patch {
    std::uint64_t offset;
    std::string bytes;
  };
  void read(std::uint64_t offset, std::uint64_t bytes);
  void read_sectors(std::uint64_t offset, std::uint64_t bytes);
  const SegmentFile& segment_;
  std::vector<char> buffer_;
  std::uint64_t begin_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t chunk_ = kSectorBytes;
  std::vector<std::uint64_t> unreadable_;
  std::vector<Patch> patches_;
  int error_ = 0;
};

enum class Step {
  entry,         // `found` is the next commit or edit, and the cursor stands behind it
  end,           // no valid entry follows here: the tail, or damage
  newer_format,  // a newer release wrote what follows
};

struct Found {
  EntryHeader header;
  base::Hash128 identity;
  std::uint64_t offset = 0;
  std::string_view payload;  // valid until the window is used again
  // If the parity of the group before was damaged: that group.
  std::uint64_t bare_start = 0;
  std::uint64_t bare_end = 0;
  Chain bare_chain;
  [[nodiscard]] Entry entry() const;
};

/// Moves `cursor` over the next entry. At the end it still moves over the parity and the seal that stand there.
Step next_entry(Window& window, Cursor& cursor, Found& found);

/// The parity entry of the group [start, end), all of whose entries were verified; `chain` is the log at its end.
std::string rebuild_parity(Window& window, std::uint64_t start, std::uint64_t end, const Chain& chain);

/// Looks for the parity of the group that should stand at the cursor, and rebuilds what is damaged: true if something
/// was rebuilt, which `window` shows from then on; `sectors`: their offsets.
bool heal_at(Window& window, const Cursor& cursor, std::vector<std::uint64_t>& sectors);

/// Moves `cursor` over damage that can't be healed, to the next place in the segment from which can be read on: in
/// front of a whole entry, or behind whole parity or a seal, with a sequence behind the cursor's and up to
/// `sequence_max`. What stands between is lost; the chain is what that place says it is. `found`: its offset. False:
/// there is none.
bool skip_damage(Window& window, Cursor& cursor, std::uint64_t sequence_max, std::uint64_t& found);

/// Looks behind the cursor, where no entry follows, for one that says that what should be there was durable. Returns
/// that entry's offset.
std::optional<std::uint64_t> durable_beyond(Window& window, const Cursor& cursor, EntryHeader& evidence);

}  // namespace ingot::log
