#include "base/log.h"

#include <unistd.h>

#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <utility>

#include "base/json_writer.h"
#include "base/line_writer.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

// The one global of the program: the log sink, set once in main (house rule 1.14).
struct Sink {
  std::unique_ptr<LineWriter> writer;
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

std::string line_of(LogLevel level, LogPlace place, std::string_view message) {
  const char* slash = std::strrchr(place.file, '/');
  const char* name = slash == nullptr ? place.file : slash + 1;
  const Sink& s = sink();
  if (s.format == LogFormat::kJson) {
    std::string text;
    append_json_string(text, to_valid_utf8(message), /*ensure_ascii=*/false);
    return fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"source\":\"{}:{}\",\"message\":{}}}\n",
                       time_text("%Y-%m-%dT%H:%M:%S%z"), name_of(level), name, place.line, text);
  }
  return fmt::format("{}{} {} [{}:{}] {}\n", s.prefix, name_of(level), time_text("%m-%d %H:%M:%S"),
                     name, place.line, message);
}

std::string notice_of(int64_t lines) {
  return line_of(LogLevel::kWarning, {__FILE__, __LINE__},
                 fmt::format("{} lines were dropped here: the log is not read as fast as it is "
                             "written",
                             lines));
}

size_t index_of(LogStream stream) {
  return static_cast<size_t>(stream);
}

}  // namespace

void init_log(LogLevel lowest, LogFormat format, std::string_view prefix) {
  Sink& s = sink();
  s.lowest = lowest;
  s.format = format;
  s.prefix = prefix;
  if (s.writer != nullptr) return;
  s.writer = std::make_unique<LineWriter>(
      LineWriterConfig{.descriptors = {STDERR_FILENO, STDOUT_FILENO}, .notice = notice_of});
}

bool is_logged(LogLevel level) {
  return sink().writer != nullptr && level >= sink().lowest;
}

void write_log(LogLevel level, LogPlace place, fmt::string_view form,
               fmt::format_args arguments) noexcept {
  try {
    write_text(LogStream::kErrors, line_of(level, place, fmt::vformat(form, arguments)));
  } catch (const std::exception&) {
    sink().writer->count_lost(index_of(LogStream::kErrors));
  }
}

void write_text(LogStream stream, std::string text) noexcept {
  if (sink().writer != nullptr) sink().writer->write(index_of(stream), std::move(text));
}

bool flush_log(std::chrono::milliseconds patience) {
  return sink().writer == nullptr || sink().writer->flush(patience);
}

}  // namespace pagoda
