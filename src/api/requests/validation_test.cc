#include "api/requests/validation.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "api/requests/python_repr.h"

namespace pagoda {
namespace {

namespace json = boost::json;

struct Reading {
  explicit Reading(const char* text) : body(json::parse(text).as_object()), in(body, errors) {}
  json::object body;
  ValidationErrors errors;
  FieldReader in;
};

}  // namespace

TEST_CASE("numbers, texts and flags stand for each other as in pydantic's lax mode") {
  Reading r(
      R"({"a":"128","b":3.0,"c":true,"d":" +7 ","e":"0.95","f":1,"g":"YES","h":0.0,"i":"3.0"})");
  CHECK(r.in.integer("a") == 128);
  CHECK(r.in.integer("b") == 3);
  CHECK(r.in.integer("c") == 1);
  CHECK(r.in.integer("d") == 7);
  CHECK(r.in.integer("i") == 3);
  CHECK(r.in.number("e") == 0.95);
  CHECK(r.in.number("f") == 1.0);
  CHECK(r.in.flag("f") == true);
  CHECK(r.in.flag("g") == true);
  CHECK(r.in.flag("h") == false);
  CHECK(r.errors.empty());
}

TEST_CASE("null counts as absent") {
  Reading r(R"({"a":null})");
  CHECK_FALSE(r.in.integer("a").has_value());
  CHECK_FALSE(r.in.text_or_texts("a").has_value());
  CHECK(r.errors.empty());
}

TEST_CASE("a wrong type is told in pydantic's words") {
  Reading r(R"({"temperature":"warm","n":1.5,"stop":5,"stream":"maybe"})");
  r.in.number("temperature");
  r.in.integer("n");
  r.in.text_or_texts("stop");
  r.in.flag("stream");
  CHECK(r.errors.message() ==
        "[{'type': 'float_parsing', 'loc': ('body', 'temperature'), 'msg': 'Input should be a "
        "valid number, unable to parse string as a number', 'input': 'warm'}, "
        "{'type': 'int_from_float', 'loc': ('body', 'n'), 'msg': 'Input should be a valid integer, "
        "got a number with a fractional part', 'input': 1.5}, "
        "{'type': 'string_type', 'loc': ('body', 'stop', 'str'), 'msg': 'Input should be a valid "
        "string', 'input': 5}, {'type': 'list_type', 'loc': ('body', 'stop', 'list[str]'), 'msg': "
        "'Input should be a valid list', 'input': 5}, "
        "{'type': 'bool_parsing', 'loc': ('body', 'stream'), 'msg': 'Input should be a valid "
        "boolean, unable to interpret input', 'input': 'maybe'}]");
}

TEST_CASE("the place of a wrong list item is a number") {
  Reading r(R"({"ids":[1,"x"]})");
  r.in.integers("ids");
  CHECK(r.errors.message() ==
        "[{'type': 'int_parsing', 'loc': ('body', 'ids', 1), 'msg': 'Input should be a valid "
        "integer, unable to parse string as an integer', 'input': 'x'}]");
}

TEST_CASE("numbers beyond 64 bits are refused, not wrapped") {
  Reading r(R"({"a":18446744073709551615,"b":1e300,"c":"99999999999999999999"})");
  for (const char* key : {"a", "b", "c"}) CHECK_FALSE(r.in.integer(key).has_value());
  CHECK(r.errors.message().find("exceeded maximum size") != std::string::npos);
}

TEST_CASE("values are quoted as Python's repr does") {
  CHECK(python_repr(json::parse(R"({"a":[1,2.5,true,null],"b":"it's","c":"\n\u0001你"})")) ==
        "{'a': [1, 2.5, True, None], 'b': \"it's\", 'c': '\\n\\x01你'}");
  CHECK(python_repr(json::value("both ' and \"")) == "'both \\' and \"'");
  CHECK(python_repr_of_number(-1.0) == "-1.0");
}

TEST_CASE("a large input is cut in a message, at a whole character") {
  const std::string text = python_repr(json::value(std::string(300, 'x') + "你"), 301);
  CHECK(text == "'" + std::string(300, 'x') + "...");
}

}  // namespace pagoda
