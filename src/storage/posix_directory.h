// A directory of the real file system.
#pragma once

#include <memory>
#include <string>

#include "storage/directory.h"

namespace ingot::storage {

// Opens the existing directory at `path`. All its files are opened relative to it (openat): renaming it later does no
// harm. In a fork's child all of its descriptors are closed, so that the child keeps no lock of its parent alive; every
// call then fails with EBADF.
// `whose`: who may read what is made in it, as far as the process's umask allows.
enum class Whose { anybody, owner };
IoError open_posix_directory(const std::string& path, std::unique_ptr<Directory>& directory,
                             Whose whose = Whose::anybody);

// What kind of file system a path lies on, as far as it matters: locks and shared memory between processes must work.
struct FileSystemKind {
  bool network = false;
  std::string name;  // "NFS", or "0x6969" for one that we do not know
};
IoError file_system_kind(const std::string& path, FileSystemKind& kind);
// By the magic number that statfs gives.
FileSystemKind file_system_kind_of(std::uint64_t magic);
// The same for one over FUSE, by its type in the table of mounts, as "fuse.sshfs".
FileSystemKind fuse_kind_of(const std::string& mounted);

}  // namespace ingot::storage
