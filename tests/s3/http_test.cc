// The transport: what is sent, what counts as an answer, and what is known when there is none.
#include "s3/http.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/random.h"
#include "s3/canned_server.h"
#include "s3/dates.h"
#include "support/temporary_directory.h"

namespace {
// Set while the name server does not answer for "silent.test".
std::atomic<bool> name_server_is_silent{false};
std::atomic<int> lookups_that_wait{0};
}  // namespace

// In the place of the system's, for libcurl's sake.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  if (node != nullptr && std::strstr(node, "absent.test") != nullptr) return EAI_NONAME;
  if (node != nullptr && std::strcmp(node, "silent.test") == 0) {
    ++lookups_that_wait;
    name_server_is_silent.wait(true);
    --lookups_that_wait;
    return EAI_AGAIN;
  }
  static const auto system = reinterpret_cast<int (*)(const char*, const char*, const addrinfo*, addrinfo**)>(
      ::dlsym(RTLD_NEXT, "getaddrinfo"));
  return system(node, service, hints, result);
}

namespace ingot::s3 {
namespace {

using namespace std::chrono_literals;
using Kind = HttpAnswer::Kind;
using Then = Reaction::Then;

class HttpTest : public ::testing::Test {
 protected:
  HttpRequest request(const char* method = "GET", const std::string& path = "/") {
    HttpRequest made;
    made.method = method;
    made.url = server_.url() + path;
    made.deadline = base::now() + 30s;
    return made;
  }
  HttpAnswer get() { return client_.perform(request()); }
  HttpAnswer put(std::string_view body) {
    HttpRequest made = request("PUT", "/object");
    made.body = body;
    return client_.perform(made);
  }
  // What the server does with the requests to come, one after the other; the last one for ever.
  void react(std::vector<Reaction> reactions) {
    const std::lock_guard lock(mutex_);
    reactions_ = std::move(reactions);
  }

  std::mutex mutex_;
  std::vector<Reaction> reactions_{answer(200, "hello")};
  CannedServer server_{[this](const SeenRequest&) {
    const std::lock_guard lock(mutex_);
    Reaction reaction = reactions_.front();
    if (reactions_.size() > 1) reactions_.erase(reactions_.begin());
    return reaction;
  }};
  HttpClient client_{Transport{}};
};

TEST_F(HttpTest, SendsWhatItIsGivenAndLittleElse) {
  HttpRequest made = request("PUT", "/a/..%2Fb?x=%20y");
  made.headers = {{"host", server_.host()}, {"x-amz-date", "now"}, {"if-none-match", "*"}};
  made.body = "body";
  EXPECT_EQ(client_.perform(made).status, 200);
  const SeenRequest seen = server_.requests().at(0);
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.target, "/a/..%2Fb?x=%20y");
  EXPECT_EQ(seen.body, "body");
  std::map<std::string, std::string> headers = seen.headers;
  EXPECT_TRUE(headers["user-agent"].starts_with("ingot/"));
  headers.erase("user-agent");
  EXPECT_EQ(headers,
            (std::map<std::string, std::string>{
                {"host", server_.host()}, {"x-amz-date", "now"}, {"if-none-match", "*"}, {"content-length", "4"}}));
}

TEST_F(HttpTest, SendsEmptyAndLargeBodies) {
  EXPECT_EQ(put("").status, 200);
  EXPECT_EQ(client_.perform(request("POST")).status, 200);
  EXPECT_EQ(client_.perform(request("DELETE")).status, 200);
  const std::string large(5 << 20, 'x');
  EXPECT_EQ(put(large).status, 200);
  const std::vector<SeenRequest> seen = server_.requests();
  EXPECT_EQ(seen.at(0).header("content-length"), "0");
  EXPECT_EQ(seen.at(1).method + seen.at(1).header("content-length"), "POST0");
  EXPECT_EQ(seen.at(2).method + seen.at(2).header("content-length"), "DELETE");
  EXPECT_TRUE(seen.at(3).body == large);
  EXPECT_EQ(seen.at(3).header("expect"), "");
}

TEST_F(HttpTest, GivesStatusBodyDateAndHeaders) {
  react({answer(206, "hello", {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"ETag", "\"e\""}, {"X-Other", "x"}})});
  const HttpAnswer got = get();
  EXPECT_EQ(got.kind, Kind::answered);
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.date, parse_iso_date("2013-05-24T00:00:00Z"));
  EXPECT_TRUE(got.date_at);
  EXPECT_EQ(got.header("etag"), "\"e\"");
  EXPECT_EQ(got.header("x-other"), "");
  EXPECT_EQ(got.sendings, 1U);
}

TEST_F(HttpTest, TakesChunksAndPassesOver100) {
  react({chunked_answer(200, "in two chunks"),
         {"HTTP/1.1 100 Continue\r\nETag: wrong\r\n\r\n" + answer(200, "x", {{"ETag", "right"}}).bytes},
         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nETag: trailing\r\n\r\n"}});
  EXPECT_EQ(get().body, "in two chunks");
  EXPECT_EQ(put("x").header("etag"), "right");
  EXPECT_EQ(get().header("etag"), "");
}

TEST_F(HttpTest, RedirectsAreAnswers) {
  react({answer(307, "", {{"Location", server_.url() + "/elsewhere"}})});
  const HttpAnswer got = get();
  EXPECT_EQ(got.status, 307);
  EXPECT_EQ(got.header("location"), server_.url() + "/elsewhere");
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(HttpTest, ABodyThatIsCutShortIsNoAnswer) {
  for (const Then then : {Then::close, Then::reset}) {
    Reaction cut = answer(200, "hello");
    cut.bytes.pop_back();
    cut.then = then;
    Reaction chunks = chunked_answer(200, "hello");
    chunks.bytes.resize(chunks.bytes.size() - 5);  // without the last, empty one
    chunks.then = then;
    for (const Reaction& reaction : {cut, chunks}) {
      react({reaction});
      const HttpAnswer got = get();
      EXPECT_EQ(got.kind, Kind::unanswered);
      EXPECT_EQ(got.body, "");
      EXPECT_NE(got.error, "");
    }
  }
}

TEST_F(HttpTest, AnAnswerWithoutALengthMayBeCutAndIsNone) {
  react({{"HTTP/1.1 200 OK\r\n\r\nhello", Then::close}});
  EXPECT_EQ(get().kind, Kind::unanswered);
  react({{"HTTP/1.1 503 Slow Down\r\n\r\nhello", Then::close}});
  EXPECT_EQ(get().status, 503);
  react({{"HTTP/1.1 204 No Content\r\n\r\n", Then::close}});
  EXPECT_EQ(client_.perform(request("DELETE")).status, 204);
}

TEST_F(HttpTest, AHeadThatIsCutShortOrNoHttpIsNoAnswer) {
  for (const char* bytes : {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "HTTP/1.1 200", "HTTP/1.1 100 Continue\r\n\r\n",
                            "SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"}) {
    react({{bytes, Then::close}});
    EXPECT_EQ(put("x").kind, Kind::unanswered) << bytes;
  }
}

TEST_F(HttpTest, AnAnswerThatIsTooLongIsNone) {
  HttpRequest made = request();
  made.answer_bytes_max = 5;
  EXPECT_EQ(client_.perform(made).body, "hello");
  made.answer_bytes_max = 4;
  const HttpAnswer got = client_.perform(made);
  EXPECT_EQ(got.kind, Kind::unanswered);
  EXPECT_NE(got.error.find("longer than 4 bytes"), std::string::npos);
  react({answer(500, std::string(kErrorBytesMax + 1, 'x'))});
  EXPECT_EQ(get().body.size(), kErrorBytesMax);
}

TEST_F(HttpTest, AResetBeforeTheRequestOrAfterItIsNoAnswer) {
  server_.reset_next(1);
  HttpAnswer got = put("x");  // the reset may come before the request, or under it
  EXPECT_EQ(got.kind, got.sendings == 0 ? Kind::unsent : Kind::unanswered);
  EXPECT_LE(got.sendings, 1U);
  EXPECT_EQ(server_.requests().size(), 0U);
  for (const Then then : {Then::reset, Then::close}) {
    react({{"", then}});
    got = put("x");
    EXPECT_EQ(got.kind, Kind::unanswered);
    EXPECT_EQ(got.sendings, 1U);
  }
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(HttpTest, AnAnswerAfterTheDeadlineIsNone) {
  Reaction begun = answer(200, "hello");
  begun.bytes.pop_back();
  begun.then = Then::hang;
  for (const Reaction& reaction : {Reaction{"", Then::hang}, begun}) {
    react({reaction});
    HttpRequest made = request("PUT");
    made.deadline = base::now() + 100ms;
    const HttpAnswer got = client_.perform(made);
    EXPECT_EQ(got.kind, Kind::unanswered);
    EXPECT_NE(got.error, "");
  }
}

// Two that hang, and one that comes later.
TEST_F(HttpTest, WhoeverClosesEndsWhatIsUnderWay) {
  Reaction begun = answer(200, "hello");
  begun.bytes.pop_back();
  begun.then = Then::hang;
  for (const Reaction& reaction : {Reaction{"", Then::hang}, begun}) {
    HttpClient client({});
    react({reaction});
    HttpAnswer got;
    HttpRequest made = request("PUT");
    made.deadline = base::now() + std::chrono::hours(1);
    const int connections = server_.connections();
    std::thread waiting([&] { got = client.perform(made); });
    while (server_.connections() == connections) std::this_thread::sleep_for(1ms);
    client.end_by(base::now() + 100ms);
    client.end_by(base::now() + 1h);
    waiting.join();
    EXPECT_EQ(got.kind, Kind::unanswered);
    EXPECT_NE(got.error, "");
    EXPECT_EQ(client.perform(made).kind, Kind::unsent);
  }
}

TEST_F(HttpTest, NothingIsSentAfterTheDeadline) {
  HttpRequest made = request("PUT");
  made.deadline = base::now();
  EXPECT_EQ(client_.perform(made).kind, Kind::unsent);
  EXPECT_EQ(server_.connections(), 0);
}

TEST_F(HttpTest, NothingIsSentWithoutAConnection) {
  HttpRequest made = request("PUT");
  made.url = refusing_url();
  const HttpAnswer refused = client_.perform(made);
  EXPECT_EQ(refused.kind, Kind::unsent);
  EXPECT_EQ(refused.sendings, 0U);
  EXPECT_NE(refused.error, "");
  made.url = "http://absent.test/";
  EXPECT_EQ(client_.perform(made).kind, Kind::unsent);
  made.url = "https://" + server_.host();  // which does not speak TLS
  made.connect_max = 100ms;
  EXPECT_EQ(client_.perform(made).kind, Kind::unsent);
}

TEST_F(HttpTest, WhoeverIsAwayMayComeBack) {
  for (const std::string& url : {refusing_url(), std::string("http://absent.test/")}) {
    HttpRequest made = request();
    made.url = url;
    EXPECT_FALSE(client_.perform(made).is_hopeless) << url;
  }
}

TEST_F(HttpTest, ANameServerThatIsSilentHoldsNobodyBeyondItsDeadline) {
  name_server_is_silent = true;
  HttpRequest made = request("PUT");
  made.url = "http://silent.test/";
  made.deadline = base::now() + 200ms;
  EXPECT_EQ(client_.perform(made).kind, Kind::unsent);
  EXPECT_EQ(lookups_that_wait, 1);  // it is still waiting
  name_server_is_silent = false;
  name_server_is_silent.notify_all();
  while (lookups_that_wait != 0) std::this_thread::sleep_for(1ms);
}

TEST_F(HttpTest, ConnectionsAreKept) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get().status, 200);
  react({error_answer(503, "SlowDown")});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(put("x").status, 503);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpTest, AKeptConnectionThatHasDiedIsNotedBeforeAnythingIsSent) {
  react({{answer(200, "x").bytes, Then::close}, answer(200, "y")});
  EXPECT_EQ(get().body, "x");
  std::this_thread::sleep_for(50ms);  // its end has come; if not, the next test's case is met
  const HttpAnswer got = put("z");
  EXPECT_EQ(got.body, "y");
  EXPECT_GE(got.sendings, 1U);
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(HttpTest, AKeptConnectionThatDiesUnderARequestIsReplacedAndItSaysSo) {
  for (const Then then : {Then::close, Then::reset}) {
    react({answer(200, "first"), {"", then}, error_answer(503, "SlowDown")});
    EXPECT_EQ(get().body, "first");
    const HttpAnswer got = put("z");
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.sendings, 2U);
    const std::vector<SeenRequest> seen = server_.requests();
    EXPECT_EQ(seen[seen.size() - 2].body, "z");
    EXPECT_EQ(seen[seen.size() - 1].body, "z");
  }
}

TEST_F(HttpTest, AKeptConnectionThatDiesUnderALargeBodyIsReplacedToo) {
  const std::string large(3 << 20, 'x');
  react({answer(200, "first"), {"", Then::close}, answer(200, "second")});
  EXPECT_EQ(get().body, "first");
  const HttpAnswer got = put(large);
  EXPECT_EQ(got.body, "second");
  EXPECT_EQ(got.sendings, 2U);
  EXPECT_TRUE(server_.requests().back().body == large);
}

TEST_F(HttpTest, OnceALineOfTheAnswerHasComeNothingIsSentAgain) {
  react({answer(200, "first"), {"HTTP/1.1 200 OK\r\n", Then::close}, answer(200, "second")});
  EXPECT_EQ(get().body, "first");
  const HttpAnswer got = put("x");
  EXPECT_EQ(got.kind, Kind::unanswered);
  EXPECT_EQ(got.sendings, 1U);
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(HttpTest, ManyThreadsHaveAConnectionEach) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        if (get().body == "hello") ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 320);
  EXPECT_LE(server_.connections(), 16);
}

TEST_F(HttpTest, AForksChildSendsNothingAndClosesNothing) {
  EXPECT_EQ(get().status, 200);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool unsent = get().kind == Kind::unsent;
    client_.~HttpClient();
    ::_exit(unsent ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(get().status, 200);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(HttpTest, ProxiesAreThoseThatAreSetAndNotForAll) {
  ::setenv("http_proxy", refusing_url().c_str(), 1);  // set since: too late
  EXPECT_EQ(get().status, 200);
  ::unsetenv("http_proxy");

  HttpClient client(Transport{"", server_.url(), "", "direct.test"});
  HttpRequest made = request("PUT", "/object");
  made.url = "http://far.test/object";
  EXPECT_EQ(client.perform(made).status, 200);
  EXPECT_EQ(server_.requests().back().target, "http://far.test/object");
  made.url = refusing_url();
  EXPECT_EQ(client.perform(made).status, 200);
  made.proxy = Proxy::none;
  EXPECT_EQ(client.perform(made).kind, Kind::unsent);
  made.proxy = Proxy::as_set;
  made.url = "http://absent.test.direct.test/";
  EXPECT_EQ(client.perform(made).kind, Kind::unsent);
}

TEST_F(HttpTest, AProxysPasswordIsInNoMessage) {
  for (const char* proxy : {"sesame9://user:sesame@127.0.0.1:1", "http://user:sesame@absent.test:1",
                            "http://user:sesame@[::1", "http://user:sesame@127.0.0.1:99999"}) {
    HttpClient client(Transport{"", proxy, "", ""});
    const HttpAnswer got = client.perform(request());
    EXPECT_EQ(got.kind, Kind::unsent) << proxy;
    EXPECT_EQ(got.error.find("sesame@"), std::string::npos) << got.error;
    EXPECT_NE(got.error, "");
  }
}

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() { std::ofstream(directory_.at("ca.pem")) << server_.certificate(); }
  HttpRequest request(const char* method) {
    HttpRequest made;
    made.method = method;
    made.url = server_.url();
    made.deadline = base::now() + 30s;
    made.body = "secret";
    return made;
  }
  ingot::testing::TemporaryDirectory directory_;
  std::atomic<bool> dies_{false};
  CannedServer server_{[this](const SeenRequest& seen) {
                         if (dies_ && seen.on_connection == 2) return Reaction{"", Then::reset};
                         return answer(200, "hello");
                       },
                       CannedServer::Security::tls};
};

TEST_F(TlsTest, NothingIsSentToAServerThatIsNotTrusted) {
  HttpClient client{Transport{}};
  const HttpAnswer got = client.perform(request("PUT"));
  EXPECT_EQ(got.kind, Kind::unsent);
  EXPECT_NE(got.error.find("certificate"), std::string::npos) << got.error;
  EXPECT_TRUE(got.is_hopeless);
  EXPECT_TRUE(server_.requests().empty());
}

// As most servers do it, who answer what they can't read.
TEST_F(TlsTest, AServerWithoutTlsIsToldApart) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), bytes), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  std::thread server([&] {
    const int connection = ::accept(listener, nullptr, nullptr);
    char hello[4096];
    (void)::recv(connection, hello, sizeof hello, 0);
    (void)::send(connection, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
    ::close(connection);
  });
  HttpClient client{Transport{}};
  HttpRequest made = request("PUT");
  made.url = "https://127.0.0.1:" + std::to_string(::ntohs(address.sin_port));
  const HttpAnswer got = client.perform(made);
  server.join();
  ::close(listener);
  EXPECT_TRUE(got.is_hopeless) << got.error;
  EXPECT_NE(got.error.find("http://"), std::string::npos) << got.error;
}

TEST_F(TlsTest, WithoutTheFileOfCertificatesThereIsNoHope) {
  HttpClient client(Transport{directory_.at("none.pem")});
  const HttpAnswer got = client.perform(request("PUT"));
  EXPECT_EQ(got.kind, Kind::unsent);
  EXPECT_TRUE(got.is_hopeless) << got.error;
}

TEST_F(TlsTest, NothingIsSentToAServerOfAnotherName) {
  HttpClient client(Transport{directory_.at("ca.pem")});
  HttpRequest made = request("PUT");
  made.url = "https://localhost" + server_.host().substr(server_.host().find(':'));
  EXPECT_EQ(client.perform(made).kind, Kind::unsent);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(TlsTest, ATrustedServerIsServedOverOneConnection) {
  HttpClient client(Transport{directory_.at("ca.pem")});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.perform(request("PUT")).body, "hello");
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(TlsTest, AConnectionThatIsResetRaisesNoSignal) {
  HttpClient client(Transport{directory_.at("ca.pem")});
  dies_ = true;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.perform(request("PUT")).body, "hello");
}

}  // namespace
}  // namespace ingot::s3
