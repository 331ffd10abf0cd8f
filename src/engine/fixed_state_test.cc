// Whole engines over models whose layers keep a state of a fixed size of each sequence, as linear
// attention and Mamba do, alone or beside layers with keys and values.
#include <doctest/doctest.h>

#include <bit>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/test_batches.h"
#include "engine/test_engine.h"
#include "load/weight_schemes.h"
#include "models/decoder.h"
#include "nn/gqa_attention.h"

namespace pagoda {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kRounds = 2;  // ten times slower
#else
constexpr uint32_t kRounds = 4;
#endif

// More tokens and sequences than any step here has.
constexpr int32_t kMostRows = 1024;

// i32 [kMostRows, 1]: row i is i - 1, the token before token i.
Tensor rows_before(const Weights& w) {
  std::vector<float> bits;
  bits.reserve(kMostRows);
  for (int32_t i = 0; i < kMostRows; ++i) bits.push_back(std::bit_cast<float>(i - 1));
  Tensor rows = w.constant({kMostRows, 1}, bits.data());
  rows.dtype = DType::kI32;
  return rows;
}

// Tokens [tokens] of a step, then what slots have of its sequences [sequences]: row by row what
// comes before what.
struct Order {
  Tensor before;  // i32 [tokens, 1], the row before each token
  Tensor last;    // i32 [sequences, 1], the last token of each sequence
};

// Over the tokens t of a sequence, one after the other: s[t] = s[t - 1] / 2 + x[t], and out[t] =
// s[t] + x[t - 1]. It keeps s and x of the last token. Of ops that every device has.
class RunningSum {
 public:
  RunningSum(const Weights& w, int64_t hidden)
      : hidden_(hidden), dtype_(w.dtype()), rows_before_(rows_before(w)) {}

  FixedState state() const {
    return {{make_view(nullptr, {2, hidden_ / 2}, dtype_), make_view(nullptr, {hidden_}, dtype_)}};
  }

  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, LayerIndex layer, Tensor x) const {
    const ScratchScope scope(step.scratch);
    const FixedLayer fixed = step.fixed(layer);
    const int64_t tokens = x.dim(0);
    const Order order = order_of(step, fixed, tokens);
    const Tensor sums = with_states(step, fixed, 0, tokens);
    for (int64_t t = 0; t < tokens; ++t) add_token(step, sums, rows_of(x, t, 1), order, t);
    keep(step, fixed, 0, sums, order);

    const Tensor inputs = with_states(step, fixed, 1, tokens);
    step.ops.copy_columns(rows_of(inputs, 0, tokens), x, 0);
    keep(step, fixed, 1, inputs, order);
    step.ops.gather_rows(x, inputs, order.before);
    step.ops.add(x, rows_of(sums, 0, tokens));
    return x;
  }

 private:
  Order order_of(Step& step, const FixedLayer& fixed, int64_t tokens) const {
    const int64_t sequences = fixed.slots.dim(0);
    const Order order = {.before = step.scratch.make({tokens, 1}, DType::kI32),
                         .last = step.scratch.make({sequences, 1}, DType::kI32)};
    step.ops.copy_columns(order.before, rows_of(rows_before_, 0, tokens), 0);
    step.ops.scatter_rows(order.before, rows_of(rows_before_, tokens + 1, sequences),
                          rows_of(fixed.query_offsets, 0, sequences));
    step.ops.gather_rows(order.last, rows_before_, rows_of(fixed.query_offsets, 1, sequences));
    return order;
  }

  Tensor slots_of(const FixedLayer& fixed, size_t part) const {
    return reshaped(fixed.parts[part], {fixed.parts[part].dim(0), hidden_});
  }

  // [tokens + sequences, hidden], tokens still to be written.
  Tensor with_states(Step& step, const FixedLayer& fixed, size_t part, int64_t tokens) const {
    const int64_t sequences = fixed.slots.dim(0);
    const Tensor rows = step.scratch.make({tokens + sequences, hidden_});
    step.ops.gather_rows(rows_of(rows, tokens, sequences), slots_of(fixed, part), fixed.slots);
    return rows;
  }

  void add_token(Step& step, Tensor sums, Tensor x, const Order& order, int64_t token) const {
    const ScratchScope scope(step.scratch);
    const Tensor sum = step.scratch.make({1, hidden_});
    step.ops.gather_rows(sum, sums, rows_of(order.before, token, 1));
    step.ops.scale(sum, 0.5f);
    step.ops.add(sum, x);
    step.ops.copy_columns(rows_of(sums, token, 1), sum, 0);
  }

  void keep(Step& step, const FixedLayer& fixed, size_t part, Tensor rows,
            const Order& order) const {
    const Tensor last = step.scratch.make({fixed.slots.dim(0), hidden_});
    step.ops.gather_rows(last, rows, order.last);
    step.ops.scatter_rows(slots_of(fixed, part), last, fixed.slots);
  }

  int64_t hidden_;
  DType dtype_;
  Tensor rows_before_;
};

struct Config {
  DecoderConfig decoder;
  std::vector<bool> attends;  // one a layer; else it keeps running sums
};

using Mixer = std::variant<RunningSum, GqaAttention>;

Mixer make_mixer(const Weights& w, const Config& c, int64_t layer) {
  if (!c.attends[static_cast<size_t>(layer)]) return RunningSum(w, c.decoder.hidden);
  const GqaShape shape = {.hidden = c.decoder.hidden, .heads = 6, .kv_heads = 2, .head_dim = 32};
  return GqaAttention(w, shape);
}

struct Block {
  RmsNorm norm;
  Mixer mixer;

  Block(const Weights& w, const Config& c, int64_t layer)
      : norm(w / "norm", c.decoder.hidden, c.decoder.norm_eps),
        mixer(make_mixer(w / "mixer", c, layer)) {}

  LayerState state() const {
    return std::visit([](const auto& m) { return LayerState(m.state()); }, mixer);
  }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    const Tensor x = norm(step, r);
    r.add(std::visit([&](const auto& m) { return m(step, layer, x); }, mixer));
  }
};

ModelDefinition model_of(const std::vector<bool>& attends) {
  const Config c = {.decoder = {.vocab = kBatchVocab,
                                .hidden = 144,
                                .layers = std::ssize(attends),
                                .norm_eps = 1e-6,
                                .tied = true,
                                .rotary = {{.dim = 32, .theta = 10000.0}}},
                    .attends = attends};
  return {.facts = {.architecture = "RunningSums",
                    .vocab = c.decoder.vocab,
                    .layers = c.decoder.layers,
                    .max_positions = 512,
                    .attention_heads = 6,
                    .kv_heads = 2},
          .make =
              [c](const Weights& w, const ModelOptions& options) {
                return std::make_unique<Decoder<Block, Config>>(w, c, options);
              },
          .schemes = [] { return WeightSchemes(); }};
}

ModelDefinition mixed_model() {
  return model_of({false, true, false});
}
ModelDefinition sums_alone() {
  return model_of({false, false});
}

TEST_CASE("a request is the same bits alone and in any batch where some layers keep fixed states") {
  const Happened happened = check_batches({mixed_model(), kTestBackend}, kRounds);
  CHECK(happened.preemptions > 0);
  CHECK(happened.prefix_hits == 0);  // keys and values are there, states are not
}

TEST_CASE("and where all layers do") {
  const Happened happened = check_batches({sums_alone(), kTestBackend}, kRounds);
  CHECK(happened.prefix_hits == 0);
}

TEST_CASE("and on two ranks, and on the reference") {
  check_batches({mixed_model(), kTestBackend, 2}, 1);
  check_batches({mixed_model(), "ref"}, 1);
}

std::vector<TokenId> prompt_of(int32_t tokens, int32_t first) {
  std::vector<TokenId> prompt;
  prompt.reserve(static_cast<size_t>(tokens));
  for (int32_t i = 0; i < tokens; ++i) prompt.emplace_back((first + 7 * i) % kBatchVocab);
  return prompt;
}

TEST_CASE("a request finds zeros in the slot of the one before it, and computes its whole prompt") {
  const SamplingParams sampling = {.seed = 3, .max_tokens = 8, .ignore_eos = true, .logprobs = 2};
  for (const ModelDefinition& model : {mixed_model(), sums_alone()}) {
    EngineConfig config = fresh_config({model, kTestBackend});
    config.scheduler.max_sequences = 1;
    TestEngine engine(config);
    const Answer first = engine.run(prompt_of(40, 5), sampling);
    CHECK(is_of_numbers(first.logprobs.at(0)));
    engine.run(prompt_of(33, 100), sampling);
    const Answer again = engine.run(prompt_of(40, 5), sampling);
    CHECK(again.cached_tokens == 0);
    CHECK(again.tokens == first.tokens);
    CHECK(same(again.logprobs, first.logprobs));
  }
}

}  // namespace
}  // namespace pagoda
