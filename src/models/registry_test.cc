#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "models/model.h"

namespace pagoda {
namespace {

// A Llama of 4096 positions, with `more` keys.
ModelFacts facts_with(const std::string& more, const std::string& architecture) {
  const std::string text = R"({"architectures":[")" + architecture +
                           R"("],"vocab_size":288,"num_attention_heads":4,)" +
                           R"("max_position_embeddings":4096)" + more + "}";
  return facts_of(HfConfig(boost::json::parse(text).as_object(), "config.json"));
}

int64_t max_positions_with(const std::string& more) {
  return facts_with(more, "LlamaForCausalLM").max_positions;
}

}  // namespace

TEST_CASE("the longest context is max_position_embeddings, stretched as the rotary scaling says") {
  CHECK(max_positions_with("") == 4096);
  CHECK(max_positions_with(R"(,"rope_scaling":null)") == 4096);
  CHECK(max_positions_with(R"(,"rope_scaling":{"type":"linear","factor":2.5})") == 10240);
  CHECK(max_positions_with(R"(,"rope_scaling":{"rope_type":"dynamic","factor":4.0})") == 16384);
}

TEST_CASE("llama3 scaling is in max_position_embeddings already") {
  CHECK(max_positions_with(
            R"(,"rope_scaling":{"rope_type":"llama3","factor":8.0,
                "original_max_position_embeddings":1024})") == 4096);
}

TEST_CASE("yarn stretches the original context, not max_position_embeddings") {
  CHECK(max_positions_with(
            R"(,"rope_scaling":{"rope_type":"yarn","factor":4.0,
                "original_max_position_embeddings":2048})") == 8192);
}

TEST_CASE("a factor that leaves no context is refused") {
  CHECK_THROWS_WITH_AS(max_positions_with(R"(,"rope_scaling":{"type":"linear","factor":-1.0})"),
                       "config.json: rope_scaling: factor stretches the context of 4096 tokens to "
                       "-4096, expected 1 to 2147483647; correct it",
                       Error);
}

TEST_CASE("the shortest of several lengths counts") {
  CHECK(max_positions_with(R"(,"seq_length":2048)") == 2048);
}

TEST_CASE("what ranks share out is known before anything is read") {
  const ModelFacts llama =
      facts_with(R"(,"num_key_value_heads":2,"intermediate_size":96)", "LlamaForCausalLM");
  CHECK(llama.attention_heads == 4);
  CHECK(llama.kv_heads == 2);
  CHECK(llama.ffn == std::vector<int64_t>{96});
  CHECK(llama.expert_ffn.empty());
  const ModelFacts deepseek =
      facts_with(R"(,"kv_lora_rank":8,"moe_intermediate_size":24)", "DeepseekV3ForCausalLM");
  CHECK(deepseek.kv_heads == 0);
  CHECK(deepseek.expert_ffn == std::vector<int64_t>{24});
}

TEST_CASE("an architecture that is not known is refused with those that are") {
  CHECK_THROWS_WITH_AS(facts_with("", "GPT2LMHeadModel"),
                       "config.json: architecture \"GPT2LMHeadModel\" is not supported; supported "
                       "are DeepseekV2ForCausalLM, DeepseekV3ForCausalLM, LlamaForCausalLM, "
                       "MistralForCausalLM, Qwen2ForCausalLM, "
                       "Qwen2_5_VLForConditionalGeneration, "
                       "Qwen2MoeForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM",
                       Error);
}

TEST_CASE("a quantized checkpoint is refused before any weight is read") {
  CHECK_THROWS_WITH_AS(
      facts_with(R"(,"quantization_config":{"quant_method":"gptq","bits":4})", "LlamaForCausalLM"),
      "config.json: quantization_config \"gptq\" is not supported; use a checkpoint in bfloat16, "
      "float16 or float32",
      Error);
}

TEST_CASE("a model that sees pictures says which token stands for them") {
  const ModelFacts facts =
      facts_with(R"(,"image_token_id":262,"rope_scaling":{"type":"mrope","mrope_section":[1,1,2]})",
                 "Qwen2_5_VLForConditionalGeneration");
  CHECK(facts.image_token == TokenId(262));
  CHECK(facts.position_axes == 3);
  CHECK(!facts_with(R"(,"image_token_id":262)", "LlamaForCausalLM").image_token);
  CHECK_THROWS_WITH_AS(
      facts_with(R"(,"image_token_id":288)", "Qwen2_5_VLForConditionalGeneration"),
      "config.json: image_token_id 288 is no token of a vocabulary of 288; correct it", Error);
}

}  // namespace pagoda
