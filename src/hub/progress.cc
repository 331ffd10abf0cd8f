#include "hub/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/str.h"
#include "hub/amounts.h"

namespace pagoda {
namespace {

constexpr double kRateWindowSeconds = 10;
constexpr double kLineSeconds = 10;
constexpr double kRedrawSeconds = 0.1;
// Below this many columns, text alone is drawn.
constexpr int kLeastBarWidth = 8, kLongestBarWidth = 40;
constexpr int kLeastNameWidth = 20, kMostNameWidth = 36;
constexpr int kMostBars = 8;

int64_t total_bytes(const std::vector<DownloadedFile>& files) {
  return std::accumulate(files.begin(), files.end(), int64_t{0},
                         [](int64_t sum, const DownloadedFile& f) { return sum + f.bytes; });
}

int64_t total_done(const std::vector<DownloadedFile>& files) {
  return std::accumulate(files.begin(), files.end(), int64_t{0},
                         [](int64_t sum, const DownloadedFile& f) { return sum + f.done; });
}

// Whole percents, downwards: 100 % is what is all there.
int64_t percent(int64_t done, int64_t bytes) {
  return bytes == 0
             ? 100
             : static_cast<int64_t>(100.0 * static_cast<double>(done) / static_cast<double>(bytes));
}

// "85.2 MiB/s, 1 min 44 s left", as far as known.
std::string rate_text(const RateMeter& rate, int64_t missing) {
  const auto speed = rate.bytes_per_second();
  if (!speed) return "";
  std::string text = str(bytes_text(static_cast<int64_t>(*speed)), "/s");
  if (*speed < 1 || missing == 0) return text;
  const int64_t seconds = std::llround(static_cast<double>(missing) / *speed);
  return str(text, ", ", duration_text(seconds), " left");
}

std::string summary_of(const std::vector<DownloadedFile>& files) {
  const int64_t done = total_done(files);
  const std::string already = done == 0 ? "" : str(", ", bytes_text(done), " of them are there");
  return str(files.size(), files.size() == 1 ? " file, " : " files, ",
             bytes_text(total_bytes(files)), already);
}

// What tells long names apart is before their extension: "model-00003-of-00008".
std::string fitted(std::string_view name, size_t width) {
  constexpr std::string_view kExtension = ".safetensors";
  if (name.size() > width && name.ends_with(kExtension)) name.remove_suffix(kExtension.size());
  if (name.size() <= width) return str(name, std::string(width - name.size(), ' '));
  return str("...", name.substr(name.size() - width + 3));
}

std::string bar(const DownloadedFile& row, int width) {
  const auto full = static_cast<size_t>(percent(row.done, row.bytes) * width / 100);
  return str(std::string(full, '#'), std::string(static_cast<size_t>(width) - full, '.'));
}

// Name, bar, share, amount and rate, as far as they fit: where columns are few, first the amount
// shrinks, then the bar goes, then the amount, and the name gives way to share and rate.
std::string bar_line(const DownloadedFile& row, const std::string& rate, int width) {
  const int most = std::max(width - 1, 1);  // a line that wraps could not be erased
  const int name_width = std::clamp(width / 4, kLeastNameWidth, kMostNameWidth);
  const std::string name = fitted(row.name, static_cast<size_t>(name_width));
  const std::string share = fmt::format("{:3d} %", percent(row.done, row.bytes));
  const std::string brief = fmt::format("  {:>10}", bytes_text(row.done));
  const std::string full =
      fmt::format("  {:>22}", str(bytes_text(row.done), " of ", bytes_text(row.bytes)));
  const std::string end = rate.empty() ? "" : str("  ", rate);
  const auto size = [](const std::string& text) { return static_cast<int>(text.size()); };
  for (const std::string& amount : {full, brief}) {
    const int room = most - 6 - size(name) - size(share) - size(amount) - size(end);
    if (room < kLeastBarWidth) continue;
    return str(name, "  [", bar(row, std::min(kLongestBarWidth, room)), "]  ", share, amount, end);
  }
  for (const std::string& amount : {full, brief, std::string()}) {
    std::string line = str(name, "  ", share, amount, end);
    if (size(line) <= most) return line;
  }
  const std::string word = row.name.substr(0, row.name.find(' '));  // "all (2 of 9 files)"
  const int room = std::max(most - 2 - size(share) - size(end), 3);
  const std::string line = str(fitted(word, static_cast<size_t>(room)), "  ", share, end);
  return line.substr(0, static_cast<size_t>(most));
}

TerminalSize size_of(int descriptor) {
  winsize size{};
  const bool is_known = ioctl(descriptor, TIOCGWINSZ, &size) == 0;
  TerminalSize known;
  if (is_known && size.ws_col > 0) known.columns = size.ws_col;
  if (is_known && size.ws_row > 0) known.rows = size.ws_row;
  return known;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written <= 0) return;  // nobody reads: not a reason to stop a download
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

double steady_seconds() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

void RateMeter::add(double seconds, int64_t total_bytes) {
  samples_.emplace_back(seconds, total_bytes);
  while (samples_.size() > 2 && seconds - samples_[1].first >= kRateWindowSeconds) {
    samples_.pop_front();
  }
}

std::optional<double> RateMeter::bytes_per_second() const {
  if (samples_.size() < 2) return std::nullopt;
  const double seconds = samples_.back().first - samples_.front().first;
  if (seconds <= 0) return std::nullopt;
  const int64_t bytes = samples_.back().second - samples_.front().second;
  return static_cast<double>(std::max<int64_t>(bytes, 0)) / seconds;
}

LineProgress::LineProgress(Sink sink, SecondsClock clock)
    : sink_(std::move(sink)), clock_(std::move(clock)) {}

void LineProgress::begin(std::string_view what, std::vector<DownloadedFile> files) {
  files_ = std::move(files);
  rate_ = RateMeter();
  told_at_ = clock_();
  rate_.add(told_at_, total_done(files_));
  sink_(str("downloading ", what, ": ", summary_of(files_)));
}

void LineProgress::advance(size_t file, int64_t bytes) {
  files_[file].done += bytes;
  const double now = clock_();
  if (now - told_at_ < kLineSeconds) return;
  told_at_ = now;
  const int64_t done = total_done(files_), all = total_bytes(files_);
  rate_.add(now, done);
  const std::string rate = rate_text(rate_, all - done);
  sink_(str(percent(done, all), " % of ", bytes_text(all), rate.empty() ? "" : ", ", rate));
}

void LineProgress::finish(size_t file) {
  sink_(str(files_[file].name, ": ", bytes_text(files_[file].bytes), " downloaded and checked"));
}

BarProgress::BarProgress(Sink sink, Size size, SecondsClock clock)
    : sink_(std::move(sink)), size_(std::move(size)), clock_(std::move(clock)) {}

void BarProgress::begin(std::string_view what, std::vector<DownloadedFile> files) {
  files_ = std::move(files);
  finished_.assign(files_.size(), false);
  rate_ = RateMeter();
  rate_.add(clock_(), total_done(files_));
  draw(str("downloading ", what, ": ", summary_of(files_), "\n"));
}

void BarProgress::advance(size_t file, int64_t bytes) {
  files_[file].done += bytes;
  if (clock_() - drawn_at_ >= kRedrawSeconds) draw("");
}

void BarProgress::finish(size_t file) {
  finished_[file] = true;
  draw(str(bar_line(files_[file], "", size_().columns), "\n"));
}

void BarProgress::end() {
  draw("");
  lines_on_screen_ = 0;  // the last picture stays
}

void BarProgress::say(std::string_view notice) {
  if (lines_on_screen_ == 0) {
    sink_(str(notice, "\n"));
  } else {
    draw(str(notice, "\n"));
  }
}

// To the first line drawn last time, and everything from there on deleted.
std::string BarProgress::erased() const {
  return lines_on_screen_ == 0 ? "" : str("\x1b[", lines_on_screen_, "F\x1b[J");
}

void BarProgress::draw(const std::string& before) {
  drawn_at_ = clock_();
  const auto [width, rows] = size_();
  // What scrolled off the top could not be erased: the total and the cursor take a row each.
  const auto most_bars = static_cast<size_t>(std::clamp<int>(rows - 2, 0, kMostBars));
  const int64_t done = total_done(files_), all = total_bytes(files_);
  rate_.add(drawn_at_, done);
  std::string text = erased() + before;
  lines_on_screen_ = 0;
  for (size_t i = 0; i < files_.size() && lines_on_screen_ < most_bars; ++i) {
    if (finished_[i] || files_[i].done == 0) continue;
    text += str(bar_line(files_[i], "", width), "\n");
    ++lines_on_screen_;
  }
  const auto num_finished = std::count(finished_.begin(), finished_.end(), true);
  const std::string name = str("all (", num_finished, " of ", files_.size(), " files)");
  text += str(bar_line({name, all, done}, rate_text(rate_, all - done), width), "\n");
  ++lines_on_screen_;
  sink_(text);
}

std::unique_ptr<DownloadProgress> make_progress(int descriptor) {
  if (isatty(descriptor) == 1) {
    return std::make_unique<BarProgress>(
        [descriptor](std::string_view text) { write_all(descriptor, text); },
        [descriptor] { return size_of(descriptor); });
  }
  return std::make_unique<LineProgress>(
      [descriptor](std::string_view line) { write_all(descriptor, str(line, "\n")); });
}

}  // namespace pagoda
