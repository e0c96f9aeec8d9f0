// HTTP itself, byte by byte, as no client library would send it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "fake_test.h"

namespace ingot::fake_s3 {
namespace {

class Wire {
 public:
  explicit Wire(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    constexpr timeval kPatience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  }
  ~Wire() { ::close(socket_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void say(const std::string& text) const {
    EXPECT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Until what has come holds `mark`, or the connection ends.
  std::string hear(const std::string& mark) {
    std::array<char, 4096> block{};
    while (mark.empty() || heard_.find(mark) == std::string::npos) {
      const ssize_t got = ::recv(socket_, block.data(), block.size(), 0);
      if (got <= 0) break;
      heard_.append(block.data(), static_cast<std::size_t>(got));
    }
    return std::exchange(heard_, {});
  }
  std::string hear_all() { return hear(""); }

 private:
  int socket_;
  std::string heard_;
};

class FakeWire : public FakeTest {
 protected:
  void SetUp() override { start(Profile::minio); }
};

bool begins(const std::string& text, const std::string& begin) {
  return text.rfind(begin, 0) == 0;
}

TEST_F(FakeWire, ABodyIsAskedForIfTheClientWaits) {
  Wire wire(server().port());
  wire.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(wire.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  wire.say("abc");
  EXPECT_TRUE(begins(wire.hear("</Error>"), "HTTP/1.1 403 Forbidden\r\n")) << "it is not signed";
}

TEST_F(FakeWire, RequestsMayFollowEachOtherAtOnce) {
  Wire wire(server().port());
  const std::string request = "GET /bucket/key HTTP/1.1\r\nHost: x\r\n\r\n";
  wire.say(request + request + "GET /bucket/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answers = wire.hear_all();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 403", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 3U);
  EXPECT_NE(answers.find("Connection: close"), std::string::npos);
}

TEST_F(FakeWire, ChunkedBodiesAreRefusedClearly) {
  Wire wire(server().port());
  wire.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  const std::string answer = wire.hear_all();
  EXPECT_TRUE(begins(answer, "HTTP/1.1 501 Not Implemented\r\n")) << answer;
  EXPECT_NE(answer.find("<Code>NotImplemented</Code>"), std::string::npos) << answer;
}

TEST_F(FakeWire, ABodyNeedsALengthThatIsOne) {
  Wire without(server().port());
  without.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(without.hear_all().find("<Code>MissingContentLength</Code>"), std::string::npos);
  Wire wrong(server().port());
  wrong.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n");
  EXPECT_NE(wrong.hear_all().find("<Code>BadRequest</Code>"), std::string::npos);
  Wire large(server().port());
  large.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_NE(large.hear_all().find("<Code>EntityTooLarge</Code>"), std::string::npos);
}

TEST_F(FakeWire, WhatIsNoHttpIsRefused) {
  for (const std::string& text :
       {std::string("hello\r\n\r\n"), std::string("GET x HTTP/1.1\r\n\r\n"), std::string("GET / HTTP/1.0\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        "GET / HTTP/1.1\r\nA: " + std::string(kHeadBytesMax + 4096, 'a')}) {
    Wire wire(server().port());
    wire.say(text);
    EXPECT_TRUE(begins(wire.hear_all(), "HTTP/1.1 400 Bad Request\r\n")) << text.substr(0, 40);
  }
}

TEST_F(FakeWire, ABodyThatIsCutShortIsNotStored) {
  {
    Wire wire(server().port());
    wire.say("PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  }
  EXPECT_TRUE(eventually([&] { return server().journal().count(Verb::put, 0) == 1; }));
  EXPECT_EQ(server().keys_in(), std::vector<std::string>{});
}

}  // namespace
}  // namespace ingot::fake_s3
