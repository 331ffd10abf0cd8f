// For tests: a scheduler with a model that says what it is told to, and an encoder whose patches
// are one pixel each.
//
// Thread rule: one thread.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/scheduler.h"

namespace pagoda {

class TestPictureCosts final : public PictureCosts {
 public:
  TestPictureCosts(int stages, double work_a_token) : stages_(stages), work_(work_a_token) {}
  std::optional<PictureSize> size_of(const Image& image) const override {
    if (image.height <= 0 || image.width <= 0) return std::nullopt;
    return PictureSize{.rows = image.height, .columns = image.width};
  }
  std::vector<double> work_of(const Image& image) const override {
    const auto tokens = static_cast<double>(image.height * image.width);
    return std::vector<double>(static_cast<size_t>(stages_), work_ * tokens);
  }

 private:
  const int stages_;
  const double work_;  // of a stage, for each token
};

struct SchedulerFixture {
  static constexpr TokenId kEos = TokenId(2);
  static constexpr TokenId kImage = TokenId(9);

  SchedulerConfig config = {.max_sequences = 4, .max_step_tokens = 16};
  int64_t blocks = 64, block_size = 4, max_model_len = 200;
  size_t steps_in_flight = 1;
  std::vector<GroupSize> groups = {};  // empty: one that sees all, of `blocks`
  int64_t slots = 0;
  TokenId sampled = TokenId(7);
  // The token of a request at a position; none: `sampled` everywhere.
  std::function<TokenId(RequestId, int64_t)> choose = {};
  int stages = 4;
  double work_a_token = 1;
  int64_t picture_rows = 64, max_picture_tokens = 40;

  PictureStore store = {};
  std::optional<TestPictureCosts> costs = {};
  std::unique_ptr<Scheduler> scheduler = {};
  std::deque<StepPlan> in_flight = {};  // the oldest first
  uint64_t num_submitted = 0;
  Clock::time_point now = {};
  std::unordered_map<RequestId, std::vector<TokenId>> answers = {};
  std::unordered_map<RequestId, Event> last_events = {};

  Scheduler& get() {
    if (!scheduler) {
      costs.emplace(stages, work_a_token);
      scheduler = std::make_unique<Scheduler>(
          config,
          SchedulerLimits{
              .state = {.groups = groups.empty() ? std::vector<GroupSize>{{0, blocks}} : groups,
                        .block_size = block_size,
                        .slots = slots},
              .max_model_len = max_model_len,
              .eos_token = kEos,
              .pictures = &*costs,
              .max_picture_tokens = max_picture_tokens,
              .picture_rows = picture_rows});
    }
    return *scheduler;
  }

  // One pixel a token; all of one colour, by which it is known.
  PictureRef picture(int64_t rows, int64_t columns, uint8_t colour) {
    Image image = {.width = columns, .height = rows, .rgb = {}};
    image.rgb.assign(static_cast<size_t>(rows * columns * 3), colour);
    return store.keep(make_picture(std::move(image)));
  }

  Request request(int64_t prompt, SamplingParams sampling, int32_t first_token = -1) {
    Request made = {.id = RequestId(++num_submitted), .sampling = std::move(sampling)};
    const auto first = first_token >= 0 ? first_token : static_cast<int32_t>(1000 * num_submitted);
    for (int64_t i = 0; i < prompt; ++i) {
      made.prompt.emplace_back(first + static_cast<int32_t>(i));
    }
    return made;
  }

  // The picture takes the place of tokens that the prompt has.
  static void show(Request& request, const PictureRef& picture, int64_t first) {
    const int64_t tokens = picture->image.width * picture->image.height;
    request.pictures.push_back({.picture = picture, .first = first, .tokens = tokens});
    for (int64_t i = first; i < first + tokens; ++i) {
      request.prompt[static_cast<size_t>(i)] = kImage;
    }
  }

  RequestId submit(Request request) {
    const RequestId id = request.id;
    get().submit(std::move(request), now);
    return id;
  }

  RequestId submit(int64_t prompt, SamplingParams sampling = {}, int64_t priority = 0,
                   int32_t first_token = -1) {
    Request made = request(prompt, std::move(sampling), first_token);
    made.priority = priority;
    return submit(std::move(made));
  }

  // A prompt of `prompt` tokens that shows a picture of `tokens` from `first` on.
  RequestId submit_showing(int64_t prompt, const PictureRef& picture, int64_t first,
                           int64_t max_tokens = 1) {
    Request made = request(prompt, {.max_tokens = max_tokens});
    show(made, picture, first);
    return submit(std::move(made));
  }

  TokenId chosen(RequestId id, int64_t position) const {
    return choose ? choose(id, position) : sampled;
  }

  std::vector<ChunkResult> results_of(const StepPlan& plan) const {
    std::vector<ChunkResult> results(plan.chunks.size());
    for (size_t i = 0; i < results.size(); ++i) {
      const PlannedChunk& chunk = plan.chunks[i];
      if (chunk.samples > 0) results[i].tokens = {chosen(chunk.request, chunk.end())};
      results[i].prompt_logprobs.resize(static_cast<size_t>(chunk.prompt_outputs()));
    }
    return results;
  }

  StepPlan plan() {
    StepPlan made;
    get().plan(made, now);
    return made;
  }

  void launch(const StepPlan& plan) {
    get().advance(plan);
    in_flight.push_back(plan);
  }

  // The oldest step, or what there is to say where there is none.
  void collect() {
    now += std::chrono::milliseconds(10);
    if (in_flight.empty()) return take(get().fail_stuck(now));
    std::vector<ChunkResult> results = results_of(in_flight.front());
    take(get().append(in_flight.front(), results, now));
    in_flight.pop_front();
  }

  void take(std::vector<Event> events) {
    for (Event& event : events) {
      auto& answer = answers[event.id];
      answer.insert(answer.end(), event.tokens.begin(), event.tokens.end());
      last_events[event.id] = std::move(event);
    }
  }

  // Launches a step if it can, and collects one if it must. The step that was launched, or none.
  StepPlan step() {
    StepPlan made = plan();
    if (!made.empty()) launch(made);
    if (made.empty() || in_flight.size() == steps_in_flight) collect();
    return made;
  }

  bool has_work() { return get().has_work() || !in_flight.empty(); }

  void run_to_the_end() {
    for (int i = 0; i < 10000 && has_work(); ++i) step();
    CHECK_FALSE(has_work());
    CHECK(get().blocks().num_used() == 0);
  }

  bool is_finished(RequestId id) { return last_events.count(id) != 0 && last_events[id].finish; }
};

}  // namespace pagoda
