// The log of the program: one line a message, to standard error, in the form vLLM's users grep for:
//
//   INFO 07-27 10:00:07 [engine.cc:120] GPU KV cache size: 26240 tokens
//
// Thread rule: any thread. init_log() once, in main, before the first message.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace pagoda {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : uint8_t { kText, kJson };

void init_log(LogLevel lowest, LogFormat format, std::string_view prefix);
bool is_logged(LogLevel level);
void write_log(LogLevel level, const char* file, int line, std::string_view message);

}  // namespace pagoda

// LOG_INFO("{} tokens", n). The arguments are not evaluated where the level is not logged.
#define PAGODA_LOG(level, ...)                                                    \
  do {                                                                            \
    if (::pagoda::is_logged(level))                                               \
      ::pagoda::write_log(level, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)
#define LOG_DEBUG(...) PAGODA_LOG(::pagoda::LogLevel::kDebug, __VA_ARGS__)
#define LOG_INFO(...) PAGODA_LOG(::pagoda::LogLevel::kInfo, __VA_ARGS__)
#define LOG_WARNING(...) PAGODA_LOG(::pagoda::LogLevel::kWarning, __VA_ARGS__)
#define LOG_ERROR(...) PAGODA_LOG(::pagoda::LogLevel::kError, __VA_ARGS__)
