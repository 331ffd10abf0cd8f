// Picture servers that do not answer, seen from the clients of a whole server.

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/pictures/test_pictures.h"
#include "api/transport/test_server.h"

namespace pagoda {
namespace {

ServerConfig patient_config() {
  ServerConfig config = ServerFixture::default_config();
  config.pictures.allow_private_addresses = true;
  config.pictures.fetch_timeout = std::chrono::seconds(60);
  return config;
}

struct VisionServer {
  explicit VisionServer(const ServerConfig& config = patient_config())
      : vision(config), server(config) {
    server.start();
    server.attach(vision.parts());
  }
  ~VisionServer() { server.stop(); }

  VisionFixture vision;
  Server server;
};

std::string chat_about(const std::string& url) {
  const std::string body = str(
      R"({"max_tokens":1,"messages":[{"role":"user","content":[{"image_url":")", url, R"("}]}]})");
  return str("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
             "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::string text_request() {
  return post(R"({"prompt":"ab","max_tokens":1})");
}

TEST_CASE("text is answered while many requests wait for a picture server that says nothing") {
  PictureServer pictures;
  VisionServer f;
  std::vector<std::unique_ptr<Client>> stuck;
  // More than there are threads that fetch.
  for (int i = 0; i < 100; ++i) {
    stuck.push_back(std::make_unique<Client>(f.server.port()));
    REQUIRE(stuck.back()->send(chat_about(pictures.url("/never"))));
  }
  REQUIRE(ServerFixture::soon([&] { return pictures.num_waiting() >= 64; }));
  // A large text is prepared on a worker, a small one on the connection's thread.
  const std::string large = post(str(R"({"max_tokens":1,"prompt":")", std::string(300, 'a'),
                                     R"(","user":")", std::string(64 << 10, 'b'), "\"}"));
  for (const std::string& request : {text_request(), large}) {
    Client client(f.server.port());
    REQUIRE(client.send(request));
    REQUIRE(ServerFixture::soon([&] { return f.vision.engine.num_running() == 1; }));
    f.server.sink().on_events(f.vision.engine.step());
    CHECK(client.read_reply().starts_with("HTTP/1.1 200"));
  }
  // So is a picture that need not be fetched.
  Client client(f.server.port());
  REQUIRE(client.send(chat_about(data_url(kRed))));
  CHECK(ServerFixture::soon([&] { return f.vision.engine.num_running() == 1; }));
}

TEST_CASE("a client that goes away ends the fetching of its pictures") {
  PictureServer pictures;
  VisionServer f;
  Client client(f.server.port());
  REQUIRE(client.send(chat_about(pictures.url("/never"))));
  REQUIRE(ServerFixture::soon([&] { return pictures.num_waiting() == 1; }));
  client.close();
  CHECK(ServerFixture::soon([&] { return pictures.num_waiting() == 0; }));
  CHECK(f.vision.engine.submitted().empty());
}

TEST_CASE("a server that stops does not wait for picture servers") {
  PictureServer pictures;
  const auto began = std::chrono::steady_clock::now();
  {
    VisionServer f;
    Client client(f.server.port());
    REQUIRE(client.send(chat_about(pictures.url("/never"))));
    REQUIRE(ServerFixture::soon([&] { return pictures.num_waiting() == 1; }));
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("a picture that cannot be had ends its own request, and the connection goes on") {
  PictureServer pictures;
  pictures.answer("/gone.png", "404 Not Found", "");
  VisionServer f;
  Client client(f.server.port());
  REQUIRE(client.send(chat_about(pictures.url("/gone.png"))));
  const std::string reply = client.read_reply();
  CHECK(reply.starts_with("HTTP/1.1 400"));
  CHECK(reply.find("its server answered with status 404; check the URL") != std::string::npos);
  REQUIRE(client.send(text_request()));
  REQUIRE(ServerFixture::soon([&] { return f.vision.engine.num_running() == 1; }));
  f.server.sink().on_events(f.vision.engine.step());
  CHECK(client.read_reply().starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace pagoda
