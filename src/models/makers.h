// One maker a family, for registry.cc.
#pragma once

#include <memory>

#include "models/model.h"

namespace pagoda {

std::unique_ptr<Model> make_deepseek_v2(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_deepseek_v3(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_llama(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_mistral(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_qwen2(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_qwen2_5_vl(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_qwen2_moe(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_qwen3(const HfConfig&, const Weights&, int64_t max_positions);
std::unique_ptr<Model> make_qwen3_moe(const HfConfig&, const Weights&, int64_t max_positions);

}  // namespace pagoda
