#include "engine/checkpoint.h"

#include <algorithm>
#include <cstdio>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/twin_file.h"
#include "runs/summary.h"

namespace ingot::engine {

namespace {

constexpr TwinFormat kFormat{"INGOTCKP", 2, kCheckpointBytesMax};  // 1: no summary says where its index lies
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kUnfinished = "new";  // what a name begins with while its file is being written

std::string salt_of(const base::Hash128& store_id) {
  std::string salt(16, '\0');
  base::store_hash(salt.data(), store_id);
  return salt;
}

std::string encode_payload(const Checkpoint& checkpoint) {
  std::string out;
  base::append_varint(out, checkpoint.edit_number);
  base::append_varint(out, checkpoint.start.segment);
  base::append_little(out, checkpoint.start.version);
  char link[16];
  base::store_hash(link, checkpoint.start.link);
  out.append(link, sizeof link);
  base::append_little(out, static_cast<std::uint64_t>(checkpoint.start.time_micros));
  base::append_little(out, checkpoint.floor);
  base::append_little(out, static_cast<std::uint64_t>(checkpoint.floor_time_micros));
  base::append_varint(out, checkpoint.sorted_runs.size());
  for (const CheckpointSortedRun& sorted : checkpoint.sorted_runs) {
    base::append_varint(out, sorted.id);
    base::append_varint(out, sorted.files.size());
    for (const runs::RunSummary& summary : sorted.files) runs::append_summary(out, summary);
  }
  base::append_varint(out, 0);  // named checkpoints
  base::append_varint(out, checkpoint.graveyard.size());
  for (const RemovedRun& removed : checkpoint.graveyard) {
    base::append_varint(out, removed.edit_number);
    out.append(removed.name);
  }
  return out;
}

bool decode_payload(std::string_view payload, Checkpoint& checkpoint) {
  base::ByteReader reader(payload);
  checkpoint = {};
  std::uint64_t time = 0;
  std::uint64_t floor_time = 0;
  std::uint64_t count = 0;
  std::string_view link;
  if (!reader.take_varint(checkpoint.edit_number) || !reader.take_varint(checkpoint.start.segment) ||
      !reader.take_little(checkpoint.start.version) || !reader.take_bytes(16, link) || !reader.take_little(time) ||
      !reader.take_little(checkpoint.floor) || !reader.take_little(floor_time) || !reader.take_varint(count) ||
      count > reader.remaining()) {
    return false;
  }
  checkpoint.start.link = base::load_hash(link.data());
  checkpoint.start.time_micros = static_cast<std::int64_t>(time);
  checkpoint.floor_time_micros = static_cast<std::int64_t>(floor_time);
  for (; count > 0; --count) {
    CheckpointSortedRun& sorted = checkpoint.sorted_runs.emplace_back();
    std::uint64_t files = 0;
    if (!reader.take_varint(sorted.id) || !reader.take_varint(files) || files > reader.remaining()) return false;
    for (; files > 0; --files) {
      if (!runs::take_summary(reader, sorted.files.emplace_back())) return false;
    }
  }
  if (!reader.take_varint(count)) return false;
  if (count != 0 || reader.empty()) return true;
  if (!reader.take_varint(count) || count > reader.remaining()) return false;
  for (; count > 0; --count) {
    RemovedRun& removed = checkpoint.graveyard.emplace_back();
    std::string_view name;
    if (!reader.take_varint(removed.edit_number) || !reader.take_bytes(runs::kRunNameBytes, name) ||
        !runs::is_run_name(name)) {
      return false;
    }
    removed.name = name;
  }
  return true;
}

}  // namespace

std::vector<std::string_view> run_names(const Checkpoint& checkpoint) {
  std::vector<std::string_view> names;
  for (const CheckpointSortedRun& sorted : checkpoint.sorted_runs) {
    for (const runs::RunSummary& run : sorted.files) names.emplace_back(run.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string checkpoint_path(std::uint64_t edit_number) {
  char name[48];
  const int length =
      std::snprintf(name, sizeof name, "checkpoints/%020llu", static_cast<unsigned long long>(edit_number));
  return {name, static_cast<std::size_t>(length)};
}

std::string encode_checkpoint(const base::Hash128& store_id, const Checkpoint& checkpoint) {
  return encode_twin(kFormat, salt_of(store_id), encode_payload(checkpoint));
}

CheckpointRead decode_checkpoint(const base::Hash128& store_id, std::string_view bytes, Checkpoint& checkpoint) {
  std::string_view payload;
  switch (decode_twin(kFormat, salt_of(store_id), bytes, payload)) {
    case TwinRead::good:
      return decode_payload(payload, checkpoint) ? CheckpointRead::found : CheckpointRead::damaged;
    case TwinRead::newer_format:
      return CheckpointRead::newer_format;
    default:
      return CheckpointRead::damaged;
  }
}

storage::IoError write_checkpoint(storage::Directory& directory, const base::Hash128& store_id,
                                  const Checkpoint& checkpoint) {
  // A name of its own: another process may be writing one, too, and neither may name what the other has half written.
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(base::random_u64()));
  const std::string temporary = "checkpoints/" + std::string(kUnfinished) + digits;
  const storage::IoError error = write_twin(directory, kFormat, salt_of(store_id), encode_payload(checkpoint),
                                            temporary, checkpoint_path(checkpoint.edit_number), "checkpoints");
  if (error) (void)directory.remove(temporary).code();
  return error;
}

CheckpointRead read_newest_checkpoint(storage::Directory& directory, const base::Hash128& store_id, bool heal,
                                      Checkpoint& checkpoint, std::vector<std::string>& healed, std::string& why) {
  // A checkpoint may be replaced while we look: then the newest listed is gone, and we look again.
  constexpr int kTriesMax = 100;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    std::vector<std::string> names;
    if (const storage::IoError error = directory.list("checkpoints", names)) {
      why = directory.where() + "/checkpoints: " + error.text();
      return CheckpointRead::failed;
    }
    std::erase_if(names, [](const std::string& name) {
      return name.size() != kNameDigits || name.find_first_not_of("0123456789") != std::string::npos;
    });
    if (names.empty()) return CheckpointRead::none;
    const std::string newest = "checkpoints/" + *std::max_element(names.begin(), names.end());
    std::string payload;
    switch (read_twin(directory, kFormat, salt_of(store_id), newest, heal, payload, why)) {
      case TwinRead::missing:
        continue;
      case TwinRead::failed:
        return CheckpointRead::failed;
      case TwinRead::newer_format:
        return CheckpointRead::newer_format;
      case TwinRead::damaged:
        return CheckpointRead::damaged;
      case TwinRead::healed:
        healed.push_back(why);
        break;
      case TwinRead::good:
        break;
    }
    if (decode_payload(payload, checkpoint)) return CheckpointRead::found;
    why = directory.where() + "/" + newest + ": not a checkpoint, though its hash is right";
    return CheckpointRead::damaged;
  }
  why = directory.where() + "/checkpoints: changed faster than they could be read";
  return CheckpointRead::failed;
}

std::vector<std::string> unfinished_checkpoints(storage::Directory& directory) {
  std::vector<std::string> names;
  std::vector<std::string> paths;
  if (directory.list("checkpoints", names)) return paths;
  for (const std::string& name : names) {
    if (name.starts_with(kUnfinished)) paths.push_back("checkpoints/" + name);
  }
  return paths;
}

void remove_older_checkpoints(storage::Directory& directory, std::uint64_t edit_number) {
  std::vector<std::string> names;
  if (directory.list("checkpoints", names)) return;
  const std::string kept = checkpoint_path(edit_number);
  for (const std::string& name : names) {
    const std::string path = "checkpoints/" + name;
    if (name.size() == kNameDigits && path < kept) (void)directory.remove(path).code();
  }
}

}  // namespace ingot::engine
