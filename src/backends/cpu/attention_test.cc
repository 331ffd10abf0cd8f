#include "backends/cpu/attention.h"

#include <doctest/doctest.h>

#include "backends/cpu/test_support.h"
#include "base/error.h"

namespace pagoda::cpu {
namespace {

struct Model {
  int64_t heads, kv_heads, key_dim, value_dim, window;
};

// A sequence of random queries, keys and values, and its cache in blocks of any size, dealt out of
// order.
class Sequence {
 public:
  Sequence(Device& device, const Model& model, int64_t tokens, int64_t block_size, DType dtype)
      : device_(device),
        model_(model),
        tokens_(tokens),
        q_(random_array({tokens, model.heads, model.key_dim}, dtype, 1)),
        k_(random_array({tokens, model.kv_heads, model.key_dim}, dtype, 2)),
        v_(random_array({tokens, model.kv_heads, model.value_dim}, dtype, 3)),
        shape_({model.kv_heads, model.key_dim, model.value_dim, dtype}),
        blocks_(
            {(tokens + block_size - 1) / block_size + 1, device.kv_block_bytes(shape_, block_size)},
            DType::kU8),
        block_size_(block_size) {
    // What nobody wrote must not be read: NaN in all formats.
    std::memset(blocks_.view().data, 0xFF, blocks_.bytes().size());
    const int64_t count = blocks_.view().dim(0);
    for (int64_t i = 0; i < count - 1; ++i) {
      table_.push_back(static_cast<int32_t>((i * 5 + 1) % count));
    }
    if (count % 5 == 0) {
      for (int64_t i = 0; i < count - 1; ++i)
        table_[static_cast<size_t>(i)] = static_cast<int32_t>(i);
    }
  }

  // Writes and attends tokens [begin, end); earlier ones must be there. out [end - begin, ...].
  Array run(int64_t begin, int64_t end) {
    std::vector<int32_t> slots;
    for (int64_t t = begin; t < end; ++t) {
      const int32_t block = table_[static_cast<size_t>(t / block_size_)];
      slots.push_back(static_cast<int32_t>(block * block_size_ + t % block_size_));
    }
    const KvLayer cache = {blocks_, shape_, block_size_};
    device_.ops().write_kv(cache, rows_of(k_, begin, end - begin), rows_of(v_, begin, end - begin),
                           integers(slots));
    Array out({end - begin, model_.heads, model_.value_dim}, shape_.dtype);
    const Array table = integers(table_);
    const Array offsets = integers({0, static_cast<int32_t>(end - begin)});
    const Array lengths = integers({static_cast<int32_t>(end)});
    device_.ops().paged_attention(
        {.out = out,
         .q = rows_of(q_, begin, end - begin),
         .cache = cache,
         .index = {reshaped(table, {1, table.view().count()}), offsets, lengths},
         .scale = scale(),
         .window = model_.window});
    return out;
  }

  // out of query `t` of head `h` in double.
  std::vector<double> expected(int64_t t, int64_t h) const {
    const int64_t kv_head = h / (model_.heads / model_.kv_heads);
    const int64_t first = model_.window > 0 ? std::max<int64_t>(0, t - model_.window + 1) : 0;
    std::vector<double> out(static_cast<size_t>(model_.value_dim));
    double sum = 0;
    for (int64_t j = first; j <= t; ++j) {
      double score = 0;
      for (int64_t d = 0; d < model_.key_dim; ++d) {
        score += double{q_.at((t * model_.heads + h) * model_.key_dim + d)} *
                 k_.at((j * model_.kv_heads + kv_head) * model_.key_dim + d);
      }
      const double weight = std::exp(score * scale());
      sum += weight;
      for (size_t d = 0; d < out.size(); ++d) {
        out[d] += weight * v_.at((j * model_.kv_heads + kv_head) * model_.value_dim +
                                 static_cast<int64_t>(d));
      }
    }
    for (double& x : out) x /= sum;
    return out;
  }

  int64_t tokens() const { return tokens_; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(model_.key_dim)); }

 private:
  Device& device_;
  const Model model_;
  const int64_t tokens_;
  const Array q_, k_, v_;
  const KvShape shape_;
  const Array blocks_;
  const int64_t block_size_;
  std::vector<int32_t> table_;
};

double worst_error(const Sequence& sequence, const Array& out, const Model& model) {
  double worst = 0;
  for (int64_t row = 0; row < sequence.tokens() * model.heads; ++row) {
    const std::vector<double> expected = sequence.expected(row / model.heads, row % model.heads);
    for (int64_t d = 0; d < model.value_dim; ++d) {
      const double wanted = expected[static_cast<size_t>(d)];
      const double got = out.at(row * model.value_dim + d);
      worst = std::max(worst, std::abs(got - wanted) / (1 + std::abs(wanted)));
    }
  }
  return worst;
}

// Multi-head, grouped, odd sizes, other value size than key size, windows.
constexpr Model kModels[] = {{2, 2, 24, 24, 0}, {4, 2, 32, 32, 0},  {14, 2, 64, 64, 0},
                             {3, 1, 80, 48, 0}, {4, 2, 96, 96, 40}, {7, 1, 128, 128, 129},
                             {4, 4, 17, 5, 1},  {32, 1, 16, 16, 0}};

void check_values(const Family& family, DType dtype, const Model& model) {
  CAPTURE(label(family, dtype, model.key_dim));
  const auto device = open(family, 2);
  Sequence sequence(*device, model, 150, 16, dtype);
  const Array out = sequence.run(0, 150);
  CHECK(worst_error(sequence, out, model) < 0.5 * epsilon_of(dtype) + 3e-6);
}

// In chunks of many sizes, then single tokens; `all` is what the whole sequence gave at once.
// Returns how many chunks differ.
int differing_chunks(Sequence& sequence, const Array& all) {
  int differing = 0;
  for (int64_t begin = 0, size = 1; begin < sequence.tokens();) {
    const int64_t end = std::min(begin + size, sequence.tokens());
    if (!same_rows(sequence.run(begin, end), all, begin)) ++differing;
    begin = end;
    size = begin + 10 > sequence.tokens() ? 1 : size * 3 % 101;
  }
  return differing;
}

void check_cuts(const Family& family, DType dtype, const Model& model) {
  CAPTURE(label(family, dtype, model.key_dim));
  constexpr int64_t kTokens = kSplitKeys + 40;
  const auto device = open(family, 2);
  Sequence whole(*device, model, kTokens, 16, dtype);
  const Array all = whole.run(0, kTokens);
  int differing = 0;
  for (const int64_t block_size : {1, 8, 24, 32, 64, 128}) {
    const auto other = open(family, block_size % 3 == 0 ? 3 : 1);
    Sequence chunked(*other, model, kTokens, block_size, dtype);
    differing += differing_chunks(chunked, all);
  }
  CHECK(differing == 0);
}

}  // namespace

TEST_CASE("attention over a paged cache is softmax attention") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      for (const Model& model : kModels) check_values(*family, dtype, model);
    }
  }
}

TEST_CASE("a row is the same bits for any block size, chunking and number of threads") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      for (const Model& model : kModels) check_cuts(*family, dtype, model);
    }
  }
}

TEST_CASE("a cache of numbers that are no floats is refused by name") {
  const auto device = open(*families_here().back(), 1);
  CHECK_THROWS_WITH_AS(device->kv_block_bytes({1, 8, 8, DType::kU8}, 16),
                       "a KV cache of uint8: cpu keeps keys and values in float32, bfloat16 or "
                       "float16; choose one of them",
                       Error);
}

TEST_CASE("one long sequence is decoded by all threads to the same bits as by one") {
  constexpr Model kModel = {4, 2, 64, 64, 0};
  for (const Family* family : families_here()) {
    const auto one = open(*family, 1), three = open(*family, 3);
    Sequence a(*one, kModel, 1500, 16, DType::kBF16), b(*three, kModel, 1500, 16, DType::kBF16);
    CHECK(same_bits(a.run(0, 1499), b.run(0, 1499)));
    CHECK(same_bits(a.run(1499, 1500), b.run(1499, 1500)));
  }
}

}  // namespace pagoda::cpu
