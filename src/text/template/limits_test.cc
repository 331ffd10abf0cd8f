// Whatever a template asks of a text or a list is charged by what it costs, and costs no more than
// in proportion to their sizes.

#include "text/template/limits.h"

#include <doctest/doctest.h>

#include "text/template/test_rendering.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

using testing::error_of;
using testing::render;
namespace json = boost::json;
using Expressions = std::vector<std::string>;

// Makes s, a text of 20 kB, and l, a list of as many items, and asks for `expression` 2000 times.
std::string asking(const std::string& expression) {
  return str("{% set s = 'a' * 20000 %}{% set l = [7] * 20000 %}{% for i in range(2000) %}{% if ",
             expression, " %}{% endif %}{% endfor %}");
}

// Twice what the loop takes without its expressions; some 80 times what 20 kB are charged.
constexpr TemplateLimits kTight = {.max_steps = 100'000};

void check_charged(const Expressions& expressions) {
  for (const std::string& expression : expressions) {
    CAPTURE(expression);
    const std::string source = asking(expression);
    CHECK(source.size() < 200);
    CHECK(error_of(source, {}, kTight) ==
          "the template does not come to an end within 100000 steps (chat template, line 1)");
  }
}

}  // namespace

TEST_CASE("a loop over small values stays within the limit that the tests of charges use") {
  CHECK(render(asking("i in [1, 2] and 'abc'.strip('c')"), {}, kTight).empty());
}

TEST_CASE("every method of a text is charged by the bytes that it looks at") {
  check_charged({"s.strip()",
                 "s.strip('b')",
                 "s.lstrip('b')",
                 "s.rstrip('b')",
                 "'b'.strip(s)",
                 "s.startswith(s)",
                 "s.endswith(s)",
                 "s.startswith(('b', s))",
                 "s.startswith('b', 1)",
                 "s.endswith('b', 0, 9)",
                 "s.split()",
                 "s.split('b')",
                 "s.split('a')",
                 "s.rsplit()",
                 "s.rsplit('b')",
                 "s.rsplit(none, 0)",
                 "s.splitlines()",
                 "s.partition('b')",
                 "s.rpartition('b')",
                 "s.join('ab')",
                 "','.join(l | map('string'))",
                 "s.replace('b', 'c')",
                 "s.replace('', 'c')",
                 "s.replace('a', 'bc')",
                 "s.find('b')",
                 "s.rfind('b')",
                 "s.find('b', 9)",
                 "s.find(s)",
                 "s.rfind(s)",
                 "s.count('b')",
                 "s.count('')",
                 "s.count('a', 5)"});
  check_charged({"s.upper()", "s.lower()", "s.title()", "s.capitalize()", "s.swapcase()",
                 "s.casefold()", "s.isalpha()", "s.isdecimal()", "s.isdigit()", "s.isnumeric()",
                 "s.isalnum()", "s.isspace()", "s.isprintable()", "s.isascii()", "s.isupper()",
                 "s.islower()", "s.istitle()", "s.isidentifier()"});
  check_charged({"s.ljust(9)",           "s.rjust(9)",
                 "s.center(9)",          "s.zfill(9)",
                 "'a'.center(20000)",    "'a'.zfill(20000)",
                 "s.removeprefix(s)",    "s.removesuffix(s)",
                 "s.expandtabs()",       "'\\t'.expandtabs(20000)",
                 "s.format()",           "'{0}'.format(s)",
                 "'{:.0}'.format(s)",    "'{!r:.0}'.format(s)",
                 "'{:20000}'.format(1)", "'%s' % s",
                 "'%.0s' % s",           "'%r' % s",
                 "'%20000d' % 1",        "(s ~ '%s') % 1"});
  CHECK(error_of(asking("s.index('b')"), {}, kTight).starts_with("substring not found"));
}

TEST_CASE("every operator on texts and lists is charged by their sizes") {
  check_charged({"'b' in s",
                 "s in s",
                 "7 in s.split('b')",
                 "8 in l",
                 "s + 'b'",
                 "s + s",
                 "s ~ s",
                 "s * 2",
                 "'a' * 20000",
                 "l * 2",
                 "[7] * 20000",
                 "l + l",
                 "s < s",
                 "s >= s",
                 "l < l",
                 "s[19999]",
                 "s[-20000]",
                 "s[1:]",
                 "s[:9]",
                 "s[::2]",
                 "s[::-1]",
                 "l[1:]",
                 "l[::-1]",
                 "range(20000)",
                 "dict.fromkeys is undefined and s == s ~ ''",
                 "{s: 1}[s]",
                 "(l, 1) == (l, 2)",
                 "l == l + []"});
}

TEST_CASE("every filter is charged by what it reads and makes") {
  check_charged({"s | upper",
                 "s | lower",
                 "s | title",
                 "s | capitalize",
                 "s | trim",
                 "s | trim('b')",
                 "'b' | trim(s)",
                 "s | replace('b', 'c')",
                 "'a' | center(20000)",
                 "s | center(9)",
                 "s | indent",
                 "'a' | indent(s)",
                 "s | truncate(9)",
                 "s | wordwrap(9)",
                 "s | wordwrap(9, wrapstring=s)",
                 "s | wordcount",
                 "'%s' | format(s)",
                 "s | escape",
                 "s | forceescape",
                 "s | urlencode",
                 "[(s, s)] | urlencode",
                 "{'a': s} | xmlattr",
                 "s | length",
                 "s | int",
                 "s | float",
                 "s | tojson"});
  check_charged({"l | tojson",
                 "[1] | tojson(indent=s)",
                 "[1, 2] | tojson(separators=(s, ':'))",
                 "l | list",
                 "l | first",
                 "l | last",
                 "l | reverse",
                 "s | reverse",
                 "l | join",
                 "[s, s] | join",
                 "[1, 2] | join(s)",
                 "l | sort",
                 "[s, s] | sort",
                 "l | unique",
                 "[s, s] | unique",
                 "l | min",
                 "l | max",
                 "[s, s] | min",
                 "l | sum",
                 "l | batch(9)",
                 "l | slice(9)",
                 "[{'k': s}] | groupby('k')",
                 "l | map('string')",
                 "l | select",
                 "l | reject('odd')",
                 "s | list",
                 "l | string",
                 "s | safe ~ '<'",
                 "l | map('string') | first",
                 "{s: 1} | dictsort",
                 "s | map('upper')",
                 "[1] | map(attribute=s, default=1)"});
}

TEST_CASE("every test that reads a text or a list is charged by its size") {
  check_charged({"s is upper", "s is lower", "'b' is in s", "8 is in l", "s is eq(s)", "s is lt(s)",
                 "s is sameas(s ~ '')"});
}

TEST_CASE("a scope with many names and a call with many arguments are charged as they are read") {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += str("{% set a", i, " = 1 %}");
  const std::string asked = "{% for i in range(2000) %}{% if a0 %}{% endif %}{% endfor %}";
  CHECK(error_of(many + asked, {}, {.max_steps = 600'000})
            .starts_with("the template does not come to an end"));
  json::object named;
  for (int i = 0; i < 2000; ++i) named[str("key", i)] = i;
  CHECK(error_of("{% for i in range(2000) %}{% if '{key0}'.format(**d) %}{% endif %}{% endfor %}",
                 {{"d", named}}, kTight)
            .starts_with("the template does not come to an end"));
}

TEST_CASE("no search and no set of letters takes the product of two sizes") {
  // Each would look at 10^12 bytes or more.
  CHECK(render("{{ ('a'*5000000).strip('b'*5000000+'a') | length }}") == "0");
  const std::string make = "{% set s = 'a' * 2000000 %}{% set t = 'a' * 1000000 %}";
  CHECK(render(make + "{{ (t ~ 'b') in s }} {{ s.find(t ~ 'b') }} {{ s.rfind(t ~ 'b') }} "
                      "{{ s.count(t ~ 'b') }} {{ s.rpartition(t ~ 'b')[0] | length }}") ==
        "False -1 -1 0 0");
  CHECK(render(make + "{{ s.rsplit(t ~ 'b') | length }} {{ s.split(t ~ 'b') | length }} "
                      "{{ s.replace(t ~ 'b', '') == s }}") == "1 1 True");
  CHECK(render("{{ ('\\u03a3' * 1000000) | title | length }}") == "1000000");
  CHECK(render("{{ ('-' * 1000000) | wordwrap(1000000) | length }}") == "1000000");
  CHECK(render("{{ ('x' * 500000) | wordwrap(1) | length }}") == "999999");
  CHECK(error_of("{{ 'x ' ~ ('\\u00a0' * 1000000) ~ 'x' | wordwrap(1) | length }}")
            .starts_with("no error"));
}

TEST_CASE("a search from the end finds what std::string_view::rfind finds") {
  const std::string text = "abcabcabcabcabcabcabcabcabcabcab";
  for (size_t size = 0; size <= text.size(); ++size) {
    for (size_t begin = 0; begin + size <= text.size(); ++begin) {
      const std::string_view wanted = std::string_view(text).substr(begin, size);
      CHECK(find_last_text(text, wanted) == std::string_view(text).rfind(wanted));
      CHECK(find_text(text, wanted) == std::string_view(text).find(wanted));
    }
  }
  CHECK(render("{{ ('ab' * 30).rsplit('ab' * 10) }}") == "['', '', '', '']");
  CHECK(render("{{ ('x' ~ 'ab' * 30).rsplit('ab' * 10, 1)[0] | length }}") == "41");
}

TEST_CASE("padding and indents that would be larger than memory are refused before they are made") {
  const std::string refused = "the template needs more than 512 MiB";
  CHECK(error_of("{{ ''.center(4611686018427387904, '\\U0001F600') }}").starts_with(refused));
  CHECK(error_of("{{ 'a'.zfill(9223372036854775807) }}").starts_with(refused));
  CHECK(error_of("{{ 'a'.ljust(-9223372036854775807 - 1) }}") == "no error: a");
  CHECK(error_of("{{ (',' * 60000000).split(',') }}").starts_with(refused));
  // By its steps, before the 1 GB are there.
  CHECK(error_of("{{ [[[[[[[[1]]]]]]]] | tojson(indent='a' * 30000000) }}")
            .starts_with("the template does not come to an end within 20000000 steps"));
}

TEST_CASE("a rendering ends when it has used its time") {
  const std::string endless =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
  CHECK(error_of(endless, {}, {.max_time = std::chrono::milliseconds(0)}) ==
        "the template does not come to an end within 0 ms (chat template, line 1)");
  CHECK(render("{% for a in range(9) %}{{ a }}{% endfor %}", {},
               {.max_time = std::chrono::milliseconds(0)}) == "012345678");
}

TEST_CASE("a rendering ends when nobody waits for it") {
  const auto program = parse_template(
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
  std::stop_source client;
  client.request_stop();
  TemplateHeap heap(TemplateLimits{});
  heap.set_abandoned(client.get_token());
  CHECK_THROWS_WITH_AS(render_template(*program, heap, {}),
                       "nobody waits for the template's text any more (chat template, line 1)",
                       Error);
  CHECK(heap.steps_spent() < 1'000'000);
}

TEST_CASE("what a template says of its failure is cut where it is long") {
  CHECK(error_of("{{ raise_exception('a' * 1000000) }}").size() < 20'000);
}

TEST_CASE("a template whose source is beyond any that is published is refused") {
  CHECK(error_of(std::string(2 << 20, 'a')) ==
        "the chat template has 2097152 bytes, more than the 1048576 that one may have; make it "
        "shorter");
}

}  // namespace pagoda
