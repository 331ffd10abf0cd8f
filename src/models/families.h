// One function a family, for registry.cc.
#pragma once

#include "load/hf_config.h"
#include "models/model_definition.h"

namespace pagoda {

ModelDefinition define_deepseek_v2(const HfConfig& hf);
ModelDefinition define_deepseek_v3(const HfConfig& hf);
ModelDefinition define_gemma3(const HfConfig& hf);
ModelDefinition define_glm4(const HfConfig& hf);
ModelDefinition define_llama(const HfConfig& hf);
ModelDefinition define_mistral(const HfConfig& hf);
ModelDefinition define_phi3(const HfConfig& hf);
ModelDefinition define_qwen2(const HfConfig& hf);
ModelDefinition define_qwen2_5_vl(const HfConfig& hf);
ModelDefinition define_qwen2_moe(const HfConfig& hf);
ModelDefinition define_qwen3(const HfConfig& hf);
ModelDefinition define_qwen3_moe(const HfConfig& hf);

}  // namespace pagoda
