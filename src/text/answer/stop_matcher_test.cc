#include "text/answer/stop_matcher.h"

#include <doctest/doctest.h>

#include <random>

namespace pagoda {
namespace {

TEST_CASE("text that cannot begin a stop string is sent at once") {
  StopMatcher matcher({"END"}, false);
  CHECK(matcher.add("hello ").text == "hello ");
  CHECK(matcher.add("E").text.empty());
  CHECK(matcher.add("x").text == "Ex");
}

TEST_CASE("a stop string split over pieces is cut off") {
  StopMatcher matcher({"cd"}, false);
  CHECK(matcher.add("abc").text == "ab");
  const auto match = matcher.add("de");
  CHECK(match.text.empty());
  CHECK(match.stop == 0);
}

TEST_CASE("an included stop string is sent and what follows it is not") {
  StopMatcher matcher({"cd"}, true);
  CHECK(matcher.add("abc").text == "ab");
  const auto match = matcher.add("def");
  CHECK(match.text == "cd");
  CHECK(match.stop == 0);
}

TEST_CASE("of two stop strings in one piece the first of the list wins") {
  StopMatcher matcher({"yy", "x"}, false);
  const auto match = matcher.add("axbyyc");
  CHECK(match.text == "axb");
  CHECK(match.stop == 0);
}

TEST_CASE("a held beginning is sent when the text ends") {
  StopMatcher matcher({"stop"}, false);
  CHECK(matcher.add("a sto").text == "a ");
  CHECK(matcher.finish() == "sto");
  CHECK(matcher.finish().empty());
}

TEST_CASE("a stop string that ended before the matcher may stop is passed over") {
  StopMatcher matcher({"ab"}, false);
  CHECK(matcher.add("xab", false).text == "xab");
  CHECK_FALSE(matcher.add("cd", true).stop);
}

TEST_CASE("a stop string that began before the matcher may stop counts") {
  StopMatcher matcher({"ab"}, false);
  CHECK(matcher.add("xa", false).text == "x");
  CHECK(matcher.add("b", true).stop == 0);
}

TEST_CASE("an overlapping beginning is not lost") {
  StopMatcher matcher({"aab"}, false);
  CHECK(matcher.add("aa").text.empty());
  CHECK(matcher.add("a").text == "a");
  CHECK(matcher.add("b").stop == 0);
}

TEST_CASE("however a text is cut, the same text comes out as from a search in the whole") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += static_cast<char>('a' + random() % 2);
    const std::string stop =
        text.substr(random() % 25, 1 + random() % 5) + (random() % 2 ? "" : "b");
    StopMatcher matcher({stop}, false);
    std::string sent;
    bool stopped = false;
    for (size_t i = 0; i < text.size() && !stopped;) {
      const size_t n = 1 + random() % 4;
      auto match = matcher.add(std::string_view(text).substr(i, n));
      sent += match.text;
      stopped = match.stop.has_value();
      i += n;
    }
    sent += matcher.finish();
    CHECK(sent == text.substr(0, text.find(stop)));
  }
}

}  // namespace
}  // namespace pagoda
