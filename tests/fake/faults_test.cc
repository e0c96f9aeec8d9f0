// What befalls requests on demand.
#include <curl/curl.h>

#include "fake_test.h"

namespace ingot::fake_s3 {
namespace {

class FakeFaults : public FakeTest {
 protected:
  void SetUp() override { start(Profile::aws); }
  bool is_there() { return server().bytes_of("key").has_value(); }
  HttpAnswer put_with(Fault fault) {
    server().remove("key");
    server().inject({.fault = fault});
    return client().put("/bucket/key", "x");
  }
};

TEST_F(FakeFaults, AnswersThatTellNothingOfWhatWasDone) {
  struct Row {
    Fault fault;
    const char* outcome;
    bool done;
  };
  const Row rows[] = {
      {Fault::conflict, "409 ConditionalRequestConflict", false},
      {Fault::throttled, "503 SlowDown", false},
      {Fault::too_many, "429 TooManyRequests", false},
      {Fault::unavailable, "503 ServiceUnavailable", false},
      {Fault::fails, "500 InternalError", false},
      {Fault::fails_done, "500 InternalError", true},
      {Fault::bad_gateway, "502", false},
      {Fault::bad_gateway_done, "502", true},
      {Fault::error_in_200, "200 InternalError", false},
      {Fault::error_in_200_done, "200 InternalError", true},
      {Fault::expired, "400 ExpiredToken", false},
      {Fault::skewed, "403 RequestTimeTooSkewed", false},
      {Fault::slow, "200", true},
      {Fault::slow_answer, "200", true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(outcome_of(put_with(row.fault)), row.outcome) << fault_name(row.fault);
    EXPECT_EQ(is_there(), row.done) << fault_name(row.fault);
  }
  EXPECT_EQ(server().faults().left(), 0U);
  EXPECT_EQ(outcome_of(client().put("/bucket/key", "x")), "200");
}

TEST_F(FakeFaults, ConnectionsThatEndInsteadOfAnAnswer) {
  // A client with a connection of its own each time: libcurl sends again by itself what met a stale one.
  struct Row {
    Fault fault;
    int error;
    bool done;
  };
  for (const Row& row : {Row{Fault::reset, CURLE_RECV_ERROR, false}, Row{Fault::stale, CURLE_GOT_NOTHING, false},
                         Row{Fault::lost, CURLE_GOT_NOTHING, true}}) {
    start(Profile::aws);
    const HttpAnswer answer = put_with(row.fault);
    EXPECT_EQ(answer.status, 0) << fault_name(row.fault);
    if (row.fault != Fault::reset) {
      EXPECT_EQ(answer.error_code, row.error) << answer.error;
    }
    EXPECT_EQ(is_there(), row.done) << fault_name(row.fault);
    EXPECT_EQ(server().journal().count(Verb::put, 0), 1U);
  }
}

TEST_F(FakeFaults, AnAnswersBodyIsCutInHalf) {
  server().put("key", "0123456789");
  server().inject({.fault = Fault::cut, .verb = Verb::get});
  const HttpAnswer answer = client().get("/bucket/key");
  EXPECT_EQ(answer.error_code, CURLE_PARTIAL_FILE) << answer.error;
  EXPECT_EQ(answer.body, "01234");
  EXPECT_EQ(client().get("/bucket/key").body, "0123456789");
}

TEST_F(FakeFaults, ARequestMayTakeEffectLongAfterItsSenderGaveUp) {
  server().inject({.fault = Fault::late, .verb = Verb::put, .held = true});
  EXPECT_EQ(client().put("/bucket/key", "late").error_code, CURLE_GOT_NOTHING);
  ASSERT_TRUE(server().wait_for_held(1));
  EXPECT_FALSE(is_there());
  EXPECT_EQ(outcome_of(client().create("/bucket/key", "earlier")), "200");
  server().release();
  EXPECT_TRUE(eventually([&] { return server().journal().count(Verb::put) == 2; }));
  EXPECT_EQ(server().bytes_of("key"), "late") << "it had no condition";
}

TEST_F(FakeFaults, HeldRequestsWaitUntilTheyAreReleased) {
  server().put("key", "x");
  server().inject({.fault = Fault::slow, .verb = Verb::get, .count = 3, .held = true});
  std::vector<std::string> outcomes(3);
  std::vector<std::thread> threads;
  for (std::string& outcome : outcomes) {
    threads.emplace_back([&] { outcome = outcome_of(HttpClient(place()).get("/bucket/key")); });
  }
  ASSERT_TRUE(server().wait_for_held(3));
  server().remove("key");
  server().release();
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(outcomes, std::vector<std::string>(3, "404 NoSuchKey")) << "it is done after the wait";
}

TEST_F(FakeFaults, OnlyTheRequestsThatAreMeantAreStruck) {
  server().inject({.fault = Fault::fails, .verb = Verb::put, .key_prefix = "log/", .count = 2, .skip = 1});
  EXPECT_EQ(client().put("/bucket/runs/1", "x").status, 200);
  EXPECT_EQ(client().get("/bucket/log/1").status, 404);
  EXPECT_EQ(client().put("/bucket/log/1", "x").status, 200);
  EXPECT_EQ(client().put("/bucket/log/2", "x").status, 500);
  EXPECT_EQ(client().put("/bucket/log/3", "x").status, 500);
  EXPECT_EQ(client().put("/bucket/log/4", "x").status, 200);
  server().inject({.fault = Fault::fails, .count = 5});
  server().faults().clear();
  EXPECT_EQ(client().put("/bucket/log/5", "x").status, 200);
}

TEST_F(FakeFaults, ARefusingServerIsBackOnItsPort) {
  server().put("key", "x");
  EXPECT_EQ(client().get("/bucket/key").status, 200);
  server().set_outage(Outage::refused);
  EXPECT_EQ(client().get("/bucket/key").error_code, CURLE_COULDNT_CONNECT);
  EXPECT_EQ(HttpClient(place()).get("/bucket/key").error_code, CURLE_COULDNT_CONNECT);
  server().set_outage(Outage::none);
  EXPECT_EQ(client().get("/bucket/key").status, 200);
  server().set_outage(Outage::refused, std::chrono::milliseconds(50));
  EXPECT_TRUE(eventually([&] { return client().get("/bucket/key").status == 200; }));
}

TEST_F(FakeFaults, ASilentServerAcceptsAndNeitherAnswersNorActs) {
  server().set_outage(Outage::silent);
  HttpClient hasty(place(), std::chrono::milliseconds(200));
  EXPECT_EQ(hasty.put("/bucket/key", "x").error_code, CURLE_OPERATION_TIMEDOUT);
  EXPECT_FALSE(is_there());
  server().set_outage(Outage::none);
  EXPECT_EQ(client().get("/bucket/key").status, 404);
  EXPECT_FALSE(is_there());
}

TEST_F(FakeFaults, StoppingEndsEverythingAtOnce) {
  server().inject({.fault = Fault::slow, .held = true});
  std::thread held([&] { EXPECT_NE(HttpClient(place()).put("/bucket/key", "x").status, 200); });
  ASSERT_TRUE(server().wait_for_held(1));
  HttpClient idle(place());
  idle.get("/bucket/key");
  server().stop();
  held.join();
  EXPECT_FALSE(is_there()) << "nothing is done any more";
  EXPECT_EQ(idle.get("/bucket/key").status, 0);
}

TEST_F(FakeFaults, CountsAndTheLogSayWhatWasAsked) {
  client().create("/bucket/log/1", "abc");
  client().create("/bucket/log/1", "abc");
  client().get("/bucket/log/2");
  server().inject({.fault = Fault::lost});
  client().send("HEAD", "/bucket/log/1");
  Journal& journal = server().journal();
  EXPECT_EQ(journal.count(Verb::put), 2U);
  EXPECT_EQ(journal.count(Verb::put, 412), 1U);
  EXPECT_EQ(journal.count(Verb::get, 404), 1U);
  const std::string log = journal.log();
  EXPECT_NE(log.find("put bucket/log/1 if-none-match: *"), std::string::npos) << log;
  EXPECT_NE(log.find("-> 412 PreconditionFailed"), std::string::npos) << log;
  EXPECT_NE(log.find("(fault: lost)"), std::string::npos) << log;
  journal.clear();
  EXPECT_EQ(journal.count(), 0U);
}

TEST_F(FakeFaults, ManyConnectionsAreServedAtOnce) {
  server().set_latency({.fixed = std::chrono::milliseconds(2), .jitter = std::chrono::milliseconds(2), .tail = true});
  constexpr std::size_t kClients = 64;
  constexpr std::size_t kEach = 20;
  std::vector<std::thread> threads;
  std::atomic<std::size_t> done{0};
  for (std::size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      HttpClient own(place());
      for (std::size_t j = 0; j < kEach; ++j) {
        const std::string key = "/bucket/c" + std::to_string(i) + "/" + std::to_string(j);
        if (own.create(key, key).status == 200 && own.get(key).body == key) ++done;
      }
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(done, kClients * kEach);
  EXPECT_EQ(server().journal().connections(), kClients) << "each was kept alive";
}

}  // namespace
}  // namespace ingot::fake_s3
