// How a download tells people where it is: bars on a terminal, plain lines elsewhere.
//
// Thread rule: one call at a time; whoever downloads from several threads sees to that.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pagoda {

struct DownloadedFile {
  std::string name;
  int64_t bytes = 0;
  int64_t done = 0;
};

class DownloadProgress {
 public:
  DownloadProgress() = default;
  DownloadProgress(const DownloadProgress&) = delete;
  DownloadProgress& operator=(const DownloadProgress&) = delete;
  virtual ~DownloadProgress() = default;

  // What is going to be downloaded: "Qwen/Qwen3-8B from huggingface.co to /models". `files` with
  // what of them is there already, in the order in which the calls below count them.
  virtual void begin(std::string_view what, std::vector<DownloadedFile> files) = 0;
  // More bytes of a file are there; fewer, where a part has to be loaded again.
  virtual void advance(size_t file, int64_t bytes) = 0;
  // The file is whole, checked and in its place.
  virtual void finish(size_t file) = 0;
  // All files are; or the download failed.
  virtual void end() = 0;
  // Something else that people want to know, such as why nothing moves. Also outside begin and end.
  virtual void say(std::string_view notice) = 0;
};

// Bytes a second over the last ten seconds.
class RateMeter {
 public:
  void add(double seconds, int64_t total_bytes);
  // Nothing before there are two moments to compare.
  std::optional<double> bytes_per_second() const;

 private:
  std::deque<std::pair<double, int64_t>> samples_;
};

// Seconds on a clock that only goes forward.
using SecondsClock = std::function<double()>;
double steady_seconds();

// Plain lines: one at the start, one a finished file, one about the whole every 10 seconds.
class LineProgress : public DownloadProgress {
 public:
  using Sink = std::function<void(std::string_view line)>;
  explicit LineProgress(Sink sink, SecondsClock clock = steady_seconds);

  void begin(std::string_view what, std::vector<DownloadedFile> files) override;
  void advance(size_t file, int64_t bytes) override;
  void finish(size_t file) override;
  void end() override {}
  void say(std::string_view notice) override { sink_(notice); }

 private:
  Sink sink_;
  SecondsClock clock_;
  std::vector<DownloadedFile> files_;
  RateMeter rate_;
  double told_at_ = 0;
};

struct TerminalSize {
  int columns = 80, rows = 24;
};

// A bar for each file in work and one for the whole, redrawn in place.
class BarProgress : public DownloadProgress {
 public:
  using Sink = std::function<void(std::string_view text)>;
  using Size = std::function<TerminalSize()>;  // asked at each drawing: windows change theirs
  BarProgress(Sink sink, Size size, SecondsClock clock = steady_seconds);

  void begin(std::string_view what, std::vector<DownloadedFile> files) override;
  void advance(size_t file, int64_t bytes) override;
  void finish(size_t file) override;
  void end() override;
  void say(std::string_view notice) override;

 private:
  std::string erased() const;
  void draw(const std::string& before);

  Sink sink_;
  Size size_;
  SecondsClock clock_;
  std::vector<DownloadedFile> files_;
  std::vector<bool> finished_;
  RateMeter rate_;
  double drawn_at_ = 0;
  size_t lines_on_screen_ = 0;
};

// Bars if the descriptor is a terminal, else lines.
std::unique_ptr<DownloadProgress> make_progress(int descriptor);

}  // namespace pagoda
