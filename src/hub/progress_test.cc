#include "hub/progress.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/str.h"
#include "hub/amounts.h"

namespace pagoda {
namespace {

constexpr int64_t kMiB = 1 << 20;

// The last two lines on a terminal of so many columns: one file of several, and all.
std::string drawn_at(int columns) {
  double now = 0;
  std::string out;
  BarProgress progress([&](std::string_view text) { out = text; },
                       [&] { return TerminalSize{.columns = columns}; }, [&] { return now; });
  progress.begin("o/m", {{"model-00001-of-00009.safetensors", 100 * kMiB, 0}});
  now = 2;
  progress.advance(0, 50 * kMiB);
  return out.substr(out.find("[J") + 2);
}

}  // namespace

TEST_CASE("amounts read as people say them") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(1024 * 1024 - 1) == "1.0 MiB");
  CHECK(bytes_text(16'445'000'000) == "15.3 GiB");
  CHECK(bytes_text(INT64_MAX) == "8.0 EiB");
  CHECK(duration_text(59) == "59 s");
  CHECK(duration_text(125) == "2 min 5 s");
  CHECK(duration_text(3 * 3600 + 240) == "3 h 4 min");
}

TEST_CASE("a rate is that of the last ten seconds") {
  RateMeter rate;
  CHECK(!rate.bytes_per_second());
  rate.add(0, 0);
  CHECK(!rate.bytes_per_second());
  rate.add(5, 500);
  CHECK(*rate.bytes_per_second() == 100);
  rate.add(10, 500);
  rate.add(15, 500);
  CHECK(*rate.bytes_per_second() == 0);
}

TEST_CASE("elsewhere than on a terminal there is a line for the start, ten seconds, each file") {
  double now = 0;
  std::string out;
  LineProgress progress([&](std::string_view line) { out += str(line, "\n"); },
                        [&] { return now; });
  progress.begin("o/m from host to /cache",
                 {{"config.json", 1024, 0}, {"model.safetensors", 100 * kMiB, 10 * kMiB}});
  progress.advance(0, 1024);
  progress.finish(0);
  now = 10;
  progress.advance(1, 20 * kMiB);
  now = 15;
  progress.advance(1, 20 * kMiB);
  progress.say("waiting");
  progress.end();
  CHECK(out ==
        "downloading o/m from host to /cache: 2 files, 100.0 MiB, 10.0 MiB of them are there\n"
        "config.json: 1.0 KiB downloaded and checked\n"
        "30 % of 100.0 MiB, 2.0 MiB/s, 35 s left\n"
        "waiting\n");
}

TEST_CASE("on a terminal each file in work has a bar, and all together one with rate and time") {
  double now = 0;
  std::string out;
  BarProgress progress([&](std::string_view text) { out += text; },
                       [] { return TerminalSize{.columns = 120}; }, [&] { return now; });
  progress.begin("o/m", {{"a.safetensors", 100 * kMiB, 0}, {"b.safetensors", 100 * kMiB, 0}});
  CHECK(out == str("downloading o/m: 2 files, 200.0 MiB\nall (0 of 2 files)              [",
                   std::string(40, '.'), "]    0 %        0 B of 200.0 MiB\n"));
  out.clear();
  now = 2;
  progress.advance(0, 50 * kMiB);
  CHECK(out == str("\x1b[1F\x1b[Ja.safetensors                   [", std::string(20, '#'),
                   std::string(20, '.'), "]   50 %   50.0 MiB of 100.0 MiB\n",
                   "all (0 of 2 files)              [", std::string(8, '#'), std::string(24, '.'),
                   "]   25 %   50.0 MiB of 200.0 MiB  25.0 MiB/s, 6 s left\n"));
  out.clear();
  progress.advance(0, 1);
  CHECK(out == "");  // a tenth of a second has not passed
}

TEST_CASE("a finished file's line stays above the bars, and notices do not break them") {
  std::string out;
  BarProgress progress([&](std::string_view text) { out += text; },
                       [] { return TerminalSize{.columns = 60}; }, [] { return 0.0; });
  progress.say("before");
  progress.begin("o/m", {{"model-00001-of-00163.safetensors", 8, 0}});
  progress.advance(0, 8);
  out.clear();
  progress.finish(0);
  CHECK(out ==
        "\x1b[1F\x1b[Jmodel-00001-of-00163  [################]  100 %         8 B\n"
        "all (1 of 1 files)    [################]  100 %         8 B\n");
  out.clear();
  progress.say("checking");
  CHECK(out ==
        "\x1b[1F\x1b[J"
        "checking\n"
        "all (1 of 1 files)    [################]  100 %         8 B\n");
  progress.end();
  out.clear();
  progress.say("after");
  CHECK(out == "after\n");
}

TEST_CASE("a narrow terminal has no line that wraps, and keeps share, rate and time left") {
  CHECK(drawn_at(80) ==
        "model-00001-of-00009  [############............]   50 %   50.0 MiB of 100.0 MiB\n"
        "all (0 of 1 files)    [#######.......]   50 %    50.0 MiB  25.0 MiB/s, 2 s left\n");
  CHECK(drawn_at(60) ==
        "model-00001-of-00009  [########........]   50 %    50.0 MiB\n"
        "all (0 of 1 files)     50 %  25.0 MiB/s, 2 s left\n");
  CHECK(drawn_at(40) ==
        "model-00001-of-00009   50 %    50.0 MiB\n"
        "all          50 %  25.0 MiB/s, 2 s left\n");
  CHECK(drawn_at(20) ==
        "...-of-00009   50 %\n"
        "all   50 %  25.0 Mi\n");
}

TEST_CASE("a low terminal has no more bars than it has rows for") {
  std::string out;
  BarProgress progress([&](std::string_view text) { out = text; },
                       [] { return TerminalSize{.columns = 100, .rows = 4}; }, [] { return 0.0; });
  progress.begin("o/m", {{"a", 8, 4}, {"b", 8, 4}, {"c", 8, 4}});
  CHECK(std::count(out.begin(), out.end(), '\n') == 1 + 2 + 1);
  CHECK(out.find("\nc ") == std::string::npos);
}

}  // namespace pagoda
