#include <doctest/doctest.h>

#include <string>

#include "base/error.h"
#include "text/answer/reasoning_parser.h"
#include "text/answer/tool_call_parser.h"

namespace pagoda {
namespace {

ReasonedText in_pieces(std::string_view parser, std::string_view text, size_t piece) {
  const auto p = make_reasoning_parser(parser);
  ReasonedText all;
  const auto take = [&](const ReasonedText& t) {
    all.reasoning += t.reasoning;
    all.content += t.content;
  };
  for (size_t i = 0; i < text.size(); i += piece) take(p->add(text.substr(i, piece)));
  take(p->finish());
  return all;
}

ToolAnswer calls_in_pieces(std::string_view text, size_t piece) {
  const auto p = make_tool_call_parser("hermes");
  ToolAnswer all;
  const auto take = [&](const ToolPieces& pieces) {
    all.content += pieces.content;
    for (const ToolCallPiece& c : pieces.calls) {
      if (static_cast<size_t>(c.index) == all.calls.size()) all.calls.emplace_back();
      all.calls.at(static_cast<size_t>(c.index)).name += c.name;
      all.calls.at(static_cast<size_t>(c.index)).arguments += c.arguments;
    }
  };
  for (size_t i = 0; i < text.size(); i += piece) take(p->add(text.substr(i, piece)));
  take(p->finish());
  return all;
}

}  // namespace

TEST_CASE("thinking is told from the answer however the text is cut") {
  const std::string_view text = "<think>\nOnes < tens.\n</think>\n\n68";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    const ReasonedText t = in_pieces("qwen3", text, piece);
    CHECK(t.reasoning == "\nOnes < tens.\n");
    CHECK(t.content == "\n\n68");
  }
  const ReasonedText whole = make_reasoning_parser("qwen3")->split(text);
  CHECK(whole.reasoning == "\nOnes < tens.\n");
  CHECK(whole.content == "\n\n68");
}

TEST_CASE("qwen3 without marks is all content, and so is an answer cut while thinking") {
  CHECK(in_pieces("qwen3", "a < b </thin", 1).content == "a < b </thin");
  CHECK(make_reasoning_parser("qwen3")->split("<think>never").content == "<think>never");
  CHECK(in_pieces("qwen3", "<think>never", 3).reasoning == "never");
}

TEST_CASE("deepseek_r1 needs no opening mark") {
  for (const std::string_view text : {"why\n</think>because", "<think>why\n</think>because"}) {
    for (const size_t piece : {size_t{1}, size_t{4}, text.size()}) {
      CHECK(in_pieces("deepseek_r1", text, piece).reasoning == "why\n");
      CHECK(in_pieces("deepseek_r1", text, piece).content == "because");
    }
    CHECK(make_reasoning_parser("deepseek_r1")->split(text).reasoning == "why\n");
  }
  CHECK(make_reasoning_parser("deepseek_r1")->split("on and on").reasoning == "on and on");
}

TEST_CASE("an unknown parser is refused with the list of those that exist") {
  CHECK_THROWS_WITH_AS(
      make_reasoning_parser("granite"),
      "--reasoning-parser: \"granite\" is not known; choose one of deepseek_r1, qwen3", Error);
}

TEST_CASE("two tool calls come out however the text is cut") {
  const std::string_view text =
      "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"To}kyo "
      "\\\"\"}}\n"
      "</tool_call>\n<tool_call>\n{\"arguments\": {\"n\": [1, {\"a\": 2}]}, \"name\": "
      "\"add\"}\n</tool_call>";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    const ToolAnswer a = calls_in_pieces(text, piece);
    REQUIRE(a.calls.size() == 2);
    CHECK(a.content == "Let me see.\n");
    CHECK(a.calls[0].name == "get_weather");
    CHECK(a.calls[0].arguments == "{\"city\": \"To}kyo \\\"\"}");
    CHECK(a.calls[1].name == "add");
    CHECK(a.calls[1].arguments == "{\"n\": [1, {\"a\": 2}]}");
  }
  const ToolAnswer whole = make_tool_call_parser("hermes")->parse(text);
  REQUIRE(whole.calls.size() == 2);
  CHECK(whole.content == "Let me see.\n");
  CHECK(whole.calls[0].arguments == "{\"city\": \"To}kyo \\\"\"}");
  CHECK(whole.calls[1].name == "add");
}

TEST_CASE("what is no call is content, and nothing of it is lost") {
  for (const std::string_view text : {"1 < 2 <tool_cal", "<tool_call>not json</tool_call> tail",
                                      "<tool_call>{\"name\": 3}</tool_call>"}) {
    for (const size_t piece : {size_t{1}, size_t{5}, text.size()}) {
      const ToolAnswer a = calls_in_pieces(text, piece);
      CHECK(a.content == text);
      CHECK(a.calls.empty());
    }
    CHECK(make_tool_call_parser("hermes")->parse(text).content == text);
  }
}

TEST_CASE("a call that the length cut is sent as far as it came") {
  const ToolAnswer a =
      calls_in_pieces("<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"To", 2);
  REQUIRE(a.calls.size() == 1);
  CHECK(a.calls[0].arguments == "{\"city\": \"To");
  // A whole answer must be valid, or it is content.
  const std::string_view cut = "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"To";
  CHECK(make_tool_call_parser("hermes")->parse(cut).content == cut);
}

}  // namespace pagoda
