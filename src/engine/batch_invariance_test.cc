// A request's tokens and log-probabilities are the same bits alone in a fresh engine and in any
// company (ARCHITECTURE.md, section 5), with every instruction set and number of ranks.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/error.h"
#include "engine/test_batches.h"
#include "engine/test_engine.h"
#include "load/hf_config.h"

namespace pagoda {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kRounds = 2;  // ten times slower
#else
constexpr uint32_t kRounds = 6;
#endif

// Sizes that fill no tile or vector evenly. Random weights give nearly flat logits, in which the
// last bit decides between tokens.
ModelDefinition small_model() {
  return define_model(
      {boost::json::object{{"architectures", boost::json::array{"Qwen3ForCausalLM"}},
                           {"model_type", "qwen3"},
                           {"vocab_size", kBatchVocab},
                           {"hidden_size", kBatchHidden},
                           {"intermediate_size", 272},
                           {"num_hidden_layers", 3},
                           // The upper layers see 40 tokens: their blocks come and go.
                           {"use_sliding_window", true},
                           {"sliding_window", 40},
                           {"max_window_layers", 1},
                           {"num_attention_heads", 6},
                           {"num_key_value_heads", 2},
                           {"head_dim", 32},
                           {"max_position_embeddings", 512},
                           {"rms_norm_eps", 1e-6},
                           {"rope_theta", 10000.0},
                           {"tie_word_embeddings", true}},
       "config.json"});
}

bool is_here(const std::string& backend) {
  try {
    return open_device(backend, {.threads = 1}) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

// Of the CPU every instruction set, best first.
std::vector<std::string> backends_here() {
  if (kTestBackend != std::string_view("cpu")) return {kTestBackend};
  std::vector<std::string> names;
  for (const char* set : {"amx", "avx512bf16", "avx512f", "avx2", "neon", "portable"}) {
    if (is_here(std::string("cpu:") + set)) names.push_back(std::string("cpu:") + set);
  }
  return names;
}

void check_rounds(const std::string& backend, int ranks, uint32_t rounds) {
  const Happened happened =
      check_batches({.model = small_model(), .backend = backend, .ranks = ranks}, rounds);
  CHECK(happened.preemptions > 0);
  CHECK(happened.prefix_hits > 0);
}

TEST_CASE("a request is the same bits alone and in any batch, with every instruction set") {
  const std::vector<std::string> backends = backends_here();
  REQUIRE_FALSE(backends.empty());
  for (const std::string& backend : backends) check_rounds(backend, 1, kRounds);
}

TEST_CASE("a request is the same bits alone and in any batch, on two and three ranks") {
  for (const int ranks : {2, 3}) check_rounds(backends_here().front(), ranks, 2);
}

}  // namespace
}  // namespace pagoda
