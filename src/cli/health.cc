#include "cli/health.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/http_client.h"
#include "base/str.h"
#include "cli/environment_table.h"
#include "cli/settings_of.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// An idle server answers within a millisecond; Docker waits five seconds in all.
constexpr int64_t kTimeoutMs = 4000;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kConfig, message);
}

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

bool is_program(const std::string& word) {
  const std::string name = fs::path(word).filename().string();
  return name == "pagoda" || name == "vllm";
}

std::vector<std::string> words_of(const std::string& command_line) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < command_line.size();) {
    const size_t end = std::min(command_line.find('\0', begin), command_line.size());
    words.push_back(command_line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// None where the process has ended or is not a server.
std::optional<ServeCommand> command_of_process(const fs::path& process) {
  // Files of /proc have no size. One that has ended cannot be read, and has no words.
  std::ifstream file(process / "cmdline", std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  std::optional<ServeCommand> command = serve_command_of(words_of(line));
  std::error_code unknown;
  if (command) command->folder = fs::read_symlink(process / "cwd", unknown);
  return command;
}

Settings settings_of_command(const ServeCommand& command) {
  // --config may be a relative path.
  std::error_code ignored;
  if (!command.folder.empty()) fs::current_path(command.folder, ignored);
  return settings_of(parse_options(command.arguments, command.entry), read_environment()).settings;
}

ServeCommand command_to_ask(const HealthOptions& options) {
  if (options.serve.empty()) return find_server("/proc", options.process);
  return {.arguments = options.serve, .entry = EntryPoint::kServe, .folder = {}};
}

// Empty: it is healthy.
std::string fault_of(const FetchResponse& answer, const ServerConfig& config) {
  if (answer.failure == FetchFailure::kNone) {
    if (answer.status == 200) return "";
    return answer.status == 503
               ? std::string("answers 503: it is still loading, or its engine failed")
               : str("answers ", answer.status);
  }
  const bool asks = config.tls.client == ClientCertificate::kRequired;
  return str(answer.reason, asks ? "; it asks for certificates (--ssl-cert-reqs 2): name one with "
                                   "--client-cert and --client-key"
                                 : "");
}

}  // namespace

HealthOptions read_health_options(const std::vector<std::string>& arguments) {
  HealthOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    std::string name = arguments[i].substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    const bool is_ours = name == "--process" || name == "--client-cert" || name == "--client-key";
    if (name == "--help" || name == "-h") options.wants_help = true;
    if (!is_ours) {
      options.serve.push_back(arguments[i]);
      continue;
    }
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      refuse(str(name, ": expected one argument"));
    }
    const std::string value =
        equals == std::string::npos ? arguments[++i] : arguments[i].substr(equals + 1);
    if (name == "--client-cert") options.client_certificate = value;
    if (name == "--client-key") options.client_key = value;
    if (name != "--process") continue;
    options.process = number_of(value);
    if (!options.process) refuse(str("--process: \"", value, "\" is not the number of a process"));
  }
  return options;
}

std::optional<ServeCommand> serve_command_of(const std::vector<std::string>& words) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (!is_program(words[i])) continue;
    const auto rest = words.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    // The tarball's loader is told the program's name before its path: --argv0 pagoda
    // --library-path.
    if (*rest == "--library-path") continue;
    if (*rest == "serve") return ServeCommand{{rest + 1, words.end()}, EntryPoint::kServe, {}};
    if (rest->starts_with("--"))
      return ServeCommand{{rest, words.end()}, EntryPoint::kApiServer, {}};
  }
  return std::nullopt;
}

ServeCommand find_server(const fs::path& proc, std::optional<int> process) {
  if (process) {
    if (auto command = command_of_process(proc / std::to_string(*process))) return *command;
    refuse(str("--process: ", *process, " is no process of `pagoda serve`"));
  }
  std::optional<ServeCommand> found;
  std::error_code failed;
  const fs::directory_iterator entries(proc, failed);
  if (failed) {
    refuse(str(proc.string(), ": cannot be read: ", failed.message(),
               "; give the options of the server, such as --port 8000"));
  }
  for (const auto& entry : entries) {
    const std::optional<int> number = number_of(entry.path().filename().string());
    if (!number || *number == getpid()) continue;
    auto command = command_of_process(entry.path());
    if (!command) continue;
    // An init has the same words as the server that it started.
    if (found && found->arguments != command->arguments) {
      refuse(
          "several servers run here; say which one by --process, or give its options, such as "
          "--port 8000");
    }
    found = std::move(command);
  }
  if (!found)
    refuse("no process of `pagoda serve` runs here; give its options, such as --port 8000");
  return *found;
}

std::string local_url(const ServerConfig& config, uint16_t port) {
  const std::string& listen = config.listen.host;
  const bool is_any = listen.empty() || listen == "0.0.0.0" || listen == "::";
  const bool is_v6 = !is_any && listen.find(':') != std::string::npos;
  const std::string host = is_any ? "localhost" : is_v6 ? str("[", listen, "]") : listen;
  return str(config.tls.is_on() ? "https://" : "http://", host, ":", port);
}

int check_health(const HealthOptions& options) {
  const Settings settings = settings_of_command(command_to_ask(options));
  const ServerConfig& config = settings.server;
  if (config.listen.port == 0) {
    refuse("--port 0: the server took a free port, which its log names; give a fixed one");
  }
  const std::string url = local_url(config, config.listen.port) + "/health";
  // The certificate names the host that clients know, which is not the one asked here.
  const FetchResponse answer = http_get({.url = url,
                                         .headers = {},
                                         .connect_timeout_ms = kTimeoutMs,
                                         .total_timeout_ms = kTimeoutMs,
                                         .max_redirects = 0,
                                         .any_certificate = true,
                                         .client_certificate = options.client_certificate,
                                         .client_key = options.client_key});
  const std::string fault = fault_of(answer, config);
  std::fputs(str(url, ": ", fault.empty() ? "healthy" : fault, "\n").c_str(),
             fault.empty() ? stdout : stderr);
  return fault.empty() ? 0 : 1;
}

std::string health_help() {
  return "usage: pagoda health [--process PID] [--client-cert FILE --client-key FILE] [options]\n"
         "\n"
         "Succeeds when the server of this machine or container answers /health with 200. Without\n"
         "options it looks for the process of `pagoda serve` and reads its command line, and its\n"
         "--config file, for host, port and TLS. Exit code 0: healthy, 1: not.\n"
         "\n"
         "  --process PID             which process, where several serve\n"
         "  --client-cert FILE        certificate to show a server with --ssl-cert-reqs 2 (PEM)\n"
         "  --client-key FILE         its key\n"
         "  options                   those of `pagoda serve`: --port, --host, --config, "
         "--ssl-certfile, ...\n";
}

}  // namespace pagoda
