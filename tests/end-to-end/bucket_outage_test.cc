// The bucket is away, slow, or says nothing: what goes on meanwhile, what a caller is told, and that all is well when
// it is back, without anybody doing anything about it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bucket_place.h"
#include "child.h"
#include "counted.h"
#include "ingot/ingot.h"
#include "own_ceph.h"

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
using Clock = std::chrono::steady_clock;

constexpr auto kDeadline = 200ms;

class BucketOutage : public testing::BucketTest {
 protected:
  Store open_through(const Proxy& proxy, const Options& options) {
    const testing::Through through(proxy);
    for (;;) {  // the deadline may be too short for a machine that is busy
      try {
        return open(store(), options);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unavailable) throw;
      }
    }
  }
};

// What became of a put: nothing if it was told to have failed.
struct Told {
  bool is_done = false;
  std::optional<Undecided> undecided;
};

Told try_put(Store& store, const std::string& key) {
  Told told;
  try {
    kThings.put(store, key, "1");
    told.is_done = true;
  } catch (const Undecided& undecided) {
    told.undecided = undecided;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
  return told;
}

std::optional<ErrorCode> code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

std::optional<Version> outcome_of(const Store& store, const Undecided& undecided) {
  std::optional<Version> outcome;
  EXPECT_TRUE(testing::eventually([&] { return !code_of([&] { outcome = store.outcome(undecided); }); }));
  return outcome;
}

// On a machine that is busy a short deadline may pass by itself.
void put_surely(Store& store, const std::string& key) {
  ASSERT_TRUE(testing::eventually([&] { return try_put(store, key).is_done; }));
}

struct Harm {
  const char* name;
  std::function<void(Proxy&)> begin;
  std::function<void(Proxy&)> end;
};

std::vector<Harm> harms() {
  const auto all = [](Fate fate) {
    return [fate](Proxy& proxy) { proxy.judge_by([fate](const ProxiedRequest&, Moment) { return fate; }); };
  };
  const auto none = [](Proxy& proxy) {
    proxy.judge_by(nullptr);
    proxy.release();
  };
  return {{"refused", [](Proxy& proxy) { proxy.refuse(); }, [](Proxy& proxy) { proxy.accept_again(); }},
          {"silent", all(Fate::hold), none},
          {"cut", all(Fate::cut), none},
          {"deaf", all(Fate::lose_answer), none}};
}

TEST_F(BucketOutage, ReadsGoOnWritersAreToldAndAllResumes) {
  Proxy proxy(endpoint());
  Store store = open_through(proxy, {.deadline = kDeadline});
  {
    Store patient = open(BucketOutage::store());
    kThings.put(patient, "cold", "read later");
    patient.settle();
  }
  for (const Harm& harm : harms()) {
    SCOPED_TRACE(harm.name);
    const std::string key = std::string(harm.name) + ".";
    Store cold = open_through(proxy, {.deadline = kDeadline, .cache_directory = "none"});
    put_surely(store, "k");
    harm.begin(proxy);
    std::vector<Told> told;
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(kThings.get(store, "k")) << "what is in memory";
      const Clock::time_point begun = Clock::now();
      told.push_back(try_put(store, key + std::to_string(i)));
      EXPECT_FALSE(told.back().is_done);
      EXPECT_GE(Clock::now() - begun, kDeadline);
      EXPECT_FALSE(store.health().good);
    }
    EXPECT_EQ(code_of([&] { (void)store.snapshot({.fresh = true}); }), ErrorCode::unavailable);
    EXPECT_EQ(code_of([&] { (void)kThings.get(cold, "cold"); }), ErrorCode::unavailable);
    harm.end(proxy);
    // By itself, as soon as it asks again; and what was told then, holds.
    put_surely(store, key + "after");
    EXPECT_TRUE(testing::eventually([&] { return store.health().good; }));
    EXPECT_TRUE(testing::eventually([&] { return !code_of([&] { (void)kThings.get(cold, "cold"); }); }));
    const Store other = open(BucketOutage::store());
    for (int i = 0; i < 2; ++i) {
      const bool is_there = kThings.get(other, key + std::to_string(i)).has_value();
      std::optional<Version> outcome;
      if (told[i].undecided) outcome = outcome_of(store, *told[i].undecided);
      EXPECT_EQ(is_there, outcome.has_value()) << "put " << i << (told[i].undecided ? ", undecided" : ", refused");
    }
  }
}

// It was carried out, and nobody heard of it.
TEST_F(BucketOutage, AnAnswerThatIsLostIsFoundOut) {
  Proxy proxy(endpoint());
  Store hasty = open_through(proxy, {.deadline = kDeadline});
  Store patient = open_through(proxy, {});
  kThings.add(patient, "sum", 1);
  ASSERT_TRUE(testing::eventually([&] { return !code_of([&] { (void)hasty.snapshot({.fresh = true}); }); }));
  std::atomic<int> puts{1'000'000};  // so many lose their answers
  std::atomic<bool> gets{true};      // all do
  proxy.judge_by([&](const ProxiedRequest& request, Moment moment) {
    const bool is_put = request.is("PUT", "/log/") && moment == Moment::came;
    const bool loses = is_put ? puts.fetch_sub(1) > 0 : gets && request.is("GET", "/log/");
    return loses ? Fate::lose_answer : Fate::pass;
  });
  try {
    kThings.add(hasty, "sum", 10);
    ADD_FAILURE() << "it was told that it had worked";
  } catch (const Undecided& undecided) {
    gets = false;
    const std::optional<Version> version = outcome_of(hasty, undecided);
    EXPECT_EQ(version, hasty.version()) << "reading the slot is enough";
  }
  EXPECT_EQ(kThings.get(hasty, "sum")->counter(), 11);
  // With more patience it is found out by itself, and must not count twice.
  for (const std::int64_t more : {100, 1000}) {
    puts = 2;
    kThings.add(patient, "sum", more);
  }
  EXPECT_EQ(kThings.get(open(store()), "sum")->counter(), 1111);
  EXPECT_GE(patient.stats().bucket.undecided, 1U);
}

// Nobody knows then; and what is asked about is settled for good, whatever is still on its way.
TEST_F(BucketOutage, APutThatArrivesAfterItsSenderGaveUpIsThereOrNever) {
  Proxy proxy(endpoint());
  Store store = open_through(proxy, {.deadline = kDeadline});
  std::atomic<bool> holding{false};
  proxy.judge_by([&](const ProxiedRequest& request, Moment) {
    return holding && request.is("PUT", "/log/") ? Fate::hold : Fate::pass;
  });
  for (const bool asks_first : {true, false}) {
    const std::string key = asks_first ? "asked" : "arrived";
    put_surely(store, "before");
    holding = true;
    const Told told = try_put(store, key);
    holding = false;
    ASSERT_TRUE(told.undecided.has_value());
    std::optional<Version> outcome;
    if (asks_first) outcome = outcome_of(store, *told.undecided);
    const std::uint64_t held = proxy.held();
    EXPECT_GE(held, 1U);
    proxy.release();
    ASSERT_TRUE(testing::eventually([&] { return proxy.held() == 0; }));
    std::this_thread::sleep_for(100ms);  // they arrive
    if (!asks_first) outcome = outcome_of(store, *told.undecided);
    EXPECT_EQ(outcome.has_value(), !asks_first);
    EXPECT_EQ(kThings.get(store, key).has_value(), outcome.has_value());
    EXPECT_EQ(kThings.get(open(BucketOutage::store()), key).has_value(), outcome.has_value());
    put_surely(store, "after");
  }
}

// The gateway stands still, goes on; dies, and another takes its place.
TEST(BucketGateway, IsStoppedAndKilledAndNothingIsLost) {
  if (!testing::ceph()) GTEST_SKIP() << "*** NOT TESTED: INGOT_TEST_S3_ENDPOINT is not set, see scripts/ceph.sh";
  testing::OwnCeph ceph;
  ASSERT_EQ(ceph.trouble(), "");
  const testing::TemporaryDirectory home;
  testing::lead_to(ceph.place(), home);
  ASSERT_EQ(outcome_of(testing::HttpClient(ceph.place()).put("/outage", "")), "200");
  const std::string where = "s3://outage/store";
  std::vector<Child> children;
  for (int i = 0; i < 2; ++i) {
    children.emplace_back("count_up",
                          testing::Arguments{where, "writer" + std::to_string(i),
                                             "deadline=" + std::to_string(i == 0 ? kDeadline.count() : 30'000)});
    while (children.back().line() != "open") {
    }
  }
  Store store = open(where, {.deadline = 1s});
  put_surely(store, "k");
  std::vector<std::uint64_t> acknowledged(children.size());
  // Until each has said another number; errors meanwhile are told as they should be.
  const auto all_go_on = [&] {
    for (std::size_t i = 0; i < children.size(); ++i) {
      const std::uint64_t before = acknowledged[i];
      while (acknowledged[i] < before + 3) {
        const auto line = children[i].line(60s);
        ASSERT_TRUE(line.has_value()) << "writer " << i << " is silent";
        if (line->rfind("error ", 0) == 0) {
          EXPECT_EQ(line->rfind("error unavailable", 0), 0U) << *line;
        } else {
          acknowledged[i] = std::stoull(testing::number_of(*line));
        }
      }
    }
  };
  all_go_on();
  ceph.pause();
  EXPECT_FALSE(try_put(store, "no").is_done);
  EXPECT_TRUE(kThings.get(store, "k"));
  ceph.go_on();
  all_go_on();
  ceph.kill_gateway();
  EXPECT_FALSE(try_put(store, "no").is_done);
  EXPECT_TRUE(kThings.get(store, "k"));
  ceph.start_gateway();
  all_go_on();
  put_surely(store, "yes");
  for (const Child& child : children) child.signal(SIGKILL);
  const Store after = open(where, {.create = false});
  for (std::size_t i = 0; i < children.size(); ++i) {
    children[i].wait();
    for (const std::string& line : children[i].last_lines()) {
      if (line.rfind("error ", 0) != 0) acknowledged[i] = std::stoull(testing::number_of(line));
    }
    expect_counted(after.snapshot({.fresh = true}), "writer" + std::to_string(i), acknowledged[i]);
  }
  EXPECT_TRUE(after.check().clean());
}

}  // namespace
}  // namespace ingot
