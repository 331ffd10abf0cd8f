// Bounds and errors of rendering; what the language means is compared with Python in
// template_oracle_test.cc.

#include "text/template/eval.h"

#include <doctest/doctest.h>

#include "text/template/test_rendering.h"

namespace pagoda {
namespace {

using testing::error_of;
using testing::render;
namespace json = boost::json;

TEST_CASE("a loop that does not end is stopped by the number of steps") {
  CHECK(error_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                 {}, {.max_steps = 100'000}) ==
        "the template does not come to an end within 100000 steps (chat template, line 1)");
}

TEST_CASE("text that doubles and doubles is stopped by memory") {
  CHECK(error_of("{% set ns = namespace(x='ab') %}{% for i in range(60) %}"
                 "{% set ns.x = ns.x * 2 %}{% endfor %}",
                 {}, {.max_memory_bytes = 8 << 20}) ==
        "the template needs more than 8 MiB of memory (chat template, line 1)");
  CHECK(error_of("{{ 'a' * 9999999999 }}").starts_with("the template needs more than 512 MiB"));
  CHECK(error_of("{{ ('a' * 60000000) | replace('a', 'b' * 60000000) }}")
            .starts_with("the template needs more than 512 MiB"));
}

TEST_CASE("output beyond its limit is refused") {
  CHECK(error_of("{% for i in range(9999) %}{{ 'x' * 1000 }}{% endfor %}", {},
                 {.max_output_bytes = 2 << 20}) ==
        "the template writes more than 2 MiB (chat template, line 1)");
}

TEST_CASE("a range beyond the sandbox's is refused with Jinja2's words") {
  CHECK(error_of("{% for i in range(10**9) %}{% endfor %}") ==
        "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000). "
        "(chat template, line 1)");
}

TEST_CASE("a macro that calls itself for ever is stopped before the stack ends") {
  CHECK(error_of("{% macro m(x) %}\n{% if true %}{% for i in [1] %}{{ m([x]) ~ (((1))) }}"
                 "{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}") ==
        "the template nests deeper than 1000 levels (chat template, line 2)");
}

TEST_CASE("a namespace that holds itself ends in an error when printed, compared or dumped") {
  const std::string make = "{% set ns = namespace() %}{% set ns.x = [ns] %}";
  CHECK(error_of(make + "{{ ns }}").starts_with("the template nests deeper"));
  CHECK(error_of(make + "{{ ns | tojson }}").starts_with("Object of type Namespace"));
  CHECK(render(make + "{{ ns.x == [ns] }}") == "True");
}

TEST_CASE("a source that nests too deep is refused") {
  const auto nested = [](const char* open, const char* close) {
    std::string source = "{{ ";
    for (int i = 0; i < 5000; ++i) source += open;
    source += "1";
    for (int i = 0; i < 5000; ++i) source += close;
    return source + " }}";
  };
  const std::string expected =
      "the chat template does not parse: brackets, operators or blocks nest deeper than 200 levels "
      "(line 1)";
  CHECK(error_of(nested("(", ")")) == expected);
  CHECK(error_of(nested("[", "]")) == expected);
  CHECK(error_of(nested("-", "")) == expected);
  CHECK(error_of(nested("not ", "")) == expected);
  CHECK(error_of(nested("", "+1")) == expected);
  CHECK(error_of(nested("", ".a")) == expected);
  CHECK(error_of(nested("", "|abs")) == expected);
  CHECK(error_of(nested("", " if 1 else 1")) == expected);
}

TEST_CASE("a text that is built piece by piece takes time and memory in proportion") {
  // Copying it each time would take 100000 * 300 KB.
  CHECK(render("{% set ns = namespace(x='') %}{% for i in range(100000) %}"
               "{% set ns.x = ns.x + 'abc' %}{% endfor %}{{ ns.x | length }}",
               {}, {.max_memory_bytes = 64 << 20}) == "300000");
}

TEST_CASE("a dict with many keys is looked up without a walk") {
  json::object many;
  for (int i = 0; i < 20'000; ++i) many[str("key", i)] = i;
  CHECK(render("{% set ns = namespace(n=0) %}{% for k in d %}{% set ns.n = ns.n + d[k] %}"
               "{% endfor %}{{ ns.n }}",
               {{"d", many}}, {.max_steps = 2'000'000}) == "199990000");
}

TEST_CASE("an error names the line of what went wrong, also behind a call of a macro") {
  CHECK(error_of("a\nb\n{{ 1 + 'x' }}") ==
        "unsupported operand type(s) for +: 'int' and 'str' (chat template, line 3)");
  CHECK(error_of("{% macro m() %}\n\nx{% endmacro %}\n{{ m() + 1 }}") ==
        "can only concatenate str (not \"int\") to str (chat template, line 4)");
}

TEST_CASE("an undefined value says who it is when it is used") {
  CHECK(error_of("{{ a.b }}") == "'a' is undefined (chat template, line 1)");
  CHECK(error_of("{{ d.x.y }}", {{"d", json::object()}}) ==
        "'dict object' has no attribute 'x' (chat template, line 1)");
  CHECK(error_of("{{ [1][3] + 1 }}") == "list object has no element 3 (chat template, line 1)");
}

TEST_CASE("lists and dicts cannot be changed, as in Jinja2's immutable sandbox") {
  CHECK(error_of("{{ [1].append(2) }}") ==
        "access to attribute 'append' of 'list' object is unsafe. (chat template, line 1)");
}

TEST_CASE("an integer beyond 64 bits is an error, not a wrong number") {
  CHECK(error_of("{{ 9223372036854775807 + 1 }}") ==
        "an integer beyond 64 bits, which templates here do not have (chat template, line 1)");
  CHECK(error_of("{{ 10 ** 30 }}").starts_with("an integer beyond 64 bits"));
  CHECK(error_of("{{ (-9223372036854775807 - 1) // -1 }}").starts_with("an integer beyond"));
}

TEST_CASE("two halves of a surrogate pair in a literal are one character") {
  CHECK(render("{{ '\\ud83e\\udd17' }}") == "\xF0\x9F\xA4\x97");
  CHECK(error_of("{{ '\\ud83e' }}") ==
        "the chat template does not parse: illegal Unicode character in a string (line 1)");
}

}  // namespace
}  // namespace pagoda
