// Checkpoints: the full list of runs, and where in the log a replay starts. A store opens with its newest checkpoint
// and the log after it. Files checkpoints/<20 digits: edit number>:
//
//   offset  bytes
//        0      8  magic "INGOTCKP"
//        8      4  format (newer than we know: newer_format)
//       12      4  zero
//       16      8  payload bytes, at most kCheckpointBytesMax
//       24     16  hash of the store's id, this header up to here, and the payload
//       40      …  payload, zero-filled to a multiple of 4096 from the file's start
//        …      …  all of it once more: either copy heals the other
//
//   payload: varint edit number | varint segment | u64 version | 16 link | u64 time     (where the replay starts)
//            u64 floor | u64 floor time | varint count of sorted runs, newest first; each: varint id | varint count |
//            summaries varint count of named checkpoints (0 in this format; each is varint-sized bytes)
//            varint count of the graveyard (or nothing: 0); each: varint edit number | 32 name
//
// 1. A checkpoint is written under a temporary name, synced, renamed, and its directory synced, before the log before
// it or
//    runs that only older ones name are given up.
// 2. A newer checkpoint makes older ones garbage.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "log/log.h"
#include "runs/run.h"
#include "storage/directory.h"

namespace ingot::engine {

inline constexpr std::uint64_t kCheckpointBytesMax = 256ULL << 20;  // a million runs with long keys, with room

struct CheckpointSortedRun {
  std::uint64_t id = 0;
  std::vector<runs::RunSummary> files;
};

// A run file that an edit removed, and that is still to be collected. In a bucket only.
struct RemovedRun {
  std::uint64_t edit_number = 0;
  std::string name;
};

struct Checkpoint {
  std::uint64_t edit_number = 0;
  log::Start start;
  std::uint64_t floor = 0;
  std::int64_t floor_time_micros = 0;
  std::vector<CheckpointSortedRun> sorted_runs;  // newest first
  std::vector<RemovedRun> graveyard;             // in the order of edits
};

enum class CheckpointRead : std::uint8_t { found, none, damaged, newer_format, failed };

// Of all its runs, sorted. Views into it.
std::vector<std::string_view> run_names(const Checkpoint& checkpoint);

std::string checkpoint_path(std::uint64_t edit_number);

// Writes it and makes it durable (invariant 1).
storage::IoError write_checkpoint(storage::Directory& directory, const base::Hash128& store_id,
                                  const Checkpoint& checkpoint);

// The newest checkpoint, healed if one of its copies was damaged (`heal`: rewritten too). `why` for a person.
CheckpointRead read_newest_checkpoint(storage::Directory& directory, const base::Hash128& store_id, bool heal,
                                      Checkpoint& checkpoint, std::vector<std::string>& healed, std::string& why);

// Paths of what checkpoints that were never finished have left, or of those being written just now.
std::vector<std::string> unfinished_checkpoints(storage::Directory& directory);

// Removes all checkpoints older than `edit_number`. What can't be removed stays, harmlessly.
void remove_older_checkpoints(storage::Directory& directory, std::uint64_t edit_number);

// The format's bytes, one copy, and back; for tests and fuzzing.
std::string encode_checkpoint(const base::Hash128& store_id, const Checkpoint& checkpoint);
CheckpointRead decode_checkpoint(const base::Hash128& store_id, std::string_view bytes, Checkpoint& checkpoint);

}  // namespace ingot::engine
