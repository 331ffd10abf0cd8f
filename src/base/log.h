// The log of the program: one line a message, to standard error, in the form vLLM's users grep for:
//
//   INFO 07-27 10:00:07 [engine.cc:120] GPU KV cache size: 26240 tokens
//
// Nobody waits for whoever reads it: lines are queued, a thread writes them, and where more wait
// than 16 MiB they are dropped, and their number is logged.
//
// Thread rule: any thread. init_log() in main, before the first message; again only before there is
// another thread.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pagoda {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : uint8_t { kText, kJson };

// Throws std::system_error where the system refuses a thread.
void init_log(LogLevel lowest, LogFormat format, std::string_view prefix);
bool is_logged(LogLevel level);

struct LogPlace {
  const char* file;
  int line;
};
// A message for which there is no memory counts as dropped.
void write_log(LogLevel level, LogPlace place, fmt::string_view form,
               fmt::format_args arguments) noexcept;
template <class... Arguments>
void write_log_of(LogLevel level, LogPlace place, fmt::format_string<Arguments...> form,
                  Arguments&&... arguments) noexcept {
  write_log(level, place, form, fmt::make_format_args(arguments...));
}

enum class LogStream : uint8_t { kErrors, kOutput };  // standard error, standard output
// Text as it is, behind what the stream was given before: whole lines, or what a terminal draws.
void write_text(LogStream stream, std::string text) noexcept;
// What every end of the program allows those who read the log.
constexpr std::chrono::milliseconds kLastWords{500};
// Waits until all that was logged is written, or for `patience`: whether it is written.
bool flush_log(std::chrono::milliseconds patience = kLastWords);

}  // namespace pagoda

// LOG_INFO("{} tokens", n). The arguments are not evaluated where the level is not logged.
#define PAGODA_LOG(level, ...)                                          \
  do {                                                                  \
    if (::pagoda::is_logged(level))                                     \
      ::pagoda::write_log_of(level, {__FILE__, __LINE__}, __VA_ARGS__); \
  } while (false)
#define LOG_DEBUG(...) PAGODA_LOG(::pagoda::LogLevel::kDebug, __VA_ARGS__)
#define LOG_INFO(...) PAGODA_LOG(::pagoda::LogLevel::kInfo, __VA_ARGS__)
#define LOG_WARNING(...) PAGODA_LOG(::pagoda::LogLevel::kWarning, __VA_ARGS__)
#define LOG_ERROR(...) PAGODA_LOG(::pagoda::LogLevel::kError, __VA_ARGS__)
