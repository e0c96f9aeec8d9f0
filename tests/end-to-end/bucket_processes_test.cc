// Several processes, as machines, on one store in a bucket: who makes it, what is there after they died, and what it
// costs to open it and to have it open.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bucket_place.h"
#include "child.h"
#include "counted.h"
#include "ingot/ingot.h"

namespace ingot {
namespace {

using testing::Child;
using testing::expect_counted;
using testing::Fate;
using testing::kThings;
using testing::Moment;
using testing::ProxiedRequest;
using testing::Proxy;
using namespace std::chrono_literals;

constexpr std::uint64_t kOpeningRequestsMax = 60;

std::uint64_t requests(const Store& store) {
  const BucketStats asked = store.stats().bucket;
  return asked.puts + asked.gets + asked.lists + asked.removes;
}

class BucketProcesses : public testing::BucketTest {};

// Both find nothing, try the bucket, and create the header at the same moment.
TEST_F(BucketProcesses, RaceToMakeTheStoreAndShareIt) {
  std::vector<std::unique_ptr<Proxy>> proxies;
  std::vector<Child> children;
  for (int i = 0; i < 2; ++i) {
    proxies.push_back(std::make_unique<Proxy>(endpoint()));
    proxies[i]->judge_by([](const ProxiedRequest& request, Moment) {
      return request.is("PUT", "/raced/store") ? Fate::hold : Fate::pass;
    });
    children.emplace_back("obey", testing::Arguments{store("raced")}, through(*proxies[i]));
  }
  ASSERT_TRUE(testing::eventually([&] { return proxies[0]->held() == 1 && proxies[1]->held() == 1; }));
  for (const auto& proxy : proxies) proxy->judge_by(nullptr);
  for (const auto& proxy : proxies) proxy->release();
  for (Child& child : children) ASSERT_EQ(child.line(), "open");
  EXPECT_EQ(children[0].ask("put a 1"), "done");
  EXPECT_EQ(children[1].ask("fresh a"), "is 1");
  EXPECT_EQ(children[1].ask("put b 2"), "done");
  EXPECT_EQ(children[0].ask("fresh b"), "is 2");
  for (Child& child : children) {
    child.close_input();
    EXPECT_EQ(child.wait(), 0);
  }
  EXPECT_EQ(objects(store("raced"), "probe/").size(), 0U) << "what the bucket was tried with stays behind";
}

TEST_F(BucketProcesses, AddUpWithoutLosingAny) {
  constexpr int kProcesses = 3;
  constexpr int kEach = 30;
  std::vector<Child> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.emplace_back("add_up", testing::Arguments{store(), std::to_string(kEach)});
  }
  for (Child& child : children) EXPECT_EQ(child.line(120s), "done");
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  const Store after = open(store(), {.create = false});
  EXPECT_EQ(kThings.get(after, "sum")->view(), std::to_string(kProcesses * kEach));
  EXPECT_EQ(kThings.get(after, "added")->counter(), kProcesses * kEach);
}

TEST_F(BucketProcesses, ConflictWithEachOther) {
  Child other("obey", {store()});
  ASSERT_EQ(other.line(), "open");
  Store ours = open(store());
  kThings.put(ours, "k", "1");
  ASSERT_EQ(other.ask("fresh k"), "is 1");
  ASSERT_EQ(other.ask("hold k"), "is 1");
  kThings.put(ours, "k", "2");
  EXPECT_EQ(other.ask("win"), "lost");
  ASSERT_EQ(other.ask("hold k"), "is 2") << "it has heard of what it lost to";
  kThings.put(ours, "another", "3");
  EXPECT_EQ(other.ask("win"), "won");
  EXPECT_EQ(other.ask("fresh another"), "is 3");
}

// Who hears nothing of the others loses to them at first; and its figures say so.
TEST_F(BucketProcesses, LoseRacesAndWinTheNext) {
  Proxy proxy(endpoint());
  std::optional<Store> deaf;
  {
    const testing::Through through(proxy);
    deaf.emplace(open(store()));
  }
  kThings.put(*deaf, "k", "1");
  std::atomic<bool> has_lost{false};
  proxy.judge_by([&](const ProxiedRequest& request, Moment moment) {
    if (request.is("PUT", "/log/0000000000000002") && moment == Moment::answered) has_lost = true;
    return request.is("GET", "/log/") ? Fate::hold : Fate::pass;
  });
  Store other = open(store());
  kThings.put(other, "k", "2");
  std::thread hears([&] {
    EXPECT_TRUE(testing::eventually([&] { return has_lost.load(); }));
    proxy.judge_by(nullptr);
    proxy.release();
  });
  kThings.put(*deaf, "k", "3");
  hears.join();
  EXPECT_EQ(deaf->stats().bucket.lost_races, 1U);
  EXPECT_EQ(kThings.get(other.snapshot({.fresh = true}), "k")->view(), "3");
}

// After each time the store is older, with another segment of the log; and it must not cost more to open it.
TEST_F(BucketProcesses, KilledAllAtOnceLoseNothingThatWasAcknowledged) {
  std::mt19937_64 random(std::random_device{}());
  for (int round = 0; round < 4; ++round) {
    std::vector<Child> children;
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) {
      names.push_back("crowd" + std::to_string(round) + "." + std::to_string(i));
      children.emplace_back("count_up", testing::Arguments{store(), names.back()});
    }
    for (Child& child : children) ASSERT_EQ(child.line(), "open");
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % 400));
    for (const Child& child : children) child.signal(SIGKILL);
    for (Child& child : children) child.wait();
    Store after = open(store(), {.create = false});
    EXPECT_LE(requests(after), kOpeningRequestsMax) << "round " << round;
    for (std::size_t i = 0; i < children.size(); ++i) {
      expect_counted(after.snapshot(), names[i], testing::last_said(children[i], 0));
    }
    kThings.put(after, "filler" + std::to_string(round), std::string(4'500'000, static_cast<char>('a' + round)));
  }
  EXPECT_TRUE(open(store()).check().clean());
}

// At each request of a whole life, from making the store on: before it is sent, while it is on its way, and before its
// answer comes. (When there is no time, at some of them.)
TEST_F(BucketProcesses, KilledAtAnyRequestLeaveAStoreThatIsWhole) {
  const bool has_time = std::getenv("INGOT_TEST_HOURS") != nullptr;
  const std::string large(1'500'000, 'v');  // a payload of its own
  const std::vector<std::pair<std::string, std::string>> puts = {{"a", "1"}, {"b", large}, {"c", "3"}};
  std::mt19937_64 random(std::random_device{}());
  for (std::uint64_t at = 1, lives = 0;; at += has_time ? 1 : 1 + random() % 24, ++lives) {
    bool was_killed = false;
    for (const Moment moment : {Moment::came, Moment::answered}) {
      const Fate fate = random() % 2 == 0 ? Fate::cut : Fate::pass;
      SCOPED_TRACE("request " + std::to_string(at));
      const std::string where = store("life" + std::to_string(lives) + (moment == Moment::came ? "a" : "b"));
      Proxy proxy(endpoint());
      std::atomic<pid_t> pid{0};
      proxy.judge_by([&](const ProxiedRequest& request, Moment now) {
        if (request.number < at || now != moment) return Fate::pass;
        ::kill(pid, SIGKILL);
        return request.number == at ? fate : Fate::cut;
      });
      Child child("obey", {where, "wait"}, through(proxy));
      pid = child.pid();
      child.tell("open\nput a 1\nsettle\nlarge b 1500000\nsettle\nput c 3\nsettle");
      child.close_input();
      std::size_t done = 0;
      for (const std::string& line : child.last_lines()) done += line == "done" ? 1 : 0;
      const int status = child.wait();
      was_killed |= status == -SIGKILL;
      EXPECT_TRUE(status == -SIGKILL || (status == 0 && done == 2 * puts.size())) << status;
      Store after = open(where);
      for (std::size_t i = 0; i < puts.size(); ++i) {
        const auto& [key, value] = puts[i];
        const std::optional<Value> got = kThings.get(after, key);
        if (2 * i < done) {
          EXPECT_TRUE(got) << key << " was acknowledged";
        }
        if (got) {
          EXPECT_EQ(*got, value);
        }
      }
      kThings.put(after, "a", "again");
      after.settle();
      EXPECT_TRUE(after.check().clean());
    }
    if (!was_killed || HasFailure()) break;
  }
}

// As a command does that is run again and again: nobody is there for long enough to do more than its own commit. What
// they write is flushed all the same, or each of them would read the whole log.
TEST_F(BucketProcesses, ThatLiveShortlyLeaveAStoreThatOpensAsFast) {
  const std::string value(900'000, 'v');
  for (int i = 0; i < 26; ++i) {
    Store brief = open(store());
    EXPECT_LE(requests(brief), kOpeningRequestsMax) << "after " << i << " others";
    kThings.put(brief, "k" + std::to_string(i % 10), std::to_string(i) + value);
  }
  const Store after = open(store());
  EXPECT_GT(after.stats().runs, 0U);
  for (int i = 16; i < 26; ++i) EXPECT_EQ(kThings.get(after, "k" + std::to_string(i % 10)), std::to_string(i) + value);
}

// Whether a proxy sees nothing for so long, from some moment on.
bool is_quiet(const Proxy& proxy, std::chrono::milliseconds time) {
  return testing::eventually([&] {
    const std::uint64_t before = proxy.requests();
    std::this_thread::sleep_for(time);
    return proxy.requests() == before;
  });
}

// When what opening it started is over. Who has used it follows the others for half a minute more: that takes long, so
// it is only waited for when there is time.
TEST_F(BucketProcesses, AStoreThatNobodyUsesMakesNoRequest) {
  Proxy proxy(endpoint());
  const testing::Through through(proxy);
  {
    Store writer = open(store());
    for (int i = 0; i < 20; ++i) kThings.put(writer, "k" + std::to_string(i), "v");
    if (std::getenv("INGOT_TEST_HOURS") != nullptr) {
      ASSERT_TRUE(is_quiet(proxy, 6s));
    }
  }
  const std::uint64_t before = proxy.requests();
  const Store reader = open(store(), {.read_only = true});
  const Store other = open(store());
  std::this_thread::sleep_for(2200ms);  // what there is to collect is looked for after two seconds
  ASSERT_TRUE(is_quiet(proxy, 5s));
  const std::uint64_t seen = proxy.requests();
  const std::uint64_t counted = requests(reader) + requests(other);
  EXPECT_EQ(counted, seen - before) << "what Stats::bucket counts is not what is on the wire";
  const BucketStats asked = other.stats().bucket;
  EXPECT_DOUBLE_EQ(asked.dollars,
                   (5.0 * static_cast<double>(asked.puts + asked.lists) + 0.4 * static_cast<double>(asked.gets)) / 1e6);
}

}  // namespace
}  // namespace ingot
