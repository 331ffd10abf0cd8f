#include "load/progress_printer.h"

#include <doctest/doctest.h>

#include <vector>

namespace pagoda {
namespace {

constexpr int64_t kGigabyte = 1'000'000'000;

// Receives the lines, and is the clock.
struct Fixture {
  ProgressOptions options(int64_t total, bool is_terminal) {
    return {.total_bytes = total,
            .is_terminal = is_terminal,
            .write = [this](const std::string& line) { lines.push_back(line); },
            .now = [this] { return time; }};
  }
  void wait(double seconds) {
    time += std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
  }

  std::chrono::steady_clock::time_point time = {};
  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a terminal sees one line, rewritten ten times a second and removed at the end") {
  Fixture f;
  ProgressPrinter printer(f.options(10 * kGigabyte, true));
  f.wait(0.5);
  printer.add_bytes(kGigabyte);
  f.wait(0.05);
  printer.add_bytes(kGigabyte);
  f.wait(0.45);
  printer.add_bytes(kGigabyte);
  printer.finish();
  CHECK(f.lines == std::vector<std::string>{"\rLoading weights:  10% | 1.00/10.00 GB | 2.00 GB/s",
                                            "\rLoading weights:  30% | 3.00/10.00 GB | 3.00 GB/s",
                                            "\r" + std::string(49, ' ') + "\r"});
}

TEST_CASE("a log gets a line every 10 percent or 10 seconds, and no more than one a second") {
  Fixture f;
  ProgressPrinter printer(f.options(10 * kGigabyte, false));
  for (int i = 0; i < 40; ++i) {
    f.wait(0.5);
    printer.add_bytes(kGigabyte / 20);  // 10 % take 10 seconds
  }
  CHECK(f.lines.size() == 2);
  f.wait(0.1);
  printer.add_bytes(3 * kGigabyte);
  CHECK(f.lines.size() == 2);  // 50 %, but too soon
  f.wait(1);
  printer.add_bytes(kGigabyte);
  REQUIRE(f.lines.size() == 3);
  CHECK(f.lines[2] == "Loading weights:  60% | 6.00/10.00 GB | 0.28 GB/s");
}

TEST_CASE("without a total there is no percentage, and never more than all") {
  Fixture f;
  ProgressPrinter unknown(f.options(0, true));
  f.wait(1);
  unknown.add_bytes(2 * kGigabyte);
  ProgressPrinter shared(f.options(kGigabyte, true));
  f.wait(1);
  shared.add_bytes(2 * kGigabyte);
  CHECK(f.lines == std::vector<std::string>{"\rLoading weights: 2.00 GB | 2.00 GB/s",
                                            "\rLoading weights: 100% | 1.00/1.00 GB | 2.00 GB/s"});
}

}  // namespace pagoda
