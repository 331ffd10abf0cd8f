#include "bench.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "base/json_writer.h"

namespace pagoda::bench {
namespace {

std::string machine() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// Reads n words; `ahead` words before they are needed they are asked for.
uint64_t read(const uint64_t* words, int64_t n, int64_t ahead) {
  constexpr int64_t kWordsPerLine = 8, kLines = 4;
  uint64_t sums[kWordsPerLine * kLines] = {};
  for (int64_t i = 0; i + kWordsPerLine * kLines <= n; i += kWordsPerLine * kLines) {
    for (int64_t line = 0; ahead > 0 && line < kLines; ++line) {
      __builtin_prefetch(words + i + ahead + line * kWordsPerLine);
    }
    for (int64_t j = 0; j < kWordsPerLine * kLines; ++j) sums[j] ^= words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t s : sums) sum ^= s;
  return sum;
}

struct Pattern {
  int64_t ahead;  // words
  int64_t chunk;  // words that a thread takes at a time; 0: an equal share, once
};

constexpr Pattern kPatterns[kAttempts] = {
    {0, 0}, {256, 0}, {0, 32 << 10}, {128, 32 << 10}, {512, 32 << 10}};

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (flag == "--smoke") {
      options.smoke = true;
      options.runs = 1;
    } else if (flag == "--runs" && value != nullptr) {
      options.runs = std::max(1, std::atoi(argv[++i]));
    } else if (flag == "--threads" && value != nullptr) {
      options.threads = std::max(1, std::atoi(argv[++i]));
    } else if (flag == "--backend" && value != nullptr) {
      options.backend = argv[++i];
    } else {
      std::fprintf(stderr, "%s: takes --smoke, --runs N, --threads N, --backend NAME\n", argv[i]);
      std::exit(2);
    }
  }
  return options;
}

int run_main(int argc, char** argv, void (*run)(const Options& options)) {
  try {
    run(parse_options(argc, argv));
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return meaning_of(e.kind()).exit_code;
  }
  return 0;
}

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double fastest(const std::function<void()>& work) {
  double best = seconds(work);
  for (int i = 1; i < kAttempts; ++i) best = std::min(best, seconds(work));
  return best;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double middle = median(values);
  return (values[values.size() * 3 / 4] - values[values.size() / 4]) / 2 / middle;
}

ReadBandwidth::ReadBandwidth(int64_t bytes) : buffer_(reserve_host_memory(bytes)) {
  std::fill_n(static_cast<uint64_t*>(buffer_.data()), bytes / 8, 1);
}

double ReadBandwidth::measure(ThreadTeam& team) const {
  const auto* data = static_cast<const uint64_t*>(buffer_.data());
  const int64_t words = buffer_.bytes() / 8;
  std::atomic<uint64_t> sink = 0;
  double best = 0;
  for (const Pattern& p : kPatterns) {
    const int64_t grain = p.chunk > 0 ? p.chunk : (words + team.size() - 1) / team.size();
    const auto chunk = [&](int64_t begin, int64_t end, int /*worker*/) {
      sink ^= read(data + begin, end - begin, p.ahead);
    };
    const double time = seconds([&] { team.for_chunks(words, grain, chunk); });
    best = std::max(best, static_cast<double>(words * 8) / time);
  }
  return best;
}

double multiply_add_peak(ThreadTeam& team, int64_t (*saturate)(int64_t rounds), bool smoke) {
  const int64_t rounds = smoke ? 1000 : 4'000'000;
  std::vector<int64_t> done(static_cast<size_t>(team.size()));
  const double time = seconds(
      [&] { team.run([&](int worker) { done[static_cast<size_t>(worker)] = saturate(rounds); }); });
  int64_t total = 0;
  for (const int64_t n : done) total += n;
  return static_cast<double>(total) / time;
}

void print(const Result& result) {
  std::vector<double> ratios;
  for (size_t i = 0; i < result.runs.size(); ++i) {
    ratios.push_back(result.runs[i] / result.baseline_runs[i]);
  }
  const auto quoted = [](const std::string& text) {
    std::string out;
    append_json_string(out, text, false);
    return out;
  };
  std::printf(
      "{\"bench\":%s,\"machine\":%s,\"case\":%s,\"unit\":%s,\"baseline\":%s,"
      "\"baseline_value\":%.4g,\"this_value\":%.4g,\"ratio\":%.3f,\"spread\":%.3f}\n",
      quoted(result.bench).c_str(), quoted(machine()).c_str(), quoted(result.subject).c_str(),
      quoted(result.unit).c_str(), quoted(result.baseline).c_str(), median(result.baseline_runs),
      median(result.runs), median(ratios), spread(ratios));
  std::fflush(stdout);
}

}  // namespace pagoda::bench
