#include "cli/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/log.h"

namespace pagoda {
namespace {

constexpr auto kTerminalPeriod = std::chrono::milliseconds(100);
constexpr auto kLogPeriod = std::chrono::seconds(5);
constexpr double kGigabyte = 1e9;

}  // namespace

LoadReport::LoadReport(const LoadReportOptions& options)
    : options_(options),
      start_(Clock::now()),
      next_report_(start_ + (options.is_terminal ? Clock::duration(kTerminalPeriod)
                                                 : Clock::duration(kLogPeriod))) {}

void LoadReport::add_bytes(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  const Clock::time_point now = Clock::now();
  if (options_.is_silent || now < next_report_) return;
  const std::string text =
      line(bytes_, options_.total_bytes, std::chrono::duration<double>(now - start_).count());
  if (options_.is_terminal) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    next_report_ = now + kTerminalPeriod;
  } else {
    LOG_INFO("{}", text);
    next_report_ = now + kLogPeriod;
  }
}

void LoadReport::finish() {
  const std::lock_guard lock(mutex_);
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (options_.is_terminal && !options_.is_silent) std::fputs("\r\033[K", stderr);
  LOG_INFO("Loading weights took {:.2f} seconds ({:.2f} GB/s)", seconds,
           static_cast<double>(bytes_) / kGigabyte / std::max(seconds, 1e-9));
}

std::string LoadReport::line(int64_t bytes, int64_t total_bytes, double seconds) {
  const double speed = static_cast<double>(bytes) / kGigabyte / std::max(seconds, 1e-9);
  const double done = static_cast<double>(bytes) / kGigabyte;
  if (total_bytes <= 0) return fmt::format("Loading weights: {:.2f} GB, {:.2f} GB/s", done, speed);
  // Ranks that share a tensor may each count it, so the sum can pass the files' size.
  const int64_t percent = std::min<int64_t>(100, 100 * bytes / total_bytes);
  return fmt::format("Loading weights: {:3d} % ({:.2f} of {:.2f} GB, {:.2f} GB/s)", percent, done,
                     static_cast<double>(total_bytes) / kGigabyte, speed);
}

}  // namespace pagoda
