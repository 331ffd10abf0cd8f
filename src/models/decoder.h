// What every decoder-only model shares: embed, run the blocks, norm, project rows.
//
// A model supplies its Block, and a Config whose member `decoder` is a DecoderConfig:
//
//   Block(const Weights& w, const Config& c, int64_t layer);
//   LayerState state() const;
//   void operator()(Step& step, LayerIndex layer, Residual& r) const;
//
// Thread rule: as Model.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/must.h"
#include "load/weights.h"
#include "models/decoder_config.h"
#include "models/model.h"
#include "nn/embedding.h"
#include "nn/norm.h"
#include "nn/rotary.h"

namespace pagoda {

// Where the tensors are.
struct DecoderWeights {
  Weights body, head;
};

template <class Block, class Config>
class Decoder : public Model {
 public:
  Decoder(const Weights& w, const Config& c, int64_t max_positions)
      : Decoder(DecoderWeights{w / "model", w / "lm_head"}, c, max_positions) {}
  // Rotary tables come first: what config.json says wrong is found before weights are read.
  Decoder(const DecoderWeights& w, const Config& c, int64_t max_positions)
      : config_(c.decoder),
        rotary_(make_rotary(w.body, config_.rotary, max_positions)),
        embedding_(w.body / "embed_tokens", config_.vocab, config_.hidden),
        norm_(w.body / "norm", config_.hidden, config_.norm_eps, config_.gain),
        head_(config_.tied ? w.body / "embed_tokens" : w.head, config_.vocab, config_.hidden) {
    for (int64_t i = 0; i < config_.layers; ++i) {
      blocks_.emplace_back(w.body / "layers" / std::to_string(i), c, i);
    }
  }

  std::vector<LayerState> state() const override {
    std::vector<LayerState> layers;
    for (const Block& block : blocks_) layers.push_back(block.state());
    return layers;
  }

  Tensor hidden(Step& step) const override {
    for (size_t i = 0; i < rotary_.size(); ++i) step.rotary[i] = rotary_[i](step);
    Residual r{.stream = embed(step), .pending = {}};
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i](step, LayerIndex(static_cast<int32_t>(i)), r);
    }
    return norm_(step, r);
  }

  Tensor logits(Step& step, Tensor rows) const override {
    const Tensor logits = head_.logits(step, rows);
    if (config_.logit_cap > 0) step.ops.soft_cap(logits, static_cast<float>(config_.logit_cap));
    return logits;
  }

 private:
  static std::vector<Rotary> make_rotary(const Weights& w, const std::vector<RotarySpec>& specs,
                                         int64_t max_positions) {
    MUST(specs.size() <= kMostRotaryTables);
    std::vector<Rotary> rotary;
    for (const RotarySpec& spec : specs) rotary.emplace_back(w, spec, max_positions);
    return rotary;
  }

  // Token embeddings [tokens, hidden]; rows that the batch gives replace those of their tokens.
  Tensor embed(Step& step) const {
    const Tensor out = embedding_.lookup(step, step.batch.tokens);
    if (config_.embedding_scale != 1.0) step.ops.scale(out, rounded_scale(out.dtype));
    if (!step.batch.given.empty()) {
      step.ops.scatter_rows(out, step.batch.given, step.batch.given_rows);
    }
    return out;
  }

  // As transformers: a number of the model's own dtype (Gemma 3: 9.798 becomes 9.8125 in bfloat16).
  float rounded_scale(DType dtype) const {
    const auto scale = static_cast<float>(config_.embedding_scale);
    if (dtype == DType::kBF16) return to_float(from_float<BFloat16>(scale));
    return dtype == DType::kF16 ? to_float(from_float<Float16>(scale)) : scale;
  }

  const DecoderConfig config_;
  std::vector<Rotary> rotary_;
  Embedding embedding_;
  RmsNorm norm_;
  Embedding head_;
  std::vector<Block> blocks_;
};

}  // namespace pagoda
