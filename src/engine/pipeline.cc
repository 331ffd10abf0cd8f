#include "engine/pipeline.h"

#include <utility>

#include "base/must.h"

namespace pagoda {

namespace {

// A chunk's rows lie one after the other, as the chunks do.
void hand_out_hidden(const StepPlan& plan, Tensor hidden, std::vector<ChunkResult>& results) {
  int64_t row = 0;
  for (size_t i = 0; i < plan.chunks.size(); ++i) {
    const int64_t rows = plan.chunks[i].hidden;
    if (rows > 0) results[i].hidden = floats_of(rows_of(hidden, row, rows));
    row += rows;
  }
}

}  // namespace

Pipeline::Pipeline(StepRunner& runner, Sampler& sampler, int64_t depth)
    : runner_(runner), sampler_(sampler), slots_(static_cast<size_t>(depth)) {
  MUST(depth >= 1);
}

StepPlan& Pipeline::next() {
  MUST(!is_full());
  StepPlan& plan = slot(oldest_ + num_in_flight_).plan;
  plan.clear();
  return plan;
}

void Pipeline::launch() {
  const size_t number = oldest_ + num_in_flight_;
  StepPlan& plan = slot(number).plan;
  const bool follows_on_device = num_running_ > 0 && slot(number - 1).plan.is_greedy;
  while (num_running_ > 0 && !follows_on_device) sample_oldest();
  // Where the step is sampled before the next one is launched, its logits are as well read here.
  plan.is_greedy = slots_.size() > 1 && sampler_.is_greedy(plan);
  runner_.launch(plan, follows_on_device ? std::span<const TokenId>{} : sampled_);
  ++num_in_flight_;
  ++num_running_;
}

Pipeline::Collected Pipeline::collect() {
  MUST(!is_empty());
  if (num_running_ == num_in_flight_) sample_oldest();
  Slot& collected = slot(oldest_);
  ++oldest_;
  --num_in_flight_;
  return {.plan = collected.plan, .results = collected.results};
}

void Pipeline::drain() {
  for (; num_running_ > 0; --num_running_) runner_.collect();
  num_in_flight_ = 0;
}

void Pipeline::sample_oldest() {
  Slot& oldest = slot(oldest_ + num_in_flight_ - num_running_);
  const StepOutput output = runner_.collect();
  sampler_.sample(oldest.plan, output, oldest.results);
  hand_out_hidden(oldest.plan, output.hidden, oldest.results);
  oldest.plan.encodings.clear();  // pictures may go
  note_sampled(oldest);
  --num_running_;
}

void Pipeline::note_sampled(const Slot& slot) {
  sampled_.clear();
  for (size_t i = 0; i < slot.plan.chunks.size(); ++i) {
    sampled_.resize(sampled_.size() + static_cast<size_t>(slot.plan.chunks[i].outputs));
    if (!slot.results[i].tokens.empty()) sampled_.back() = slot.results[i].tokens.back();
  }
}

}  // namespace pagoda
