#include "load/progress_printer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr int64_t kLookBytes = 16 << 20;  // the clock is read so often
constexpr std::chrono::milliseconds kTerminalPeriod{100};
constexpr std::chrono::seconds kLogPeriod{10};

ProgressOptions completed(ProgressOptions options) {
  if (!options.now) options.now = [] { return std::chrono::steady_clock::now(); };
  if (!options.write && options.is_terminal) {
    options.write = [](const std::string& text) { write_text(LogStream::kErrors, text); };
  }
  if (!options.write) options.write = [](const std::string& text) { LOG_INFO("{}", text); };
  return options;
}

}  // namespace

ProgressPrinter::ProgressPrinter(ProgressOptions options)
    : options_(completed(std::move(options))), start_(options_.now()), last_time_(start_) {}

void ProgressPrinter::add_bytes(int64_t bytes) {
  const int64_t total = bytes_ += bytes;
  if (total < next_look_.load(std::memory_order_relaxed)) return;
  if (!mutex_.try_lock()) return;  // another thread is at it
  next_look_ = total + kLookBytes;
  report(total, options_.now());
  mutex_.unlock();
}

// A line a tenth of a second on a terminal; elsewhere one every 10 s, or every 10 % if that takes
// a second at least.
void ProgressPrinter::report(int64_t bytes, Time now) {
  const int64_t tenth = options_.total_bytes > 0 ? 10 * bytes / options_.total_bytes : 0;
  const auto waited = now - last_time_;
  const bool is_due =
      options_.is_terminal
          ? waited >= kTerminalPeriod
          : waited >= kLogPeriod || (tenth > last_tenth_ && waited >= std::chrono::seconds(1));
  if (!is_due) return;
  last_time_ = now;
  last_tenth_ = tenth;
  std::string line = text(bytes, std::chrono::duration<double>(now - start_).count());
  if (options_.is_terminal) {
    const size_t length = line.size();
    line.resize(std::max(length, line_length_), ' ');
    line_length_ = length;
    line.insert(line.begin(), '\r');
  }
  options_.write(line);
}

std::string ProgressPrinter::text(int64_t bytes, double seconds) const {
  const double done = static_cast<double>(bytes) * 1e-9;
  const double rate = seconds > 0 ? done / seconds : 0;
  if (options_.total_bytes <= 0) {
    return fmt::format("Loading weights: {:.2f} GB | {:.2f} GB/s", done, rate);
  }
  const double total = static_cast<double>(options_.total_bytes) * 1e-9;
  // Ranks that share a tensor each read it, so more may be read than there is.
  const double percent = std::min(100.0, 100 * done / total);
  return fmt::format("Loading weights: {:3.0f}% | {:.2f}/{:.2f} GB | {:.2f} GB/s", percent,
                     std::min(done, total), total, rate);
}

void ProgressPrinter::finish() {
  const MutexLock lock(mutex_);
  if (line_length_ > 0) options_.write(str("\r", std::string(line_length_, ' '), "\r"));
  line_length_ = 0;
  const double seconds = std::chrono::duration<double>(options_.now() - start_).count();
  const double done = static_cast<double>(bytes_.load()) * 1e-9;
  LOG_INFO("Loading weights took {:.2f} seconds ({:.2f} GB, {:.2f} GB/s)", seconds, done,
           seconds > 0 ? done / seconds : 0);
}

}  // namespace pagoda
