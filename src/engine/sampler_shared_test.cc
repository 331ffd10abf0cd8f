// Probabilities and log-probabilities of the golden cases, which vLLM's order of operations gives.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/sampler.h"
#include "load/safetensors.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr double kTolerance = 1e-5;  // as the golden data's README sets it

constexpr const char* kFolder = PAGODA_SHARED_DIR "/golden/sampling";

std::map<std::string, std::vector<double>> read_tensors() {
  const std::string path = std::string(kFolder) + "/expected.tensors";
  const MappedFile file(path);
  std::map<std::string, std::vector<double>> tensors;
  for (const SafetensorsEntry& entry : parse_safetensors(file.bytes(), path)) {
    const std::byte* data = file.bytes().data() + entry.offset;
    std::vector<double>& values = tensors[entry.name];
    if (entry.dtype == "F64") {
      values.resize(entry.bytes / sizeof(double));
      std::memcpy(values.data(), data, entry.bytes);
    } else {
      REQUIRE(entry.dtype == "F32");
      std::vector<float> floats(entry.bytes / sizeof(float));
      std::memcpy(floats.data(), data, entry.bytes);
      values.assign(floats.begin(), floats.end());
    }
  }
  return tensors;
}

std::vector<TokenId> ids_of(const json::value& list) {
  std::vector<TokenId> ids;
  for (const json::value& id : list.as_array()) ids.emplace_back(id.to_number<int32_t>());
  return ids;
}

SamplingParams sampling_of(const json::object& given) {
  const auto number = [&](const char* key, double otherwise) {
    return given.contains(key) ? given.at(key).to_number<double>() : otherwise;
  };
  SamplingParams s = {.temperature = static_cast<float>(number("temperature", 1)),
                      .top_p = static_cast<float>(number("top_p", 1)),
                      .top_k = static_cast<int>(number("top_k", 0)),
                      .min_p = static_cast<float>(number("min_p", 0)),
                      .repetition_penalty = static_cast<float>(number("repetition_penalty", 1)),
                      .presence_penalty = static_cast<float>(number("presence_penalty", 0)),
                      .frequency_penalty = static_cast<float>(number("frequency_penalty", 0)),
                      .max_tokens = 100,
                      .min_tokens = static_cast<int64_t>(number("min_tokens", 0)),
                      .logprobs = 20};
  if (given.contains("stop_token_ids")) s.stop_token_ids = ids_of(given.at("stop_token_ids"));
  if (given.contains("allowed_token_ids")) {
    s.allowed_token_ids = ids_of(given.at("allowed_token_ids"));
  }
  if (given.contains("bad_words_ids")) {
    for (const json::value& word : given.at("bad_words_ids").as_array()) {
      s.bad_words.push_back(ids_of(word));
    }
  }
  if (given.contains("logit_bias")) {
    for (const auto& [id, bias] : given.at("logit_bias").as_object()) {
      s.logit_bias.emplace_back(TokenId(std::stoi(std::string(id))),
                                static_cast<float>(bias.to_number<double>()));
    }
  }
  return s;
}

SamplingState state_of(const json::object& c) {
  SamplingState state(sampling_of(c.at("parameters").as_object()), ids_of(c.at("prompt_ids")));
  for (const TokenId token : ids_of(c.at("output_ids"))) state.append(token);
  return state;
}

struct Case {
  SamplingState state;
  std::vector<float> logits;
  std::vector<double> probabilities, raw_logprobs;
  json::value greedy;
};

std::vector<Case> golden_cases() {
  const auto tensors = read_tensors();
  const json::value expected = json::parse(read_text_file(std::string(kFolder) + "/expected.json"));
  std::vector<Case> cases;
  for (const json::value& c : expected.at("cases").as_array()) {
    const std::string number = std::to_string(cases.size());
    const std::vector<double>& logits = tensors.at("logits." + number);
    cases.push_back({.state = state_of(c.as_object()),
                     .logits = std::vector<float>(logits.begin(), logits.end()),
                     .probabilities = tensors.at("probabilities." + number),
                     .raw_logprobs = tensors.at("raw_logprobs." + number),
                     .greedy = c.at("greedy")});
  }
  REQUIRE(cases.size() >= 30);
  return cases;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST_CASE("what is left to choose from has the golden probabilities") {
  size_t number = 0;
  for (const Case& c : golden_cases()) {
    CAPTURE(number);
    ChoiceScratch scratch(static_cast<int64_t>(c.logits.size()));
    const TokenChoice choice(c.logits, c.state, std::nullopt, scratch);
    CHECK(largest_difference(choice.probabilities(), c.probabilities) < kTolerance);
    ++number;
  }
}

TEST_CASE(
    "log-probabilities are those of the raw logits, and the greedy tokens are the golden ones") {
  size_t number = 0;
  for (Case& c : golden_cases()) {
    CAPTURE(number);
    const auto vocab = static_cast<int64_t>(c.logits.size());
    Sampler sampler(vocab, std::nullopt, 1);
    StepPlan plan;
    plan.chunks = {{.request = RequestId(1),
                    .first = c.state.num_tokens() - 1,
                    .count = 1,
                    .outputs = 1,
                    .samples = 1}};
    sampler.add(RequestId(1), c.state);
    std::vector<ChunkResult> results;
    sampler.sample(plan, {.logits = make_view(c.logits.data(), {1, vocab}, DType::kF32)}, results);
    const ChunkResult& result = results.at(0);
    if (!c.greedy.is_null()) CHECK(result.tokens.at(0).value() == c.greedy.to_number<int32_t>());
    std::vector<TokenLogprob> shown = result.logprobs.at(0).top;
    shown.push_back(result.logprobs.at(0).chosen);
    CHECK(shown.size() == std::min<size_t>(20, c.logits.size()) + 1);
    for (const TokenLogprob& one : shown) {
      const double expected = c.raw_logprobs[static_cast<size_t>(one.token.value())];
      CHECK(std::abs(static_cast<double>(one.logprob) - expected) < kTolerance);
    }
    ++number;
  }
}

}  // namespace
}  // namespace pagoda
