// A run file as bytes, for who copies it without looking into it.
#include <algorithm>
#include <cerrno>

#include "base/testing.h"
#include "runs/block_cache.h"
#include "runs/run.h"
#include "runs/run_file.h"
#include "runs/run_parity.h"

namespace ingot::runs {

namespace {

constexpr std::uint64_t kPieceBytes = kChunkSectors * kSectorBytes;
// What is fetched meanwhile: over a network, four requests of a size that is worth one.
constexpr std::uint64_t kAnnouncedBytes = 4 * kPieceBytes;
constexpr std::uint64_t kAheadBytes = 4 * kAnnouncedBytes;

}  // namespace

Passed Run::pass_bytes(base::FunctionRef<bool(std::string_view)> use) const {
  Implementation& self = *implementation_;
  const Meta* meta = self.open(Io::allowed);
  const std::shared_ptr<storage::File> file = meta == nullptr ? nullptr : self.file();
  if (file == nullptr) return Passed::failed;
  const std::uint64_t covered = meta->place.covered_bytes;
  ParityReader parity(*file, covered);
  ParityBuilder builder;
  std::vector<std::uint64_t> healed;
  std::vector<std::uint64_t> lost;
  std::string bytes;
  std::uint64_t announced = 0;
  for (std::uint64_t at = 0; at < covered; at += kPieceBytes) {
    while (announced < std::min(at + kAheadBytes, covered)) {
      file->will_read(announced, std::min(kAnnouncedBytes, covered - announced), storage::Reading::once);
      announced += kAnnouncedBytes;
    }
    if (!parity.read(at, static_cast<std::size_t>(std::min(kPieceBytes, covered - at)), bytes, healed, lost)) {
      if (announced > at) file->wont_read(at, std::min(announced, covered) - at);
      const storage::IoError error = parity.error();
      if (error && error.code() != EIO) {
        self.fail("it can't be read: " + error.text());
        return Passed::failed;
      }
      self.fail(lost.empty() ? "its checksums are damaged"
                             : sectors_text(lost) + " are damaged beyond healing" +
                                   (error ? " (" + error.text() + ")" : std::string()));
      return Passed::damaged;
    }
    builder.add(bytes);
    if (!use(bytes)) return Passed::stopped;
  }
  if (!healed.empty()) {
    base::probe("runs: a run was healed while it was copied");
    self.rewrite.store(true);
    self.cache->implementation().healed.fetch_add(1, std::memory_order_relaxed);
    if (self.on_message) {
      self.on_message(self.directory.where() + "/" + self.path + ": " + sectors_text(healed) +
                      " were damaged and have been rebuilt from parity; the file will be rewritten");
    }
  }
  return use(self.tail_behind(builder, *meta)) ? Passed::all : Passed::stopped;
}

bool Run::is_intact() const {
  Implementation& self = *implementation_;
  const std::shared_ptr<storage::File> file = self.file();
  std::uint64_t bytes = 0;
  if (file == nullptr || file->size(bytes) || bytes != self.summary.file_bytes) return false;
  const Meta* meta = self.open(Io::allowed);
  std::vector<std::uint64_t> lost;
  return meta != nullptr && self.damaged_sectors(*file, *meta, lost).empty();
}

}  // namespace ingot::runs
