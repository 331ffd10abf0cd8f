// TLS through the real server, with certificates made here.

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "api/transport/test_certificates.h"
#include "api/transport/test_server.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

using namespace std::chrono_literals;

// A folder with the files of a server's identity, and of who signed it.
class TlsFiles {
 public:
  TlsFiles()
      : ca(make_identity("ca", nullptr, Signs::kOthers)),
        other_ca(make_identity("other", nullptr, Signs::kOthers)) {
    std::string name = (std::filesystem::temp_directory_path() / "tls_test.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    write("ca.pem", ca.certificate_text());
    show(make_identity("first", &ca));
  }
  ~TlsFiles() { std::filesystem::remove_all(folder_); }
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  std::string path(const char* name) const { return (folder_ / name).string(); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  void show(const TestIdentity& identity) const {
    write("server.pem", identity.certificate_text());
    write("server.key", identity.key_text());
  }

  ServerConfig config(ClientCertificate client = ClientCertificate::kIgnored) const {
    ServerConfig config = ServerFixture::default_config();
    config.tls = {.certificate_file = path("server.pem"),
                  .key_file = path("server.key"),
                  .ca_file = client == ClientCertificate::kIgnored ? "" : path("ca.pem"),
                  .client = client};
    return config;
  }
  std::string reason_of_refusal(const TlsConfig& tls) const {
    ServerConfig config = ServerFixture::default_config();
    config.tls = tls;
    try {
      const Server server(config);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kConfig);
      std::string text = e.what();
      for (size_t at; (at = text.find(folder_.string() + "/")) != std::string::npos;) {
        text.erase(at, folder_.string().size() + 1);
      }
      return text;
    }
    return "accepted";
  }

  const TestIdentity ca, other_ca;

 private:
  std::filesystem::path folder_;
};

constexpr std::string_view kGet = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";

bool answers(Client& client) {
  return client.send(kGet) && client.read_reply().ends_with(R"({"version":"0.9.2"})");
}

}  // namespace

TEST_CASE("a client that trusts the issuer gets answers, one after another") {
  const TlsFiles files;
  ServerFixture f(files.config());
  TlsClient client(f.server.port(), files.ca);
  REQUIRE(client.is_connected());
  CHECK(client.shown_name() == "first");
  CHECK(answers(client));
  CHECK(client.send(str(kGet, kGet)));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(client.read_reply().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("key and certificates may be in one file, with those between it and the root") {
  const TlsFiles files;
  const TestIdentity between = make_identity("between", &files.ca, Signs::kOthers);
  const TestIdentity server = make_identity("chained", &between);
  files.write("all.pem",
              str(server.certificate_text(), between.certificate_text(), server.key_text()));
  ServerConfig config = files.config();
  config.tls = {.certificate_file = files.path("all.pem")};
  ServerFixture f(config);
  TlsClient client(f.server.port(), files.ca);
  CHECK(client.is_connected());
  CHECK(answers(client));
}

TEST_CASE("a client that trusts another issuer breaks off, and the server goes on") {
  const TlsFiles files;
  ServerFixture f(files.config());
  const TlsClient client(f.server.port(), files.other_ca);
  CHECK_FALSE(client.is_connected());
  CHECK(TlsClient::reason() == "certificate verify failed");
  TlsClient other(f.server.port(), files.ca);
  CHECK(answers(other));
}

TEST_CASE("a large body and a stream go through TLS, and the connection goes on") {
  const TlsFiles files;
  ServerFixture f(files.config());
  f.engine.answer_with(" not one");
  TlsClient client(f.server.port(), files.ca);
  std::string prompt;
  for (int i = 0; i < 20000; ++i) prompt += "word ";
  CHECK(client.send(post(str(R"({"stream":true,"max_tokens":2,"prompt":")", prompt, "\"}"))));
  REQUIRE(f.runs(1));
  f.step();
  CHECK(client.read_until("\n\n").find("\" not\"") != std::string::npos);
  f.step();
  CHECK(client.read_until("0\r\n\r\n").find("data: [DONE]\n\n") != std::string::npos);
  CHECK(answers(client));
}

TEST_CASE("a TLS client that vanishes ends its request, streaming or not") {
  const TlsFiles files;
  ServerFixture f(files.config());
  f.engine.answer_with(" not one large machine but many small");
  for (const std::string& request : {stream_request(), whole_request()}) {
    TlsClient client(f.server.port(), files.ca);
    CHECK(client.send(request));
    REQUIRE(f.runs(1));
    f.step();
    client.close();
    CHECK(f.runs(0));
  }
  CHECK(f.engine.cancelled().size() == 2);
}

TEST_CASE("the end of a TLS connection is told, so that nothing seems cut off") {
  const TlsFiles files;
  ServerConfig config = files.config();
  config.limits.max_body_bytes = 100;
  ServerFixture f(config);
  for (const char* request :
       {"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /version HTTP/1.0\r\n\r\n",
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"}) {
    TlsClient client(f.server.port(), files.ca);
    CHECK(client.send(request));
    CHECK(client.read_to_end().find("connection: close") != std::string::npos);
    CHECK(client.was_told_the_end());
  }
}

TEST_CASE("a body that is too large is answered 413 through TLS while it still comes") {
  const TlsFiles files;
  ServerConfig config = files.config();
  config.limits.max_body_bytes = 100;
  ServerFixture f(config);
  TlsClient client(f.server.port(), files.ca);
  CHECK(client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
  client.send(std::string(50000, 'x'));
  CHECK(client.read_reply().starts_with("HTTP/1.1 413 "));
}

TEST_CASE("a client that speaks plain HTTP on the TLS port is told so") {
  const TlsFiles files;
  ServerFixture f(files.config());
  Client client(f.server.port());
  CHECK(client.send(kGet));
  const std::string answer = client.read_to_end();
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(answer.ends_with("This port speaks HTTPS: ask for https://"));
}

TEST_CASE("what is no TLS handshake after all ends the connection") {
  const TlsFiles files;
  ServerFixture f(files.config());
  Client client(f.server.port());
  CHECK(client.send(std::string("\x16\x03\x01\x00\x05nonsense of some length", 28)));
  const std::string answer = client.read_to_end();
  CHECK(answer.find("HTTP") == std::string::npos);
  TlsClient other(f.server.port(), files.ca);
  CHECK(answers(other));
}

TEST_CASE("who does not finish the handshake in time is let go") {
  const TlsFiles files;
  ServerConfig config = files.config();
  config.limits.tls_handshake_timeout = 0s;
  ServerFixture f(config);
  Client silent(f.server.port());
  CHECK(silent.read_to_end().empty());
}

TEST_CASE("a connection without a request ends after its time, and is told so") {
  const TlsFiles files;
  ServerConfig config = files.config();
  config.limits.keep_alive = 0s;
  ServerFixture f(config);
  TlsClient client(f.server.port(), files.ca);
  CHECK(client.read_to_end().empty());
  CHECK(client.was_told_the_end());
}

TEST_CASE("a client certificate can be demanded") {
  const TlsFiles files;
  ServerFixture f(files.config(ClientCertificate::kRequired));
  const TestIdentity known = make_identity("known", &files.ca);
  TlsClient client(f.server.port(), files.ca, &known);
  CHECK(answers(client));

  TlsClient without(f.server.port(), files.ca);
  CHECK_FALSE(answers(without));
  CHECK(TlsClient::reason() == "tlsv13 alert certificate required");

  const TestIdentity unknown = make_identity("unknown", &files.other_ca);
  TlsClient stranger(f.server.port(), files.ca, &unknown);
  CHECK_FALSE(answers(stranger));
  CHECK(TlsClient::reason() == "tlsv1 alert unknown ca");
}

TEST_CASE("an optional client certificate may be missing, but not wrong") {
  const TlsFiles files;
  ServerFixture f(files.config(ClientCertificate::kOptional));
  TlsClient without(f.server.port(), files.ca);
  CHECK(answers(without));
  const TestIdentity unknown = make_identity("unknown", &files.other_ca);
  TlsClient stranger(f.server.port(), files.ca, &unknown);
  CHECK_FALSE(answers(stranger));
  CHECK(TlsClient::reason() == "tlsv1 alert unknown ca");
}

TEST_CASE("a new pair serves new connections, and the old ones go on") {
  const TlsFiles files;
  ServerFixture f(files.config());
  TlsClient old(f.server.port(), files.ca);
  CHECK(answers(old));
  files.show(make_identity("second", &files.ca));
  f.server.reload_tls();
  TlsClient fresh(f.server.port(), files.ca);
  CHECK(fresh.shown_name() == "second");
  CHECK(answers(fresh));
  CHECK(answers(old));
}

TEST_CASE("a bad new pair is refused, and the old one kept") {
  const TlsFiles files;
  ServerFixture f(files.config());
  files.write("server.key", make_identity("second", &files.ca).key_text());
  CHECK_THROWS_WITH_AS(
      f.server.reload_tls(),
      str("--ssl-keyfile: \"", files.path("server.key"), "\" does not fit the certificate in \"",
          files.path("server.pem"), "\"; give the key that the certificate was made for")
          .c_str(),
      Error);
  TlsClient client(f.server.port(), files.ca);
  CHECK(client.shown_name() == "first");
  CHECK(answers(client));
}

TEST_CASE("draining lets a TLS client finish and tells an idle one the end") {
  const TlsFiles files;
  ServerFixture f(files.config());
  f.engine.answer_with(" not one");
  TlsClient running(f.server.port(), files.ca), idle(f.server.port(), files.ca);
  CHECK(answers(idle));
  CHECK(running.send(whole_request()));
  REQUIRE(f.runs(1));
  std::thread drain([&] { f.server.drain(20s); });
  while (f.engine.num_running() > 0) f.step();
  CHECK(running.read_reply().starts_with("HTTP/1.1 200 OK"));
  drain.join();
  CHECK(idle.read_to_end().empty());
  CHECK(idle.was_told_the_end());
}

TEST_CASE("a server that stops tells idle TLS clients the end, and waits for none") {
  const TlsFiles files;
  ServerFixture f(files.config());
  TlsClient first(f.server.port(), files.ca), second(f.server.port(), files.ca);
  CHECK(answers(first));
  CHECK(answers(second));
  const auto began = std::chrono::steady_clock::now();
  CHECK(f.server.drain(1s));
  f.server.stop();
  CHECK(std::chrono::steady_clock::now() - began < 1s);
  for (TlsClient* client : {&first, &second}) {
    CHECK(client->read_to_end().empty());
    CHECK(client->was_told_the_end());
  }
}

TEST_CASE("what is wrong with a file is said with its option and the remedy") {
  const TlsFiles files;
  const TestIdentity other = make_identity("other", &files.ca);
  files.write("other.key", other.key_text());
  files.write("secret.key", other.key_text("1234"));
  files.write("text", "no PEM\n");
  const std::string good = files.path("server.pem"), key = files.path("server.key");
  const auto refusal = [&](const TlsConfig& tls) { return files.reason_of_refusal(tls); };
  CHECK(refusal({.certificate_file = files.path("missing"), .key_file = key}) ==
        "--ssl-certfile: \"missing\" cannot be read: No such file or directory; give a file in PEM "
        "form that the server's user may read");
  CHECK(refusal({.certificate_file = files.path("text"), .key_file = key}) ==
        "--ssl-certfile: \"text\" holds no certificate in PEM form that can be used (no start "
        "line); give the server's certificate, followed by those between it and its root");
  CHECK(refusal({.certificate_file = good, .key_file = files.path("missing")}) ==
        "--ssl-keyfile: \"missing\" cannot be read: No such file or directory; give a file in PEM "
        "form that the server's user may read");
  CHECK(refusal({.certificate_file = good}) ==
        "--ssl-keyfile: \"server.pem\" holds no private key in PEM form (unsupported); give the "
        "file that begins with -----BEGIN PRIVATE KEY-----");
  CHECK(refusal({.certificate_file = good, .key_file = files.path("other.key")}) ==
        "--ssl-keyfile: \"other.key\" does not fit the certificate in \"server.pem\"; give the key "
        "that the certificate was made for");
  CHECK(refusal({.certificate_file = good, .key_file = files.path("secret.key")}) ==
        "--ssl-keyfile: \"secret.key\" holds a key that is encrypted with a password; write it "
        "without one: openssl pkey -in ENCRYPTED -out PLAIN");
  CHECK(refusal({.certificate_file = good,
                 .key_file = key,
                 .ca_file = files.path("text"),
                 .client = ClientCertificate::kRequired}) ==
        "--ssl-ca-certs: \"text\" holds no certificates in PEM form (no start line); give those "
        "that clients' certificates are signed with");
}

}  // namespace pagoda
