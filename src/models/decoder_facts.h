// Facts of a decoder.
#pragma once

#include "load/hf_config.h"
#include "models/model_definition.h"
#include "nn/rotary.h"

namespace pagoda {

// What every family says by the same keys. It adds what is its own: KV heads, experts, the token of
// pictures.
ModelFacts decoder_facts(const HfConfig& hf, const RotarySpec& rotary);

}  // namespace pagoda
