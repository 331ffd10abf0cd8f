#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/hf_config.h"
#include "models/model_definition.h"

namespace pagoda {
namespace {

// Of a small model, with `more` keys.
ModelFacts facts_with(const std::string& more, const std::string& architecture) {
  const std::string text = R"({"architectures":[")" + architecture +
                           R"("],"vocab_size":288,"hidden_size":64,"intermediate_size":96,)" +
                           R"("num_hidden_layers":2,"num_attention_heads":4,"head_dim":8,)" +
                           R"("rms_norm_eps":1e-6,"max_position_embeddings":4096)" + more + "}";
  return define_model(HfConfig(boost::json::parse(text).as_object(), "config.json")).facts;
}

}  // namespace

TEST_CASE("what ranks share out is known before anything is read") {
  const ModelFacts llama = facts_with(R"(,"num_key_value_heads":2)", "LlamaForCausalLM");
  CHECK(llama.vocab == 288);
  CHECK(llama.max_positions == 4096);
  CHECK(llama.attention_heads == 4);
  CHECK(llama.kv_heads == 2);
  CHECK(llama.ffn == std::vector<int64_t>{96});
  CHECK(llama.expert_ffn.empty());
  const ModelFacts deepseek =
      facts_with(R"(,"kv_lora_rank":8,"qk_nope_head_dim":8,"qk_rope_head_dim":4,"v_head_dim":8,)"
                 R"("n_routed_experts":8,"num_experts_per_tok":2,"moe_intermediate_size":24)",
                 "DeepseekV3ForCausalLM");
  CHECK(deepseek.kv_heads == 0);
  CHECK(deepseek.ffn == std::vector<int64_t>{96});
  CHECK(deepseek.expert_ffn == std::vector<int64_t>{24});
}

TEST_CASE("keys of other families say nothing about a model") {
  const ModelFacts llama =
      facts_with(R"(,"kv_lora_rank":8,"moe_intermediate_size":24)", "LlamaForCausalLM");
  CHECK(llama.kv_heads == 4);
  CHECK(llama.expert_ffn.empty());
}

TEST_CASE("what no model can be made of is found before any weight is read") {
  CHECK_THROWS_WITH_AS(
      facts_with(R"(,"rope_scaling":{"rope_type":"other"})", "LlamaForCausalLM"),
      "config.json: rope_scaling: rope_type \"other\" is not supported; supported are default, "
      "mrope, linear, dynamic, llama3, yarn, longrope, su",
      Error);
}

TEST_CASE("an architecture that is not known is refused with those that are") {
  CHECK_THROWS_WITH_AS(facts_with("", "GPT2LMHeadModel"),
                       "config.json: architecture \"GPT2LMHeadModel\" is not supported; supported "
                       "are DeepseekV2ForCausalLM, DeepseekV3ForCausalLM, Gemma3ForCausalLM, "
                       "Glm4ForCausalLM, LlamaForCausalLM, MistralForCausalLM, "
                       "Phi3ForCausalLM, Qwen2ForCausalLM, "
                       "Qwen2_5_VLForConditionalGeneration, Qwen2MoeForCausalLM, Qwen3ForCausalLM, "
                       "Qwen3MoeForCausalLM",
                       Error);
}

TEST_CASE("a quantized checkpoint is refused before any weight is read") {
  CHECK_THROWS_WITH_AS(
      facts_with(R"(,"quantization_config":{"quant_method":"gptq","bits":4})", "LlamaForCausalLM"),
      "config.json: quantization_config \"gptq\" is not supported; supported is "
      "compressed-tensors, fp8, or a checkpoint in bfloat16, float16 or float32",
      Error);
}

TEST_CASE("groups that share a scale are a fact of the model, for whoever deals its widths") {
  CHECK(facts_with("", "LlamaForCausalLM").input_units.empty());
  CHECK(facts_with(R"(,"quantization_config":{"quant_method":"fp8","weight_block_size":[128,64]})",
                   "LlamaForCausalLM")
            .input_units == std::vector<int64_t>{1, 64});
}

TEST_CASE("a model that sees pictures says which token stands for them") {
  const ModelFacts facts =
      facts_with(R"(,"image_token_id":262,"vision_config":{"hidden_size":64,"out_hidden_size":64},)"
                 R"("rope_scaling":{"type":"mrope","mrope_section":[1,1,2]})",
                 "Qwen2_5_VLForConditionalGeneration");
  CHECK(facts.image_token == TokenId(262));
  CHECK(facts.position_axes == 3);
  CHECK(!facts_with(R"(,"image_token_id":262)", "LlamaForCausalLM").image_token);
  CHECK_THROWS_WITH_AS(
      facts_with(R"(,"image_token_id":288,"vision_config":{"hidden_size":64,"out_hidden_size":64})",
                 "Qwen2_5_VLForConditionalGeneration"),
      "config.json: image_token_id 288 is no token of a vocabulary of 288; correct it", Error);
}

}  // namespace pagoda
