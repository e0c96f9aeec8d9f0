// Runs the command as a user does: a process, its streams, its status.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ingot::cli {

struct Ran {
  int status = 0;  ///< or 128 + the signal
  std::string out;
  std::string err;
};

/// A started command. The destructor kills it if it still runs.
class Running {
 public:
  /// `arguments` after the program's name; stdin is a pipe to write to.
  explicit Running(const std::vector<std::string>& arguments);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void write(const std::string& bytes);
  void close_input();
  /// Closes our end of its stdout, as `head` does when it has enough.
  void close_output();
  void signal(int number);
  /// Reads stdout until `count` bytes came or it ended.
  std::string read_output(std::size_t count);
  /// Closes its input, reads all, waits.
  Ran wait();
  Ran wait_with_open_input();

 private:
  void collect(bool until_closed);
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  std::string out_bytes_, err_bytes_;
};

/// Runs it to its end.
Ran run(const std::vector<std::string>& arguments, const std::string& input = {});

void write_file(const std::string& path, const std::string& bytes);
std::string read_file(const std::string& path);

}  // namespace ingot::cli
