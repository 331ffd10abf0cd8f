#include "engine/engine.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "engine/test_engine.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// Four times the largest difference of a logit between transformers' own bfloat16 and float32 runs
// on these texts: up to the first smaller lead, bfloat16 must agree.
constexpr double kSafeMargin = 1.07;

std::vector<TokenId> token_ids(const json::value& list) {
  std::vector<TokenId> ids;
  for (const json::value& id : list.as_array()) ids.emplace_back(id.to_number<int32_t>());
  return ids;
}

struct Reference {
  std::vector<TokenId> prompt, answer;
  std::vector<double> margins;
  std::string finish_reason;
};

std::vector<Reference> demo_references() {
  std::ifstream file(std::string(PAGODA_SOURCE_DIR) + "/models/demo/expected.jsonl");
  std::vector<Reference> references;
  for (std::string line; std::getline(file, line);) {
    const json::value row = json::parse(line);
    Reference r = {.prompt = token_ids(row.at("prompt_token_ids")),
                   .answer = token_ids(row.at("token_ids")),
                   .margins = {},
                   .finish_reason = std::string(row.at("finish_reason").as_string())};
    for (const json::value& margin : row.at("margins").as_array()) {
      r.margins.push_back(margin.to_number<double>());
    }
    references.push_back(std::move(r));
  }
  REQUIRE(references.size() >= 40);
  return references;
}

// The tokens that must agree.
size_t num_safe_tokens(const Reference& reference, DType dtype) {
  size_t safe = 0;
  while (safe < reference.margins.size() &&
         (dtype == DType::kF32 || reference.margins[safe] >= kSafeMargin)) {
    ++safe;
  }
  return safe;
}

void check_demo(const EngineConfig& config) {
  TestEngine engine(config);
  const std::vector<Reference> references = demo_references();
  std::vector<RequestId> ids;
  for (const Reference& reference : references) {
    ids.push_back(engine.submit(
        reference.prompt,
        {.temperature = 0, .max_tokens = static_cast<int64_t>(reference.answer.size())}));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    CAPTURE(i);
    const Reference& reference = references[i];
    std::vector<TokenId> answer = engine.wait(ids[i]).tokens;
    std::vector<TokenId> expected = reference.answer;
    const size_t safe = num_safe_tokens(reference, config.model.dtype);
    answer.resize(std::min(answer.size(), safe));
    expected.resize(safe);
    CHECK(answer == expected);
  }
}

TEST_CASE("the demo model answers as the reference does, on ref in float32") {
  check_demo(demo_config("ref", DType::kF32));
}

TEST_CASE("the demo model answers as the reference does, on cpu in float32") {
  check_demo(demo_config("cpu", DType::kF32));
}

TEST_CASE("the demo model answers as the reference does where bfloat16 can tell, on cpu") {
  check_demo(demo_config("cpu", DType::kBF16));
}

}  // namespace
}  // namespace pagoda
