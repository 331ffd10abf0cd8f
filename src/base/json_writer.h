// Prints JSON as Python's json.dumps and pydantic do, which Boost.JSON does not (it writes 1E0 for
// 1.0): 1.0, 1e-05, keys in their order, nulls. Parsing is Boost.JSON's.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

namespace pagoda {

struct JsonStyle {
  std::string_view item_separator = ",";
  std::string_view key_separator = ":";
  bool ensure_ascii = false;  // \uXXXX for everything beyond ASCII
  bool sort_keys = false;
  int indent = -1;  // spaces a level; below 0: all on one line
};

// json.dumps without arguments.
constexpr JsonStyle kPythonStyle = {", ", ": ", true, false, -1};
// What HTTP answers use: compact, UTF-8 as it is.
constexpr JsonStyle kCompactStyle = {};

std::string to_json(const boost::json::value& value, const JsonStyle& style = kCompactStyle);
void append_json(std::string& out, const boost::json::value& value, const JsonStyle& style);

// A string with its quotes. Invalid UTF-8 is passed on as it is.
void append_json_string(std::string& out, std::string_view text, bool ensure_ascii);
// As Python's repr(float): the shortest digits that read back equal; inf and nan as Infinity, NaN.
void append_json_number(std::string& out, double number);

}  // namespace pagoda
