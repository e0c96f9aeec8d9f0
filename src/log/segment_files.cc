// See segment_files.h.
#include "log/segment_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/random.h"
#include "base/testing.h"

namespace ingot::log {
namespace {

constexpr std::size_t kSparesMax = 2;
constexpr std::uint64_t kFillChunkBytes = 1ULL << 20;
constexpr std::size_t kReservesMax = 1;
constexpr std::uint64_t kPlentyBytes = 4ULL << 30;  // more than any log that waits to become runs

std::string hexadecimal(std::uint64_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t index = 16; index-- > 0; number >>= 4) text[index] = kDigits[number & 15];
  return text;
}

bool number_from(const std::string& name, std::uint64_t& number) {
  if (name.size() != 16) return false;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  return error == std::errc() && end == name.data() + name.size() && name == hexadecimal(number);
}

}  // namespace

std::string SegmentFiles::name_of(std::uint64_t number) {
  return hexadecimal(number);
}

std::string SegmentFiles::path_of(std::uint64_t number) {
  return "log/" + hexadecimal(number);
}

storage::IoError SegmentFiles::make_directory() {
  const auto failed = directory_.make_directory("log");
  if (failed && failed.code() != EEXIST) return failed;
  // Also if it was there: who made it may have been killed before it was durable.
  return directory_.sync_directory("");
}

storage::IoError SegmentFiles::list(Listing& listing) {
  listing = {};
  std::vector<std::string> names;
  if (const auto failed = directory_.list("log", names)) return failed;
  for (const std::string& name : names) {
    std::uint64_t number = 0;
    if (number_from(name, number)) listing.segments.push_back(number);
    if (name.starts_with("spare-")) listing.spares.push_back(name);
    if (name.starts_with("new-")) listing.unfinished.push_back(name);
    if (name.starts_with("reserve-")) listing.reserves.push_back(name);
  }
  std::sort(listing.segments.begin(), listing.segments.end());
  std::sort(listing.spares.begin(), listing.spares.end());
  return {};
}

SegmentFiles::Presence SegmentFiles::presence(std::uint64_t number, storage::IoError& error) {
  std::unique_ptr<storage::File> file;
  error = directory_.open(path_of(number), storage::OpenMode::read, file);
  if (!error) return Presence::there;
  if (error.code() != ENOENT) return Presence::unknown;
  error = {};
  return Presence::missing;
}

OpenSegment SegmentFiles::open(std::uint64_t number, std::shared_ptr<SegmentFile>& segment, storage::IoError& error) {
  auto opened = std::make_shared<SegmentFile>();
  const auto mode = read_only_ ? storage::OpenMode::read : storage::OpenMode::read_write;
  error = directory_.open(path_of(number), mode, opened->file);
  if (error.code() == ENOENT) return OpenSegment::missing;
  if (error) return OpenSegment::failed;
  std::array<std::array<char, kSectorBytes>, 2> copies{};
  std::array<bool, 2> good{};
  bool newer = false;
  bool recycled = false;
  for (std::size_t index = 0; index < 2; ++index) {
    std::size_t got = 0;
    const auto failed = opened->file->read_at(index * kSectorBytes, copies[index], got);
    if (failed) error = failed;
    if (failed || got < kSectorBytes) continue;
    SegmentHeader header;
    const HeaderCheck check = decode_segment_header(copies[index].data(), header);
    newer = newer || check == HeaderCheck::newer_format;
    recycled = recycled || (check == HeaderCheck::good && header.number != number && header.store_id == store_id_);
    good[index] = check == HeaderCheck::good && header.number == number && header.store_id == store_id_;
    if (good[index]) opened->header = header;
  }
  if (newer) return OpenSegment::newer_format;
  if (!good[0] && !good[1]) {
    storage::IoError failed;
    const Presence name = recycled ? Presence::missing : presence(number, failed);
    if (name == Presence::missing) {
      base::probe("log: a segment was recycled while it was opened");
      return OpenSegment::missing;
    }
    if (name == Presence::unknown) error = failed;
    return error ? OpenSegment::failed : OpenSegment::damaged;
  }
  if (good[0] != good[1]) {
    base::probe("log: healed a segment header");
    opened->damaged_header = (good[0] ? 1 : 0) * kSectorBytes;
  }
  error = {};
  opened->seed = PlaceSeed(store_id_, number);
  segment = std::move(opened);
  return OpenSegment::good;
}

storage::IoError SegmentFiles::open_headless(std::uint64_t number, std::shared_ptr<SegmentFile>& segment) {
  auto opened = std::make_shared<SegmentFile>();
  std::uint64_t bytes = 0;
  if (const auto failed = directory_.open(path_of(number), storage::OpenMode::read, opened->file)) return failed;
  if (const auto failed = opened->file->size(bytes)) return failed;
  opened->header.store_id = store_id_;
  opened->header.number = number;
  opened->header.bytes = std::min(sector_down(bytes), kSegmentBytesMax);
  opened->seed = PlaceSeed(store_id_, number);
  segment = std::move(opened);
  return {};
}

storage::IoError SegmentFiles::open_spare(const std::string& name, Spare& spare) {
  spare.path = "log/" + name;
  if (const auto failed = directory_.open(spare.path, storage::OpenMode::read_write, spare.file)) return failed;
  return spare.file->size(spare.bytes);
}

storage::IoError SegmentFiles::take(bool reserve, Spare& spare) {
  Listing listing;
  if (const auto failed = list(listing)) return failed;
  for (const std::string& name : listing.spares) {
    if (!open_spare(name, spare) && spare.bytes == segment_bytes_) return {};
  }
  for (const std::string& name : listing.reserves) {
    if (reserve && !open_spare(name, spare) && spare.bytes == segment_bytes_) {
      base::probe("log: used the reserve");
      return {};
    }
  }
  spare = {};
  return storage::IoError(ENOSPC);
}

storage::IoError SegmentFiles::make(std::uint64_t bytes, Spare& spare) {
  spare = {};
  const std::string path = "log/new-" + hexadecimal(base::random_u64());
  auto failed = directory_.open(path, storage::OpenMode::create, spare.file);
  if (failed) return failed;
  // Zeros, written: neither a hole nor a preallocation, with which each fdatasync would flush metadata too.
  const std::string zeros(std::min(bytes, kFillChunkBytes), '\0');
  for (std::uint64_t at = 0; at < bytes && !failed; at += zeros.size()) {
    failed =
        spare.file->write_at(at, std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), bytes - at)));
  }
  if (!failed) failed = spare.file->sync();
  if (failed) {
    spare = {};
    (void)directory_.remove(path);
    return failed;
  }
  spare.path = path;
  spare.bytes = bytes;
  return {};
}

storage::IoError SegmentFiles::make_ahead(bool& made) {
  made = false;
  Listing listing;
  if (const auto failed = list(listing)) return failed;
  for (const bool reserve : {false, true}) {
    if (!(reserve ? listing.reserves : listing.spares).empty()) continue;
    // Not with what the log needs to become runs, and to go.
    if (const auto failed = headroom(2 * segment_bytes_)) return failed;
    Spare spare;
    if (const auto failed = make(segment_bytes_, spare)) return failed;
    // A name of its own: two processes may do this at once, and none may replace what another is about to use.
    const std::string to = (reserve ? "log/reserve-" : "log/spare-") + hexadecimal(base::random_u64());
    if (const auto failed = directory_.rename(spare.path, to)) {
      (void)directory_.remove(spare.path);
      return failed;
    }
    made = true;
  }
  return {};
}

storage::IoError SegmentFiles::headroom(std::uint64_t more) {
  std::uint64_t free = 0;
  if (directory_.free_bytes(free)) return {};  // unknown: then the write itself tells
  if (free >= kPlentyBytes) return {};
  Listing listing;
  if (const auto failed = list(listing)) return failed;
  for (const std::uint64_t segment : listing.segments) {
    std::unique_ptr<storage::File> file;
    std::uint64_t bytes = 0;
    if (!directory_.open(path_of(segment), storage::OpenMode::read, file) && !file->size(bytes)) more += bytes;
  }
  return free < more ? storage::IoError(ENOSPC) : storage::IoError();
}

storage::IoError SegmentFiles::write_header(Spare& spare, const SegmentHeader& header) {
  std::string sectors(2 * kSectorBytes, '\0');
  encode_segment_header(header, sectors.data());
  encode_segment_header(header, sectors.data() + kSectorBytes);
  return spare.file->write_at(0, sectors);
}

storage::IoError SegmentFiles::name_it(Spare& spare, std::uint64_t number) {
  if (const auto failed = directory_.rename(spare.path, path_of(number))) return failed;
  spare.path = path_of(number);
  if (base::broken(base::Break::log_skip_directory_sync)) return {};
  return directory_.sync_directory("log");
}

storage::IoError SegmentFiles::recycle_below(std::uint64_t number) {
  Listing listing;
  if (const auto failed = list(listing)) return failed;
  std::size_t spares = listing.spares.size();
  std::size_t reserves = listing.reserves.size();
  // On a disk that is nearly full the room is worth more to flushes and merges than ready segments are to the log.
  const std::size_t spares_max = headroom(2 * segment_bytes_) ? 0 : kSparesMax;
  for (const std::string& name : listing.spares) {
    if (spares_max == 0 && !directory_.remove("log/" + name)) --spares;
  }
  for (const std::uint64_t segment : listing.segments) {
    if (segment >= number) break;
    std::unique_ptr<storage::File> file;
    std::uint64_t bytes = 0;
    const std::string path = path_of(segment);
    const bool fits =
        !directory_.open(path, storage::OpenMode::read, file) && !file->size(bytes) && bytes == segment_bytes_;
    file.reset();
    storage::IoError failed;
    if (fits && (reserves < kReservesMax || spares < spares_max)) {
      const bool reserve = reserves < kReservesMax;
      failed = directory_.rename(path, (reserve ? "log/reserve-" : "log/spare-") + hexadecimal(base::random_u64()));
      ++(reserve ? reserves : spares);
    } else {
      failed = directory_.remove(path);
    }
    // Another process may have been faster.
    if (failed && failed.code() != ENOENT) return failed;
  }
  return {};
}

void SegmentFiles::tidy() {
  Listing listing;
  if (list(listing)) return;
  for (const std::string& name : listing.unfinished) (void)directory_.remove("log/" + name);
  const auto keep = [this](const std::vector<std::string>& names, std::size_t max) {
    std::size_t kept = 0;
    for (const std::string& name : names) {
      Spare spare;
      const bool good = !open_spare(name, spare) && spare.bytes == segment_bytes_ && kept < max;
      spare = {};
      if (good) {
        ++kept;
      } else {
        (void)directory_.remove("log/" + name);
      }
    }
  };
  keep(listing.spares, kSparesMax);
  keep(listing.reserves, kReservesMax);
}

std::uint64_t SegmentFiles::bytes_on_disk() {
  std::vector<std::string> names;
  if (directory_.list("log", names)) return 0;
  std::uint64_t sum = 0;
  for (const std::string& name : names) {
    std::unique_ptr<storage::File> file;
    std::uint64_t bytes = 0;
    if (!directory_.open("log/" + name, storage::OpenMode::read, file) && !file->size(bytes)) sum += bytes;
  }
  return sum;
}

}  // namespace ingot::log
