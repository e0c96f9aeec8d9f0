// What the fake S3 server was asked, and what it answered: counts for tests to compare, lines for failure messages.
//
// Threads: all may be called from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "support/fake_s3/verb.h"

namespace ingot::fake_s3 {

inline constexpr std::size_t kJournalLinesMax = 500;

class Journal {
 public:
  /// A request is over. `status`: as it was answered; 0: it was not.
  void add(Verb verb, int status, std::string line);
  void add_connection();

  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t count(Verb verb) const;
  [[nodiscard]] std::uint64_t count(Verb verb, int status) const;
  [[nodiscard]] std::map<std::pair<Verb, int>, std::uint64_t> counts() const;
  [[nodiscard]] std::uint64_t connections() const;
  void clear();

  /// The last requests, oldest first, one a line.
  [[nodiscard]] std::string log(std::size_t lines = 30) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<Verb, int>, std::uint64_t> counts_;
  std::uint64_t connections_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace ingot::fake_s3
