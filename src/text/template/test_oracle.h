// For the tests that compare small templates with Python's Jinja2: the variables, the comparison.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "text/template/test_rendering.h"

namespace pagoda::testing {

constexpr const char* kVariables = R"({
  "n": 7, "f": 2.5, "neg": -3, "big": 1e22, "tiny": 1e-7, "zero": 0, "yes": true, "nothing": null,
  "s": "Hello, World", "u": "Straße Ünï 你好 🤗 ΑΣ ǆ ﬁ", "empty": "", "lines": "a\n  b\r\nc\n\nd\n",
  "html": "<a href='x'>\"&\"</a>", "list": [3, 1, 2], "words": ["b", "A", "c", "B"], "nested": [[1, 2], [3, [4]]],
  "d": {"b": 1, "a": [1, "x", null], "C": {"k": true}}, "keys": {"items": 5, "x": 1},
  "people": [{"name": "Bo", "age": 30, "pet": {"kind": "cat"}}, {"name": "al", "age": 25}, {"name": "Al", "age": 25, "pet": {"kind": "dog"}}],
  "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}]})";

inline void check_case(const OracleCase& asked, const OracleResult& expected) {
  const std::string& source = asked.template_source;
  CAPTURE(source);
  const std::string error = error_of(source, asked.variables);
  constexpr std::string_view kNoError = "no error: ";
  const bool failed = !error.starts_with(kNoError);
  CAPTURE(error);
  CHECK(failed == !expected.has_value());
  CHECK((failed || error.substr(kNoError.size()) == expected.value_or("")));
}

inline void check_against_python(const std::vector<std::string>& sources) {
  const json::object variables = json::parse(kVariables).as_object();
  std::vector<OracleCase> cases;
  cases.reserve(sources.size());
  for (const std::string& source : sources) cases.push_back({source, variables});
  const std::vector<OracleResult> expected = ask_oracle(cases);
  REQUIRE_MESSAGE(expected.size() == cases.size(), "install Debian's python3-jinja2");
  for (size_t i = 0; i < cases.size(); ++i) check_case(cases[i], expected[i]);
}

}  // namespace pagoda::testing
