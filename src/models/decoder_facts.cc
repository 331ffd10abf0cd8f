#include "models/decoder_facts.h"

#include "models/hf_keys.h"
#include "models/rotary_keys.h"

namespace pagoda {

ModelFacts decoder_facts(const HfConfig& hf, const RotarySpec& rotary) {
  return {.architecture = hf.architecture(),
          .vocab = size_of(hf, "vocab_size"),
          .max_positions = max_positions_of(hf),
          .attention_heads = size_of(hf, "num_attention_heads"),
          .ffn = {size_of(hf, "intermediate_size")},
          .position_axes = rotary.sections.empty() ? 1 : 3};
}

}  // namespace pagoda
