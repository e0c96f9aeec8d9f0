#include "storage/posix_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>

#include "storage/whole_io.h"

namespace ingot::storage {

namespace {

// All descriptors of ours. A fork's child closes them: an inherited descriptor shares its locks with the parent, and
// would keep them when the parent dies.
class Descriptors {
 public:
  static Descriptors& instance() {
    static auto* descriptors = new Descriptors;  // never destroyed: files may outlive statics
    return *descriptors;
  }
  void add(int descriptor) {
    const std::lock_guard lock(mutex_);
    open_.insert(descriptor);
  }
  void close(int descriptor) {
    const std::lock_guard lock(mutex_);
    open_.erase(descriptor);
    ::close(descriptor);  // never repeated: on Linux the descriptor is gone even after EINTR
  }

 private:
  Descriptors() { ::pthread_atfork(prepare, parent, child); }
  static void prepare() { instance().mutex_.lock(); }
  static void parent() { instance().mutex_.unlock(); }
  static void child() {
    Descriptors& self = instance();
    for (const int descriptor : self.open_) ::close(descriptor);
    self.open_.clear();
    self.mutex_.unlock();
  }
  std::mutex mutex_;  // a real one: it must be usable inside fork()
  std::set<int> open_;
};

// A descriptor that is dead in a fork's child, whose number may be somebody else's there.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number), generation_(base::fork_generation()) {
    Descriptors::instance().add(number);
  }
  ~Descriptor() {
    if (alive()) Descriptors::instance().close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return alive() ? number_ : -1; }

 private:
  [[nodiscard]] bool alive() const { return base::fork_generation() == generation_; }
  const int number_;
  const std::uint32_t generation_;
};

IoError last_error() {
  return IoError(errno);
}

// Whether a file that ends at `end` is larger than this process may make one. To write there would be a SIGXFSZ, which
// ends an application that does not expect it; so it is not tried.
bool is_too_large(std::uint64_t end) {
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && end > limit.rlim_cur;
}

FileStatus status_of(const struct stat& from) {
  FileStatus status;
  status.bytes = static_cast<std::uint64_t>(from.st_size);
  status.allocated_bytes = static_cast<std::uint64_t>(from.st_blocks) * 512;
  status.modified_micros = std::int64_t{from.st_mtim.tv_sec} * 1'000'000 + from.st_mtim.tv_nsec / 1000;
  status.has_name = from.st_nlink != 0;
  return status;
}

class PosixFile final : public File {
 public:
  explicit PosixFile(int descriptor) : descriptor_(descriptor) {}

  IoError read_at(std::uint64_t offset, std::span<char> out, std::size_t& got) override {
    return read_whole(offset, out, got, [&](std::uint64_t at, std::span<char> rest) {
      return ::pread(descriptor_.get(), rest.data(), rest.size(), static_cast<off_t>(at));
    });
  }
  IoError write_at(std::uint64_t offset, std::string_view bytes) override {
    if (is_too_large(offset + bytes.size())) return IoError(EFBIG);
    return write_whole(offset, bytes, [&](std::uint64_t at, std::string_view rest) {
      return ::pwrite(descriptor_.get(), rest.data(), rest.size(), static_cast<off_t>(at));
    });
  }
  IoError sync_data() override {
    return error_of([&] { return ::fdatasync(descriptor_.get()); });
  }
  IoError sync() override {
    return error_of([&] { return ::fsync(descriptor_.get()); });
  }
  IoError size(std::uint64_t& bytes) override {
    struct stat status {};
    if (const IoError error = error_of([&] { return ::fstat(descriptor_.get(), &status); })) return error;
    bytes = static_cast<std::uint64_t>(status.st_size);
    return {};
  }
  IoError truncate(std::uint64_t bytes) override {
    if (is_too_large(bytes)) return IoError(EFBIG);
    return error_of([&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(bytes)); });
  }
  void will_read(std::uint64_t offset, std::uint64_t bytes, Reading /*how*/) override {
    (void)::posix_fadvise(descriptor_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                          POSIX_FADV_WILLNEED);
  }
  IoError status(FileStatus& status) override {
    struct stat found {};
    const IoError error = error_of([&] { return ::fstat(descriptor_.get(), &found); });
    if (!error) status = status_of(found);
    return error;
  }
  IoError touch() override {
    return error_of([&] { return ::futimens(descriptor_.get(), nullptr); });
  }
  IoError try_lock(std::uint64_t offset, std::uint64_t bytes, LockMode mode, bool& taken) override {
    struct flock lock = range(offset, bytes, mode == LockMode::shared ? F_RDLCK : F_WRLCK);
    const IoError error = error_of([&] { return ::fcntl(descriptor_.get(), F_OFD_SETLK, &lock); });
    taken = !error;
    return error.code() == EAGAIN || error.code() == EACCES ? IoError() : error;
  }
  IoError unlock(std::uint64_t offset, std::uint64_t bytes) override {
    struct flock lock = range(offset, bytes, F_UNLCK);
    return error_of([&] { return ::fcntl(descriptor_.get(), F_OFD_SETLK, &lock); });
  }
  IoError is_locked(std::uint64_t offset, std::uint64_t bytes, bool& locked) override {
    struct flock lock = range(offset, bytes, F_WRLCK);
    const IoError error = error_of([&] { return ::fcntl(descriptor_.get(), F_OFD_GETLK, &lock); });
    locked = !error && lock.l_type != F_UNLCK;
    return error;
  }

 private:
  static struct flock range(std::uint64_t offset, std::uint64_t bytes, int type) {
    struct flock lock {};
    lock.l_type = static_cast<short>(type);
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(offset);
    lock.l_len = static_cast<off_t>(bytes);
    return lock;
  }
  Descriptor descriptor_;
};

class PosixMemory final : public SharedMemory {
 public:
  PosixMemory(void* data, std::size_t bytes) : data_(static_cast<char*>(data)), bytes_(bytes) {}
  ~PosixMemory() override { ::munmap(data_, bytes_); }
  PosixMemory(const PosixMemory&) = delete;
  PosixMemory& operator=(const PosixMemory&) = delete;
  [[nodiscard]] char* data() override { return data_; }
  [[nodiscard]] std::size_t bytes() const override { return bytes_; }
  bool wait_until(std::size_t offset, std::uint32_t expected, base::Instant deadline) override {
    timespec until{};
    if (deadline != base::kNever) {
      const auto nanos = deadline.time_since_epoch().count();
      until = {static_cast<time_t>(nanos / 1'000'000'000), nanos % 1'000'000'000};
    }
    const long result = ::syscall(SYS_futex, data_ + offset, FUTEX_WAIT_BITSET, expected,
                                  deadline == base::kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
    return result == 0 || errno != ETIMEDOUT;
  }
  void wake_all(std::size_t offset) override {
    ::syscall(SYS_futex, data_ + offset, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

 private:
  char* data_;
  std::size_t bytes_;
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(int descriptor, std::string path, Whose whose)
      : root_(descriptor), path_(std::move(path)), mode_(whose == Whose::owner ? 0700 : 0777) {}

  IoError open(std::string_view path, OpenMode mode, std::unique_ptr<File>& file) override {
    const int flags = O_CLOEXEC | O_NOFOLLOW | (mode == OpenMode::read ? O_RDONLY : O_RDWR) |
                      (mode == OpenMode::create ? O_CREAT | O_EXCL : 0);
    const std::string name(path);
    const int descriptor = retried([&] { return ::openat(root_.get(), name.c_str(), flags, mode_ & 0666); });
    if (descriptor < 0) return last_error();
    file = std::make_unique<PosixFile>(descriptor);
    return {};
  }
  IoError rename(std::string_view from, std::string_view to) override {
    const std::string old_name(from);
    const std::string new_name(to);
    return error_of([&] { return ::renameat(root_.get(), old_name.c_str(), root_.get(), new_name.c_str()); });
  }
  IoError remove(std::string_view path) override {
    const std::string name(path);
    return error_of([&] { return ::unlinkat(root_.get(), name.c_str(), 0); });
  }
  IoError make_directory(std::string_view path) override {
    const std::string name(path);
    return error_of([&] { return ::mkdirat(root_.get(), name.c_str(), mode_); });
  }
  IoError list(std::string_view path, std::vector<std::string>& names) override {
    names.clear();
    const int descriptor = open_directory(path);
    if (descriptor < 0) return last_error();
    DIR* stream = ::fdopendir(descriptor);
    if (stream == nullptr) {
      const IoError error = last_error();
      ::close(descriptor);
      return error;
    }
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const IoError error(errno);
    ::closedir(stream);
    return error;
  }
  IoError sync_directory(std::string_view path) override {
    const int descriptor = open_directory(path);
    if (descriptor < 0) return last_error();
    const IoError error = error_of([&] { return ::fsync(descriptor); });
    ::close(descriptor);
    return error;
  }
  IoError map(std::string_view path, std::size_t bytes, std::unique_ptr<SharedMemory>& memory) override {
    const std::string name(path);
    const int descriptor =
        retried([&] { return ::openat(root_.get(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW); });
    if (descriptor < 0) return last_error();
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    const IoError error = data == MAP_FAILED ? last_error() : IoError();
    ::close(descriptor);
    if (error) return error;
    memory = std::make_unique<PosixMemory>(data, bytes);
    return {};
  }
  IoError status(std::string_view path, FileStatus& status) override {
    const std::string name(path);
    struct stat found {};
    const IoError error = error_of([&] { return ::fstatat(root_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW); });
    if (error) return error;
    if (!S_ISREG(found.st_mode)) return IoError(S_ISDIR(found.st_mode) ? EISDIR : EINVAL);
    status = status_of(found);
    return {};
  }
  IoError free_bytes(std::uint64_t& bytes) override {
    struct statvfs status {};
    if (const IoError error = error_of([&] { return ::fstatvfs(root_.get(), &status); })) return error;
    bytes = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    return {};
  }
  [[nodiscard]] std::string where() const override { return path_; }

 private:
  [[nodiscard]] int open_directory(std::string_view path) const {
    const std::string name = path.empty() ? "." : std::string(path);
    return retried([&] { return ::openat(root_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  }
  Descriptor root_;
  std::string path_;
  const mode_t mode_;
};

}  // namespace

IoError open_posix_directory(const std::string& path, std::unique_ptr<Directory>& directory, Whose whose) {
  const int descriptor = retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) return last_error();
  directory = std::make_unique<PosixDirectory>(descriptor, path, whose);
  return {};
}

FileSystemKind file_system_kind_of(std::uint64_t magic) {
  // Network file systems: their locks may be local only, or be lost without a sign; memory maps are not shared between
  // machines.
  struct Known {
    std::uint64_t magic;
    const char* name;
  };
  static constexpr std::array kNetwork = {
      Known{0x6969, "NFS"},         Known{0x517b, "SMB"},          Known{0xff534d42, "CIFS"},
      Known{0xfe534d42, "SMB2"},    Known{0x5346414f, "AFS"},      Known{0x6b414653, "AFS"},
      Known{0x73757245, "Coda"},    Known{0x00c36400, "Ceph"},     Known{0x564c, "NCP"},
      Known{0x0bd00bd0, "Lustre"},  Known{0x47504653, "GPFS"},     Known{0x7461636f, "OCFS2"},
      Known{0x01161970, "GFS2"},    Known{0x20030528, "OrangeFS"}, Known{0x013111a8, "IBRIX"},
      Known{0xaad7aaea, "Panasas"}, Known{0x19830326, "BeeGFS"},   Known{0x01021997, "9P"},
      Known{0x786f4256, "vboxsf"},
  };
  for (const Known& known : kNetwork) {
    if (known.magic == magic) return {true, known.name};
  }
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(magic));
  return {false, text};
}

namespace {

// The type of the file system that `path` is on, as the kernel's table of mounts has it; empty: it can't be said.
std::string mounted_kind(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  const std::string device =
      " " + std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev)) + " ";
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t kind = line.find(" - ");
    if (kind == std::string::npos || line.find(device) == std::string::npos) continue;
    return line.substr(kind + 3, line.find(' ', kind + 3) - kind - 3);
  }
  return {};
}

}  // namespace

FileSystemKind fuse_kind_of(const std::string& mounted) {
  // Those over FUSE that reach another machine.
  static constexpr std::array kRemote = {"fuse.sshfs",   "fuse.glusterfs", "fuse.rclone",    "fuse.s3fs",
                                         "fuse.gcsfuse", "fuse.ceph",      "fuse.ceph-fuse", "fuse.davfs",
                                         "fuse.nfs",     "fuse.curlftpfs", "fuse.seaweedfs", "fuse.juicefs",
                                         "fuse.goofys",  "fuse.moosefs",   "fuse.lizardfs",  "virtiofs"};
  for (const char* remote : kRemote) {
    if (mounted == remote) return {true, mounted};
  }
  return {false, mounted.empty() ? "FUSE" : mounted};
}

IoError file_system_kind(const std::string& path, FileSystemKind& kind) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return last_error();
  kind = file_system_kind_of(static_cast<std::uint32_t>(status.f_type));
  constexpr std::uint32_t kFuse = 0x65735546;
  if (static_cast<std::uint32_t>(status.f_type) == kFuse) kind = fuse_kind_of(mounted_kind(path));
  return {};
}

}  // namespace ingot::storage
