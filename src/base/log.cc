#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <ctime>
#include <memory>

#include "base/json_writer.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

// The one global of the program: the log sink, set once in main (house rule 1.14).
struct Sink {
  std::unique_ptr<spdlog::logger> logger;
  LogLevel lowest = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string prefix;
};

Sink& sink() {
  static Sink the_sink;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
  return the_sink;
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO";
    case LogLevel::kWarning: return "WARNING";
    case LogLevel::kError: return "ERROR";
  }
  return "?";
}

std::string time_text(const char* form) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, form, &parts)};
}

}  // namespace

void init_log(LogLevel lowest, LogFormat format, std::string_view prefix) {
  Sink& s = sink();
  s.logger =
      std::make_unique<spdlog::logger>("pagoda", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  s.logger->set_pattern("%v");
  s.logger->set_level(spdlog::level::trace);
  s.lowest = lowest;
  s.format = format;
  s.prefix = prefix;
}

bool is_logged(LogLevel level) {
  return sink().logger != nullptr && level >= sink().lowest;
}

void write_log(LogLevel level, const char* file, int line, std::string_view message) {
  const char* slash = std::strrchr(file, '/');
  const char* name = slash == nullptr ? file : slash + 1;
  const Sink& s = sink();
  if (s.format == LogFormat::kJson) {
    std::string text;
    append_json_string(text, to_valid_utf8(message), /*ensure_ascii=*/false);
    s.logger->info(R"({{"time":"{}","level":"{}","source":"{}:{}","message":{}}})",
                   time_text("%Y-%m-%dT%H:%M:%S%z"), name_of(level), name, line, text);
    return;
  }
  s.logger->info("{}{} {} [{}:{}] {}", s.prefix, name_of(level), time_text("%m-%d %H:%M:%S"), name,
                 line, message);
}

}  // namespace pagoda
