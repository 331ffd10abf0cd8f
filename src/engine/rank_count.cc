#include "engine/rank_count.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

// Whole units of `unit`, the same number for each rank.
bool divides_all(int64_t ranks, int64_t unit, const std::vector<int64_t>& sizes) {
  return std::all_of(sizes.begin(), sizes.end(),
                     [=](int64_t size) { return size % unit == 0 && size / unit % ranks == 0; });
}

bool is_even(int64_t ranks, const ParallelConfig& parallel, const ModelFacts& facts) {
  if (ranks == 1) return true;
  if (facts.attention_heads % ranks != 0) return false;
  // Fewer KV heads than ranks are kept by several ranks each, the same number for each.
  const int64_t kv_heads = facts.kv_heads;
  if (kv_heads > 0 && kv_heads % ranks != 0 && ranks % kv_heads != 0) return false;
  std::vector<int64_t> units = facts.input_units;
  units.push_back(1);
  return std::all_of(units.begin(), units.end(), [&](int64_t unit) {
    if (!divides_all(ranks, unit, facts.ffn)) return false;
    return parallel.expert_parallel || divides_all(ranks, unit, facts.expert_ffn);
  });
}

std::string listed(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += str(text.empty() ? "" : ", ", number);
  return text;
}

}  // namespace

std::vector<int64_t> even_rank_counts(const ParallelConfig& parallel, const ModelFacts& facts) {
  std::vector<int64_t> counts;
  for (int64_t ranks = 1; ranks <= facts.attention_heads; ++ranks) {
    if (is_even(ranks, parallel, facts)) counts.push_back(ranks);
  }
  return counts;
}

void check_ranks(const ParallelConfig& parallel, const ModelFacts& facts) {
  const int64_t ranks = parallel.tensor_parallel_size, heads = facts.attention_heads;
  if (ranks <= heads) return;
  throw Error(ErrorKind::kConfig,
              str("--tensor-parallel-size ", ranks, ": this model has ", heads,
                  " attention heads, and every rank needs one; choose 1 to ", heads,
                  " (without padding: ", listed(even_rank_counts(parallel, facts)), ")"));
}

std::string padding_line(const ParallelConfig& parallel, const ModelFacts& facts,
                         int64_t padding_bytes, int64_t weight_bytes) {
  if (is_even(parallel.tensor_parallel_size, parallel, facts)) return "";
  return fmt::format(
      "--tensor-parallel-size {} does not divide this model evenly: padding with zeros takes "
      "{:.3f} "
      "GiB, {:.1f} % of the weights of all ranks. Sizes without padding: {}",
      parallel.tensor_parallel_size,
      static_cast<double>(padding_bytes) / static_cast<double>(int64_t{1} << 30),
      100.0 * static_cast<double>(padding_bytes) / static_cast<double>(weight_bytes),
      listed(even_rank_counts(parallel, facts)));
}

}  // namespace pagoda
