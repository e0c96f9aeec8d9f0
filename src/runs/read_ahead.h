// Reads the stored blocks of a run in the order in which they lie, in large pieces, and has the storage fetch the next
// piece meanwhile. Nothing of it is kept in a cache. Memory: one piece and one block, twice over a network.
//
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runs/run_file.h"
#include "storage/directory.h"

namespace ingot::runs {

class ReadAhead {
 public:
  // `how`: once or original.
  ReadAhead(Run::Implementation& run, const Meta& meta, storage::Reading how);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The stored bytes of a block, unverified, until the next call; empty if they could not be had.
  std::string_view stored(const Handle& handle);

 private:
  void fill(const Handle& handle);
  void announce(const std::shared_ptr<storage::File>& file, std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] bool holds(const Handle& handle) const {
    return at_ <= handle.offset && handle.offset + handle.stored_bytes <= at_ + bytes_.size();
  }

  Run::Implementation& run_;
  const std::uint64_t end_;  // of what is worth reading
  const storage::Reading how_;
  std::string bytes_;  // of the file, from at_
  std::uint64_t at_ = 0;
  std::weak_ptr<storage::File> announced_to_;
  std::uint64_t announced_ = 0;  // the end of what was announced, and begins where bytes_ ends
};

}  // namespace ingot::runs
