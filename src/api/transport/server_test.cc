// The server over real sockets on the loopback interface, in front of a scripted engine.

#include "api/transport/server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/transport/access_log.h"
#include "api/transport/test_server.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {

using namespace std::chrono_literals;

TEST_CASE("a connection serves one request after another, and several that come at once") {
  ServerFixture f;
  Client client(f.server.port());
  const std::string get = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
  CHECK(client.send(get));
  CHECK(client.read_reply().ends_with(R"({"version":"0.9.2"})"));
  CHECK(client.send(get + get));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(client.read_reply().ends_with(R"({"version":"0.9.2"})"));
}

TEST_CASE("Connection: close and HTTP/1.0 end the connection after the answer") {
  ServerFixture f;
  for (const char* request : {"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                              "GET /version HTTP/1.0\r\n\r\n"}) {
    Client client(f.server.port());
    CHECK(client.send(request));
    CHECK(client.read_to_end().find("connection: close") != std::string::npos);
  }
}

TEST_CASE("every token of a stream is sent when it is there") {
  ServerFixture f;
  f.engine.answer_with(" not one");
  Client client(f.server.port());
  CHECK(client.send(stream_request()));
  CHECK(client.read_until("\r\n\r\n").find("content-type: text/event-stream") != std::string::npos);
  REQUIRE(f.runs(1));
  f.step();
  CHECK(client.read_until("\n\n").find("\" not\"") != std::string::npos);
  f.step();
  CHECK(client.read_until("\n\n").find("\" one\"") != std::string::npos);
  f.step();
  CHECK(client.read_until("0\r\n\r\n").find("data: [DONE]\n\n") != std::string::npos);
  CHECK(client.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a client that vanishes ends its request, streaming or not") {
  ServerFixture f;
  f.engine.answer_with(" not one large machine but many small");
  for (const std::string& request : {stream_request(), whole_request()}) {
    Client client(f.server.port());
    CHECK(client.send(request));
    REQUIRE(f.runs(1));
    f.step();
    client.close();
    CHECK(f.runs(0));
  }
  REQUIRE(f.engine.cancelled().size() == 2);
  CHECK(f.engine.cancelled()[1].second == FinishReason::kAbort);
}

TEST_CASE("a client that does not read is given up, and holds up nobody") {
  ServerConfig config = ServerFixture::default_config();
  config.limits.max_unsent_bytes = 100 << 10;
  ServerFixture f(config);
  f.engine.answer_with_tokens(TokenIds(100000, TokenId(66)));
  Client slow(f.server.port());
  CHECK(slow.send(stream_request()));
  REQUIRE(f.runs(1));
  Client other(f.server.port());
  bool is_answered = true;
  // The kernel's buffers take some megabytes before the server notices anything.
  while (is_answered && f.engine.num_running() > 0) {
    f.steps(100);
    is_answered = other.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\n") &&
                  other.read_reply().starts_with("HTTP/1.1 200 OK");
  }
  CHECK(is_answered);
  CHECK(f.engine.cancelled().size() == 1);
}

TEST_CASE("a body that is too large is answered 413 before it is read") {
  ServerConfig config = ServerFixture::default_config();
  config.limits.max_body_bytes = 100;
  ServerFixture f(config);
  for (const char* rest : {"Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
                           "Transfer-Encoding: chunked\r\n\r\n1000\r\n"}) {
    Client client(f.server.port());
    CHECK(client.send(str("POST /v1/completions HTTP/1.1\r\nHost: x\r\n", rest)));
    client.send(std::string(4096, 'x'));
    CHECK(client.read_reply().starts_with("HTTP/1.1 413 "));
  }
}

TEST_CASE("chunked bodies and Expect: 100-continue work") {
  ServerFixture f;
  Client client(f.server.port());
  CHECK(
      client.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: "
                  "100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"));
  CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(client.send("8\r\n{\"prompt\r\n5\r\n\":\"\"}\r\n0\r\n\r\n"));
  CHECK(client.read_reply().ends_with(
      R"({"count":0,"max_model_len":1048576,"tokens":[],"token_strs":null})"));
}

TEST_CASE("rubbish on the port is refused, and the server goes on") {
  ServerFixture f;
  for (const std::string& rubbish :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), std::string(3000, '\xFF'),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n")}) {
    Client client(f.server.port());
    CHECK(client.send(rubbish + "\r\n\r\n"));
    CAPTURE(rubbish);
    CHECK(client.read_to_end().starts_with("HTTP/1.1 400 "));
  }
  Client client(f.server.port());
  CHECK(client.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("headers without end are refused") {
  ServerFixture f;
  Client client(f.server.port());
  client.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 100 && client.send(str("X-", i, ": ", std::string(1000, 'a'), "\r\n")); ++i) {
  }
  CHECK(client.read_to_end().starts_with("HTTP/1.1 431 "));
}

TEST_CASE("who sends nothing, or drop by drop, is let go in time") {
  ServerConfig config = ServerFixture::default_config();
  config.limits.keep_alive = 0s;
  config.limits.header_timeout = 0s;
  ServerFixture f(config);
  Client silent(f.server.port());
  CHECK(silent.read_to_end().empty());
}

TEST_CASE("headers and bodies that do not arrive in time end the connection") {
  ServerConfig config = ServerFixture::default_config();
  config.limits.body_timeout = 0s;
  ServerFixture f(config);
  Client client(f.server.port());
  CHECK(client.send("POST /v1/completions HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"));
  CHECK(client.read_to_end().empty());
  config.limits.header_timeout = 0s;
  ServerFixture g(config);
  Client slow(g.server.port());
  CHECK(slow.send("POST /v1/comp"));
  CHECK(slow.read_to_end().empty());
}

TEST_CASE("all bodies together have a limit, and what a request held is given back") {
  ServerConfig config = ServerFixture::default_config();
  config.limits.max_held_body_bytes = 1000;
  ServerFixture f(config);
  for (int i = 0; i < 3; ++i) {
    Client large(f.server.port());
    CHECK(large.send(post(std::string(2000, ' '))));
    CHECK(large.read_reply().starts_with("HTTP/1.1 503 "));
    Client small(f.server.port());
    CHECK(small.send(post(std::string(900, ' '))));
    CHECK(small.read_reply().starts_with("HTTP/1.1 400 "));
  }
}

TEST_CASE("HEAD gets no body, and its connection goes on") {
  ServerFixture f;
  Client client(f.server.port());
  CHECK(client.send("HEAD /v1/models HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\n\r\n"));
  CHECK(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 405 "));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("large requests are prepared beside the I/O thread and answered all the same") {
  ServerFixture f;
  f.engine.answer_with("x");
  std::string prompt;
  for (int i = 0; i < 20000; ++i) prompt += "word ";
  Client client(f.server.port());
  CHECK(client.send(post(str(R"({"max_tokens":1,"prompt":")", prompt, "\"}"))));
  REQUIRE(f.runs(1));
  f.step();
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a template without an end is answered 400, and its connection goes on") {
  ServerFixture f;
  Client client(f.server.port());
  const std::string body =
      R"({"messages":[{"role":"user","content":"x"}],"chat_template":)"
      R"("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"})";
  CHECK(client.send(str("POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
                        "Content-Length: ", body.size(), "\r\n\r\n", body)));
  CHECK(client.read_reply().starts_with("HTTP/1.1 400 "));
  CHECK(client.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("a large reply is made beside the I/O thread and sent whole") {
  ServerFixture f;
  f.engine.answer_with("x");
  std::string prompt;
  for (int i = 0; i < 500; ++i) prompt += " one";
  Client client(f.server.port());
  CHECK(client.send(
      post(str(R"({"max_tokens":1,"n":2,"prompt_logprobs":9,"prompt":")", prompt, "\"}"))));
  REQUIRE(f.runs(2));
  f.step();
  const std::string reply = client.read_reply();
  CHECK(reply.starts_with("HTTP/1.1 200 OK"));
  CHECK(reply.ends_with("}"));
  CHECK(reply.find("\"prompt_logprobs\":[null,{") != std::string::npos);
}

TEST_CASE("many streams over several threads all get their own text") {
  ServerConfig config = ServerFixture::default_config();
  config.listen.io_threads = 3;
  ServerFixture f(config);
  f.engine.answer_with(" not one large machine");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<Client>(f.server.port()));
    CHECK(clients.back()->send(stream_request()));
  }
  REQUIRE(f.runs(64));
  for (int i = 0; i < 64; i += 3) clients[static_cast<size_t>(i)]->close();
  CHECK(f.runs(42));
  while (f.engine.num_running() > 0) f.step();
  for (int i = 0; i < 64; ++i) {
    if (i % 3 == 0) continue;
    const std::string stream = clients[static_cast<size_t>(i)]->read_until("0\r\n\r\n");
    CHECK(stream.find("machine") != std::string::npos);
    CHECK(stream.find("[DONE]") != std::string::npos);
  }
}

TEST_CASE("while the model loads, requests get 503; a port that is taken is named") {
  ServerConfig config = ServerFixture::default_config();
  Server server(config);
  server.start();
  Client client(server.port());
  CHECK(client.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(client.read_reply().starts_with("HTTP/1.1 503 "));
  config.listen.port = server.port();
  CHECK_THROWS_WITH_AS(
      Server{config},
      str("cannot listen on 127.0.0.1, port ", server.port(),
          ": another process listens there; end it (`ss -ltnp` shows which one it is) or choose "
          "another port with --port")
          .c_str(),
      Error);
}

TEST_CASE("draining finishes what runs and refuses what comes; stopping cuts off the rest") {
  ServerFixture f;
  f.engine.answer_with(" not one");
  Client running(f.server.port()), stuck(f.server.port());
  CHECK(running.send(whole_request()));
  REQUIRE(f.runs(1));
  std::atomic<bool> drained{false};
  std::thread drain([&] { drained = f.server.drain(20s); });
  while (f.engine.num_running() > 0) f.step();
  CHECK(running.read_reply().starts_with("HTTP/1.1 200 OK"));
  drain.join();
  CHECK(drained);
  CHECK(stuck.read_to_end().empty());
}

TEST_CASE("a drain that takes too long says so, and stop() ends the request") {
  ServerFixture f;
  Client client(f.server.port());
  f.engine.answer_with(" not one");
  CHECK(client.send(stream_request()));
  REQUIRE(f.runs(1));
  CHECK_FALSE(f.server.drain(0s));
  f.server.stop();
  CHECK(f.engine.num_running() == 0);
}

TEST_CASE("an engine that dies ends the streams with its reason") {
  ServerFixture f;
  f.engine.answer_with(" not one");
  Client client(f.server.port());
  CHECK(client.send(stream_request()));
  REQUIRE(f.runs(1));
  f.server.sink().on_engine_death("out of memory");
  CHECK(client.read_until("0\r\n\r\n").find("\"message\":\"out of memory\"") != std::string::npos);
}

TEST_CASE("a request that an engine misses because it dies just then is answered all the same") {
  ServerFixture f;
  f.engine.die_at_next_submit();
  Client client(f.server.port());
  CHECK(client.send(stream_request()));
  CHECK(client.read_until("0\r\n\r\n").find("the engine has failed; see the server's log") !=
        std::string::npos);
}

TEST_CASE("an access line is printable ASCII, and one line, whatever a client asks for") {
  HttpRequest request;
  request.method = "GET";
  request.target = "/v1/\xff \"\n\x1b[31m\\\xE2\x80\xAE%41";  // with U+202E: right to left
  request.peer = "127.0.0.1:1234";
  const std::string shown = "/v1/%FF%20%22%0A%1B[31m\\%E2%80%AE%41";
  CHECK(access_line(request, 404) ==
        str("INFO:     127.0.0.1:1234 - \"GET ", shown, " HTTP/1.1\" 404 Not Found\n"));
  const std::string in_json = "/v1/%FF%20%22%0A%1B[31m\\\\%E2%80%AE%41";
  CHECK(access_json(request, 404, "T") ==
        str("{\"time\":\"T\",\"level\":\"INFO\",\"source\":\"access\",\"message\":\"GET ", in_json,
            " 404\",\"client\":\"127.0.0.1:1234\",\"method\":\"GET\",\"path\":\"", in_json,
            "\",\"status\":404}\n"));
}

TEST_CASE("an address that cannot be listened on is told with the option that changes it") {
  const auto refusal_of = [](const std::string& host) -> std::string {
    ServerConfig config;
    config.listen = {.host = host, .port = 0};
    try {
      Server server(config);
      server.start();
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kConfig);
      return e.what();
    }
    return "no refusal";
  };
  CHECK(
      refusal_of("192.0.2.1") ==
      "cannot listen on 192.0.2.1, port 0: this machine does not have that address; choose one of "
      "its own with --host (`ip address` lists them), or leave --host out for all");
  CHECK(refusal_of("no:name").find("give --host an address of this machine") != std::string::npos);
}

}  // namespace pagoda
