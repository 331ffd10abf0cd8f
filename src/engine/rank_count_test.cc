#include "engine/rank_count.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace pagoda {
namespace {

using Counts = std::vector<int64_t>;

// Qwen2.5-7B.
const ModelFacts seven = {.attention_heads = 28, .kv_heads = 4, .ffn = {18944}};

TEST_CASE("a size is even if heads, KV heads and feed-forward parts need no padding") {
  CHECK(even_rank_counts({}, seven) == Counts{1, 2, 4});  // 7 and 14 do not divide 4, 28 not 18944
  CHECK(even_rank_counts({}, {.attention_heads = 8, .kv_heads = 2, .ffn = {768}}) ==
        Counts{1, 2, 4, 8});
  CHECK(even_rank_counts({}, {.attention_heads = 6, .kv_heads = 6, .ffn = {20}}) == Counts{1, 2});
}

TEST_CASE("heads that share one latent are dealt without KV heads") {
  CHECK(even_rank_counts({}, {.attention_heads = 12, .kv_heads = 0, .ffn = {48}}) ==
        Counts{1, 2, 3, 4, 6, 12});
}

TEST_CASE("groups that share a scale are not cut, but by a single rank there is nothing to cut") {
  ModelFacts facts = {.attention_heads = 8, .kv_heads = 8, .ffn = {11008}};
  CHECK(even_rank_counts({}, facts) == Counts{1, 2, 4, 8});
  facts.input_units = {8, 128};  // 86 of the larger
  CHECK(even_rank_counts({}, facts) == Counts{1, 2});
  CHECK(padding_line({.tensor_parallel_size = 4}, facts, int64_t{1} << 30, int64_t{40} << 30)
            .ends_with("Sizes without padding: 1, 2"));
  facts.ffn = {11000};
  CHECK(even_rank_counts({}, facts) == Counts{1});
}

TEST_CASE("experts that are dealt whole need no padding") {
  const ModelFacts experts = {.attention_heads = 4, .ffn = {64}, .expert_ffn = {6}};
  CHECK(even_rank_counts({}, experts) == Counts{1, 2});
  CHECK(even_rank_counts({.expert_parallel = true}, experts) == Counts{1, 2, 4});
}

TEST_CASE("only more ranks than heads are refused, with the sizes that work") {
  for (int ranks = 1; ranks <= 28; ++ranks) {
    CHECK_NOTHROW(check_ranks({.tensor_parallel_size = ranks}, seven));
  }
  CHECK_THROWS_WITH_AS(check_ranks({.tensor_parallel_size = 29}, seven),
                       "--tensor-parallel-size 29: this model has 28 attention heads, and every "
                       "rank needs one; choose 1 to 28 (without padding: 1, 2, 4)",
                       Error);
}

TEST_CASE("the log says what padding costs and which sizes have none") {
  CHECK(padding_line({.tensor_parallel_size = 4}, seven, 0, 1 << 20).empty());
  CHECK(
      padding_line({.tensor_parallel_size = 8}, seven, int64_t{3} << 30, int64_t{24} << 30) ==
      "--tensor-parallel-size 8 does not divide this model evenly: padding with zeros takes 3.000 "
      "GiB, 12.5 % of the weights of all ranks. Sizes without padding: 1, 2, 4");
}

}  // namespace
}  // namespace pagoda
