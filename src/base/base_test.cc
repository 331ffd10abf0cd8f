#include <doctest/doctest.h>

#include <atomic>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "base/rng.h"
#include "base/thread_team.h"
#include "base/utf8.h"

namespace pagoda {

TEST_CASE("numbers are printed as Python prints them") {
  const auto printed = [](double x) {
    std::string out;
    append_json_number(out, x);
    return out;
  };
  CHECK(printed(1.0) == "1.0");
  CHECK(printed(-0.0) == "-0.0");
  CHECK(printed(1e-5) == "1e-05");
  CHECK(printed(0.0001) == "0.0001");
  CHECK(printed(1e16) == "1e+16");
  CHECK(printed(123456789012345680.0) == "1.2345678901234568e+17");
  CHECK(printed(0.1) == "0.1");
}

TEST_CASE("the two styles of JSON are those of json.dumps and of HTTP answers") {
  const auto value = boost::json::parse(R"({"b":[1,2.0,null],"a":"\u4f60\n"})");
  CHECK(to_json(value, kPythonStyle) == "{\"b\": [1, 2.0, null], \"a\": \"\\u4f60\\n\"}");
  CHECK(to_json(value) == "{\"b\":[1,2.0,null],\"a\":\"你\\n\"}");
  CHECK(to_json(value,
                {.item_separator = ", ", .key_separator = ": ", .sort_keys = true, .indent = 1}) ==
        "{\n \"a\": \"你\\n\",\n \"b\": [\n  1,\n  2.0,\n  null\n ]\n}");
}

TEST_CASE("a cut code point is told from a wrong one") {
  CHECK(incomplete_utf8_tail("a\xE4\xBD") == 2);
  CHECK(incomplete_utf8_tail("a\xE4\xBD\xA0") == 0);
  CHECK(incomplete_utf8_tail("\xFF") == 0);
  CHECK(to_valid_utf8("a\xE4\xBDz\xFF") == "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  CHECK(is_valid_utf8("你好"));
  CHECK_FALSE(is_valid_utf8("\xED\xA0\x80"));
}

TEST_CASE("philox gives the published numbers") {
  // Known answers of the Random123 distribution, kat_vectors: philox4x32-10.
  CHECK(philox(0, 0, 0) == std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(~0ull, ~0ull, ~0ull) ==
        std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("every chunk is done once, by any number of workers") {
  for (const int workers : {1, 2, 5}) {
    ThreadTeam team(workers);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<std::atomic<int>> done(206);
      team.for_chunks(103, 7, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) ++done[static_cast<size_t>(i)];
      });
      team.for_shrinking_chunks(103, 7, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) ++done[static_cast<size_t>(103 + i)];
      });
      int wrong = 0;
      for (const auto& d : done) wrong += d != 1;
      REQUIRE(wrong == 0);
    }
  }
}

TEST_CASE("shrinking chunks begin with a large share and end with the least") {
  ThreadTeam team(2);
  std::vector<std::pair<int64_t, int64_t>> chunks(1000, {0, 0});
  team.for_shrinking_chunks(1000, 10, [&](int64_t begin, int64_t end, int) {
    chunks[static_cast<size_t>(begin)] = {begin, end};
  });
  CHECK(chunks[0].second == 250);
  CHECK(chunks[250].second == 250 + 187);
  int64_t at = 0, last = 0;
  while (at < 1000) {
    last = chunks[static_cast<size_t>(at)].second - at;
    at += last;
  }
  CHECK(last <= 10);
}

}  // namespace pagoda
