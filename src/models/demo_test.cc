// The demo model of the repository: a trained one, in contrast to the golden checkpoints.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "base/file.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "models/test_world.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// Steps whose best token leads by less may go either way in bfloat16: four times the largest
// difference of a logit between the reference's bfloat16 and float32 (models/demo/README.md).
constexpr double kSafeMargin = 1.07;

std::filesystem::path demo_folder() {
  return std::filesystem::path(PAGODA_SOURCE_DIR) / "models" / "demo";
}

struct Expected {
  std::vector<std::vector<int32_t>> prompts, answers;
  std::vector<size_t> lengths;       // of the answers
  std::vector<size_t> safe_lengths;  // up to the first margin below kSafeMargin
};

std::vector<int32_t> ids_of(const json::value& list) {
  std::vector<int32_t> ids;
  for (const json::value& id : list.as_array()) ids.push_back(id.to_number<int32_t>());
  return ids;
}

Expected read_expected() {
  Expected expected;
  std::istringstream lines(read_text_file(demo_folder() / "expected.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json::value answer = json::parse(line);
    expected.prompts.push_back(ids_of(answer.at("prompt_token_ids")));
    expected.answers.push_back(ids_of(answer.at("token_ids")));
    expected.lengths.push_back(expected.answers.back().size());
    const json::array& margins = answer.at("margins").as_array();
    const auto* first = std::find_if(margins.begin(), margins.end(), [](const json::value& m) {
      return m.to_number<double>() < kSafeMargin;
    });
    expected.safe_lengths.push_back(static_cast<size_t>(first - margins.begin()));
  }
  return expected;
}

std::vector<std::vector<int32_t>> answers_of(const std::string& backend, DType dtype,
                                             const Expected& expected) {
  const ModelDefinition demo = define_model(HfConfig::load(demo_folder()));
  const auto source = open_checkpoint(demo_folder());
  std::vector<std::vector<int32_t>> answers;
  run_ranks(backend, 1, [&](const TestRank& rank) {
    TestRunner runner(demo, *source, rank, {.dtype = dtype, .blocks = 600});
    answers = runner.continue_greedily(expected.prompts, expected.lengths);
  });
  return answers;
}

std::vector<std::string> cpu_backends() {
  std::vector<std::string> names = backends_here();
  names.erase(names.begin());  // not ref: it takes minutes for a model of this size
  return names;
}

}  // namespace

TEST_CASE("the demo model's greedy answers in float32 are the reference's, token for token") {
  const Expected expected = read_expected();
  REQUIRE(!expected.prompts.empty());
  for (const std::string& backend : cpu_backends()) {
    CAPTURE(backend);
    CHECK(answers_of(backend, DType::kF32, expected) == expected.answers);
  }
}

TEST_CASE("the demo model's greedy answers in bfloat16 are the reference's up to a near tie") {
  const Expected expected = read_expected();
  for (const std::string& backend : cpu_backends()) {
    CAPTURE(backend);
    const auto answers = answers_of(backend, DType::kBF16, expected);
    for (size_t i = 0; i < answers.size(); ++i) {
      CAPTURE(i);
      const auto safe = static_cast<int64_t>(expected.safe_lengths[i]);
      CHECK(std::equal(answers[i].begin(), answers[i].begin() + safe, expected.answers[i].begin()));
    }
  }
}

}  // namespace pagoda
