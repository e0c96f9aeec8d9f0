// Collects what is superseded in a bucket. Any process may, several at once do no harm, and any may be killed or sleep
// at any step; one boundary (log/boundary.h) is under way at a time:
//
//   1. A checkpoint is written, and read back. boundary/<k+1> names it: the slots before its start may go, and the runs
//      of its graveyard.
//   2. Whoever reads that boundary notes when: seen/<k+1>.
//   3. The grace period later all that is deleted, with what was begun before the note and is named by nothing: uploads
//      that were never finished, runs and payloads whose commit never came. What is named is known from the log's tail,
//      which is read after listing and before deleting.
//   4. swept/<k+1> says that it is done; then the next boundary may come.
//
// A store that nobody writes to needs none of it, and no requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/checkpoint.h"
#include "log/bucket_log.h"
#include "storage/bucket.h"

namespace ingot::engine {

class Engine;

class Collector {
 public:
  // What it asks of the medium that has it.
  class Place {
   public:
    virtual ~Place() = default;
    [[nodiscard]] virtual std::shared_ptr<log::BucketLog> bucket_log() const = 0;
    // A checkpoint that this process wrote, which nobody else deletes, and this process not either from now on. Empty:
    // it has written none.
    virtual std::string hold_own_checkpoint() = 0;
    [[nodiscard]] virtual bool stopping() const = 0;
  };

  Collector(Engine& engine, storage::Bucket& bucket, const base::Hash128& store_id, std::chrono::seconds grace,
            Place& place)
      : engine_(engine), bucket_(bucket), store_id_(store_id), grace_(grace), place_(place) {}

  // Does what can be done now. Returns how long until there may be more to do if nothing is written meanwhile; nothing:
  // then there won't be. Throws Error if the bucket is away.
  std::optional<base::Duration> step();

  [[nodiscard]] std::uint64_t deleted() const { return deleted_; }

 private:
  struct Wait;
  [[nodiscard]] base::Instant deadline() const;
  std::optional<base::Duration> begin(const log::Confirmation& known);
  std::optional<storage::BucketDate> seen_since(const log::Boundary& boundary);
  void sweep(const log::Boundary& boundary, storage::BucketDate seen);
  bool read_checkpoint(const std::string& key, Checkpoint& checkpoint);
  template <class Visit>
  void list(std::string_view prefix, Visit visit);
  void remove(const std::string& key);
  void require_going_on() const;
  [[nodiscard]] std::set<std::string, std::less<>> named_runs(std::uint64_t& edit_number) const;
  bool was_swept(std::uint32_t number);

  Engine& engine_;
  storage::Bucket& bucket_;
  const base::Hash128 store_id_;
  const std::chrono::seconds grace_;
  Place& place_;
  std::uint32_t swept_ = 0;  // boundaries up to this one are done with, as far as we know
  std::optional<storage::BucketDate> seen_;
  std::uint32_t seen_number_ = 0;
  std::uint64_t deleted_ = 0;
};

}  // namespace ingot::engine
