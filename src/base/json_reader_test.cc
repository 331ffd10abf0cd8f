#include "base/json_reader.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

namespace pagoda {
namespace {

namespace json = boost::json;
using Texts = std::vector<std::string_view>;

constexpr JsonTerms kTerms = {
    .blame = ErrorKind::kConfig, .remedy = "correct it", .absent_remedy = "add it"};
constexpr JsonTerms kBareTerms = {.blame = ErrorKind::kRequest, .joint = "."};

template <class F>
std::string error_of(F&& f, ErrorKind kind = ErrorKind::kConfig) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("what is missing, null or of another type is told with place, value and remedy") {
  const json::value value = json::parse(R"({"size": "big", "off": null, "layers": 2.5, "no": 7})");
  const JsonReader file(value, "file", kTerms);
  CHECK(error_of([&] { file.integer("size"); }) ==
        "file: size is \"big\", expected an integer; correct it");
  CHECK(error_of([&] { file.integer("layers"); }) ==
        "file: layers is 2.5, expected an integer; correct it");
  CHECK(error_of([&] { file.text("no"); }) == "file: no is 7, expected a string; correct it");
  CHECK(error_of([&] { file.flag_or("no", true); }) ==
        "file: no is 7, expected true or false; correct it");
  CHECK(error_of([&] { file.integer("off"); }) == "file: off is null, expected an integer; add it");
  CHECK(error_of([&] { file.number("none"); }) ==
        "file: none is missing, expected a number; add it");
}

TEST_CASE("a key that a file made up stays one line") {
  const json::value value = json::parse(R"({"a\nb": 1})");
  const JsonReader file(value, "file", kTerms);
  CHECK(error_of([&] { file.text(file.keys().front()); }) ==
        R"(file: "a\nb" is 1, expected a string; correct it)");
}

TEST_CASE("numbers may be written either way, defaults stand in for absent and null") {
  const json::value value =
      json::parse(R"({"a": 4096.0, "theta": 1000000, "off": null, "flag": true, "name": "x"})");
  const JsonReader file(value, "file", kTerms);
  CHECK(file.integer("a") == 4096);
  CHECK(file.number("theta") == 1e6);
  CHECK(file.integer_or("off", 5) == 5);
  CHECK(file.number_or("none", 0.5) == 0.5);
  CHECK(file.flag_or("flag", false));
  CHECK(file.text_or("name", "y") == "x");
  CHECK(file.text_or("none", "y") == "y");
  CHECK(file.is_null("off"));
  CHECK_FALSE(file.is_null("none"));
}

TEST_CASE("an integer that 64 bits cannot hold is none") {
  const json::value value = json::parse(R"({"a": 18446744073709551615, "b": 1e300})");
  const JsonReader file(value, "file", kTerms);
  CHECK(error_of([&] { file.integer("a"); }).starts_with("file: a is 18446744073709551615, "));
  CHECK_FALSE(file.if_integer("b"));
}

TEST_CASE("a single value counts as a list of one") {
  const json::value value = json::parse(R"({"ids": [1, 2], "one": 7, "words": ["a", 3]})");
  const JsonReader file(value, "file", kTerms);
  CHECK(file.integers_or_empty("ids") == std::vector<int64_t>{1, 2});
  CHECK(file.integers_or_empty("one") == std::vector<int64_t>{7});
  CHECK(file.integers_or_empty("none").empty());
  CHECK(error_of([&] { file.texts_or_empty("words"); }) ==
        "file: words is [\"a\", 3], expected a list of strings; correct it");
}

TEST_CASE("what is inside knows where it stands") {
  const json::value value = json::parse(R"({"rope": {"type": "yarn"}, "list": [{"a": 1}, 5]})");
  const JsonReader file(value, "file", kTerms);
  CHECK(file.section("none").empty());
  CHECK(file.section("rope").text("type") == "yarn");
  CHECK(error_of([&] { file.section("rope").number("factor"); }) ==
        "file: rope: factor is missing, expected a number; add it");
  CHECK(error_of([&] { file.section("list"); }) ==
        "file: list is [{\"a\": 1}, 5], expected an object; correct it");

  const JsonReader dotted(value, "file:", kBareTerms);
  const JsonReader second = dotted.at("list").items().at(1);
  CHECK(error_of([&] { second.text(); }, ErrorKind::kRequest) ==
        "file: list[1] is 5, expected a string");
  CHECK(error_of([&] { second.text("b"); }, ErrorKind::kRequest) ==
        "file: list[1].b is missing, expected a string");
  CHECK(error_of([&] { second.refuse("is odd"); }, ErrorKind::kRequest) == "file: list[1] is odd");
  CHECK(error_of([&] { dotted.refuse("rope", "but has to hang"); }, ErrorKind::kRequest) ==
        "file: rope is {\"type\": \"yarn\"}, but has to hang");
}

TEST_CASE("what may be anything is nothing where it is of another type") {
  const json::value value =
      json::parse(R"({"n": 3, "t": "x", "f": false, "o": {"k": null}, "l": [1]})");
  const JsonReader file(value, "file", kTerms);
  CHECK(file.if_integer("n") == 3);
  CHECK(file.if_number("n") == 3.0);
  CHECK(file.if_text("t") == "x");
  CHECK(file.if_flag("f") == false);
  CHECK(file.if_object("o")->keys() == Texts{"k"});
  CHECK(file.if_list("l")->items().size() == 1);
  for (const char* key : {"l", "none"}) {
    CHECK_FALSE(file.if_integer(key));
    CHECK_FALSE(file.if_text(key));
    CHECK_FALSE(file.if_flag(key));
    CHECK_FALSE(file.if_object(key));
  }
  const JsonReader number = *file.find("n");
  CHECK_FALSE(number.has("anything"));
  CHECK_FALSE(number.if_text());
}

TEST_CASE("of a value that is long only the beginning is shown") {
  const json::object object = {{"words", json::array(1000, "word")}};
  const JsonReader file(object, "file", kTerms);
  const std::string message = error_of([&] { file.text("words"); });
  CHECK(message.starts_with("file: words is [\"word\", \"word\", "));
  CHECK(message.ends_with("..., expected a string; correct it"));
  CHECK(message.size() < 300);
}

}  // namespace pagoda
