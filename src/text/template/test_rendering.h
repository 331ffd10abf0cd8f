// What the tests of templates share: rendering with plain variables, and Python's Jinja2 as oracle.
#pragma once

#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "text/template/eval.h"
#include "text/template/json.h"
#include "text/template/parser.h"

namespace pagoda::testing {

namespace json = boost::json;

// 2025-07-10 09:05:03 local time, as in tools/render_template.py.
inline std::chrono::system_clock::time_point test_time() {
  std::tm local{};
  local.tm_year = 125;
  local.tm_mon = 6;
  local.tm_mday = 10;
  local.tm_hour = 9;
  local.tm_min = 5;
  local.tm_sec = 3;
  local.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&local));
}

// The variables and nothing else; Error as it comes.
inline std::string render(const std::string& source, const json::object& variables = {},
                          const TemplateLimits& limits = {}) {
  const auto program = parse_template(source);
  TemplateHeap heap(limits);
  heap.set_now(test_time());
  std::vector<NamedTemplateValue> values;
  for (const auto& pair : variables) {
    values.push_back({{pair.key().data(), pair.key().size()}, value_from_json(heap, pair.value())});
  }
  return render_template(*program, heap, values);
}

// The message of the Error, or "no error: TEXT".
inline std::string error_of(const std::string& source, const json::object& variables = {},
                            const TemplateLimits& limits = {}) {
  try {
    return str("no error: ", render(source, variables, limits));
  } catch (const Error& error) {
    return error.what();
  }
}

struct OracleCase {
  std::string template_source;
  json::object variables;
};

// A text, or nullopt where Python raises an exception.
using OracleResult = std::optional<std::string>;

// Empty if Python or its Jinja2 is missing.
inline std::vector<OracleResult> ask_oracle(const std::vector<OracleCase>& cases) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / str("pagoda-oracle-", ::getpid());
  std::filesystem::create_directories(folder);
  {
    std::ofstream out(folder / "cases");
    for (const OracleCase& c : cases) {
      out << json::serialize(
                 json::object{{"template", c.template_source}, {"variables", c.variables}})
          << '\n';
    }
  }
  const std::string command =
      str("/usr/bin/python3 ", PAGODA_SOURCE_DIR, "/tools/render_template.py ",
          (folder / "cases").string(), " ", (folder / "results").string());
  std::vector<OracleResult> results;
  if (std::system(command.c_str()) == 0) {  // NOLINT(cert-env33-c): a test's own script
    std::ifstream in(folder / "results");
    for (std::string line; std::getline(in, line);) {
      const json::object result = json::parse(line).as_object();
      const json::value* text = result.if_contains("text");
      results.push_back(text != nullptr ? OracleResult(text->as_string()) : std::nullopt);
    }
  }
  std::filesystem::remove_all(folder);
  return results;
}

}  // namespace pagoda::testing
