#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string_view>

#include "ingot/error.h"

namespace ingot::testing {

namespace {

std::map<std::string, Role>& roles() {
  static std::map<std::string, Role> all;
  return all;
}

constexpr const char* kChildMark = "--child";

}  // namespace

RoleRegistration::RoleRegistration(const char* name, Role role) {
  roles()[name] = role;
}

std::optional<int> run_as_child(int count, char** arguments) {
  if (count < 4 || std::string(arguments[1]) != kChildMark) return std::nullopt;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (std::to_string(getppid()) != arguments[2]) return 1;
  const auto role = roles().find(arguments[3]);
  if (role == roles().end()) {
    std::cerr << "no role " << arguments[3] << "\n";
    return 2;
  }
  try {
    return role->second({arguments + 4, arguments + count});
  } catch (const Error& error) {
    say(std::string("error ") + name(error.code()) + ": " + error.what());
    return 3;
  }
}

void say(const std::string& line) {
  const std::string whole = line + "\n";
  if (write(STDOUT_FILENO, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) _exit(4);
}

std::optional<std::string> heard() {
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

namespace {

Arguments child_words(const std::string& role, const Arguments& arguments) {
  Arguments words = {"/proc/self/exe", kChildMark, std::to_string(getpid()), role};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<char*> pointers_to(Arguments& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Child::Child(const std::string& role, const Arguments& arguments, const Arguments& environment)
    : Child(child_words(role, arguments), environment) {}

Child Child::program(const Arguments& words, const Arguments& environment) {
  return {Arguments(words), Arguments(environment)};
}

Child::Child(Arguments words, Arguments variables) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view name(*variable, std::strchr(*variable, '=') + 1 - *variable);  // and the '='
    if (std::none_of(variables.begin(), variables.end(), [&](const std::string& own) { return own.starts_with(name); }))
      variables.emplace_back(*variable);
  }
  const std::vector<char*> word_pointers = pointers_to(words);
  const std::vector<char*> variable_pointers = pointers_to(variables);

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // kept over execve
    execve(word_pointers[0], word_pointers.data(), variable_pointers.data());
    _exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
}

Child::Child(Child&& other) noexcept
    : pid_(other.pid_),
      to_child_(other.to_child_),
      from_child_(other.from_child_),
      ended_(other.ended_),
      unread_(std::move(other.unread_)) {
  other.pid_ = -1;
  other.to_child_ = -1;
  other.from_child_ = -1;
}

Child::~Child() {
  if (pid_ > 0 && !ended_) kill_and_wait();
  if (from_child_ >= 0) ::close(from_child_);
  close_input();
}

std::optional<std::string> Child::line(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (const std::size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string found = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return found;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left < 0) return std::nullopt;
    pollfd wanted{from_child_, POLLIN, 0};
    if (poll(&wanted, 1, static_cast<int>(left)) <= 0) continue;
    char buffer[4096];
    const ssize_t got = read(from_child_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    unread_.append(buffer, static_cast<std::size_t>(got));
  }
}

std::vector<std::string> Child::last_lines() {
  std::vector<std::string> lines;
  while (std::optional<std::string> next = line()) lines.push_back(std::move(*next));
  return lines;
}

void Child::tell(const std::string& line) {
  const std::string whole = line + "\n";
  if (write(to_child_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) {
    throw std::runtime_error("the child does not listen");
  }
}

std::string Child::ask(const std::string& question) {
  tell(question);
  return line().value_or("(silence)");
}

std::string Child::ask_until(const std::string& question, const std::string& wanted) {
  std::string answer = ask(question);
  for (int again = 0; again < 100 && answer != wanted; ++again) answer = ask(question);
  return answer;
}

void Child::close_input() {
  if (to_child_ >= 0) ::close(to_child_);
  to_child_ = -1;
}

void Child::signal(int number) const {
  if (pid_ > 0 && !ended_) kill(pid_, number);
}

int Child::wait() {
  if (pid_ <= 0 || ended_) return 0;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int Child::kill_and_wait() {
  signal(SIGKILL);
  return wait();
}

bool Child::wait_until_stopped() {
  int status = 0;
  while (waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (WIFSTOPPED(status)) return true;
  ended_ = true;
  return false;
}

std::string state_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("State:", 0) == 0) return line;
  }
  return "gone";
}

}  // namespace ingot::testing
