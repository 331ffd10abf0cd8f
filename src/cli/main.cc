// The program: finds the command, reads the environment, and turns an error into one line and an
// exit code.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "cli/environment_table.h"
#include "cli/health.h"
#include "cli/help.h"
#include "cli/hub_commands.h"
#include "cli/option_parser.h"
#include "cli/plan.h"
#include "cli/serve.h"
#include "cli/settings_of.h"
#include "cli/version.h"

namespace pagoda {
namespace {

constexpr int kInternalError = 70;  // EX_SOFTWARE of sysexits.h

// Commands of vLLM that are not here yet, and what does the work until then.
struct MissingCommand {
  std::string_view name, instead;
};
constexpr MissingCommand kMissingCommands[] = {
    {"chat", "ask the server with curl or any OpenAI client: POST /v1/chat/completions"},
    {"complete", "ask the server with curl or any OpenAI client: POST /v1/completions"},
    {"run-batch", "send the lines of the file to `pagoda serve` with any OpenAI client"},
    {"bench", "`vllm bench serve --base-url http://localhost:8000` of a vLLM measures this server"},
    {"collect-env", "the log of `pagoda serve` begins with versions, model and machine"},
};

// Half a Compose file on a full disk is no success. Who stops reading, as head does, has enough.
int print(const std::string& text) {
  flush_log();
  errno = 0;
  const bool is_written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (is_written || errno == EPIPE) return 0;
  throw Error(ErrorKind::kDevice, str("standard output: cannot be written: ", std::strerror(errno),
                                      "; write to a place with room"));
}

int run_serve(std::span<const std::string> arguments, EntryPoint entry) {
  const ParsedOptions options = parse_options(arguments, entry);
  if (options.help) return print(serve_help(*options.help));
  const SettingsAndRemarks settings = settings_of(options, read_environment());
  const LogSettings& log = settings.settings.log;
  init_log(log.level, log.format, log.prefix);
  if (settings.settings.model.model.empty()) {
    throw Error(ErrorKind::kConfig,
                "MODEL: missing; name a folder or a model on a hub: pagoda serve MODEL");
  }
  serve(settings, non_default_arguments(options));
  return 0;
}

int run_plan(std::span<const std::string> arguments) {
  PlanOptions options = read_plan_options({arguments.begin(), arguments.end()});
  if (options.serve.help) return print(plan_help());
  options.environment = read_environment();
  const Settings settings = settings_of(options.serve, options.environment).settings;
  if (settings.model.model.empty()) {
    throw Error(ErrorKind::kConfig,
                "MODEL: missing; name a folder or a model on a hub: pagoda plan MODEL");
  }
  const ServingPlan plan = plan_serving(settings, options);
  if (!plan.best) {
    print(plan_report(plan));
    throw Error(ErrorKind::kConfig, str(plan.model, ": does not fit, as the table says"));
  }
  return print(options.wants_compose
                   ? compose_file(plan, options)
                   : str(plan_report(plan), "\n", serve_line(plan, options), "\n"));
}

// Take the options of `serve`, of which those of the hub count.
int run_download(std::span<const std::string> arguments) {
  const ParsedOptions options = parse_options(arguments, EntryPoint::kServe);
  if (options.help) return print(program_help());
  const Settings settings = settings_of(options, read_environment()).settings;
  if (settings.model.model.empty()) {
    throw Error(ErrorKind::kConfig, "MODEL: missing; name a model on a hub: pagoda download MODEL");
  }
  return print(str(download(settings).string(), "\n"));
}

int run_list(std::span<const std::string> arguments) {
  const ParsedOptions options = parse_options(arguments, EntryPoint::kServe);
  if (options.help) return print(program_help());
  const Settings settings = settings_of(options, read_environment()).settings;
  return print(cached_models_text(list_models(settings.hub)));
}

// Takes the options of `serve`, of which the port, the backend and the caches count.
int run_doctor(std::span<const std::string> arguments) {
  const ParsedOptions options = parse_options(arguments, EntryPoint::kServe);
  if (options.help) return print(doctor_help());
  const std::vector<Finding> findings = examine(settings_of(options, read_environment()).settings);
  print(doctor_report(findings));
  return has_problem(findings) ? 1 : 0;
}

// Whatever goes wrong, the server is not healthy, which is 1 to those who ask.
int run_health(std::span<const std::string> arguments) {
  try {
    const HealthOptions options = read_health_options({arguments.begin(), arguments.end()});
    return options.wants_help ? print(health_help()) : check_health(options);
  } catch (const Error& e) {
    std::fputs(str(e.what(), "\n").c_str(), stderr);
    return 1;
  }
}

int run(std::span<const std::string> arguments) {
  if (arguments.empty()) {
    std::fputs(program_help().c_str(), stderr);
    return 2;
  }
  const std::string& command = arguments.front();
  if (command == "serve") return run_serve(arguments.subspan(1), EntryPoint::kServe);
  if (command == "plan") return run_plan(arguments.subspan(1));
  if (command == "health") return run_health(arguments.subspan(1));
  if (command == "doctor") return run_doctor(arguments.subspan(1));
  if (command == "download") return run_download(arguments.subspan(1));
  if (command == "list") return run_list(arguments.subspan(1));
  if (command == "--version" || command == "-v") {
    return print(str(kVllmVersion, " (Pagoda ", kPagodaVersion, ")\n"));
  }
  if (command == "--help" || command == "-h") return print(program_help());
  if (command == "help") {
    const bool wants_page = arguments.size() > 1 && arguments[1] == "--markdown";
    return print(wants_page ? options_page() : program_help());
  }
  if (command.starts_with('-')) return run_serve(arguments, EntryPoint::kApiServer);
  for (const MissingCommand& missing : kMissingCommands) {
    if (missing.name != command) continue;
    throw Error(ErrorKind::kConfig, str(command, ": is not possible yet; ", missing.instead));
  }
  throw Error(
      ErrorKind::kConfig,
      str(command, ": is not a command of pagoda; to serve a model: ", "pagoda serve ", command));
}

// The last line of the log says what is wrong, and nothing follows it.
int reported(int exit_code, const char* what) {
  if (is_logged(LogLevel::kError)) {
    LOG_ERROR("{}", what);
  } else {
    std::fputs(str(what, "\n").c_str(), stderr);
  }
  return exit_code;
}

// Of threads, open files or memory.
bool is_limit(const std::error_code& code) {
  return code == std::errc::resource_unavailable_try_again ||
         code == std::errc::too_many_files_open ||
         code == std::errc::too_many_files_open_in_system || code == std::errc::not_enough_memory;
}

// What goes wrong becomes one line and an exit code.
int guarded_run(std::span<const std::string> arguments) {
  try {
    init_log(LogLevel::kInfo, wanted_log_format(arguments), "");
    return run(arguments);
  } catch (const Error& e) {
    return reported(meaning_of(e.kind()).exit_code, e.what());
  } catch (const std::bad_alloc&) {
    return reported(meaning_of(ErrorKind::kDevice).exit_code,
                    "the system refuses memory; see ulimit -v, and what else uses it");
  } catch (const std::system_error& e) {
    if (!is_limit(e.code())) return reported(kInternalError, e.what());
    return reported(meaning_of(ErrorKind::kDevice).exit_code,
                    str("the system refuses a thread or a file: ", e.what(),
                        "; raise the limit (ulimit -u and -n, pids_limit of a container, TasksMax "
                        "of a unit)")
                        .c_str());
  } catch (const std::exception& e) {
    return reported(kInternalError, e.what());
  } catch (...) {
    return reported(kInternalError, "unknown exception; this is a bug");
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a client that went away is the connection's business
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const int exit_code = pagoda::guarded_run(arguments);
  // Who has not read the log by now may never do: nothing waits for that.
  if (!pagoda::flush_log()) std::_Exit(exit_code);
  return exit_code;
}
