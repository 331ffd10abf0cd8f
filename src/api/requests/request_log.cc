#include "api/requests/request_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "api/requests/python_repr.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

// The first `count` code points.
std::string_view cut(std::string_view text, std::optional<int64_t> count) {
  if (!count) return text;
  size_t end = 0;
  for (int64_t i = 0; i < *count && end < text.size(); ++i) next_code_point(text, end);
  return text.substr(0, end);
}

std::string ids_of(const TokenIds& tokens, std::optional<int64_t> count) {
  const auto size = static_cast<int64_t>(tokens.size());
  const int64_t end = std::clamp<int64_t>(count.value_or(size), 0, size);
  std::string out = "[";
  for (int64_t i = 0; i < end; ++i) {
    if (i > 0) out += ", ";
    out += fmt::format_int(tokens[static_cast<size_t>(i)].value()).c_str();
  }
  return out + "]";
}

// A client chooses its target, so what could break the line or a terminal is left out.
std::string shown_target(const HttpRequest& request) {
  std::string target;
  for (const char c : request.target) {
    if (static_cast<unsigned char>(c) > 0x20 && c != 0x7F && c != '"') target += c;
  }
  return target;
}

// As in the other lines of a JSON log.
std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &parts)};
}

}  // namespace

void log_request(const std::string& id, const Prompt& prompt, const std::string& params,
                 const RequestLogConfig& config) {
  if (!config.requests || !is_logged(LogLevel::kInfo)) return;
  LOG_INFO(
      "Received request {}: prompt: {}, params: {}, prompt_token_ids: {}, prompt_embeds shape: "
      "None, lora_request: None, prompt_adapter_request: None.",
      id, python_repr_of_text(cut(prompt.text, config.max_log_length)), params,
      ids_of(prompt.tokens, config.max_log_length));
}

std::string access_line(const HttpRequest& request, int status) {
  return fmt::format("INFO:     {} - \"{} {} HTTP/1.1\" {} {}\n", request.peer, request.method,
                     shown_target(request), status, status_phrase(status));
}

std::string access_json(const HttpRequest& request, int status, std::string_view time) {
  const std::string target = to_valid_utf8(shown_target(request));
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
  // One write a line, so that lines of several threads do not mix.
  const std::string line =
      config.access_json ? access_json(request, status, time_text()) : access_line(request, status);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

}  // namespace pagoda
