// A library for LD_PRELOAD that makes calls on a store's files fail as a disk may make them fail. Told what to do by
// the file $INGOT_FAULTS (control.h); the store's files are those below $INGOT_FAULTS_BELOW.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control.h"

using ingot::testing::FaultControl;
using ingot::testing::FaultRule;

namespace {

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

using PreadCall = ssize_t(int, void*, size_t, off_t);
using PwriteCall = ssize_t(int, const void*, size_t, off_t);
using SyncCall = int(int);

ssize_t real_pread(int file, void* out, size_t bytes, off_t offset) {
  static PreadCall* const call = real<PreadCall>("pread");
  return call(file, out, bytes, offset);
}
ssize_t real_pwrite(int file, const void* in, size_t bytes, off_t offset) {
  static PwriteCall* const call = real<PwriteCall>("pwrite");
  return call(file, in, bytes, offset);
}

FaultControl* control() {
  static FaultControl* const mapped = []() -> FaultControl* {
    const char* path = std::getenv("INGOT_FAULTS");
    if (path == nullptr) return nullptr;
    static auto* const real_open = real<int(const char*, int, ...)>("open");
    const int file = real_open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* memory = mmap(nullptr, sizeof(FaultControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<FaultControl*>(memory);
  }();
  return mapped;
}

// Whether `file` is one of the store's, and (`device`, `inode`) which.
bool is_ours(int file) {
  static const char* const below = std::getenv("INGOT_FAULTS_BELOW");
  if (below == nullptr || control() == nullptr) return false;
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  char path[4096];
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return std::strncmp(path, below, std::strlen(below)) == 0;
}

std::uint32_t chance() {
  static std::atomic<std::uint64_t> state{0x9e3779b97f4a7c15ULL};
  std::uint64_t z = state.fetch_add(0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<std::uint32_t>((z ^ (z >> 31)) % 1'000'000);
}

// Counts the call; whether it is to fail, with errno set.
bool fails(FaultRule& rule) {
  const std::uint64_t number = rule.calls.fetch_add(1) + 1;
  const std::uint64_t first = rule.first;
  const bool by_number = first != 0 && number >= first && number - first < rule.count;
  if (!by_number && chance() >= rule.per_million) return false;
  rule.faults.fetch_add(1);
  errno = rule.error;
  return true;
}

size_t shortened(size_t bytes) {
  return bytes > 1 && chance() < control()->short_per_million ? 1 + chance() % (bytes - 1) : bytes;
}

// What stood where something was written since the last good sync, oldest first.
struct Overwritten {
  off_t offset;
  std::string before;
};
using FileKey = std::pair<dev_t, ino_t>;
std::mutex overwritten_mutex;
std::map<FileKey, std::vector<Overwritten>>& overwritten() {
  static auto* const all = new std::map<FileKey, std::vector<Overwritten>>();  // until the process ends
  return *all;
}

FileKey key_of(int file) {
  struct stat status = {};
  fstat(file, &status);
  return {status.st_dev, status.st_ino};
}

void remember(int file, size_t bytes, off_t offset) {
  if (control()->failed_sync_forgets == 0) return;
  std::string before(bytes, '\0');
  const ssize_t got = real_pread(file, before.data(), bytes, offset);
  before.resize(got < 0 ? 0 : static_cast<size_t>(got));
  const std::lock_guard lock(overwritten_mutex);
  overwritten()[key_of(file)].push_back({offset, std::move(before)});
}

void synced(int file, bool good) {
  if (control()->failed_sync_forgets == 0) return;
  const std::lock_guard lock(overwritten_mutex);
  const auto found = overwritten().find(key_of(file));
  if (found == overwritten().end()) return;
  if (!good) {
    // Through a descriptor of our own: this one may be for reading.
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    static auto* const real_open = real<int(const char*, int, ...)>("open");
    const int writable = real_open(link, O_WRONLY | O_CLOEXEC);
    for (auto entry = found->second.rbegin(); writable >= 0 && entry != found->second.rend(); ++entry) {
      if (real_pwrite(writable, entry->before.data(), entry->before.size(), entry->offset) > 0) {
        control()->forgotten_bytes.fetch_add(entry->before.size());
      }
    }
    if (writable >= 0) close(writable);
  }
  overwritten().erase(found);
}

int sync_call(const char* name, int file) {
  SyncCall* const call = real<SyncCall>(name);
  if (!is_ours(file)) return call(file);
  if (fails(control()->sync)) {
    const int error = errno;
    synced(file, false);
    errno = error;
    return -1;
  }
  const int result = call(file);
  const int error = errno;
  synced(file, result == 0);
  errno = error;
  return result;
}

ssize_t write_call(int file, const void* in, size_t bytes, off_t offset) {
  if (!is_ours(file)) return real_pwrite(file, in, bytes, offset);
  if (fails(control()->write)) return -1;
  bytes = shortened(bytes);
  remember(file, bytes, offset);
  return real_pwrite(file, in, bytes, offset);
}

ssize_t read_call(int file, void* out, size_t bytes, off_t offset) {
  if (!is_ours(file)) return real_pread(file, out, bytes, offset);
  if (fails(control()->read)) return -1;
  return real_pread(file, out, shortened(bytes), offset);
}

}  // namespace

extern "C" {

ssize_t pwrite(int file, const void* in, size_t bytes, off_t offset) {
  return write_call(file, in, bytes, offset);
}
ssize_t pwrite64(int file, const void* in, size_t bytes, off_t offset) {
  return write_call(file, in, bytes, offset);
}
ssize_t pread(int file, void* out, size_t bytes, off_t offset) {
  return read_call(file, out, bytes, offset);
}
ssize_t pread64(int file, void* out, size_t bytes, off_t offset) {
  return read_call(file, out, bytes, offset);
}
int fdatasync(int file) {
  return sync_call("fdatasync", file);
}
int fsync(int file) {
  return sync_call("fsync", file);
}
int openat(int directory, const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>((flags & O_CREAT) != 0 ? va_arg(rest, int) : 0);
  va_end(rest);
  if (directory >= 0 && is_ours(directory) && fails(control()->open)) return -1;
  return real<int(int, const char*, int, ...)>("openat")(directory, path, flags, mode);
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  if (is_ours(from_directory) && fails(control()->make)) return -1;
  return real<int(int, const char*, int, const char*)>("renameat")(from_directory, from, to_directory, to);
}
int unlinkat(int directory, const char* path, int flags) {
  if (is_ours(directory) && fails(control()->make)) return -1;
  return real<int(int, const char*, int)>("unlinkat")(directory, path, flags);
}
int ftruncate(int file, off_t bytes) {
  if (is_ours(file) && fails(control()->make)) return -1;
  return real<int(int, off_t)>("ftruncate")(file, bytes);
}

}  // extern "C"
