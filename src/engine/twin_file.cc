#include "engine/twin_file.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/testing.h"

namespace ingot::engine {

namespace {

constexpr std::size_t kSectorBytes = 4096;

base::Hash128 twin_hash(std::string_view salt, std::string_view header, std::string_view payload) {
  std::string all;
  all.reserve(salt.size() + header.size() + payload.size());
  all.append(salt).append(header).append(payload);
  return base::hash128(all);
}

}  // namespace

std::string encode_twin(const TwinFormat& format, std::string_view salt, std::string_view payload) {
  std::string out(format.magic);
  base::append_little(out, format.format);
  base::append_little(out, std::uint32_t{0});
  base::append_little(out, static_cast<std::uint64_t>(payload.size()));
  char hash[16];
  base::store_hash(hash, twin_hash(salt, out, payload));
  out.append(hash, sizeof hash);
  out.append(payload);
  out.resize((out.size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  return out;
}

TwinRead decode_twin(const TwinFormat& format, std::string_view salt, std::string_view bytes,
                     std::string_view& payload) {
  if (bytes.size() < kTwinHeaderBytes || bytes.substr(0, 8) != format.magic) return TwinRead::damaged;
  const auto payload_bytes = base::load_little<std::uint64_t>(bytes.data() + 16);
  if (payload_bytes > format.payload_bytes_max || payload_bytes > bytes.size() - kTwinHeaderBytes)
    return TwinRead::damaged;
  payload = bytes.substr(kTwinHeaderBytes, payload_bytes);
  if (twin_hash(salt, bytes.substr(0, 24), payload) != base::load_hash(bytes.data() + 24)) return TwinRead::damaged;
  // Only a whole header may say that it is newer: damage must not look like an upgrade.
  if (base::load_little<std::uint32_t>(bytes.data() + 8) > format.format) return TwinRead::newer_format;
  return TwinRead::good;
}

storage::IoError write_twin(storage::Directory& directory, const TwinFormat& format, std::string_view salt,
                            std::string_view payload, std::string_view temporary, std::string_view path,
                            std::string_view parent) {
  const std::string copy = encode_twin(format, salt, payload);
  if (const storage::IoError error = directory.remove(temporary); error && error.code() != ENOENT) return error;
  std::unique_ptr<storage::File> file;
  if (const storage::IoError error = directory.open(temporary, storage::OpenMode::create, file)) return error;
  if (const storage::IoError error = file->write_at(0, copy)) return error;
  if (const storage::IoError error = file->write_at(copy.size(), copy)) return error;
  if (!base::broken(base::Break::engine_checkpoint_unsynced)) {
    if (const storage::IoError error = file->sync()) return error;
  }
  file.reset();
  if (const storage::IoError error = directory.rename(temporary, path)) return error;
  return directory.sync_directory(parent);
}

TwinRead read_twin(storage::Directory& directory, const TwinFormat& format, std::string_view salt,
                   std::string_view path, bool heal, std::string& payload, std::string& why) {
  std::unique_ptr<storage::File> file;
  if (const storage::IoError error = directory.open(path, storage::OpenMode::read, file)) {
    why = directory.where() + "/" + std::string(path) + ": " + error.text();
    return error.code() == ENOENT ? TwinRead::missing : TwinRead::failed;
  }
  std::uint64_t file_bytes = 0;
  if (const storage::IoError error = file->size(file_bytes)) {
    why = directory.where() + "/" + std::string(path) + ": " + error.text();
    return TwinRead::failed;
  }
  const std::uint64_t bytes_max = 2 * ((format.payload_bytes_max + kTwinHeaderBytes) / kSectorBytes + 1) * kSectorBytes;
  if (file_bytes > bytes_max) file_bytes = bytes_max;
  const std::uint64_t half = file_bytes / 2 / kSectorBytes * kSectorBytes;
  // Each half on its own: an unreadable sector in one must not hide the other. Whole is a half whose padding is zero.
  std::string copies[2];
  bool whole[2] = {};
  TwinRead states[2] = {TwinRead::damaged, TwinRead::damaged};
  std::string_view payloads[2];
  storage::IoError failed;
  for (int i = 0; i < 2; ++i) {
    copies[i].resize(half);
    std::size_t got = 0;
    if (const storage::IoError error = file->read_at(static_cast<std::uint64_t>(i) * half, copies[i], got)) {
      failed = error;
      continue;
    }
    if (got != half) continue;
    states[i] = decode_twin(format, salt, copies[i], payloads[i]);
    if (states[i] == TwinRead::newer_format) {
      why = directory.where() + "/" + std::string(path) + ": written by a newer release (format " +
            std::to_string(base::load_little<std::uint32_t>(copies[i].data() + 8)) + ", this one knows " +
            std::to_string(format.format) + ")";
      return TwinRead::newer_format;
    }
  }
  for (int i = 0; i < 2; ++i) {
    if (states[i] == TwinRead::good)
      whole[i] = copies[i].find_first_not_of('\0', kTwinHeaderBytes + payloads[i].size()) == std::string::npos;
  }
  for (int i = 0; i < 2; ++i) {
    if (states[i] != TwinRead::good) continue;
    payload = payloads[i];
    if (whole[0] && whole[1]) return TwinRead::good;
    base::probe("engine: a twin file healed from its other copy");
    why = directory.where() + "/" + std::string(path) + ": copy " +
          (whole[0]   ? "2"
           : whole[1] ? "1"
                      : "1 and copy 2") +
          " of 2 (" + std::to_string(half) + " bytes each) was damaged";
    if (!heal) return TwinRead::healed;
    std::string right = copies[i];
    std::fill(right.begin() + static_cast<std::ptrdiff_t>(kTwinHeaderBytes + payload.size()), right.end(), '\0');
    std::unique_ptr<storage::File> writable;
    storage::IoError error = directory.open(path, storage::OpenMode::read_write, writable);
    for (int j = 0; j < 2 && !error; ++j) {
      if (!whole[j]) error = writable->write_at(static_cast<std::uint64_t>(j) * half, right);
    }
    if (!error) error = writable->sync();
    if (error) why += ", and can't be written anew: " + error.text();
    return TwinRead::healed;
  }
  if (failed) {  // what can't be read now is not known to be damaged
    why = directory.where() + "/" + std::string(path) + ": " + failed.text();
    return TwinRead::failed;
  }
  why = directory.where() + "/" + std::string(path) + ": both copies are damaged";
  return TwinRead::damaged;
}

}  // namespace ingot::engine
