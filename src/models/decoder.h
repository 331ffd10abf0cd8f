// What every decoder-only model shares: embed, run the blocks, norm, project the wanted rows.
//
// A model supplies its Block, and a Config with vocab, hidden, layers, norm_eps, tied, rotary:
//
//   Block(const Weights& w, const Config& c, int64_t layer);
//   void operator()(Step& step, LayerIndex layer, Residual& r) const;
//
// Thread rule: as Model.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
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
  Decoder(const Weights& w, const Config& c, const KvGeometry& kv, int64_t max_positions)
      : Decoder(DecoderWeights{w / "model", w / "lm_head"}, c, kv, max_positions) {}
  // The rotary table comes first: what config.json says wrong is found before weights are read.
  Decoder(const DecoderWeights& w, const Config& c, const KvGeometry& kv, int64_t max_positions)
      : hidden_(c.hidden),
        kv_(kv),
        rotary_(w.body, c.rotary, max_positions),
        embedding_(w.body / "embed_tokens", c.vocab, c.hidden),
        norm_(w.body / "norm", c.hidden, c.norm_eps),
        head_(c.tied ? w.body / "embed_tokens" : w.head, c.vocab, c.hidden) {
    for (int64_t i = 0; i < c.layers; ++i) {
      blocks_.emplace_back(w.body / "layers" / std::to_string(i), c, i);
    }
  }

  KvGeometry kv_geometry() const override { return kv_; }

  Tensor forward(Step& step) const override {
    step.rotary = rotary_(step);
    Residual r{.stream = embed(step), .pending = {}};
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i](step, LayerIndex(static_cast<int32_t>(i)), r);
    }
    const Tensor x = norm_(step, r);             // [tokens, hidden]
    const Tensor rows = step.batch.output_rows;  // i32 [outputs]
    const Tensor wanted = step.scratch.make({rows.dim(0), hidden_});
    step.ops.gather_rows(wanted, x, rows);
    return head_.logits(step, wanted);  // f32 [outputs, vocab]
  }

 private:
  // Token embeddings [tokens, hidden]; rows that the batch gives replace those of their tokens.
  Tensor embed(Step& step) const {
    const Tensor out = embedding_.lookup(step, step.batch.tokens);
    if (!step.batch.given.empty()) {
      step.ops.scatter_rows(out, step.batch.given, step.batch.given_rows);
    }
    return out;
  }

  int64_t hidden_;
  KvGeometry kv_;
  Rotary rotary_;
  Embedding embedding_;
  RmsNorm norm_;
  Embedding head_;
  std::vector<Block> blocks_;
};

}  // namespace pagoda
