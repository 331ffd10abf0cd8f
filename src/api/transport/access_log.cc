#include "api/transport/access_log.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <ctime>

#include "api/http/log_text.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace pagoda {
namespace {

// As in the other lines of a JSON log.
std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &parts)};
}

}  // namespace

std::string access_line(const HttpRequest& request, int status) {
  return fmt::format("INFO:     {} - \"{} {} HTTP/1.1\" {} {}\n", request.peer, request.method,
                     log_text(request.target), status, status_phrase(status));
}

std::string access_json(const HttpRequest& request, int status, std::string_view time) {
  const std::string target = log_text(request.target);
  const boost::json::object line = {
      {"time", time},
      {"level", "INFO"},
      {"source", "access"},
      {"message", fmt::format("{} {} {}", request.method, target, status)},
      {"client", request.peer},
      {"method", request.method},
      {"path", target},
      {"status", status}};
  return to_json(line) + "\n";
}

void log_access(const HttpRequest& request, int status, const RequestLogConfig& config) {
  if (!config.access || !is_logged(LogLevel::kInfo)) return;
  write_text(LogStream::kOutput, config.access_json ? access_json(request, status, time_text())
                                                    : access_line(request, status));
}

}  // namespace pagoda
