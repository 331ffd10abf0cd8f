// Real chat templates of many models: the vectors of Hugging Face's own tests, and every template
// of shared/data compared with Python's Jinja2.

#include <doctest/doctest.h>

#include <iostream>
#include <random>

#include "base/file.h"
#include "text/chat_template.h"
#include "text/template_testing.h"

namespace pagoda {
namespace {

using testing::OracleCase;
using testing::OracleResult;
namespace json = boost::json;
namespace fs = std::filesystem;

const fs::path kTemplates = fs::path(PAGODA_SHARED_DIR) / "data/templates";

json::array read_cases(const char* name) {
  return json::parse(read_text_file(kTemplates / "jinja-tests" / name)).as_array();
}

std::string rendered_or_error(const json::value& source, const json::object& variables) {
  try {
    return testing::render(std::string(source.as_string()), variables);
  } catch (const Error& error) {
    return str("ERROR ", error.what());
  }
}

TEST_CASE("every vector of Hugging Face's end-to-end tests gives its target") {
  // Hammer2.1 prints a list of dicts with {{ tools }}: JSON in huggingface.js, whose target this
  // is, Python's repr in Jinja2. All others agree; ours agrees with Jinja2.
  constexpr std::string_view kPrintsPythonRepr = "MadeAgents/Hammer2.1";
  int compared = 0;
  for (const json::value& c : read_cases("hf_jinja_e2e.json")) {
    const json::object& test = c.as_object();
    const std::string name(test.at("name").as_string());
    if (name == kPrintsPythonRepr) continue;
    CAPTURE(name);
    CHECK(rendered_or_error(test.at("chat_template"), test.at("data").as_object()) ==
          std::string(test.at("target").as_string()));
    ++compared;
  }
  CHECK(compared == 52);
}

TEST_CASE("every vector of Hugging Face's syntax tests gives what Python's Jinja2 gives") {
  for (const json::value& c : read_cases("hf_jinja_syntax.json")) {
    const json::object& test = c.as_object();
    if (test.at("context_has_functions").as_bool()) continue;  // JavaScript's, not in the file
    const std::string name(test.at("name").as_string());
    CAPTURE(name);
    const std::string ours = rendered_or_error(test.at("template"), test.at("context").as_object());
    const json::value* expected = test.if_contains("expected_jinja2");
    if (expected != nullptr) {
      CHECK(ours == std::string(expected->as_string()));
    } else {
      CHECK(ours.starts_with("ERROR"));  // where Python raises a TypeError
    }
  }
}

}  // namespace
}  // namespace pagoda
