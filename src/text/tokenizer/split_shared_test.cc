// Regular expressions of real tokenizers, and what Hugging Face tokenizers cut with them.
#include <doctest/doctest.h>

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/test_regex.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr JsonTerms kTerms = {.blame = ErrorKind::kCheckpoint, .joint = "."};

fs::path vectors() {
  return fs::path(PAGODA_SHARED_DIR) / "data/tokenizer-vectors/hf-split-regex";
}

struct ClosePipe {
  void operator()(std::FILE* pipe) const { pclose(pipe); }
};

std::string unzipped(const fs::path& path) {
  const std::string command = str("gzip -dc '", path.string(), "'");
  const std::unique_ptr<std::FILE, ClosePipe> pipe(popen(command.c_str(), "r"));
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 65536> buffer{};
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    text.append(buffer.data(), n);
  }
  return text;
}

class Collector final : public PieceSink {
 public:
  void take(const Piece& piece) override { pieces.emplace_back(piece.text); }
  std::vector<std::string> pieces;
};

std::vector<std::string> pieces_of(const json::value& split, std::string_view text) {
  Collector collector;
  try {
    const PreTokenizerSpec spec = make_pre_tokenizer(JsonReader(split, "test:", kTerms), false);
    Regex::Scratch scratch;
    if (!text.empty()) spec.steps->split({text, true}, scratch, collector);
  } catch (const Error& e) {
    return {str("Error: ", e.what())};
  }
  return collector.pieces;
}

const json::value& member_or(const json::object& object, std::string_view key,
                             const json::value& otherwise) {
  const json::value* member = object.if_contains(json::string_view(key.data(), key.size()));
  return member != nullptr ? *member : otherwise;
}

// A case names itself or is named by its id, and gives its expression or the id of another's.
struct Case {
  std::string name, pattern;
  const json::object* entry;
};

std::vector<Case> read_cases(const json::value& file) {
  std::vector<Case> cases;
  const json::array& patterns = file.at("patterns").as_array();
  for (const json::value& entry : patterns) {
    const json::object& object = entry.as_object();
    cases.push_back({std::string(member_or(object, "name", entry.at("id")).as_string()),
                     std::string(entry.at("pattern").as_string()), &object});
  }
  for (const json::value& entry : file.at("additionalCases").as_array()) {
    for (const json::value& pattern : patterns) {
      if (pattern.at("id") != entry.at("patternId")) continue;
      cases.push_back({std::string(entry.at("name").as_string()),
                       std::string(pattern.at("pattern").as_string()), &entry.as_object()});
    }
  }
  return cases;
}

TEST_CASE("texts are cut by regular expressions as Hugging Face cuts them") {
  const json::value file = json::parse(read_text_file(vectors() / "splitRegexPatterns.json"));
  const json::value oracle = json::parse(unzipped(vectors() / "splitRegexOracle.json.gz"));
  const json::object& defaults = file.at("defaults").as_object();
  size_t num_compared = 0;
  for (const Case& c : read_cases(file)) {
    const json::value split = {
        {"type", "Split"},
        {"pattern", {{"Regex", c.pattern}}},
        {"behavior", member_or(*c.entry, "behavior", defaults.at("behavior"))},
        {"invert", member_or(*c.entry, "invert", defaults.at("invert"))}};
    const json::array& inputs = member_or(*c.entry, "inputs", defaults.at("inputs")).as_array();
    const json::array& expected = oracle.at("tokens").at(c.name).as_array();
    REQUIRE(inputs.size() == expected.size());
    for (size_t i = 0; i < inputs.size(); ++i, ++num_compared) {
      INFO(c.name, " of \"", std::string(inputs[i].as_string()), "\"");
      CHECK(pieces_of(split, inputs[i].as_string()) ==
            json::value_to<std::vector<std::string>>(expected[i]));
    }
  }
  CHECK(num_compared > 1900);
}

// Every {"Regex": "..."} below a part of a tokenizer.json.
void collect_patterns(const json::value& value,
                      std::set<std::string>& patterns) {  // NOLINT(misc-no-recursion)
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) collect_patterns(item, patterns);
  }
  if (!value.is_object()) return;
  for (const auto& [key, member] : value.get_object()) {
    if (key == "Regex" && member.is_string()) patterns.emplace(member.get_string());
    collect_patterns(member, patterns);
  }
}

std::set<std::string> patterns_of_real_tokenizers() {
  std::set<std::string> patterns;
  for (const fs::path& root : {fs::path(PAGODA_SHARED_DIR) / "data/tokenizers",
                               fs::path(PAGODA_SOURCE_DIR) / "testdata"}) {
    for (const fs::path& path : fs::recursive_directory_iterator(root)) {
      if (path.filename() != "tokenizer.json") continue;
      const json::value file = json::parse(read_text_file(path));
      for (const char* part : {"normalizer", "pre_tokenizer", "decoder"}) {
        collect_patterns(file.at(part), patterns);
      }
    }
  }
  return patterns;
}

TEST_CASE("PCRE2 cuts with the expressions of real tokenizers as Oniguruma does") {
  std::set<std::string> patterns = patterns_of_real_tokenizers();
  CHECK(patterns.size() >= 4);
  for (const std::string& pattern : patterns) {
    INFO(pattern);
    CHECK(!Regex(pattern).is_by_oniguruma());  // which is slower
  }
  const json::value file = json::parse(read_text_file(vectors() / "splitRegexPatterns.json"));
  for (const Case& c : read_cases(file)) {
    // Debian's Oniguruma is older than that of the oracle in its \p{Word}.
    if (!Regex(c.pattern).is_by_oniguruma() && c.name != "edge-property-word")
      patterns.insert(c.pattern);
  }
  CHECK(patterns.size() > 60);
  for (const std::string& pattern : patterns) testing::check_random_texts(pattern, 200);
}

}  // namespace
}  // namespace pagoda
