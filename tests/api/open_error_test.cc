// Opening what cannot be opened: the code, and a sentence that says where and what to do. Nothing may be changed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "api/expect_error.h"
#include "engine/twin_file.h"
#include "ingot/ingot.h"
#include "support/temporary_directory.h"

namespace ingot {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

const Space kSpace("things");

// Every path below `directory`, to see that nothing was made or removed.
std::set<std::string> contents(const std::string& directory) {
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) paths.insert(entry.path());
  return paths;
}

void make_store(const std::string& where) {
  Store store = open(where);
  kSpace.put(store, "k", "v");
}

TEST(Open, RefusesAnEmptyName) {
  expect_error(ErrorCode::invalid_argument, {"open"}, [] { open(""); });
}

TEST(Open, RefusesWhereNothingIsAndNothingMayBeMade) {
  const TemporaryDirectory directory;
  expect_error(ErrorCode::not_a_store, {directory.at("absent")},
               [&] { open(directory.at("absent"), {.create = false}); });
  expect_error(ErrorCode::not_a_store, {directory.at("absent")},
               [&] { open(directory.at("absent"), {.read_only = true}); });
  expect_error(ErrorCode::not_a_store, {directory.path()}, [&] { open(directory.path(), {.create = false}); });
  EXPECT_TRUE(contents(directory.path()).empty());
}

TEST(Open, RefusesAFile) {
  const TemporaryDirectory directory;
  std::ofstream(directory.at("letter.txt")) << "dear";
  expect_error(ErrorCode::not_a_store, {directory.at("letter.txt")}, [&] { open(directory.at("letter.txt")); });
  expect_error(ErrorCode::not_a_store, {directory.at("letter.txt")}, [&] { open(directory.at("letter.txt/below")); });
  std::string text;
  std::getline(std::ifstream(directory.at("letter.txt")), text);
  EXPECT_EQ(text, "dear");
}

TEST(Open, RefusesADirectoryOfOtherFiles) {
  const TemporaryDirectory directory;
  std::ofstream(directory.at("letter.txt")) << "dear";
  expect_error(ErrorCode::not_a_store, {directory.path(), "letter.txt"}, [&] { open(directory.path()); });
  EXPECT_EQ(contents(directory.path()), std::set<std::string>{directory.at("letter.txt")});
}

TEST(Open, RefusesAForeignFileThatIsCalledStore) {
  const TemporaryDirectory directory;
  std::ofstream(directory.at("store")) << "open from 9 to 5";
  expect_error(ErrorCode::not_a_store, {directory.path(), "store"}, [&] { open(directory.path()); });
  EXPECT_EQ(contents(directory.path()), std::set<std::string>{directory.at("store")});
}

TEST(Open, RefusesOptionsThatCannotBeRight) {
  const TemporaryDirectory directory;
  expect_error(ErrorCode::invalid_argument, {directory.path(), "1000", "67108864"},
               [&] { open(directory.path(), {.memory_bytes = 1000}); });
  expect_error(ErrorCode::invalid_argument, {directory.path(), "deadline"},
               [&] { open(directory.path(), {.deadline = std::chrono::milliseconds(-1)}); });
  EXPECT_TRUE(contents(directory.path()).empty());
}

TEST(Open, RefusesAnAddressOfABucketThatCantBeOne) {
  expect_error(ErrorCode::invalid_argument, {"s3://"}, [] { open("s3://"); });
  expect_error(ErrorCode::invalid_argument, {"Upper"}, [] { open("s3://Upper/prefix"); });
  expect_error(ErrorCode::invalid_argument, {"s3://bucket/a//b"}, [] { open("s3://bucket/a//b"); });
}

TEST(Open, MakesNoDirectoryOfWhatLooksLikeAnAddress) {
  const TemporaryDirectory directory;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  for (const char* where : {"s3:", "s3:/", "s3:/bucket", "S3://bucket/app", " s3://bucket/app", "s3a://bucket",
                            "https://bucket.s3.amazonaws.com/app", "s3:\\\\bucket\\app", "arn:aws:s3:::bucket"}) {
    expect_error(ErrorCode::invalid_argument, {where, "s3://bucket/prefix"}, [&] { open(where); });
    expect_error(ErrorCode::invalid_argument, {where, "s3://bucket/prefix"}, [&] { open(where, {.read_only = true}); });
    expect_error(ErrorCode::invalid_argument, {where}, [&] { open(":memory:").copy(where); });
  }
  EXPECT_TRUE(contents(directory.path()).empty());
  make_store("./s3:");
  make_store("s3:");  // it is there
  make_store("a:b");
  std::filesystem::current_path(before);
}

TEST(Open, RefusesANewerFormatAndChangesNothing) {
  const TemporaryDirectory directory;
  make_store(directory.path());
  // As a newer release would write it: whole, both copies, of a format that we do not know.
  const std::string copy = engine::encode_twin({"INGOTSTO", 99, 4096}, {}, std::string(28, 'n'));
  std::ofstream(directory.at("store"), std::ios::binary) << copy << copy;
  const std::set<std::string> before = contents(directory.path());
  expect_error(ErrorCode::newer_format, {directory.path(), "99"}, [&] { open(directory.path()); });
  expect_error(ErrorCode::newer_format, {directory.path()}, [&] { open(directory.path(), {.read_only = true}); });
  EXPECT_EQ(contents(directory.path()), before);
}

TEST(Open, HealsOneDamagedCopyOfItsHeader) {
  const TemporaryDirectory directory;
  make_store(directory.path());
  {
    std::fstream file(directory.at("store"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file.write("rubbish rubbish rubbish", 23);
  }
  {
    const Store store = open(directory.path());
    EXPECT_EQ(kSpace.get(store, "k")->view(), "v");
  }
  std::ifstream file(directory.at("store"), std::ios::binary);
  const std::string header{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(header.find("rubbish"), std::string::npos) << "and writes it again";
}

TEST(Open, SaysCorruptWhenBothCopiesOfTheHeaderAreGone) {
  const TemporaryDirectory directory;
  make_store(directory.path());
  const auto bytes = std::filesystem::file_size(directory.at("store"));
  std::ofstream(directory.at("store"), std::ios::binary) << std::string(bytes, '?');
  expect_error(ErrorCode::corrupt, {directory.path()}, [&] { open(directory.path()); });
}

// Runs `body` as the user "nobody" in a child; returns what it says, or what it threw. Needs root.
template <class Body>
std::string as_nobody(Body&& body) {
  constexpr unsigned kNobody = 65534;
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    std::string said;
    if (setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0) _exit(1);
    try {
      said = body();
    } catch (const Error& error) {
      said = std::string(name(error.code())) + ": " + error.what();
    }
    if (write(ends[1], said.data(), said.size()) < 0) _exit(1);
    _exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? said : "the child died: " + said;
}

bool is_root() {
  if (geteuid() == 0) return true;
  std::cerr << "NOT RUN: needs root, to become another user or to mount\n";
  return false;
}

TEST(OpenWithoutPermission, SaysWhereAndWhy) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  make_store(directory.at("store"));
  std::filesystem::permissions(directory.at("store"), std::filesystem::perms(0700));
  const std::string secret = as_nobody([&] {
    open(directory.at("store"));
    return std::string("opened");
  });
  EXPECT_EQ(secret.find("invalid_argument: "), 0U) << secret;
  EXPECT_NE(secret.find(directory.at("store")), std::string::npos) << secret;
  EXPECT_NE(secret.find("ermission denied"), std::string::npos) << secret;
  // Nothing can be made in somebody else's directory.
  const std::string made = as_nobody([&] {
    open(directory.at("new"));
    return std::string("opened");
  });
  EXPECT_NE(made.find("ermission denied"), std::string::npos) << made;
  EXPECT_NE(made.find(directory.at("new")), std::string::npos) << made;
}

// Another user may read a store whose files allow it, and is told how when writing is what it asked for.
TEST(OpenWithoutPermission, ToWriteIsReadOnly) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  make_store(directory.at("store"));
  for (const std::string& path : contents(directory.path())) {
    std::filesystem::permissions(path, std::filesystem::perms(std::filesystem::is_directory(path) ? 0755 : 0644));
  }
  const std::string refused = as_nobody([&] {
    Store store = open(directory.at("store"));
    kSpace.put(store, "k", "2");
    return std::string("wrote");
  });
  EXPECT_EQ(refused.find("read_only: "), 0U) << refused;
  EXPECT_NE(refused.find(directory.at("store")), std::string::npos) << refused;
  EXPECT_EQ(as_nobody([&] { return kSpace.get(open(directory.at("store"), {.read_only = true}), "k")->str(); }), "v");
}

TEST(ReadOnlyMedia, AreReadAndNotWritten) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  const std::string where = directory.at("store");
  const std::string mounted = directory.at("mounted");
  make_store(where);
  std::filesystem::create_directory(mounted);
  if (mount(where.c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    std::cerr << "NOT RUN: this machine may not mount: " << std::strerror(errno) << "\n";
    GTEST_SKIP() << "may not mount";
  }
  ASSERT_EQ(mount(nullptr, mounted.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  {
    const Store store = open(mounted, {.read_only = true});
    EXPECT_EQ(kSpace.get(store, "k")->view(), "v");
    EXPECT_TRUE(store.check().clean());
  }
  expect_error(ErrorCode::read_only, {mounted}, [&] {
    Store store = open(mounted);
    kSpace.put(store, "k", "2");
  });
  {
    // A writer elsewhere: the reader of the read-only mount sees what it does.
    Store writer = open(where);
    const Store reader = open(mounted, {.read_only = true});
    kSpace.put(writer, "k", "3");
    EXPECT_EQ(kSpace.get(reader, "k")->view(), "3");
  }
  EXPECT_EQ(umount(mounted.c_str()), 0);
}

}  // namespace
}  // namespace ingot
