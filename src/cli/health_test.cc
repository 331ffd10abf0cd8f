#include "cli/health.h"

#include <doctest/doctest.h>

#include <fstream>

#include "base/error.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::string shown(const Words& words) {
  const auto command = serve_command_of(words);
  if (!command) return "none";
  std::string text = command->entry == EntryPoint::kServe ? "serve" : "api";
  for (const std::string& argument : command->arguments) text += " " + argument;
  return text;
}

TEST_CASE("a server is known by its words, whatever starts it") {
  CHECK(shown({"pagoda", "serve", "/m", "--port", "1"}) == "serve /m --port 1");
  CHECK(shown({"/sbin/docker-init", "--", "vllm", "serve", "/m"}) == "serve /m");
  CHECK(shown({"/usr/bin/qemu-aarch64", "/usr/local/bin/pagoda", "serve"}) == "serve");
  const Words loader = {"/opt/lib/ld-linux.so", "--argv0",  "/opt/bin/pagoda",
                        "--library-path",       "/opt/lib", "/opt/lib/pagoda"};
  const auto behind_loader = [&](const Words& arguments) {
    Words words = loader;
    words.insert(words.end(), arguments.begin(), arguments.end());
    return shown(words);
  };
  CHECK(behind_loader({"serve", "/m"}) == "serve /m");
  CHECK(behind_loader({"--model", "/m"}) == "api --model /m");
  CHECK(shown({"pagoda", "--model", "/m"}) == "api --model /m");
  CHECK(shown({"pagoda", "health", "--port", "1"}) == "none");
  CHECK(shown({"vllm"}) == "none");
  CHECK(shown({"bash", "-c", "pagoda serve /m"}) == "none");
}

// Processes as /proc shows them.
class Processes {
 public:
  Processes() : folder_(fs::temp_directory_path() / "pagoda_health_test") {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "self");
  }
  ~Processes() { fs::remove_all(folder_); }
  void start(const std::string& number, const Words& words) const {
    fs::create_directories(folder_ / number);
    std::ofstream file(folder_ / number / "cmdline");
    for (const std::string& word : words) file << word << '\0';
    fs::create_directory_symlink("/srv", folder_ / number / "cwd");
  }
  const fs::path& folder() const { return folder_; }

 private:
  const fs::path folder_;
};

std::string refusal_of(const Processes& processes, std::optional<int> process = {}) {
  try {
    find_server(processes.folder(), process);
  } catch (const Error& e) {
    return e.what();
  }
  return "found";
}

TEST_CASE("the only server is found, and where it was started") {
  const Processes processes;
  CHECK(refusal_of(processes) ==
        "no process of `pagoda serve` runs here; give its options, such as --port 8000");
  processes.start("1", {"/sbin/docker-init", "--", "vllm", "serve", "/m"});
  processes.start("7", {"vllm", "serve", "/m"});
  processes.start("9", {"bash"});
  const ServeCommand found = find_server(processes.folder(), {});
  CHECK(found.arguments == Words{"/m"});
  CHECK(found.folder == "/srv");
}

TEST_CASE("of several servers one has to be named") {
  const Processes processes;
  processes.start("7", {"vllm", "serve", "/m"});
  processes.start("8", {"vllm", "serve", "/n"});
  processes.start("9", {"bash"});
  CHECK(refusal_of(processes).starts_with("several servers run here; say which one by --process"));
  CHECK(find_server(processes.folder(), 8).arguments == Words{"/n"});
  CHECK(refusal_of(processes, 9) == "--process: 9 is no process of `pagoda serve`");
}

TEST_CASE("a root without /proc is told to name the server's options") {
  CHECK_THROWS_WITH_AS(find_server("/nowhere/proc", std::nullopt),
                       "/nowhere/proc: cannot be read: No such file or directory; give the options "
                       "of the server, such as --port 8000",
                       Error);
}

TEST_CASE("options of its own are taken out, the server's stay") {
  const HealthOptions options = read_health_options(
      {"--port", "1", "--client_cert=/c.pem", "--client-key", "/k.pem", "--process", "12"});
  CHECK(options.serve == Words{"--port", "1"});
  CHECK(options.client_certificate == "/c.pem");
  CHECK(options.client_key == "/k.pem");
  CHECK(options.process == 12);
  CHECK_THROWS_WITH_AS(read_health_options({"--process", "x"}),
                       "--process: \"x\" is not the number of a process", Error);
  CHECK_THROWS_WITH_AS(read_health_options({"--client-cert"}),
                       "--client-cert: expected one argument", Error);
}

TEST_CASE("all interfaces are asked as localhost, others as they are") {
  ServerConfig config;
  CHECK(local_url(config, 8000) == "http://localhost:8000");
  config.listen.host = "0.0.0.0";
  CHECK(local_url(config, 1) == "http://localhost:1");
  config.listen.host = "::1";
  config.tls.certificate_file = "/c.pem";
  CHECK(local_url(config, 8443) == "https://[::1]:8443");
}

}  // namespace
}  // namespace pagoda
