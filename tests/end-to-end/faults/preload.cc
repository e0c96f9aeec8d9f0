// A library for LD_PRELOAD that makes calls on a store's files fail as a disk may make them fail. Told what to do by
// the file $INGOT_FAULTS (control.h); the store's files are those below $INGOT_FAULTS_BELOW.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control.h"

using ingot::testing::Call;
using ingot::testing::FaultControl;
using ingot::testing::FaultRule;
using ingot::testing::Strike;

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

// Not through the C library: the sanitizers call mmap before anything can be looked up.
void* real_mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}

FaultControl* control() {
  static FaultControl* const mapped = []() -> FaultControl* {
    const char* path = std::getenv("INGOT_FAULTS");
    if (path == nullptr) return nullptr;
    static auto* const real_open = real<int(const char*, int, ...)>("open");
    const int file = real_open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* memory = real_mmap(nullptr, sizeof(FaultControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<FaultControl*>(memory);
  }();
  return mapped;
}

// The path of an open file; `ours` if it is one of the store's.
struct Place {
  char path[4096] = {};
  bool ours = false;

  explicit Place(int file, const char* name = "") {
    static const char* const below = std::getenv("INGOT_FAULTS_BELOW");
    if (below == nullptr || file < 0 || control() == nullptr) return;
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(link, path, sizeof path / 2);
    if (length <= 0) return;
    path[length] = '\0';
    ours = std::strncmp(path, below, std::strlen(below)) == 0;
    if (*name != '\0') std::snprintf(path + length, sizeof path - static_cast<size_t>(length), "/%s", name);
  }
};

bool is_ours(int file) {
  return Place(file).ours;
}

// Whether the strike is for this call; then this process dies, or stops, here.
void strike(const char* path, Call kind, bool after) {
  if (control() == nullptr) return;
  Strike& told = control()->strike;
  if (told.state.load(std::memory_order_acquire) != Strike::armed) return;
  if ((told.calls & static_cast<std::uint32_t>(kind)) == 0 || (told.after != 0) != after) return;
  if (std::strstr(path, told.path) == nullptr) return;
  char thread[16] = {};
  prctl(PR_GET_NAME, thread);
  if (told.thread[0] != '\0' && std::strncmp(told.thread, thread, sizeof thread) != 0) return;
  if (told.countdown.fetch_sub(1) > 1) return;
  std::uint32_t armed = Strike::armed;
  if (!told.state.compare_exchange_strong(armed, Strike::taken)) return;
  const int signal = told.signal;
  told.pid.store(getpid(), std::memory_order_release);
  const int error = errno;
  if (signal == SIGKILL || signal == SIGSTOP) {
    // At this thread, so that it does not get any further.
    syscall(SYS_tgkill, getpid(), static_cast<pid_t>(syscall(SYS_gettid)), signal);
  } else {
    kill(getpid(), signal);  // as a terminal does: the library's own threads have it blocked
  }
  errno = error;
}

// Around a call: strikes before it is made, and after it was.
class Struck {
 public:
  Struck(const Place& place, Call kind) : place_(place), kind_(kind) { strike(place_.path, kind_, false); }
  ~Struck() { strike(place_.path, kind_, true); }
  Struck(const Struck&) = delete;
  Struck& operator=(const Struck&) = delete;

 private:
  const Place& place_;
  const Call kind_;
};

std::uint32_t chance() {
  // Another sequence in each process: else one that is started again would be spared, or hit, at the same calls.
  static std::atomic<std::uint64_t> state{static_cast<std::uint64_t>(getpid()) << 32 ^
                                          static_cast<std::uint64_t>(time(nullptr))};
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

// Sleeps if this call is to be slow; whether it is to be interrupted, with errno set.
bool is_interrupted() {
  const int error = errno;
  if (fails(control()->slow)) usleep(control()->slow_micros);
  errno = error;
  return fails(control()->interrupt);
}

size_t shortened(size_t bytes, FaultRule& rule) {
  if (bytes < 2) return bytes;
  const int error = errno;
  const bool cut = fails(rule);
  errno = error;
  return cut ? 1 + chance() % (bytes - 1) : bytes;
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
  const Place place(file);
  if (!place.ours) return call(file);
  const Struck struck(place, Call::sync);
  if (is_interrupted()) return -1;
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
  const Place place(file);
  if (!place.ours) return real_pwrite(file, in, bytes, offset);
  const Struck struck(place, Call::write);
  if (is_interrupted() || fails(control()->write)) return -1;
  bytes = shortened(bytes, control()->short_write);
  remember(file, bytes, offset);
  return real_pwrite(file, in, bytes, offset);
}

ssize_t read_call(int file, void* out, size_t bytes, off_t offset) {
  const Place place(file);
  if (!place.ours) return real_pread(file, out, bytes, offset);
  const Struck struck(place, Call::read);
  if (is_interrupted() || fails(control()->read)) return -1;
  return real_pread(file, out, shortened(bytes, control()->short_read), offset);
}

void* map_call(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  if (file >= 0 && is_ours(file) && fails(control()->map)) return MAP_FAILED;
  return real_mmap(at, bytes, protection, flags, file, offset);
}

}  // namespace

extern "C" {

// See reached() in fault_page.h.
void ingot_faults_reached(const char* what) {
  strike(what, Call::told, false);
}

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
void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  return map_call(at, bytes, protection, flags, file, offset);
}
void* mmap64(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  return map_call(at, bytes, protection, flags, file, offset);
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
  auto* const call = real<int(int, const char*, int, ...)>("openat");
  const Place place(directory, path);
  if (!place.ours) return call(directory, path, flags, mode);
  const Struck struck(place, Call::open);
  if (is_interrupted() || fails(control()->open)) return -1;
  return call(directory, path, flags, mode);
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  auto* const call = real<int(int, const char*, int, const char*)>("renameat");
  const Place place(from_directory, from);
  if (!place.ours) return call(from_directory, from, to_directory, to);
  const Struck struck(place, Call::rename);
  if (is_interrupted() || fails(control()->rename)) return -1;
  return call(from_directory, from, to_directory, to);
}
int unlinkat(int directory, const char* path, int flags) {
  auto* const call = real<int(int, const char*, int)>("unlinkat");
  const Place place(directory, path);
  if (!place.ours) return call(directory, path, flags);
  const Struck struck(place, Call::unlink);
  if (fails(control()->unlink)) return -1;
  return call(directory, path, flags);
}
int ftruncate(int file, off_t bytes) {
  auto* const call = real<int(int, off_t)>("ftruncate");
  const Place place(file);
  if (!place.ours) return call(file, bytes);
  const Struck struck(place, Call::truncate);
  if (is_interrupted() || fails(control()->truncate)) return -1;
  return call(file, bytes);
}

}  // extern "C"
