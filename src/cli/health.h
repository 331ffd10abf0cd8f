// `pagoda health`: whether the server of this machine or container answers /health with 200, for
// the health checks of images and supervisors. Where it listens is read as the server itself reads
// it, from the same options, so that --config, names cut short and TLS are seen too.
//
// Thread rule: call from main.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "api/server_config.h"
#include "cli/option_parser.h"

namespace pagoda {

struct HealthOptions {
  std::optional<int> process = {};      // --process: the server's, instead of the only one
  std::string client_certificate = {};  // --client-cert: for --ssl-cert-reqs 2
  std::string client_key = {};          // --client-key
  std::vector<std::string> serve =
      {};  // options of the server to ask; empty: a process is looked for
  bool wants_help = false;
};
// Throws kConfig: option as typed, value, remedy.
HealthOptions read_health_options(const std::vector<std::string>& arguments);

// How a server was started.
struct ServeCommand {
  std::vector<std::string> arguments = {};
  EntryPoint entry = EntryPoint::kServe;
  std::filesystem::path folder = {};  // its working folder; empty: not known
};

// The arguments behind "pagoda serve" or "pagoda --...", whatever starts the program: an init, a
// loader, an emulator. None: it is another program.
std::optional<ServeCommand> serve_command_of(const std::vector<std::string>& words);
// Of the only server among the processes of `proc` (/proc), or of the one that is asked for. Throws
// kConfig where there is none, or more than one.
ServeCommand find_server(const std::filesystem::path& proc, std::optional<int> process);

// "https://[::1]:8000": where a client on this host finds the server.
std::string local_url(const ServerConfig& config, uint16_t port);

// 0 if it is healthy and 1 if not, as Docker takes it; prints one line.
int check_health(const HealthOptions& options);
std::string health_help();

}  // namespace pagoda
