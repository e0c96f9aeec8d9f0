// See child.h.
#include "child.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bench {

nlohmann::json in_child(const std::function<nlohmann::json()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    nlohmann::json answer;
    try {
      answer = work();
    } catch (const std::exception& failure) {
      answer = {{"error", failure.what()}};
    }
    const std::string text = answer.dump();
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t bytes = ::write(ends[1], text.data() + sent, text.size() - sent);
      if (bytes <= 0) break;
      sent += static_cast<std::size_t>(bytes);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char piece[4096];
  for (ssize_t bytes = 0; (bytes = ::read(ends[0], piece, sizeof piece)) > 0 || (bytes < 0 && errno == EINTR);) {
    if (bytes > 0) text.append(piece, static_cast<std::size_t>(bytes));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  nlohmann::json answer = nlohmann::json::parse(text, nullptr, false);
  if (answer.is_discarded()) throw std::runtime_error("a process ended without an answer");
  if (answer.is_object() && answer.contains("error")) throw std::runtime_error(answer["error"].get<std::string>());
  return answer;
}

}  // namespace bench
