#include "engine/store_header.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/testing.h"
#include "engine/twin_file.h"

namespace ingot::engine {

namespace {

constexpr TwinFormat kFormat{"INGOTSTO", kStoreFormat, 4096};
constexpr std::string_view kPath = "store";
constexpr std::string_view kTemporary = "store.new";
constexpr std::string_view kMaking = "making";  // locked by who makes the store
constexpr std::array<std::string_view, 3> kFolders = {"log", "runs", "checkpoints"};

// Whether this is all that an interrupted making can have left. `live` may be there, too: made by who came after the
// maker, it may have survived a power loss that took the header's name.
storage::IoError look_for_leftover(storage::Directory& directory, const std::string& name, bool& leftover) {
  leftover = name == kTemporary || name == kMaking || name == "live" || name == "lost+found";
  if (std::find(kFolders.begin(), kFolders.end(), name) == kFolders.end()) return {};
  std::vector<std::string> names;
  const storage::IoError error = directory.list(name, names);
  if (error.code() == ENOTDIR) return {};
  leftover = names.empty();
  return error;
}

}  // namespace

Place look_at(storage::Directory& directory, bool heal, StoreHeader& header, std::vector<std::string>& healed,
              std::string& why) {
  std::string payload;
  switch (read_twin(directory, kFormat, {}, kPath, heal, payload, why)) {
    case TwinRead::healed:
      healed.push_back(why);
      [[fallthrough]];
    case TwinRead::good:
      if (payload.size() < 24) {
        why = directory.where() + "/store: too short";
        return Place::damaged;
      }
      header.store_id = base::load_hash(payload.data());
      header.made_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(payload.data() + 16));
      return Place::store;
    case TwinRead::newer_format:
      return Place::newer_format;
    case TwinRead::failed:
      return Place::failed;
    case TwinRead::damaged: {
      // A foreign file of that name is no damaged store.
      std::vector<std::string> names;
      if (const storage::IoError error = directory.list("log", names);
          error && error.code() != ENOENT && error.code() != ENOTDIR) {
        why = directory.where() + "/log: " + error.text();
        return Place::failed;
      }
      const bool has_log = !names.empty();
      if (!has_log) why = directory.where() + " holds a file \"store\" that is not a store's header";
      return has_log ? Place::damaged : Place::other;
    }
    case TwinRead::missing:
      break;
  }
  std::vector<std::string> names;
  if (const storage::IoError error = directory.list("", names)) {
    why = directory.where() + ": " + error.text();
    return Place::failed;
  }
  for (const std::string& name : names) {
    if (name == kPath) return look_at(directory, heal, header, healed, why);  // made between the two looks
    bool leftover = false;
    if (const storage::IoError error = look_for_leftover(directory, name, leftover)) {
      why = directory.where() + "/" + name + ": " + error.text();
      return Place::failed;
    }
    if (leftover) continue;
    std::unique_ptr<storage::File> header_file;  // or while we looked into what was found
    if (!directory.open(kPath, storage::OpenMode::read, header_file)) {
      return look_at(directory, heal, header, healed, why);
    }
    if (std::find(names.begin(), names.end(), kCopyingMark) != names.end()) {
      why = directory.where() + kCopyUnderWay;
      return Place::other;
    }
    why = directory.where() + " holds other files (\"" + name + "\") and no store";
    return Place::other;
  }
  return Place::empty;
}

storage::IoError make_folders(storage::Directory& directory) {
  for (const std::string_view folder : kFolders) {
    if (const storage::IoError error = directory.make_directory(folder); error && error.code() != EEXIST) return error;
  }
  return directory.sync_directory("");
}

storage::IoError write_store_header(storage::Directory& directory, const StoreHeader& header) {
  std::string payload(24, '\0');
  base::store_hash(payload.data(), header.store_id);
  base::store_little(payload.data() + 16, static_cast<std::uint64_t>(header.made_micros));
  base::append_little(payload, std::uint32_t{0});
  return write_twin(directory, kFormat, {}, payload, kTemporary, kPath, "");
}

storage::IoError make_store(storage::Directory& directory, base::Instant deadline) {
  std::unique_ptr<storage::File> making;
  if (const storage::IoError error = directory.open(kMaking, storage::OpenMode::create, making)) {
    if (error.code() != EEXIST) return error;
    const storage::IoError existing = directory.open(kMaking, storage::OpenMode::read_write, making);
    if (existing.code() == ENOENT) return {};  // the other one is done
    if (existing) return existing;
  }
  for (bool taken = false; !taken;) {
    if (const storage::IoError error = making->try_lock(0, 1, storage::LockMode::exclusive, taken)) return error;
    if (taken) break;
    base::probe("engine: waited for another process to make the store");
    if (base::now() >= deadline) return storage::IoError(EBUSY);
    base::sleep_for(std::chrono::milliseconds(2));
  }
  StoreHeader header;
  std::vector<std::string> healed;
  std::string why;
  // Whatever else is found, or can't be looked at, is for the caller's next look: an existing store is not made anew.
  if (look_at(directory, false, header, healed, why) != Place::empty) return {};
  header.store_id = {base::random_u64(), base::random_u64()};
  header.made_micros = base::wall_micros();
  if (const storage::IoError error = make_folders(directory)) return error;
  if (const storage::IoError error = write_store_header(directory, header)) return error;
  (void)directory.remove(kMaking).code();
  return {};
}

}  // namespace ingot::engine
