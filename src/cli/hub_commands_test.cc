#include "cli/hub_commands.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/str.h"
#include "base/test_listener.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// A process that downloads from a hub that never answers, and what it writes to standard error.
class StuckDownload {
 public:
  StuckDownload() {
    std::string name = (fs::temp_directory_path() / "pagoda-hub-XXXXXX").string();
    home_ = mkdtemp(name.data());
    MUST(pipe(pipe_) == 0);
    child_ = fork();
    if (child_ == 0) download_and_exit();
    close(pipe_[1]);
  }
  ~StuckDownload() {
    close(pipe_[0]);
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }
  StuckDownload(const StuckDownload&) = delete;
  StuckDownload& operator=(const StuckDownload&) = delete;

  // Once it asks the hub; answers how it ended, as waitpid() says.
  int interrupt(int signal) {
    const int connection = hub_.accept();
    kill(child_, signal);
    int status = 0;
    waitpid(child_, &status, 0);
    close(connection);
    return status;
  }
  std::string last_words() const {
    std::string text(1000, '\0');
    const ssize_t bytes = read(pipe_[0], text.data(), text.size());
    return bytes > 0 ? text.substr(0, static_cast<size_t>(bytes)) : "";
  }

 private:
  [[noreturn]] void download_and_exit() const {
    dup2(pipe_[1], STDERR_FILENO);
    Settings settings;
    settings.model.model = "o/m";
    settings.hub.home = home_.string();
    settings.hub.hf_endpoint = str("http://127.0.0.1:", hub_.port());
    settings.hub.network.environment_proxy = false;
    try {
      download(settings);
    } catch (const Error&) {
      _exit(1);
    }
    _exit(0);
  }

  fs::path home_;
  LoopbackListener hub_;
  int pipe_[2] = {-1, -1};
  pid_t child_ = -1;
};

}  // namespace

TEST_CASE("an interrupted download says that what came is kept, and ends by the signal") {
  for (const int signal : {SIGINT, SIGTERM}) {
    StuckDownload download;
    const int status = download.interrupt(signal);
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    CHECK(download.last_words() == "stopped; what has come is kept: start again to go on\n");
  }
}

TEST_CASE("a cached model is a line, with what keeps it from being served") {
  const std::vector<CachedModel> models = {{.name = "Qwen/Qwen3-8B",
                                            .revision = "0123456789abcdef0123456789abcdef01234567",
                                            .folder = "/cache/a",
                                            .bytes = 3 << 20,
                                            .missing = ""},
                                           {.name = "a/b",
                                            .revision = "master",
                                            .folder = "/cache/b",
                                            .bytes = 1 << 10,
                                            .missing = "config.json"}};
  CHECK(cached_models_text(models) ==
        "Qwen/Qwen3-8B  0123456789ab    3.0 MiB  /cache/a\n"
        "a/b            master          1.0 KiB  /cache/b  (misses config.json)\n");
}

TEST_CASE("an empty cache says how to fill it") {
  CHECK(cached_models_text({}) == "no model is cached; `pagoda download MODEL` gets one\n");
}

}  // namespace pagoda
