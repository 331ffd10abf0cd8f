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

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/must.h"
#include "load/weights.h"
#include "models/decoder_config.h"
#include "models/model.h"
#include "models/model_definition.h"
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
  Decoder(const Weights& w, const Config& c, const ModelOptions& options)
      : Decoder(DecoderWeights{w / "model", w / "lm_head"}, c, options) {}
  // Rotary tables come first: what config.json says wrong is found before weights are read.
  Decoder(const DecoderWeights& w, const Config& c, const ModelOptions& options)
      : config_(c.decoder), rotary_(make_rotary(w.body, config_.rotary, options.max_positions)) {
    const int64_t first = options.layers.first;
    const int64_t last = std::min(options.layers.last, config_.layers);
    MUST(0 <= first && first < last);
    leave_to_other_stages(w, {first, last});
    if (first == 0) embedding_.emplace(w.body / "embed_tokens", config_.vocab, config_.hidden);
    if (last == config_.layers) {
      norm_.emplace(w.body / "norm", config_.hidden, config_.norm_eps, config_.gain);
      head_.emplace(config_.tied ? w.body / "embed_tokens" : w.head, config_.vocab, config_.hidden);
    }
    for (int64_t i = first; i < last; ++i) {
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
    Residual r{.stream = embedding_ ? embed(step) : step.batch.stream, .pending = {}};
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i](step, LayerIndex(static_cast<int32_t>(i)), r);
    }
    if (norm_) return (*norm_)(step, r);
    step.ops.add(r.stream, r.pending);
    return r.stream;
  }

  Tensor logits(Step& step, Tensor rows) const override {
    MUST(head_);
    const Tensor logits = head_->logits(step, rows);
    if (config_.logit_cap > 0) step.ops.soft_cap(logits, static_cast<float>(config_.logit_cap));
    return logits;
  }

 private:
  static std::vector<Rotary> make_rotary(const Weights& w, const std::vector<RotarySpec>& specs,
                                         int64_t max_positions) {
    MUST(specs.size() <= kMostRotaryTables);
    std::vector<Rotary> rotary;
    rotary.reserve(specs.size());
    for (const RotarySpec& spec : specs) rotary.emplace_back(w, spec, max_positions);
    return rotary;
  }

  // So that what others read does not count as unused.
  void leave_to_other_stages(const DecoderWeights& w, const LayerRange& mine) const {
    for (int64_t i = 0; i < config_.layers; ++i) {
      if (i < mine.first || i >= mine.last) (w.body / "layers" / std::to_string(i)).ignore();
    }
    if (mine.first > 0) (w.body / "embed_tokens").ignore();
    if (mine.last == config_.layers) return;
    (w.body / "norm").ignore();
    w.head.ignore();
  }

  // Token embeddings [tokens, hidden]; rows that the batch gives replace those of their tokens.
  Tensor embed(Step& step) const {
    const Tensor out = embedding_->lookup(step, step.batch.tokens);
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
  std::optional<Embedding> embedding_;  // of the first stage
  std::optional<RmsNorm> norm_;         // of the last one, like the head
  std::optional<Embedding> head_;
  std::vector<Block> blocks_;
};

}  // namespace pagoda
