// The files of `log/`: segments by number, spares made ahead, the reserve.
//
//   log/<16 hexadecimal digits>   segments
//   log/spare-<random>            zero-filled, or a released segment: will be a segment once its header is written
//   log/reserve-<random>          a spare for when the disk is full: to finish what was promised, and for edits
//   log/new-<random>              a spare that is still being filled; removed by who opens the store alone
//
// Any thread, any process: what only one may do at a time (install) is done under the commit lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/walker.h"
#include "storage/directory.h"

namespace ingot::log {

enum class OpenSegment {
  good,
  missing,       // no such file
  damaged,       // neither copy of the header can be believed
  newer_format,  // a newer release made it
  failed,        // the device
};

class SegmentFiles {
 public:
  SegmentFiles(storage::Directory& directory, const base::Hash128& store_id, std::uint64_t segment_bytes,
               bool read_only)
      : directory_(directory), store_id_(store_id), segment_bytes_(segment_bytes), read_only_(read_only) {}

  /// Makes `log/` if it is missing, durably.
  storage::IoError make_directory();

  struct Listing {
    std::vector<std::uint64_t> segments;  // sorted
    std::vector<std::string> spares;      // names
    std::vector<std::string> unfinished;
    std::vector<std::string> reserves;
  };
  storage::IoError list(Listing& listing);

  /// `error` is the device's.
  OpenSegment open(std::uint64_t number, std::shared_ptr<SegmentFile>& segment, storage::IoError& error);
  /// A segment whose headers are both damaged, for who passes over damage: for reading, with a header made of what the
  /// name and the size say, but without a start.
  storage::IoError open_headless(std::uint64_t number, std::shared_ptr<SegmentFile>& segment);
  /// Whether a segment has its name. An error (too many open files) is no answer: then it is unknown.
  enum class Presence { there, missing, unknown };
  Presence presence(std::uint64_t number, storage::IoError& error);

  /// A file that will be a segment.
  struct Spare {
    std::string path;
    std::unique_ptr<storage::File> file;
    std::uint64_t bytes = 0;
  };
  /// Takes one that is ready; the reserve only if nothing else is and `reserve` says so. ENOSPC: there is none.
  storage::IoError take(bool reserve, Spare& spare);
  /// Makes one, zero-filled, of `bytes`.
  storage::IoError make(std::uint64_t bytes, Spare& spare);
  /// Makes sure that a spare is ready, and then the reserve. True if something had to be made.
  storage::IoError make_ahead(bool& made);

  /// Makes the spare a segment, in two steps, because entries may be written between them. The header; then, after the
  /// caller's sync, the name, durably. After an error of `name_it` the name may be there: then its number is used up.
  storage::IoError write_header(Spare& spare, const SegmentHeader& header);
  storage::IoError name_it(Spare& spare, std::uint64_t number);

  /// Whether the disk has room for what must follow from the log as it is, and from `more` bytes of it: all of it is to
  /// be written once again, as runs, before any of it can go. ENOSPC: it has not.
  storage::IoError headroom(std::uint64_t more);

  /// Segments below `number` become spares, or the reserve if there is none, or go.
  storage::IoError recycle_below(std::uint64_t number);
  /// Removes what a killed process left half made.
  void tidy();
  /// Bytes of all files of `log/`.
  std::uint64_t bytes_on_disk();

  [[nodiscard]] std::uint64_t segment_bytes() const { return segment_bytes_; }
  [[nodiscard]] const base::Hash128& store_id() const { return store_id_; }
  static std::string path_of(std::uint64_t number);
  static std::string name_of(std::uint64_t number);

 private:
  storage::IoError open_spare(const std::string& name, Spare& spare);
  storage::Directory& directory_;
  base::Hash128 store_id_;
  std::uint64_t segment_bytes_;
  bool read_only_;
};

}  // namespace ingot::log
