#include "tensor/host_assisted_ops.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/must.h"
#include "tensor/logit_scan.h"

namespace pagoda {
namespace {

template <class T>
std::span<T> row_of(Tensor t, int64_t row) {
  return {t.as<T>() + row * t.dim(1), static_cast<size_t>(t.dim(1))};
}

}  // namespace

HostAssistedOps::HostAssistedOps(Device& device, Buffer scratch)
    : device_(device), host_(std::move(scratch), DType::kF32) {}

Tensor HostAssistedOps::like(Tensor device) {
  Tensor host = host_.make({device.count()}, device.dtype);
  host.shape = device.shape;
  host.rank = device.rank;
  return host;
}

Tensor HostAssistedOps::downloaded(Tensor device) {
  if (device.empty()) return {};
  const Tensor host = like(device);
  device_.copy_out(host.data, device);
  return host;
}

void HostAssistedOps::route(const Routing& routing, const RouterScores& scores,
                            const RoutingRule& rule) {
  host_.reset();
  const RouterScores on_host = {.logits = downloaded(scores.logits),
                                .correction = downloaded(scores.correction)};
  const Routing made = {.experts = like(routing.experts),
                        .weights = like(routing.weights),
                        .places = like(routing.places),
                        .rows = like(routing.rows),
                        .offsets = like(routing.offsets)};
  const int64_t tokens = scores.logits.dim(0), experts = scores.logits.dim(1);
  const Tensor scratch = host_.make({routing_scratch(experts)}, DType::kF32);
  choose_experts(made, on_host, rule, {0, tokens}, scratch.as<float>());
  sort_pairs(made);
  upload(routing.offsets, made.offsets);
  if (routing.experts.empty()) return;
  upload(routing.experts, made.experts);
  upload(routing.weights, made.weights);
  upload(routing.places, made.places);
  upload(routing.rows, made.rows);
}

void HostAssistedOps::argmax(Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && logits.dtype == DType::kF32 && ids.count() == logits.dim(0));
  const int64_t at_once = kHostScratchBytes / 2 / logits.dim(1) / bytes_of(DType::kF32);
  for (int64_t first = 0; first < logits.dim(0); first += at_once) {
    host_.reset();
    const int64_t count = std::min(at_once, logits.dim(0) - first);
    const Tensor rows = downloaded(rows_of(logits, first, count));
    const Tensor found = host_.make({count}, DType::kI32);
    for (int64_t i = 0; i < count; ++i)
      found.as<int32_t>()[i] = argmax_of(row_of<const float>(rows, i));
    upload(rows_of(ids, first, count), found);
  }
}

void HostAssistedOps::top_k(Tensor scores, Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && scores.dtype == DType::kF32 && logits.dtype == DType::kF32);
  MUST(ids.dim(0) == logits.dim(0) && scores.count() == ids.count());
  const int64_t at_once = kHostScratchBytes / 4 / logits.dim(1) / bytes_of(DType::kF32);
  for (int64_t first = 0; first < logits.dim(0); first += at_once) {
    host_.reset();
    const int64_t count = std::min(at_once, logits.dim(0) - first);
    const Tensor rows = downloaded(rows_of(logits, first, count));
    const Tensor best_scores = like(rows_of(scores, first, count));
    const Tensor best_ids = like(rows_of(ids, first, count));
    const Tensor scratch = host_.make({ids.dim(1), int64_t{sizeof(ScoredId)}}, DType::kU8);
    for (int64_t i = 0; i < count; ++i) {
      fill_top({.scores = row_of<float>(best_scores, i), .ids = row_of<int32_t>(best_ids, i)},
               row_of<const float>(rows, i),
               {scratch.as<ScoredId>(), static_cast<size_t>(ids.dim(1))});
    }
    upload(rows_of(scores, first, count), best_scores);
    upload(rows_of(ids, first, count), best_ids);
  }
}

}  // namespace pagoda
