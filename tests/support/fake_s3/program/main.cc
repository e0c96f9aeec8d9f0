// ingot-fake-s3: the fake S3 server as a program, for benchmarks and for tests of other programs.
//
//   ingot-fake-s3 [--port N] [--port-file FILE] [--profile NAME] [--latency MS] [--jitter MS] [--tail]
//                 [--bucket NAME]… [--access-key KEY] [--secret-key KEY] [--region NAME] [--for SECONDS]
//
// It prints how it is found, as lines for eval, and then listens on 127.0.0.1 until its stdin is closed, its parent has
// ended, or so many SECONDS are over; so nothing is left of a test that was killed. A stdin that is /dev/null, as a
// shell's jobs have it, says nothing. While it runs it is told what to do with POST /_fake/…: see control.h.
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/fake_s3.h"

namespace {

using ingot::fake_s3::Options;
using ingot::fake_s3::Server;

struct Arguments {
  Options options;
  std::string port_file;
  std::optional<std::chrono::seconds> lasts;
};

std::uint64_t number_of(const std::string& option, const std::string& text) {
  const std::optional<std::uint64_t> number = ingot::fake_s3::parse_number(text);
  if (!number) throw std::invalid_argument(option + " needs a number, not \"" + text + "\"");
  return *number;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  bool names_buckets = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& option = words[i];
    if (option == "--tail") {
      arguments.options.latency.tail = true;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(option + " is unknown, or needs a value");
    const std::string& value = words[++i];
    if (option == "--port") {
      const std::uint64_t port = number_of(option, value);
      if (port > 65535) throw std::invalid_argument("--port is 65535 at most");
      arguments.options.port = static_cast<std::uint16_t>(port);
    } else if (option == "--port-file") {
      arguments.port_file = value;
    } else if (option == "--profile") {
      const auto profile = ingot::fake_s3::profile_of(value);
      if (!profile) throw std::invalid_argument("there is no profile \"" + value + "\"");
      arguments.options.profile = *profile;
    } else if (option == "--latency") {
      arguments.options.latency.fixed = std::chrono::milliseconds(number_of(option, value));
    } else if (option == "--jitter") {
      arguments.options.latency.jitter = std::chrono::milliseconds(number_of(option, value));
    } else if (option == "--bucket") {
      if (!names_buckets) arguments.options.buckets.clear();
      names_buckets = true;
      arguments.options.buckets.push_back(value);
    } else if (option == "--access-key") {
      arguments.options.access_key = value;
    } else if (option == "--secret-key") {
      arguments.options.secret_key = value;
    } else if (option == "--region") {
      arguments.options.region = value;
    } else if (option == "--for") {
      arguments.lasts = std::chrono::seconds(number_of(option, value));
    } else {
      throw std::invalid_argument("there is no option " + option);
    }
  }
  return arguments;
}

// Whole or not there.
void write_port_file(const std::string& name, std::uint16_t port) {
  const std::string temporary = name + ".new";
  {
    std::ofstream file(temporary);
    file << port << '\n';
    if (!file.flush()) throw std::runtime_error("can't write " + temporary);
  }
  if (std::rename(temporary.c_str(), name.c_str()) != 0) throw std::runtime_error("can't write " + name);
}

bool stdin_is_null() {
  struct stat status {};
  return ::fstat(STDIN_FILENO, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(1, 3);
}

// Until one of the reasons to end has come.
void wait_for_the_end(const std::optional<std::chrono::seconds>& lasts, pid_t parent) {
  const auto begun = std::chrono::steady_clock::now();
  pollfd input{stdin_is_null() ? -1 : STDIN_FILENO, POLLIN, 0};
  while (::getppid() == parent && (!lasts || std::chrono::steady_clock::now() - begun < *lasts)) {
    if (::poll(&input, 1, 100) <= 0) continue;
    std::array<char, 4096> ignored{};
    if (::read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) return;
  }
}

}  // namespace

int main(int count, char** words) {
  const pid_t parent = ::getppid();
  try {
    const Arguments arguments = parse({words + 1, words + count});
    Server server(arguments.options);
    std::printf(
        "export AWS_ENDPOINT_URL_S3=%s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n"
        "export AWS_REGION=%s\n",
        server.endpoint().c_str(), arguments.options.access_key.c_str(), arguments.options.secret_key.c_str(),
        arguments.options.region.c_str());
    std::fflush(stdout);
    if (!arguments.port_file.empty()) write_port_file(arguments.port_file, server.port());
    wait_for_the_end(arguments.lasts, parent);
    server.stop();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot-fake-s3: %s\n", error.what());
    return 2;
  }
}
