#!/usr/bin/python3
"""Renders chat templates with Python's Jinja2, as Hugging Face transformers sets it up: the oracle
that our own template engine is compared with (src/text/template/*_oracle_test.cc). Needs Debian's
python3-jinja2.

  render_template.py CASES RESULTS

CASES holds one JSON object a line, {"template": text, "variables": object}; RESULTS gets one a
line, {"text": text} or {"error": text}, in the same order.
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2025, 7, 10, 9, 5, 3)  # that of the tests that call strftime_now


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what the model has said; in a prompt it only opens a scope."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_text")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def make_environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    return environment


def render(environment, templates, case):
    source = case["template"]
    try:
        if source not in templates:
            templates[source] = environment.from_string(source)
        text = templates[source].render(**case["variables"])
        text.encode("utf-8")  # a lone surrogate is nothing that we have to compare
        return {"text": text}
    except Exception as error:  # whatever a template does wrong is a result
        return {"error": f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()}


def main(cases_path, results_path):
    environment = make_environment()
    templates = {}
    with open(cases_path, encoding="utf-8") as cases, open(results_path, "w", encoding="utf-8") as out:
        for line in cases:
            result = render(environment, templates, json.loads(line))
            out.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
