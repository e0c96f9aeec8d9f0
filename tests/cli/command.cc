// Runs the command as a user does: a process, its streams, its status.
#include "command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace ingot::cli {
namespace {

void make_pipe(int (&ends)[2]) {
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
}

void close_end(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

// Appends what is there; false at the end.
bool drain(int end, std::string& to) {
  char chunk[65536];
  const ssize_t count = ::read(end, chunk, sizeof chunk);
  if (count > 0) to.append(chunk, static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && errno == EINTR);
}

}  // namespace

Running::Running(const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);  // a command may end without reading all of its input
  int in[2], out[2], err[2];
  make_pipe(in);
  make_pipe(out);
  make_pipe(err);
  std::vector<char*> words;
  words.push_back(const_cast<char*>("ingot"));
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::unsetenv("INGOT_STORE");
    ::execv(INGOT_COMMAND, words.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  ::close(err[1]);
  in_ = in[1];
  out_ = out[0];
  err_ = err[0];
}

Running::~Running() {
  close_end(in_);
  close_end(out_);
  close_end(err_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

// Reads its streams meanwhile: a command that waits for us to read would never read our bytes.
void Running::write(const std::string& bytes) {
  ::fcntl(in_, F_SETFL, O_NONBLOCK);
  for (std::size_t at = 0; at < bytes.size();) {
    pollfd waits[3] = {{in_, POLLOUT, 0}, {out_, POLLIN, 0}, {err_, POLLIN, 0}};
    if (::poll(waits, 3, -1) < 0) continue;
    if (waits[1].revents != 0 && !drain(out_, out_bytes_)) close_end(out_);
    if (waits[2].revents != 0 && !drain(err_, err_bytes_)) close_end(err_);
    if (waits[0].revents == 0) continue;
    const ssize_t count = ::write(in_, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return;
    if (count > 0) at += static_cast<std::size_t>(count);
  }
}

void Running::close_input() {
  close_end(in_);
}
void Running::close_output() {
  close_end(out_);
}
void Running::signal(int number) {
  ::kill(pid_, number);
}

std::string Running::read_output(std::size_t count) {
  while (out_bytes_.size() < count && drain(out_, out_bytes_)) {
  }
  return out_bytes_;
}

Ran Running::wait() {
  close_end(in_);
  return wait_with_open_input();
}

Ran Running::wait_with_open_input() {
  while (out_ >= 0 || err_ >= 0) {
    pollfd waits[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents != 0 && !drain(out_, out_bytes_)) close_end(out_);
    if (waits[1].revents != 0 && !drain(err_, err_bytes_)) close_end(err_);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), out_bytes_, err_bytes_};
}

Ran run(const std::vector<std::string>& arguments, const std::string& input) {
  Running running(arguments);
  running.write(input);
  return running.wait();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) throw std::runtime_error(path + " can't be written");
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ingot::cli
