// A server on the loopback interface in front of a scripted engine, and a client that speaks bytes.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "api/routes/test_service.h"
#include "api/transport/server.h"
#include "base/str.h"

namespace pagoda {

// A client that speaks bytes.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval limit = {.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  virtual ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = put(bytes);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // Reads until `text` was received; what follows it is kept for the next call.
  std::string read_until(std::string_view text) {
    for (;;) {
      const size_t at = received_.find(text);
      if (at != std::string::npos) {
        std::string out = received_.substr(0, at + text.size());
        received_.erase(0, at + text.size());
        return out;
      }
      if (!read_more()) return std::exchange(received_, {});
    }
  }
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(received_, {});
  }
  // One reply with a content-length.
  std::string read_reply() {
    std::string head = read_until("\r\n\r\n");
    const size_t at = head.find("content-length: ");
    if (at == std::string::npos) return head;
    const size_t size = std::stoul(head.substr(at + 16));
    while (received_.size() < size && read_more()) {
    }
    head += received_.substr(0, size);
    received_.erase(0, size);
    return head;
  }

 protected:
  int socket() const { return socket_; }

 private:
  // As send() and recv().
  virtual ssize_t put(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t take(std::span<char> bytes) {
    return ::recv(socket_, bytes.data(), bytes.size(), 0);
  }

  bool read_more() {
    char bytes[65536];
    const ssize_t got = take(bytes);
    if (got <= 0) return false;
    received_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int socket_;
  std::string received_;
};

struct ServerFixture {
  static ServerConfig default_config() {
    ServerConfig config = ServiceFixture::default_config();
    config.listen.host = "127.0.0.1";
    config.listen.port = 0;
    return config;
  }

  explicit ServerFixture(const ServerConfig& config = default_config())
      : tokenizer(Tokenizer::load(demo_folder())),
        chat_template(ChatTemplate::find(demo_folder())),
        engine(tokenizer, 1 << 20),
        server(config) {
    server.start();
    server.attach({.engine = &engine,
                   .tokenizer = &tokenizer,
                   .chat_template = &*chat_template,
                   .special_tokens = {},
                   .sampling_defaults = {},
                   .model = "demo-model",
                   .server_info = {},
                   .cache_config = {}});
  }
  ~ServerFixture() { server.stop(); }

  void step() { server.sink().on_events(engine.step()); }
  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }
  // What the other threads are about to do happens soon.
  template <class Condition>
  static bool soon(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return condition();
  }
  bool runs(size_t count) {
    return soon([&] { return engine.num_running() == count; });
  }

  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  ScriptedEngine engine;
  Server server;
};

inline std::string post(const std::string& body, const std::string& headers = {}) {
  return str("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
             headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

inline std::string stream_request() {
  return post(R"({"prompt":"ab","stream":true,"max_tokens":100000})");
}
inline std::string whole_request() {
  return post(R"({"prompt":"ab","max_tokens":100000})");
}

}  // namespace pagoda
