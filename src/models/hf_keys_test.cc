#include "models/hf_keys.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/hf_config.h"

namespace pagoda {
namespace {

HfConfig config(std::string_view text) {
  return {boost::json::parse({text.data(), text.size()}).as_object(), "config.json"};
}

}  // namespace

TEST_CASE("the architecture is the first of its list") {
  CHECK(architecture_of(config(R"({"architectures": ["A", "B"]})").keys()) == "A");
  CHECK_THROWS_WITH_AS(architecture_of(config("{}").keys()),
                       "config.json: architectures is missing, expected a list such as "
                       "[\"Qwen3ForCausalLM\"]; take the file from the model's page or add the "
                       "key with --hf-overrides",
                       Error);
  CHECK_THROWS_WITH_AS(architecture_of(config(R"({"architectures": []})").keys()),
                       "config.json: architectures is [], expected a name in it; correct the "
                       "file or --hf-overrides",
                       Error);
}

TEST_CASE("a count that is zero, negative or beyond 31 bits is refused") {
  CHECK_THROWS_WITH_AS(size_of(config(R"({"num_hidden_layers":-1})").keys(), "num_hidden_layers"),
                       "config.json: num_hidden_layers is -1, expected 1 to 2147483647; correct "
                       "it, or override it with --hf-overrides",
                       Error);
  CHECK_THROWS_AS(size_of(config(R"({"vocab_size":4294967296})").keys(), "vocab_size"), Error);
}

TEST_CASE("a head's dimension is head_dim, or else a share of the hidden size") {
  CHECK(head_dim_of(config(R"({"hidden_size":64,"num_attention_heads":4,"head_dim":24})").keys()) ==
        24);
  CHECK(head_dim_of(config(R"({"hidden_size":64,"num_attention_heads":4})").keys()) == 16);
  CHECK_THROWS_WITH_AS(head_dim_of(config(R"({"hidden_size":64,"num_attention_heads":5})").keys()),
                       "config.json: hidden_size 64 is not a multiple of num_attention_heads 5; "
                       "correct them, or give head_dim",
                       Error);
}

TEST_CASE("query heads that KV heads cannot share evenly are refused") {
  CHECK(kv_heads_of(config(R"({"num_attention_heads":8,"num_key_value_heads":2})").keys()) == 2);
  CHECK(kv_heads_of(config(R"({"num_attention_heads":8})").keys()) == 8);
  CHECK_THROWS_WITH_AS(
      kv_heads_of(config(R"({"num_attention_heads":8,"num_key_value_heads":3})").keys()),
      "config.json: num_attention_heads 8 is not a multiple of num_key_value_heads 3; each must "
      "serve the same number",
      Error);
}

TEST_CASE("an activation other than silu is refused") {
  CHECK_THROWS_WITH_AS(
      require_silu(config(R"({"hidden_act":"gelu","architectures":["LlamaForCausalLM"]})").keys()),
      "config.json: hidden_act \"gelu\" is not supported by LlamaForCausalLM; supported is silu",
      Error);
}

TEST_CASE("a sliding window counts only where use_sliding_window is set, in the upper layers") {
  const HfConfig off =
      config(R"({"num_hidden_layers":4,"sliding_window":16,"max_window_layers":2})");
  CHECK(upper_layers_windows(off.keys()) == std::vector<int64_t>{0, 0, 0, 0});
  const HfConfig on = config(
      R"({"num_hidden_layers":4,"use_sliding_window":true,"sliding_window":16,
          "max_window_layers":2})");
  CHECK(upper_layers_windows(on.keys()) == std::vector<int64_t>{0, 0, 16, 16});
}

}  // namespace pagoda
