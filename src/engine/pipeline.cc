#include "engine/pipeline.h"

#include <utility>

#include "base/must.h"

namespace pagoda {

Pipeline::Pipeline(World& world, Sampler& sampler, int64_t depth)
    : world_(world), sampler_(sampler), slots_(static_cast<size_t>(depth)) {
  MUST(depth >= 1);
}

StepPlan& Pipeline::next() {
  MUST(!is_full());
  StepPlan& plan = slot(oldest_ + num_in_flight_).plan;
  plan.clear();
  return plan;
}

void Pipeline::launch() {
  finish();
  world_.launch(slot(oldest_ + num_in_flight_).plan, sampled_);
  ++num_in_flight_;
  is_running_ = true;
}

Pipeline::Collected Pipeline::collect() {
  MUST(!is_empty());
  if (num_in_flight_ == 1) finish();
  Slot& collected = slot(oldest_);
  ++oldest_;
  --num_in_flight_;
  return {.plan = collected.plan, .results = collected.results};
}

void Pipeline::drain() {
  if (is_running_) world_.collect();
  is_running_ = false;
  num_in_flight_ = 0;
}

void Pipeline::finish() {
  if (!is_running_) return;
  Slot& latest = slot(oldest_ + num_in_flight_ - 1);
  sampler_.sample(latest.plan, world_.collect(), latest.results);
  latest.plan.encodings.clear();  // pictures may go
  note_sampled(latest);
  is_running_ = false;
}

void Pipeline::note_sampled(const Slot& slot) {
  sampled_.clear();
  for (size_t i = 0; i < slot.plan.chunks.size(); ++i) {
    sampled_.resize(sampled_.size() + static_cast<size_t>(slot.plan.chunks[i].outputs));
    if (!slot.results[i].tokens.empty()) sampled_.back() = slot.results[i].tokens.back();
  }
}

}  // namespace pagoda
