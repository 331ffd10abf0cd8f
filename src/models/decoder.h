// What every decoder-only model shares: embed, run the blocks, norm, project rows.
//
// A model supplies its Block, and a Config with vocab, hidden, layers, norm_eps, tied, and rotary:
// a RotarySpec, or a vector of them where layers turn by different angles.
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
      : rotary_(make_rotary(w.body, c.rotary, max_positions)),
        embedding_(w.body / "embed_tokens", c.vocab, c.hidden),
        norm_(w.body / "norm", c.hidden, c.norm_eps),
        head_(c.tied ? w.body / "embed_tokens" : w.head, c.vocab, c.hidden) {
    for (int64_t i = 0; i < c.layers; ++i) {
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

  Tensor logits(Step& step, Tensor rows) const override { return head_.logits(step, rows); }

 private:
  static std::vector<Rotary> make_rotary(const Weights& w, const RotarySpec& spec,
                                         int64_t max_positions) {
    return make_rotary(w, std::vector{spec}, max_positions);
  }
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
    if (!step.batch.given.empty()) {
      step.ops.scatter_rows(out, step.batch.given, step.batch.given_rows);
    }
    return out;
  }

  std::vector<Rotary> rotary_;
  Embedding embedding_;
  RmsNorm norm_;
  Embedding head_;
  std::vector<Block> blocks_;
};

}  // namespace pagoda
