#include "bucket_crew.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <thread>

#include "engine/bucket_medium.h"
#include "engine/place.h"
#include "engine/store_maker.h"
#include "historian.h"
#include "ingot/ingot.h"
#include "s3/open_bucket.h"
#include "support/history.h"

namespace ingot::testing {

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kMachines = 3;
#else
constexpr std::size_t kMachines = 4;
#endif
constexpr auto kPatience = 6s;  // for somebody to come to a place
// Every second machine gives up soon, so that it has to ask what became of its commits.
constexpr const char* kDeadlines[] = {"300", "30000"};
// Of a store of any age; docs/formats/bucket.md says why. A window more for each time that others went on meanwhile.
constexpr std::uint64_t kOpeningRequestsMax = 150;

constexpr RequestPlace kPlaces[] = {
    {"entry, not sent", "PUT", "/log/", Moment::came},
    {"entry, on the wire", "PUT", "/log/", Moment::came},
    {"entry, not answered", "PUT", "/log/", Moment::answered},
    {"payload of its own", "PUT", "/bulk/", Moment::came},
    {"payload of its own, there", "PUT", "/bulk/", Moment::answered},
    {"run", "PUT", "/runs/", Moment::came},
    {"run, there", "PUT", "/runs/", Moment::answered},
    {"checkpoint", "PUT", "-c-", Moment::came},
    {"checkpoint, there", "PUT", "-c-", Moment::answered},
    {"tail, there", "PUT", "-t-", Moment::answered},
    {"removal", "DELETE", "/checkpoints/", Moment::came},
    {"reading the log", "GET", "/log/", Moment::answered},
};
constexpr RequestPlace kStops[] = {
    {"entry, not sent", "PUT", "/log/", Moment::came},
    {"entry, not answered", "PUT", "/log/", Moment::answered},
};
constexpr RequestPlace kOpening = {"opening", "GET", "", Moment::came};
constexpr const char* kOtherKills[] = {"at random", "all at once", "opening", "stopped"};
constexpr const char* kOther[] = {"stopped at random", "left",      "answers lost",
                                  "requests cut",      "puts late", "bucket away"};

// How many times it was swept.
std::uint64_t swept(const std::string& store) {
  const std::unique_ptr<storage::Bucket> bucket = s3::open_bucket(store);
  return bucket->list("swept/", {}, base::now() + 30s).objects.size();
}

bool is_short(std::chrono::seconds day) {
  return day < std::chrono::hours(1);
}

}  // namespace

std::uint64_t BucketTally::all_kills() const {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : kills) sum += count;
  return sum;
}

std::vector<std::string> BucketTally::missing() const {
  std::vector<std::string> kinds;
  for (const RequestPlace& place : kPlaces) {
    if (kills.count(place.name) == 0) kinds.push_back(std::string("kill: ") + place.name);
  }
  for (const char* kind : kOtherKills) {
    if (kills.count(kind) == 0) kinds.push_back(std::string("kill: ") + kind);
  }
  for (const RequestPlace& place : kStops) {
    if (other.count(std::string("stopped: ") + place.name) == 0) kinds.push_back(std::string("stop: ") + place.name);
  }
  for (const char* kind : kOther) {
    if (other.count(kind) == 0) kinds.emplace_back(kind);
  }
  return kinds;
}

void BucketTally::print() const {
  std::cout << all_kills() << " kills\n";
  for (const auto& [kind, count] : kills)
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(count), kind.c_str());
  std::cout << "other harm\n";
  for (const auto& [kind, count] : other)
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(count), kind.c_str());
  const auto at = [](std::vector<std::uint64_t> sorted, std::size_t percent) {
    std::sort(sorted.begin(), sorted.end());
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
  };
  std::cout << acknowledged << " commits acknowledged, " << unknown << " unknown, " << lost << " lost to others or not "
            << "sent, " << asked_kept << " asked about and kept, " << asked_not << " asked about and not; "
            << transactions << " transactions checked, on " << stores << " stores; " << misses
            << " places not reached in time; " << swept << " times swept\n"
            << open_micros.size() << " opens: p50 " << at(open_micros, 50) << " us, p99 " << at(open_micros, 99)
            << " us; requests: p50 " << at(open_requests, 50) << ", most " << at(open_requests, 100) << "\n";
}

BucketCrew::BucketCrew(std::uint64_t seed, BucketTally& tally, std::string store, std::string upstream,
                       std::chrono::seconds day)
    : tally_(tally),
      seed_(seed),
      random_(seed),
      store_(std::move(store)),
      upstream_(std::move(upstream)),
      day_(day),
      machines_(kMachines),
      pids_(kMachines),
      fates_(kMachines, Fate::pass) {
  ++tally_.stores;
  if (is_short(day_)) {
    engine::Sizes sizes = engine::bucket_sizes();
    sizes.grace = day_;
    (void)engine::StoreMaker::make(engine::Engine::open_on(&engine::bucket_medium_at, store_, Options(), sizes));
  }
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    machines_[i].proxy = std::make_unique<Proxy>(upstream_);
    if (is_short(day_)) machines_[i].proxy->accept_signatures_for(day_ / 4);
    machines_[i].proxy->judge_by(
        [this, i](const ProxiedRequest& request, Moment moment) { return on_request(i, request, moment); });
    start(i);
  }
}

BucketCrew::~BucketCrew() {
  for (Machine& machine : machines_) machine.child.reset();  // before what it talks through
}

void BucketCrew::start(std::size_t index) {
  const std::string number = std::to_string(files_.size());
  files_.push_back(directory_.at("history." + number));
  const std::lock_guard lock(mutex_);
  machines_[index].child = std::make_unique<Child>(
      "historian", Arguments{store_, number, files_.back(), std::to_string(random_()), kDeadlines[files_.size() % 2]},
      Arguments{"AWS_ENDPOINT_URL_S3=" + machines_[index].proxy->endpoint(),
                "XDG_CACHE_HOME=" + directory_.at("cache" + std::to_string(index % 2))});
  pids_[index] = machines_[index].child->pid();
}

void BucketCrew::hear(Child& child) {
  for (const std::string& line : child.last_lines()) {
    if (line.rfind("open ", 0) == 0) {
      const std::size_t space = line.find(' ', 5);
      tally_.open_micros.push_back(std::stoull(line.substr(5)));
      tally_.open_requests.push_back(std::stoull(line.substr(space + 1)));
    } else if (line == "undecided, kept") {
      ++tally_.asked_kept;
    } else if (line == "undecided, not kept") {
      ++tally_.asked_not;
    } else {
      ADD_FAILURE() << line;
    }
  }
}

void BucketCrew::bury(std::size_t index, const std::string& kind) {
  Child& child = *machines_[index].child;
  const int status = child.wait();
  hear(child);
  EXPECT_EQ(status, -SIGKILL) << "it ended by itself";
  ++tally_.kills[kind];
}

// One that closes the store, and is gone.
void BucketCrew::leave(std::size_t index) {
  Child& child = *machines_[index].child;
  child.close_input();
  hear(child);
  EXPECT_EQ(child.wait(), 0);
  ++tally_.other["left"];
  start(index);
}

void BucketCrew::sleep(int from_millis, int to_millis) {
  std::this_thread::sleep_for(std::chrono::milliseconds(
      from_millis + static_cast<int>(below(static_cast<std::uint64_t>(to_millis - from_millis + 1)))));
}

// By a thread of a proxy.
Fate BucketCrew::on_request(std::size_t index, const ProxiedRequest& request, Moment moment) {
  const std::lock_guard lock(mutex_);
  if (strike_ && strike_->countdown > 0 && moment == strike_->place.moment &&
      request.is(strike_->place.method, strike_->place.target) && strike_->only.value_or(index) == index &&
      --strike_->countdown == 0) {
    ::kill(pids_[index], strike_->signal);
    strike_->victim = index;
    changed_.notify_all();
    return strike_->fate;
  }
  const bool is_put = request.method == "PUT" || request.method == "POST";
  return is_put && moment == Moment::came ? fates_[index] : Fate::pass;
}

void BucketCrew::arm(const RequestPlace& place, int signal, int countdown, std::optional<std::size_t> only) {
  const bool is_cut = place.moment == Moment::came && place.name != std::string("entry, on the wire");
  const std::lock_guard lock(mutex_);
  strike_ = Strike{.place = place,
                   .signal = signal,
                   .countdown = countdown,
                   .fate = is_cut && signal == SIGKILL ? Fate::cut : Fate::pass,
                   .only = only,
                   .victim = std::nullopt};
}

// Who was, if anybody came there in time.
std::optional<std::size_t> BucketCrew::struck(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return strike_->victim.has_value(); });
  const std::optional<std::size_t> victim = strike_->victim;
  strike_.reset();
  return victim;
}

void BucketCrew::kill_one() {
  const std::size_t index = anyone();
  machines_[index].child->signal(SIGKILL);
  bury(index, "at random");
  start(index);
}

void BucketCrew::kill_all() {
  for (const Machine& machine : machines_) machine.child->signal(SIGKILL);
  for (std::size_t i = 0; i < machines_.size(); ++i) bury(i, "all at once");
  for (std::size_t i = 0; i < machines_.size(); ++i) start(i);
}

void BucketCrew::kill_at(const RequestPlace& place) {
  arm(place, SIGKILL, 1 + static_cast<int>(below(3)));
  const std::optional<std::size_t> victim = struck(kPatience);
  tally_.misses += victim ? 0 : 1;
  if (!victim) return;
  bury(*victim, place.name);
  start(*victim);
}

// Again and again, each a little further on or back.
void BucketCrew::kill_openers() {
  const std::size_t index = anyone();
  machines_[index].child->signal(SIGKILL);
  bury(index, "at random");
  for (int i = 0; i < 3; ++i) {
    arm(kOpening, SIGKILL, 1 + static_cast<int>(below(20)), index);
    start(index);
    if (!struck(kPatience)) {
      ++tally_.misses;
      machines_[index].child->signal(SIGKILL);
      bury(index, "at random");
      continue;
    }
    bury(index, "opening");
  }
  start(index);
}

void BucketCrew::stop_one() {
  const std::size_t index = anyone();
  machines_[index].child->signal(SIGSTOP);
  if (!machines_[index].child->wait_until_stopped()) return;
  const bool kill = below(3) == 0;
  sleep(100, 1500);
  machines_[index].child->signal(kill ? SIGKILL : SIGCONT);
  ++tally_.other["stopped at random"];
  if (!kill) return;
  bury(index, "stopped");
  start(index);
}

void BucketCrew::stop_at(const RequestPlace& place) {
  arm(place, SIGSTOP, 1 + static_cast<int>(below(5)));
  const std::optional<std::size_t> victim = struck(kPatience);
  tally_.misses += victim ? 0 : 1;
  if (!victim) return;
  EXPECT_TRUE(machines_[*victim].child->wait_until_stopped());
  sleep(100, 1000);
  const bool kill = below(2) == 0;
  machines_[*victim].child->signal(kill ? SIGKILL : SIGCONT);
  ++tally_.other[std::string("stopped: ") + place.name];
  if (!kill) return;
  bury(*victim, "stopped");
  start(*victim);
}

// Of one machine, for a while; others go on.
void BucketCrew::harm_puts(Fate fate, const char* kind) {
  const std::size_t index = anyone();
  {
    const std::lock_guard lock(mutex_);
    fates_[index] = fate;
  }
  sleep(100, 700);
  {
    const std::lock_guard lock(mutex_);
    fates_[index] = Fate::pass;
  }
  machines_[index].proxy->release();
  ++tally_.other[kind];
}

// For all of them.
void BucketCrew::take_bucket_away() {
  for (const Machine& machine : machines_) machine.proxy->refuse();
  sleep(200, 900);
  for (const Machine& machine : machines_) machine.proxy->accept_again();
  ++tally_.other["bucket away"];
}

// Longer than anything stays that it could go on from.
void BucketCrew::sleep_long() {
  const std::size_t index = anyone();
  machines_[index].child->signal(SIGSTOP);
  if (!machines_[index].child->wait_until_stopped()) return;
  std::this_thread::sleep_for(2 * day_);
  machines_[index].child->signal(SIGCONT);
  ++tally_.other["slept for long"];
}

void BucketCrew::suffer(std::size_t count) {
  std::vector<std::function<void()>> deck;
  for (const RequestPlace& place : kPlaces) deck.emplace_back([this, &place] { kill_at(place); });
  for (const RequestPlace& place : kStops) deck.emplace_back([this, &place] { stop_at(place); });
  deck.emplace_back([this] { kill_all(); });
  deck.emplace_back([this] { kill_openers(); });
  deck.emplace_back([this] { leave(anyone()); });
  deck.emplace_back([this] { take_bucket_away(); });
  for (int i = 0; i < 3; ++i) {
    deck.emplace_back([this] { kill_one(); });
    deck.emplace_back([this] { stop_one(); });
    deck.emplace_back([this] { harm_puts(Fate::lose_answer, "answers lost"); });
  }
  deck.emplace_back([this] { harm_puts(Fate::cut, "requests cut"); });
  for (int i = 0; i < 3; ++i) deck.emplace_back([this] { harm_puts(Fate::hold, "puts late"); });
  if (is_short(day_)) deck.emplace_back([this] { sleep_long(); });
  std::shuffle(deck.begin(), deck.end(), random_);
  deck.resize(std::min(deck.size(), count));
  for (const auto& card : deck) {
    sleep(20, 80);
    card();
    if (::testing::Test::HasFailure()) return;
  }
}

void BucketCrew::judge() {
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    machines_[i].child->signal(SIGKILL);
    bury(i, "at random");
    machines_[i].proxy.reset();  // what it held is over, too
  }
  std::vector<std::string> files;
  for (const std::string& file : files_) {
    for (int thread = 0; thread < kHistorianThreads; ++thread) files.push_back(history_file(file, thread));
  }
  // Who was killed before its first transaction has no file.
  std::erase_if(files, [](const std::string& file) { return access(file.c_str(), F_OK) != 0; });
  std::vector<history::Violation> violations;
  const std::vector<history::Transaction> all = history::read_history(files, violations);
  tally_.transactions += all.size();
  for (const history::Transaction& one : all) {
    const bool wrote = !one.writes.empty();
    tally_.acknowledged += wrote && one.outcome == history::Outcome::committed ? 1 : 0;
    tally_.unknown += wrote && one.outcome == history::Outcome::unknown ? 1 : 0;
    tally_.lost += one.outcome == history::Outcome::lost ? 1 : 0;
  }
  const Store store = open(store_, {.create = false});
  const BucketStats asked = store.stats().bucket;
  EXPECT_LE(asked.gets + asked.lists + asked.puts + asked.removes, kOpeningRequestsMax);
  if (is_short(day_)) tally_.swept += swept(store_);
  const history::FinalState state = final_state(store);
  EXPECT_EQ(history::explain(violations), "");
  EXPECT_EQ(history::explain(history::check(all, state)), "") << "seed " << seed_;
  EXPECT_EQ(history::explain(history::check_lists(all, state)), "") << "seed " << seed_;
  EXPECT_EQ(ballast_trouble(store), "");
  const CheckReport report = store.check();
  EXPECT_TRUE(report.clean()) << (report.damage.empty() ? "healed" : report.damage[0]);
  EXPECT_TRUE(store.health().good) << store.health().problems[0];
}

}  // namespace ingot::testing
