// Which architectures there are.
#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/str.h"
#include "load/hf_config.h"
#include "load/weight_schemes.h"
#include "models/families.h"
#include "models/hf_keys.h"

namespace pagoda {
namespace {

struct Entry {
  std::string_view architecture;
  ModelDefinition (*define)(const JsonReader&);
};
constexpr Entry kModels[] = {
    {"DeepseekV2ForCausalLM", &define_deepseek_v2},
    {"DeepseekV3ForCausalLM", &define_deepseek_v3},
    {"Gemma3ForCausalLM", &define_gemma3},
    {"Glm4ForCausalLM", &define_glm4},
    {"LlamaForCausalLM", &define_llama},
    {"MistralForCausalLM", &define_mistral},
    {"Phi3ForCausalLM", &define_phi3},
    {"Qwen2ForCausalLM", &define_qwen2},
    {"Qwen2_5_VLForConditionalGeneration", &define_qwen2_5_vl},
    {"Qwen2MoeForCausalLM", &define_qwen2_moe},
    {"Qwen3ForCausalLM", &define_qwen3},
    {"Qwen3MoeForCausalLM", &define_qwen3_moe},
};

const Entry& entry_of(const JsonReader& hf) {
  const std::string architecture = architecture_of(hf);
  std::string known;
  for (const Entry& e : kModels) {
    if (e.architecture == architecture) return e;
    known += str(known.empty() ? "" : ", ", e.architecture);
  }
  throw Error(ErrorKind::kConfig, str(hf.origin(), ": architecture \"", architecture,
                                      "\" is not supported; supported are ", known));
}

// Of config.json's values, so that a definition can be copied and outlive the file.
WeightSchemes schemes_of(const boost::json::object& values, const std::string& origin) {
  return weight_schemes_of(HfConfig(values, origin).keys());
}

}  // namespace

ModelDefinition define_model(const HfConfig& config) {
  const JsonReader hf = config.keys();
  const Entry& entry = entry_of(hf);
  const WeightSchemes schemes = weight_schemes_of(hf);  // throws here and now
  ModelDefinition definition = entry.define(hf);
  definition.facts.input_units = schemes.input_units();
  definition.schemes = std::bind_front(&schemes_of, hf.object(), hf.origin());
  return definition;
}

}  // namespace pagoda
