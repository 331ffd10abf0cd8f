// Which architectures there are, and what config.json says about a checkpoint before it is read.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/error.h"
#include "base/str.h"
#include "models/hf_keys.h"
#include "models/makers.h"
#include "models/model.h"
#include "nn/rotary.h"

namespace pagoda {
namespace {

enum class Pictures : bool { kNone, kSeen };

struct Entry {
  std::string_view architecture;
  std::unique_ptr<Model> (*make)(const HfConfig&, const Weights&, int64_t max_positions);
  Pictures pictures = Pictures::kNone;
};
constexpr Entry kModels[] = {
    {"DeepseekV2ForCausalLM", &make_deepseek_v2},
    {"DeepseekV3ForCausalLM", &make_deepseek_v3},
    {"LlamaForCausalLM", &make_llama},
    {"MistralForCausalLM", &make_mistral},
    {"Qwen2ForCausalLM", &make_qwen2},
    {"Qwen2_5_VLForConditionalGeneration", &make_qwen2_5_vl, Pictures::kSeen},
    {"Qwen2MoeForCausalLM", &make_qwen2_moe},
    {"Qwen3ForCausalLM", &make_qwen3},
    {"Qwen3MoeForCausalLM", &make_qwen3_moe},
};

const Entry& entry_of(const HfConfig& config) {
  const std::string architecture = config.architecture();
  std::string known;
  for (const Entry& e : kModels) {
    if (e.architecture == architecture) return e;
    known += str(known.empty() ? "" : ", ", e.architecture);
  }
  throw Error(ErrorKind::kConfig, str(config.origin(), ": architecture \"", architecture,
                                      "\" is not supported; supported are ", known));
}

void refuse_quantized(const HfConfig& config) {
  if (!config.has("quantization_config")) return;
  const std::string method =
      config.section("quantization_config").text_or("quant_method", "unnamed");
  throw Error(ErrorKind::kConfig,
              str(config.origin(), ": quantization_config \"", method, "\" is not supported; ",
                  "use a checkpoint in bfloat16, float16 or float32"));
}

// As vLLM 0.9.2, _get_and_verify_max_len: the shortest length that any of these keys names,
// stretched by the rotary scaling, except llama3, whose max_position_embeddings is stretched
// already. A sliding window does not shorten it.
int64_t derived_max_positions(const HfConfig& config) {
  constexpr std::string_view kKeys[] = {"max_position_embeddings",
                                        "n_positions",
                                        "max_seq_len",
                                        "seq_length",
                                        "model_max_length",
                                        "max_target_positions",
                                        "max_sequence_length",
                                        "max_seq_length",
                                        "seq_len"};
  int64_t longest = INT64_MAX;
  for (const std::string_view key : kKeys) {
    if (config.has(key)) longest = std::min(longest, size_of(config, key));
  }
  if (longest == INT64_MAX) longest = size_of(config, kKeys[0]);  // throws and names it
  const HfConfig scaling = rope_scaling_of(config);
  const std::string type = rope_type_of(scaling);
  if (type == "llama3") return longest;
  if (type == "yarn") longest = size_or(scaling, "original_max_position_embeddings", longest);
  const double stretched = static_cast<double>(longest) * scaling.number_or("factor", 1.0);
  if (stretched >= 1.0 && stretched <= INT32_MAX) return static_cast<int64_t>(stretched);
  throw Error(ErrorKind::kConfig,
              str(scaling.origin(), ": factor stretches the context of ", longest, " tokens to ",
                  stretched, ", expected 1 to ", INT32_MAX, "; correct it"));
}

// Those of these keys that there are.
std::vector<int64_t> sizes_of(const HfConfig& config, std::initializer_list<const char*> keys) {
  std::vector<int64_t> sizes;
  for (const char* key : keys) {
    if (const int64_t size = size_or(config, key, 0); size > 0) sizes.push_back(size);
  }
  return sizes;
}

std::optional<TokenId> image_token_of(const HfConfig& config) {
  const int64_t id = config.integer("image_token_id"), vocab = size_of(config, "vocab_size");
  if (id >= 0 && id < vocab) return TokenId(static_cast<int32_t>(id));
  throw Error(ErrorKind::kConfig, str(config.origin(), ": image_token_id ", id,
                                      " is no token of a vocabulary of ", vocab, "; correct it"));
}

}  // namespace

ModelFacts facts_of(const HfConfig& config) {
  const Entry& entry = entry_of(config);
  refuse_quantized(config);
  return {.architecture = std::string(entry.architecture),
          .vocab = size_of(config, "vocab_size"),
          .max_positions = derived_max_positions(config),
          .attention_heads = size_of(config, "num_attention_heads"),
          .kv_heads = config.has("kv_lora_rank") ? 0 : kv_heads_of(config),
          .ffn = sizes_of(config, {"intermediate_size", "shared_expert_intermediate_size"}),
          .expert_ffn = sizes_of(config, {"moe_intermediate_size"}),
          .position_axes = rope_scaling_of(config).has("mrope_section") ? 3 : 1,
          .image_token = entry.pictures == Pictures::kSeen ? image_token_of(config) : std::nullopt};
}

std::unique_ptr<Model> make_model(const HfConfig& config, const Weights& weights,
                                  int64_t max_positions) {
  const Entry& entry = entry_of(config);
  refuse_quantized(config);
  return entry.make(config, weights, max_positions);
}

}  // namespace pagoda
