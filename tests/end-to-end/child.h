// Real processes for the end-to-end tests. A child is this program again, in a role: it is told things by lines on its
// stdin, and answers by lines on its stdout. It dies with the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace ingot::testing {

using Arguments = std::vector<std::string>;
// What a role does; its result is the exit status. An exception of the library becomes a line "error CODE: SENTENCE"
// and status 3.
using Role = int (*)(const Arguments&);

// Makes `role` known under `name`; at namespace scope.
struct RoleRegistration {
  RoleRegistration(const char* name, Role role);
};
// For main(): runs the role that the program was started in, if it was.
std::optional<int> run_as_child(int count, char** arguments);

// In a child: says a line at once, with one write, so that it is whole or not there.
void say(const std::string& line);
// In a child: the next line that it was told; nothing at the end.
std::optional<std::string> heard();

class Child {
 public:
  Child(const std::string& role, const Arguments& arguments, const Arguments& environment = {});
  // Another program, by its path.
  static Child program(const Arguments& words, const Arguments& environment = {});
  ~Child();  // kill -9
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The next line that it says; nothing if it ends, or is silent for too long.
  std::optional<std::string> line(std::chrono::milliseconds patience = std::chrono::seconds(30));
  // The lines that it said up to its end, after a kill for instance.
  std::vector<std::string> last_lines();
  void tell(const std::string& line);
  // tell(), and the line that it answers.
  std::string ask(const std::string& line);
  // The same, again and again, until it answers `wanted`: for what has a short deadline, on a machine that is busy.
  std::string ask_until(const std::string& line, const std::string& wanted);
  void close_input();
  void signal(int number) const;
  // Waits for its end: its exit status, or minus the signal that ended it.
  int wait();
  int kill_and_wait();
  // Waits until SIGSTOP has stopped it. False: it ended.
  bool wait_until_stopped();

 private:
  Child(Arguments words, Arguments environment);
  pid_t pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  bool ended_ = false;
  std::string unread_;
};

// What the kernel says of a process, for messages.
std::string state_of(pid_t pid);

}  // namespace ingot::testing
