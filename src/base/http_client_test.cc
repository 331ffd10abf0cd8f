#include "base/http_client.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "base/str.h"
#include "base/test_listener.h"

namespace pagoda {
namespace {

// Answers connections on a loopback port, one text each, in order, and keeps what was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers)
      : answers_(std::move(answers)), thread_([this] { answer(); }) {}
  ~ScriptedServer() {
    listener_.stop();
    thread_.join();
  }
  std::string url(const std::string& path = "/") const {
    return str("http://127.0.0.1:", port(), path);
  }
  int port() const { return listener_.port(); }
  // Call after the last answer was received.
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  void answer() {
    for (const std::string& text : answers_) {
      const int fd = listener_.accept();
      if (fd < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        request.append(buffer, static_cast<size_t>(n));
      }
      requests_.push_back(request);
      if (write(fd, text.data(), text.size()) < 0) return;
      close(fd);
    }
  }

  std::vector<std::string> answers_, requests_;
  LoopbackListener listener_;
  std::thread thread_;
};

std::string answer(const std::string& head, const std::string& body) {
  return str("HTTP/1.1 ", head, "\r\nContent-Length: ", body.size(),
             "\r\nConnection: close\r\n\r\n", body);
}

}  // namespace

TEST_CASE("a body comes with its status and headers") {
  const ScriptedServer server({answer("200 OK\r\nX-Thing: a b ", "hello")});
  const FetchResponse r = http_get({.url = server.url(), .headers = {}});
  CHECK(r.failure == FetchFailure::kNone);
  CHECK(r.status == 200);
  CHECK(r.body == "hello");
  CHECK(r.header("x-thing") == "a b");
}

TEST_CASE("loopback is refused to what a client names, before anything is sent") {
  const ScriptedServer server({answer("200 OK", "secret")});
  for (const std::string& url :
       {server.url(), str("http://localhost:", server.port(), "/"),
        str("http://[::ffff:127.0.0.1]:", server.port(), "/"),
        str("http://2130706433:", server.port(), "/"), str("http://0x7f.1:", server.port(), "/"),
        str("http://0:", server.port(), "/")}) {
    CAPTURE(url);
    const FetchResponse r =
        http_get({.url = url, .headers = {}, .addresses = AddressPolicy::kPublic});
    CHECK(r.failure == FetchFailure::kAddressRefused);
    CHECK(r.body == "");
  }
  CHECK(http_get({.url = server.url(), .headers = {}, .addresses = AddressPolicy::kPrivateToo})
            .body == "secret");
}

TEST_CASE("link-local and metadata addresses are refused even where private ones are allowed") {
  for (const char* url :
       {"http://169.254.169.254/latest", "http://100.100.100.200/", "http://[fe80::1]/",
        "http://[fd00:ec2::254]/", "http://2852039166/", "http://[::ffff:169.254.169.254]/"}) {
    CAPTURE(url);
    CHECK(http_get({.url = url, .headers = {}, .addresses = AddressPolicy::kPrivateToo}).failure ==
          FetchFailure::kAddressForbidden);
  }
}

TEST_CASE("a redirect to an address that is refused is not followed") {
  const ScriptedServer server({answer("302 Found\r\nLocation: http://169.254.169.254/latest", "")});
  const FetchResponse r =
      http_get({.url = server.url(), .headers = {}, .addresses = AddressPolicy::kPrivateToo});
  CHECK(r.failure == FetchFailure::kAddressForbidden);
  CHECK(r.reason == "its address is link-local or that of a cloud's metadata service");
}

TEST_CASE("a redirect does not take the token to another host") {
  const ScriptedServer other({answer("200 OK", "file")});
  const ScriptedServer hub(
      {answer(str("302 Found\r\nLocation: http://localhost:", other.port(), "/blob"), "")});
  const FetchResponse r =
      http_get({.url = hub.url(), .headers = {"Authorization: Bearer hf_secret"}});
  CHECK(r.body == "file");
  CHECK(hub.requests().at(0).find("hf_secret") != std::string::npos);
  CHECK(other.requests().at(0).find("hf_secret") == std::string::npos);
}

TEST_CASE("limits and broken answers are told apart") {
  const ScriptedServer server({answer("200 OK", std::string(1000, 'x')),
                               "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                               answer("302 Found\r\nLocation: /again", "")});
  CHECK(http_get({.url = server.url(), .headers = {}, .max_bytes = 999}).failure ==
        FetchFailure::kTooLarge);
  CHECK(http_get({.url = server.url(), .headers = {}}).failure == FetchFailure::kCut);
  CHECK(http_get({.url = server.url(), .headers = {}, .max_redirects = 0}).failure ==
        FetchFailure::kTooManyRedirects);
  CHECK(http_get({.url = "file:///etc/passwd", .headers = {}}).failure == FetchFailure::kBadUrl);
}

TEST_CASE("a receiver gets the pieces, and may stop") {
  const ScriptedServer server({answer("206 Partial Content", "abc"), answer("200 OK", "abc")});
  std::string got;
  const FetchReceiver keep = [&](int status, std::span<const std::byte> piece) {
    got.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return status == 206;
  };
  CHECK(http_get({.url = server.url(), .headers = {}, .range = {{0, 2}}}, keep).failure ==
        FetchFailure::kNone);
  CHECK(got == "abc");
  CHECK(server.requests().at(0).find("Range: bytes=0-2") != std::string::npos);
  CHECK(http_get({.url = server.url(), .headers = {}}, keep).failure == FetchFailure::kStopped);
}

TEST_CASE("headers can turn a body away before any of it arrives") {
  const ScriptedServer server({answer("206 Partial Content\r\nContent-Range: bytes 5-7/9", "abc")});
  std::string seen, got;
  const FetchResponse r = http_get({.url = server.url(),
                                    .headers = {},
                                    .range = {{0, 2}},
                                    .is_wanted =
                                        [&](const FetchResponse& head) {
                                          seen =
                                              str(head.status, " ", *head.header("content-range"));
                                          return false;
                                        }},
                                   [&](int, std::span<const std::byte>) {
                                     got += "piece";
                                     return true;
                                   });
  CHECK(r.failure == FetchFailure::kStopped);
  CHECK(seen == "206 bytes 5-7/9");
  CHECK(got == "");
}

TEST_CASE("a cancelled request ends, though the server says nothing more") {
  const ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"});
  const FetchResponse r =
      http_get({.url = server.url(), .headers = {}, .is_cancelled = [] { return true; }});
  CHECK(r.failure == FetchFailure::kStopped);
}

}  // namespace pagoda
