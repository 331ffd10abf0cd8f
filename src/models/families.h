// One function a family, for registry.cc.
#pragma once

#include "models/model_definition.h"

namespace pagoda {

class JsonReader;

ModelDefinition define_deepseek_v2(const JsonReader& hf);
ModelDefinition define_deepseek_v3(const JsonReader& hf);
ModelDefinition define_gemma3(const JsonReader& hf);
ModelDefinition define_glm4(const JsonReader& hf);
ModelDefinition define_llama(const JsonReader& hf);
ModelDefinition define_mistral(const JsonReader& hf);
ModelDefinition define_phi3(const JsonReader& hf);
ModelDefinition define_qwen2(const JsonReader& hf);
ModelDefinition define_qwen2_5_vl(const JsonReader& hf);
ModelDefinition define_qwen2_moe(const JsonReader& hf);
ModelDefinition define_qwen3(const JsonReader& hf);
ModelDefinition define_qwen3_moe(const JsonReader& hf);

}  // namespace pagoda
