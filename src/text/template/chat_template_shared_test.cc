// Real chat templates of many models: the vectors of Hugging Face's own tests, and every template
// of shared/data compared with Python's Jinja2.

#include <doctest/doctest.h>

#include <random>

#include "base/file.h"
#include "text/template/chat_template.h"
#include "text/template/test_rendering.h"

namespace pagoda {
namespace {

using testing::OracleCase;
using testing::OracleResult;
namespace json = boost::json;
namespace fs = std::filesystem;

fs::path templates_folder() {
  return fs::path(PAGODA_SHARED_DIR) / "data/templates";
}

json::array read_cases(const char* name) {
  return json::parse(read_text_file(templates_folder() / "jinja-tests" / name)).as_array();
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

// Conversations that exercise what templates branch on.
constexpr const char* kConversations[] = {
    R"([{"role":"user","content":"Hello, how are you?"}])",
    R"([{"role":"system","content":"You are terse.\n"},{"role":"user","content":"  Hi! \u4f60\u597d \ud83e\udd17 "}])",
    R"([{"role":"system","content":""},{"role":"user","content":""}])",
    R"([{"role":"user","content":"1+1?"},{"role":"assistant","content":"2"},{"role":"user","content":"And 2+2?"}])",
    R"([{"role":"user","content":"1+1?"},{"role":"assistant","content":"<think>\nHm.\n</think>\n\n2"},
        {"role":"user","content":"And 2+2?"},{"role":"assistant","reasoning_content":"Four.","content":"4"}])",
    R"([{"role":"developer","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"What is this?"},
        {"type":"image","image":"a.png"},{"type":"image_url","image_url":{"url":"b.png"}}]}])",
    R"([{"role":"user","content":"Weather in Paris?"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_0_ab","type":"function",
         "function":{"name":"get_weather","arguments":{"city":"Paris","days":3,"units":["C",null,1.5,true]}}}]},
        {"role":"tool","tool_call_id":"call_0_ab","name":"get_weather","content":"{\"sun\": \"<yes> & 'no'\"}"},
        {"role":"assistant","content":"Sunny."},{"role":"user","content":"Thanks"}])",
    R"([{"role":"user","content":"Weather?"},
        {"role":"assistant","content":"Let me see.","reasoning_content":"I need a tool.","tool_calls":[
         {"id":"abcdefghi","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Rome\"}"}},
         {"id":"jklmnopqr","type":"function","function":{"name":"add","arguments":"{\"a\": 1}"}}]},
        {"role":"tool","tool_call_id":"abcdefghi","content":"rain"},
        {"role":"tool","tool_call_id":"jklmnopqr","content":[{"type":"text","text":"2"}]}])",
    R"([{"role":"assistant","content":"I begin."},{"role":"assistant","content":"And go on."}])",
    R"([])",
};

constexpr const char* kTools = R"([
    {"type":"function","function":{"name":"get_weather","description":"Get \"the\" weather\nof a city",
      "parameters":{"type":"object","properties":{"city":{"type":"string","description":"The city"},
        "days":{"type":["integer","null"],"default":1,"minimum":0.5},"units":{"type":"array","items":{"type":"string","enum":["C","F"]}},
        "nested":{"type":"object","properties":{"deep":{"anyOf":[{"type":"string"},{"type":"number"}]}},"required":["deep"]}},
        "required":["city"]}}},
    {"type":"function","function":{"name":"add","description":"","parameters":{"type":"object","properties":{}},
      "return":{"type":"number","description":"sum"}}}])";

// Without a word about thinking, and with thinking on and off.
void add_variables(json::object variables, std::vector<json::object>& all) {
  all.push_back(variables);
  for (const bool thinking : {false, true}) {
    variables["enable_thinking"] = thinking;
    variables["thinking"] = thinking;
    all.push_back(variables);
  }
}

// The variables of every conversation, with and without tools, generation prompt, thinking.
std::vector<json::object> variables_to_try() {
  std::vector<json::object> all;
  for (const char* conversation : kConversations) {
    for (const int choice : {0, 1, 2, 3}) {
      const bool tools = (choice & 1) != 0, prompt = (choice & 2) != 0;
      add_variables({{"messages", json::parse(conversation)},
                     {"tools", tools ? json::parse(kTools) : json::value()},
                     {"documents", nullptr},
                     {"add_generation_prompt", prompt},
                     {"bos_token", "<s>"},
                     {"eos_token", "</s>"}},
                    all);
    }
  }
  return all;
}

struct NamedSource {
  std::string name, source;
};

std::vector<NamedSource> template_files() {
  std::vector<NamedSource> all;
  for (const auto& entry : fs::recursive_directory_iterator(templates_folder())) {
    if (entry.path().extension() != ".jinja") continue;
    all.push_back({entry.path().filename(), read_text_file(entry.path())});
  }
  return all;
}

std::vector<NamedSource> templates_in_tokenizer_configs() {
  std::vector<fs::path> folders = {fs::path(PAGODA_SHARED_DIR) / "demo-model"};
  for (const auto& entry :
       fs::directory_iterator(fs::path(PAGODA_SHARED_DIR) / "data/tokenizers")) {
    folders.push_back(entry.path());
  }
  std::vector<NamedSource> all;
  for (const fs::path& folder : folders) {
    const fs::path path = folder / "tokenizer_config.json";
    if (!fs::exists(path)) continue;
    const json::object config = json::parse(read_text_file(path)).as_object();
    const json::value* text = config.if_contains("chat_template");
    if (text != nullptr) all.push_back({folder.filename(), std::string(text->as_string())});
  }
  return all;
}

void check_case(const std::string& name, const OracleCase& asked, const OracleResult& expected) {
  CAPTURE(name);
  const std::string variables = json::serialize(asked.variables);
  CAPTURE(variables);
  const std::string ours = rendered_or_error(json::value(asked.template_source), asked.variables);
  const std::string wanted = expected.value_or("ERROR");
  CHECK((expected ? ours : ours.substr(0, 5)) == wanted);
}

// Renders every template with every set of variables here and in Python.
void compare_with_python(const std::vector<NamedSource>& templates) {
  std::vector<OracleCase> cases;
  std::vector<std::string> names;
  for (const auto& [name, source] : templates) {
    for (const json::object& variables : variables_to_try()) {
      cases.push_back({source, variables});
      names.push_back(name);
    }
  }
  const std::vector<OracleResult> expected = testing::ask_oracle(cases);
  REQUIRE_MESSAGE(expected.size() == cases.size(), "install Debian's python3-jinja2");
  size_t texts = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    check_case(names[i], cases[i], expected[i]);
    texts += expected[i] ? 1 : 0;
  }
  CHECK(texts > cases.size() / 2);  // most conversations suit most templates
}

TEST_CASE("every template file renders as Python's Jinja2 renders it") {
  const std::vector<NamedSource> templates = template_files();
  CHECK(templates.size() >= 50);
  compare_with_python(templates);
}

TEST_CASE("every template of a tokenizer_config.json renders as Python's Jinja2 renders it") {
  const std::vector<NamedSource> templates = templates_in_tokenizer_configs();
  CHECK(templates.size() >= 9);
  compare_with_python(templates);
}

// Cuts, doubles, swaps and replaces pieces of a template.
std::string mutated(std::string source, std::mt19937& random) {
  constexpr const char* kPieces[] = {
      "{%",        "%}",        "{{",     "}}", "-",  "(",
      ")",         "[",         "]",      "|",  "'",  "{#",
      " if ",      " else ",    "loop",   "~",  "**", "for x in messages",
      "999999999", "macro m()", "endfor", ":",  "-1", "range(9999)",
      "namespace", "\xF0",      "\\u",    "%"};
  const auto pick = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit)(random);
  };
  for (size_t n = 1 + pick(4); n > 0; --n) {
    const size_t at = pick(source.size()), size = pick(30);
    switch (pick(3)) {
      case 0: source.erase(at, size); break;
      case 1: source.insert(at, kPieces[pick(std::size(kPieces) - 1)]); break;
      case 2: source.insert(at, source.substr(pick(source.size()), size)); break;
      default: source.replace(at, size, kPieces[pick(std::size(kPieces) - 1)]); break;
    }
  }
  return source;
}

TEST_CASE("broken templates end in an error or a text, never in a crash") {
  constexpr int kRounds = 40;
  constexpr TemplateLimits kTight = {.max_steps = 300'000,
                                     .max_memory_bytes = 8 << 20,
                                     .max_output_bytes = 1 << 20,
                                     .max_range = 100'000,
                                     .max_depth = 1000};
  std::mt19937 random(7);
  const std::vector<json::object> all = variables_to_try();
  size_t ended = 0;
  for (const auto& [name, source] : template_files()) {
    for (int i = 0; i < kRounds; ++i) {
      const json::object& variables = all[random() % all.size()];
      const std::string text = testing::error_of(mutated(source, random), variables, kTight);
      ended += text.empty() ? 0 : 1;
    }
  }
  CHECK(ended >= 50 * kRounds);
}

}  // namespace
}  // namespace pagoda
