// Small templates, each rendered here and by Python's Jinja2.

#include <doctest/doctest.h>

#include "text/template/test_oracle.h"

namespace pagoda {
namespace {

using testing::check_against_python;

constexpr const char* kTemplates[] = {
    R"~(a{% if yes %}b{% endif %}c)~",
    R"~(  {% if yes %}
  x
  {% endif %}
y)~",
    R"~(a
  {%- if yes -%}
  x
  {%- endif -%}
  b)~",
    R"~(  {%+ if yes %}x{% endif +%}
y)~",
    R"~(a {{- ' b ' -}} c)~",
    R"~(  {{ n }}
  {{ n }}
)~",
    R"~({# c #}x
  {# c #}
  {#- c -#}  y)~",
    R"~(x {# multi
line #} y)~",
    R"~({% raw %}{{ x }} {% if %}{% endraw %})~",
    R"~(  {%- raw -%}  {{ x }}  {%- endraw -%}  z)~",
    R"~(  {% raw %}
a
  {% endraw %}
b)~",
    R"~(trailing newline
)~",
    R"~({% for x in list %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %})~",
    R"~({% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %})~",
    R"~({% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}|{{ loop.previtem is defined }}{% endfor %})~",
    R"~({% for x in list %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %})~",
    R"~({% for x in [] %}a{% else %}none{% endfor %})~",
    R"~({% for x in missing %}a{% else %}none{% endfor %})~",
    R"~({% for x in nothing %}a{% endfor %})~",
    R"~({% for x in n %}a{% endfor %})~",
    R"~({% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %})~",
    R"~({% for k in d %}{{ k }}{% endfor %}{% for c in u %}{{ c }}.{% endfor %})~",
    R"~({% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %})~",
    R"~({% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %})~",
    R"~({% for a, b in [(1,)] %}{{ a }}{% endfor %})~",
    R"~({% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %})~",
    R"~({% for x in range(10) if x % 2 %}{{ x }}{{ loop.index }}{{ loop.last }} {% else %}none{% endfor %})~",
    R"~({% for x in range(10) if x > 20 %}{{ x }}{% else %}none{% endfor %})~",
    R"~({% set ns = namespace(go=true) %}{% for x in range(5) if ns.go %}{{ x }}{% if x == 2 %}{% set ns.go = false %}{% endif %}{% endfor %})~",
    R"~({% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %})~",
    R"~({% for x in range(3) %}{% for y in range(3) %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %})~",
    R"~({% for item in tree recursive %}{{ item.v }}@{{ loop.depth }}({{ loop(item.c) }}){% endfor %})~",
    R"~({% for item in tree recursive %}{{ item.v }}{% if item.c %}[{{ loop(item.c) }}]{% endif %}{% else %}-{% endfor %})~",
    R"~({% for x in list %}{{ loop(x) }}{% endfor %})~",
    R"~({% for x in list %}{% for y in words %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %})~",
    R"~({% for x in list %}{% set outer = loop %}{% for y in [1, 2] %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %})~",
    R"~({{ loop }})~",
    R"~({% set x = 1 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }})~",
    R"~({% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }})~",
    R"~({% if no %}{% set y = 2 %}{% endif %}{{ y }}|{{ y is defined }})~",
    R"~({% for i in range(3) %}{% if i == 1 %}{% set z = i %}{% endif %}[{{ z }}]{% endfor %})~",
    R"~({% set ns = namespace(total=0) %}{% for i in list %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}{{ ns }})~",
    R"~({% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }})~",
    R"~({% set n.x = 1 %})~",
    R"~({% set a, b = 1, 2 %}{{ a }}{{ b }})~",
    R"~({% set a, b = [1] %})~",
    R"~({% set a = 1, 2 %}{{ a }})~",
    R"~({% set (a, b) = (b, a) %}{{ a }}{{ b }})~",
    R"~({% set block %}x{{ n }}y{% endset %}{{ block }}|{{ block | length }})~",
    R"~({% set block | upper | replace('X', 'z') %}x{{ n }}y{% endset %}{{ block }})~",
    R"~({% set block %}{% set inner = 5 %}{{ inner }}{% endset %}{{ block }}{{ inner }})~",
    R"~({% filter upper %}a{{ s }}{% endfilter %})~",
    R"~({% filter replace('a', 'b') | upper %}banana{% endfilter %})~",
    R"~({% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }})~",
    R"~({% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }})~",
    R"~({% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %})~",
    R"~({% macro m(a, b=2) %}[{{ a }},{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=1, a=2) }}{{ m() }})~",
    R"~({% macro m(a) %}{% endmacro %}{{ m(1, 2) }})~",
    R"~({% macro m(a) %}{% endmacro %}{{ m(z=2) }})~",
    R"~({% macro m(a) %}{% endmacro %}{{ m(1, a=2) }})~",
    R"~({% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }})~",
    R"~({% macro m(a, b=a * 2, c=b + 1) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, c=0) }})~",
    R"~({% macro m() %}{{ n }}{{ late }}{% endmacro %}{% set late = 'L' %}{{ m() }})~",
    R"~({% macro m() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ m() }}{{ n }})~",
    R"~({% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %})~",
    R"~({% macro outer() %}{% macro inner() %}I{% endmacro %}{{ inner() }}O{% endmacro %}{{ outer() }}{{ inner is defined }})~",
    R"~({% macro fact(x) %}{{ x if x <= 1 else x * (fact(x - 1) | int) }}{% endmacro %}{{ fact(6) }})~",
    R"~({% macro m(a) %}{{ caller() }}{{ a }}{% endmacro %}{% call m(1) %}body{% endcall %})~",
    R"~({% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=0) m() %}{{ a }}-{{ b }}{% endcall %})~",
    R"~({% macro m() %}x{% endmacro %}{% call m() %}body{% endcall %})~",
    R"~({% macro m() %}{{ caller is defined }}{{ caller }}{% endmacro %}{{ m() }})~",
    R"~({% for i in list %}{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ loop.index }}{{ i }}{% endcall %}{% endfor %})~",
    R"~({{ m.name }}{% macro m(a, b) %}{{ varargs }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_varargs }}{{ m.catch_kwargs }}{{ m.caller }})~",
    R"~({% generation %}x{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }})~",
    R"~({%- for m in people -%}
  {%- if m.pet is defined and m.pet.kind == 'cat' -%}
    cat:{{ m.name }}
  {%- elif m.age < 30 and not m.pet -%}
    young
  {% else %}
    other
  {% endif %}
{% endfor %})~",
    R"~({% if n == 1 %}1{% elif n == 7 %}7{% else %}x{% endif %})~",
    R"~({% if missing %}a{% else %}b{% endif %})~",
    R"~({% if 'nope' is filter %}{{ n | nope }}{% else %}no{% endif %})~",
    R"~({{ n | nope if 'nope' is filter else 'no' }})~",
    R"~({% if yes %}{{ n | nope }}{% endif %})~",
    R"~({% print n, s %})~",
    R"~({% include 'x' %})~",
    R"~({% nope %})~",
    R"~({% if yes %})~",
    R"~({% endif %})~",
    R"~({{ n)~",
    R"~({{ n })~",
    R"~({% for %}{% endfor %})~",
    R"~({{ 'unclosed }})~",
    R"~({# unclosed)~",
    R"~({{ (1 }})~",
    R"~({{ }})~",
    R"~({{ n n }})~",
    R"~({% set %}{% endset %})~",
    R"~({% set true = 1 %})~",
    R"~({% macro m(a=1, b) %}{% endmacro %})~",
    R"~({% raw %}x)~",
    R"~({{ {'a': 1}['a'] }}{{ [1, 2][1] }})~",
    R"~({{- n -}}
x)~",
    R"~({{ n }}x{{- n }}   {{- n }})~",
    R"~(	{% if yes %}	tab
	{% endif %})~",
    R"~(x{% if yes %}
y{% endif %}
z)~",
    R"~({% if yes -%}
   x   
{%- endif %}
z)~",
    R"~({%- set x = 1 -%}
{{ x }})~",
    R"~({% for x in list -%}
  {{ x }}
{%- endfor %})~",
    R"~({% for x in list %}
  {{ x }}
{% endfor %}
end)~",
    R"~(  {#- a -#}
  b)~",
    R"~({{ '{{' }}{{ '%}' }}{{ "}}" }})~",
    R"~({% if yes %}}{% endif %}{)~",
    R"~({ {n} })~",
    R"~({%if yes%}a{%endif%}{{n}})~",
    R"~({% if yes: %}x{% endif %})~",
    R"~({% for i in [1,2,3] %}{{ i }}{{ "," if not loop.last }}{% endfor %})~",
    R"~({% set items = [] %}{% for i in list %}{% set items = items + [i] %}{% endfor %}{{ items }})~",
    R"~({% set ns = namespace(items=[]) %}{% for i in list %}{% set ns.items = ns.items + [i] %}{% endfor %}{{ ns.items }})~",
    R"~({% set j = joiner(', ') %}{% for i in list %}{{ j() }}{{ i }}{% endfor %})~",
    R"~({% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }})~",
    R"~({% set x = people | selectattr('age', 'equalto', 25) %}{{ x | list | length }}{{ x | list | length }})~",
    R"~({% if people | selectattr('age', 'equalto', 99) %}always true{% endif %})~",
    R"~({% set x = list | map('string') %}{{ x | first }}{{ x | first }}{{ x | list }})~",
    R"~({{ people | selectattr('age', 'equalto', 25) | length }})~",
    R"~({% set x = d.items() %}{% for k, v in x %}{{ k }}{% endfor %}{{ x | length }})~",
    R"~({% for m in people[::-1] %}{{ m.name }}{% endfor %})~",
    R"~({% for i in range(3) %}{% set i = i * 10 %}{{ i }} {% endfor %})~",
    R"~({% for loop in list %}{{ loop }}{% endfor %})~",
    R"~({% set n = 3 %}{% macro m() %}{{ n }}{% endmacro %}{% set n = 4 %}{{ m() }})~",
    R"~({% with x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endwith %})~",
    R"~({%- macro json_type(t) -%}{%- if t is mapping -%}{ {%- for k, v in t | items -%}{{ k }}: {{ json_type(v) }}{{ ", " if not loop.last }}{%- endfor -%} }{%- elif t is string -%}"{{ t }}"{%- elif t is iterable -%}[{%- for v in t -%}{{ json_type(v) }},{%- endfor -%}]{%- else -%}{{ t }}{%- endif -%}{%- endmacro -%}{{ json_type(d) }})~",
    R"~({% set x = 'a' if no else 'b' %}{{ x }}{% set y = x ~ n %}{{ y }})~",
    R"~({{ d.a | join(',') }}{{ d['C'] | length }}{{ d.b | string }})~",
    R"~({{ range(3) | sum }} {{ [0] * 3 }} {{ (1, 2) * 2 }})~",
    R"~({% for i in range(2) %}{{ super }}{% endfor %})~",
    R"~({% set a = namespace(x=namespace(y=1)) %}{{ a.x.y }})~",
    R"~({{ people[0] }})~",
    R"~({{ people[0].name.__class__ }})~",
    R"~({{ ''.__class__.__mro__ }})~",
    R"~({{ n.__add__(1) }})~",
    R"~({% set x = {'a': 1, **d} %})~",
    R"~({{ dict(d, z=1)['z'] }})~",
    R"~({{ s if s else missing.x }}{{ missing.x if false }})~",
    R"~(line1
line2 {{ n }}{# x #}
{% if yes %}line3{% endif %}

line5)~",
};

TEST_CASE("statements do what Jinja2 does") {
  check_against_python({std::begin(kTemplates), std::end(kTemplates)});
}

}  // namespace
}  // namespace pagoda
