// Starting, asking and ending the engines' processes. See team.h.
#include "team.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <system_error>

#include "line_channel.h"
#include "worker.h"

namespace bench {
namespace {

constexpr int kAnswerMilliseconds = 600'000;  // longer than any row takes: the process hangs
constexpr int kOpens = 5;                     // a row of opens is the median of so many

Answer failed(const std::string& why) {
  return {{"error", why}};
}

}  // namespace

// One engine's process: started when it is first asked.
class Team::Member {
 public:
  Member(EngineKind the_kind, std::string directory, const Catalog& catalog)
      : kind_(std::move(the_kind)), directory_(std::move(directory)), catalog_(catalog) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() {
    leave();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  [[nodiscard]] const std::string& name() const { return kind_.name; }

  Answer ask(const std::string& command) {
    if (!channel_) start();
    try {
      channel_->write_line(command);
    } catch (const std::exception&) {
      return gone("ended unexpectedly");
    }
    const std::optional<std::string> line = channel_->read_line(kAnswerMilliseconds);
    if (!line) return gone("ended or hung during \"" + command + "\"");
    Answer answer = Answer::parse(*line, nullptr, false);
    return answer.is_object() ? answer : gone("did not answer in JSON");
  }

  Answer leave() {
    if (!channel_) return Answer::object();
    Answer answer = ask("leave");
    end();
    return answer;
  }

  void kill() {
    if (process_ > 0) ::kill(process_, SIGKILL);
    end();
  }

 private:
  void start() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    process_ = ::fork();
    if (process_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (process_ == 0) {
      ::close(ends[0]);
      serve(kind_, directory_, catalog_, ends[1]);
    }
    ::close(ends[1]);
    channel_.emplace(ends[0]);
  }

  Answer gone(const std::string& why) {
    kill();
    return failed(why);
  }

  void end() {
    channel_.reset();
    if (process_ > 0) {
      while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    process_ = -1;
  }

  EngineKind kind_;
  std::string directory_;
  const Catalog& catalog_;
  pid_t process_ = -1;
  std::optional<LineChannel> channel_;
};

Team::Team(std::vector<EngineKind> kinds, std::string directory, const Catalog& catalog) {
  for (EngineKind& kind : kinds) {
    const std::string its_directory = directory + "/" + kind.name;
    members_.push_back(std::make_unique<Member>(std::move(kind), its_directory, catalog));
  }
}

Team::~Team() = default;

std::map<std::string, Answer> Team::run(const Workload& workload, std::size_t first) {
  std::map<std::string, Answer> answers;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = *members_[(first + i) % members_.size()];
    answers[member.name()] = workload.run != nullptr ? member.ask("run " + workload.name) : run_opens(member, workload);
  }
  return answers;
}

// Updates, then a clean close or a kill in the middle of further ones, then a new process that opens the store.
Answer Team::run_opens(Member& member, const Workload& workload) {
  const bool killed = workload.name == "open-killed";
  std::vector<double> milliseconds;
  for (int i = 1; i <= kOpens; ++i) {
    const std::string generation = std::to_string(i * 10 + (killed ? 1'000 : 0));
    const Answer churned = member.ask("churn " + generation);
    if (churned.contains("error")) return churned;
    if (killed) {
      member.kill();
    } else {
      const Answer left = member.leave();
      if (left.contains("error")) return left;
    }
    const Answer opened = member.ask("open " + generation);
    if (opened.contains("error")) return opened;
    milliseconds.push_back(opened.at("milliseconds").get<double>());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return {{"rate", milliseconds[milliseconds.size() / 2]}, {"opens", milliseconds}};
}

}  // namespace bench
