#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/scheduler.h"
#include "engine/test_scheduler.h"

namespace pagoda {
namespace {

using Fixture = SchedulerFixture;

// Stages planned for pictures in a step.
int64_t num_stages(const StepPlan& plan) {
  int64_t stages = 0;
  for (const PlannedEncoding& encoding : plan.encodings) {
    stages += encoding.stages.last - encoding.stages.first;
  }
  return stages;
}

// Until nothing is left to do.
int64_t stages_to_the_end(Fixture& f) {
  int64_t stages = 0;
  while (f.get().has_work()) stages += num_stages(f.step());
  CHECK(f.get().blocks().num_used() == 0);
  return stages;
}

TEST_CASE("a picture is encoded when its turn comes, and its tokens follow in the same step") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 40}};
  f.submit_showing(10, f.picture(2, 3, 1), 2);
  const StepPlan plan = f.step();
  REQUIRE(plan.encodings.size() == 1);
  CHECK(plan.encodings[0].stages.first == 0);
  CHECK(plan.encodings[0].stages.last == 4);
  CHECK(plan.encodings[0].rows == std::vector<int32_t>{0, 1, 2, 3, 4, 5});
  REQUIRE(plan.chunks.size() == 1);
  CHECK(plan.chunks[0].count == 10);
  REQUIRE(plan.given.size() == 6);
  CHECK(plan.given[0].token == 2);
  CHECK(plan.given[5].token == 7);
  CHECK(plan.given[5].row == 5);
}

TEST_CASE("a chunk ends before a picture that is not ready") {
  Fixture f;  // 16 tokens a step, four stages of 6
  f.submit_showing(12, f.picture(2, 3, 1), 5);
  const StepPlan first = f.step(), second = f.step(), third = f.step();
  CHECK(num_stages(first) == 1);  // 5 tokens of text leave 11
  CHECK(first.chunks[0].count == 5);
  CHECK(num_stages(second) == 2);
  CHECK(second.chunks.empty());
  CHECK(num_stages(third) == 1);
  CHECK(third.chunks[0].first == 5);
  CHECK(third.chunks[0].count == 7);
}

TEST_CASE("a picture is not begun before the computation reaches it") {
  Fixture f;
  f.submit_showing(40, f.picture(2, 3, 1), 32);
  CHECK(num_stages(f.step()) == 0);
  CHECK(num_stages(f.step()) == 0);
  CHECK(num_stages(f.step()) > 0);
}

TEST_CASE("others decode in every step while a picture is encoded, however much a stage costs") {
  Fixture f{.work_a_token = 1000};
  const RequestId text = f.submit(4, {.max_tokens = 50});
  f.step();
  f.submit_showing(12, f.picture(2, 3, 1), 0);
  f.step();
  for (int stage = 0; stage < 4; ++stage) {
    const StepPlan plan = f.step();
    CHECK(num_stages(plan) == 1);
    CHECK(plan.chunks[0].request == text);
    CHECK(plan.num_tokens() == 1);
  }
  f.run_to_the_end();
}

TEST_CASE("a stage that costs more than a step is encoded where there is nothing else to do") {
  Fixture f{.work_a_token = 1000};
  f.submit_showing(12, f.picture(2, 3, 1), 0);
  for (int stage = 0; stage < 4; ++stage) CHECK(num_stages(f.step()) == 1);
  f.run_to_the_end();
}

TEST_CASE("a request whose picture took the whole step runs, so that nobody takes its rows") {
  Fixture f;
  f.submit_showing(10, f.picture(2, 2, 1), 0);
  const StepPlan plan = f.step();
  CHECK(num_stages(plan) == 4);  // 16 of 16 tokens
  CHECK(plan.chunks.empty());
  CHECK(f.get().num_running() == 1);
  CHECK(f.step().chunks[0].count == 10);
}

TEST_CASE("texts pass a request that waits for its picture") {
  Fixture f{.work_a_token = 0.5};  // a stage is 10 of 16 tokens
  const RequestId slow = f.submit_showing(24, f.picture(4, 5, 1), 0);
  f.step();
  const RequestId quick = f.submit(3, {.max_tokens = 1});
  const StepPlan plan = f.step();
  CHECK(num_stages(plan) == 1);
  CHECK(f.is_finished(quick));
  f.run_to_the_end();
  CHECK(f.is_finished(slow));
}

TEST_CASE("the same picture in another request is not encoded again") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 40}};
  f.submit_showing(10, f.picture(2, 3, 1), 2);
  CHECK(stages_to_the_end(f) == 4);
  f.submit_showing(15, f.picture(2, 3, 1), 7);
  CHECK(stages_to_the_end(f) == 0);
  f.submit_showing(15, f.picture(2, 3, 2), 7);
  CHECK(stages_to_the_end(f) == 4);
}

TEST_CASE("two requests that show a picture at the same time share its encoding") {
  Fixture f;
  const RequestId a = f.submit_showing(12, f.picture(2, 3, 1), 5);
  const RequestId b = f.submit_showing(14, f.picture(2, 3, 1), 3);
  CHECK(stages_to_the_end(f) == 4);
  CHECK(f.is_finished(a));
  CHECK(f.is_finished(b));
}

TEST_CASE("several small pictures are encoded in one step") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 80}};
  Request request = f.request(30, {.max_tokens = 1});
  Fixture::show(request, f.picture(1, 4, 1), 0);
  Fixture::show(request, f.picture(1, 4, 2), 8);
  Fixture::show(request, f.picture(1, 4, 3), 16);
  f.submit(std::move(request));
  const StepPlan plan = f.step();
  CHECK(plan.encodings.size() == 3);
  CHECK(plan.chunks[0].count == 30);
  CHECK(plan.given.size() == 12);
}

TEST_CASE("where rows run out the picture unused longest goes") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 60}, .picture_rows = 12};
  const PictureRef a = f.picture(2, 3, 1), b = f.picture(2, 3, 2), c = f.picture(2, 3, 3);
  for (const PictureRef& picture : {a, b, a, c}) {
    f.submit_showing(10, picture, 2);
    f.run_to_the_end();
  }
  f.submit_showing(10, a, 2);
  CHECK(stages_to_the_end(f) == 0);
  f.submit_showing(10, b, 2);
  CHECK(stages_to_the_end(f) == 4);
}

TEST_CASE("a picture that is still needed by who came first is not given up to who came later") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 8, .long_prefill_threshold = 4},
            .work_a_token = 0.1,
            .picture_rows = 30};
  const RequestId first = f.submit_showing(30, f.picture(5, 5, 1), 2);
  const RequestId second = f.submit_showing(30, f.picture(5, 5, 2), 2);
  int64_t stages = 0;
  while (!f.is_finished(first)) {
    stages += num_stages(f.step());
    CHECK((f.is_finished(first) || stages <= 4));
  }
  stages += stages_to_the_end(f);
  CHECK(stages == 8);
  CHECK(f.is_finished(second));
}

TEST_CASE("who comes first takes the rows that who came later still needs") {
  Fixture f{.config = {.max_sequences = 4,
                       .max_step_tokens = 8,
                       .long_prefill_threshold = 4,
                       .policy = SchedulingPolicy::kPriority},
            .work_a_token = 0.1,
            .picture_rows = 30};
  Request later = f.request(40, {.max_tokens = 1});
  later.priority = 5;
  Fixture::show(later, f.picture(5, 5, 1), 2);
  const RequestId humble = f.submit(std::move(later));
  int64_t stages = num_stages(f.step()) + num_stages(f.step());
  const RequestId urgent = f.submit_showing(30, f.picture(5, 5, 2), 0);
  while (!f.is_finished(urgent)) stages += num_stages(f.step());
  CHECK_FALSE(f.is_finished(humble));
  stages += stages_to_the_end(f);
  CHECK(stages == 12);  // the first one twice
}

TEST_CASE("a picture that is kept waits for who came first, also before its turn") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 8, .long_prefill_threshold = 4},
            .work_a_token = 0.1,
            .picture_rows = 30};
  const PictureRef kept = f.picture(2, 5, 1);
  f.submit_showing(12, kept, 1);
  CHECK(stages_to_the_end(f) == 4);
  Request request = f.request(60, {.max_tokens = 1});
  Fixture::show(request, f.picture(2, 5, 2), 2);
  Fixture::show(request, kept, 40);
  f.submit(std::move(request));
  f.submit_showing(30, f.picture(4, 5, 3), 1);
  CHECK(stages_to_the_end(f) == 8);  // the second and the third
}

TEST_CASE("rows that a step reads are not given away in the same step") {
  Fixture f{.config = {.max_sequences = 4,
                       .max_step_tokens = 30,
                       .long_prefill_threshold = 10,
                       .policy = SchedulingPolicy::kPriority},
            .work_a_token = 0.01,
            .picture_rows = 30};
  Request later = f.request(40, {.max_tokens = 1});
  later.priority = 5;
  Fixture::show(later, f.picture(5, 5, 1), 2);
  f.submit(std::move(later));
  f.step();
  const RequestId urgent = f.submit_showing(30, f.picture(5, 5, 2), 0);
  const StepPlan both = f.step(), next = f.step();
  CHECK_FALSE(both.given.empty());
  CHECK(both.encodings.empty());
  CHECK(next.encodings.size() == 1);
  CHECK(next.chunks[0].request == urgent);
  f.run_to_the_end();
}

TEST_CASE("a preempted request finds its picture still encoded") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 40, .prefix_caching = false},
            .blocks = 6,
            .block_size = 4};
  f.submit(8, {.max_tokens = 10});
  const RequestId shows = f.submit_showing(10, f.picture(2, 3, 1), 2, 6);
  CHECK(stages_to_the_end(f) == 4);
  CHECK(f.get().take_counts().preemptions >= 1);
  CHECK(f.answers[shows].size() == 6);
}

TEST_CASE("a request cancelled while its picture is in the making leaves no trace") {
  Fixture f;
  const RequestId id = f.submit_showing(12, f.picture(2, 3, 1), 5);
  f.step();
  CHECK(f.get().pictures().in_the_making());
  f.get().cancel(id, FinishReason::kAbort, f.now);
  CHECK_FALSE(f.get().pictures().in_the_making());
  CHECK(f.get().pictures().cache().num_free() == 64);
  CHECK(f.store.bytes() == 0);
  CHECK(f.plan().empty());
}

TEST_CASE("a picture in the making goes on where another request shows it too") {
  Fixture f;
  const RequestId a = f.submit_showing(12, f.picture(2, 3, 1), 5);
  const RequestId b = f.submit_showing(12, f.picture(2, 3, 1), 5);
  int64_t stages = num_stages(f.step());
  f.get().cancel(a, FinishReason::kAbort, f.now);
  CHECK(f.get().pictures().in_the_making());
  stages += stages_to_the_end(f);
  CHECK(stages == 4);
  CHECK(f.is_finished(b));
}

Request request_showing(Fixture& f, uint8_t colour, int64_t first) {
  Request request = f.request(24, {.max_tokens = 1}, 500);
  Fixture::show(request, f.picture(2, 5, colour), first);
  return request;
}

TEST_CASE("a picture found in the prefix cache is not encoded, not even when its rows are gone") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 60}, .picture_rows = 10};
  f.submit(request_showing(f, 1, 4));
  f.run_to_the_end();
  f.submit_showing(12, f.picture(2, 5, 77), 1);  // takes all rows
  f.run_to_the_end();
  const RequestId again = f.submit(request_showing(f, 1, 4));
  CHECK(stages_to_the_end(f) == 0);
  CHECK(f.last_events[again].cached_tokens == 20);
}

TEST_CASE("blocks of two pictures of one size are not taken for one another") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 60}};
  f.submit(request_showing(f, 1, 4));
  f.run_to_the_end();
  const RequestId other = f.submit(request_showing(f, 2, 4));
  f.run_to_the_end();
  CHECK(f.last_events[other].cached_tokens == 4);  // the text before it
}

TEST_CASE("the same picture begun in another place is another block") {
  // All tokens of the prompt are alike, so that only the pictures tell the blocks apart.
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 60}};
  const auto submit = [&](int64_t first) {
    Request request = f.request(24, {.max_tokens = 1});
    std::fill(request.prompt.begin(), request.prompt.end(), Fixture::kImage);
    Fixture::show(request, f.picture(2, 5, 1), first);
    const RequestId id = f.submit(std::move(request));
    f.run_to_the_end();
    return f.last_events[id].cached_tokens;
  };
  CHECK(submit(6) == 0);
  CHECK(submit(5) == 4);
  CHECK(submit(6) == 20);
}

TEST_CASE("where prompts are computed whole, all pictures are made ready first") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 40, .chunked_prefill = false},
            .max_model_len = 40,
            .picture_rows = 40};
  Request request = f.request(35, {.max_tokens = 1});
  Fixture::show(request, f.picture(2, 5, 1), 0);
  Fixture::show(request, f.picture(2, 5, 2), 11);
  Fixture::show(request, f.picture(2, 5, 3), 22);
  f.submit(std::move(request));
  int64_t stages = 0;
  StepPlan plan = f.step();
  for (; plan.chunks.empty(); plan = f.step()) stages += num_stages(plan);
  CHECK(stages + num_stages(plan) == 12);
  CHECK(plan.chunks[0].count == 35);
  CHECK(plan.given.size() == 30);
}

TEST_CASE("where pictures are not cut, a chunk ends before one that does not fit") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .chunked_pictures = false},
            .work_a_token = 0.01};
  f.submit_showing(30, f.picture(3, 5, 1), 6);
  const StepPlan first = f.step(), second = f.step();
  CHECK(first.chunks[0].count == 6);
  CHECK(second.chunks[0].count == 16);
  CHECK(second.given.size() == 15);
  f.run_to_the_end();
}

TEST_CASE("a picture that is not cut gets its turn though others keep coming") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .chunked_pictures = false},
            .work_a_token = 0.01};
  f.submit(2, {.max_tokens = 5});
  f.step();
  const RequestId shows = f.submit_showing(20, f.picture(4, 4, 1), 0);
  for (int i = 0; i < 40 && !f.is_finished(shows); ++i) {
    f.submit(2, {.max_tokens = 5});
    f.step();
  }
  CHECK(f.is_finished(shows));
  f.run_to_the_end();
}

std::string error_of(Fixture& f, Request request) {
  const RequestId id = f.submit(std::move(request));
  const RequestId other = f.submit(4, {.max_tokens = 1});
  f.run_to_the_end();
  CHECK(f.last_events[other].error.empty());
  return f.last_events[id].error;
}

TEST_CASE("pictures that do not fit their prompt end its request alone, with the reason") {
  Fixture f{.max_picture_tokens = 20};
  Request wrong = f.request(20, {.max_tokens = 1});
  wrong.pictures.push_back({.picture = f.picture(2, 3, 1), .first = 2, .tokens = 5});
  CHECK(error_of(f, wrong) ==
        "request 1: picture 1 (3 x 2) has 5 tokens in the prompt and makes 6; give it as many");
  Request outside = f.request(20, {.max_tokens = 1});
  outside.pictures.push_back({.picture = f.picture(2, 3, 1), .first = 16, .tokens = 6});
  CHECK(error_of(f, outside) ==
        "request 3: picture 1 (3 x 2): tokens 16 to 22 are not between the picture before it and "
        "the end of the prompt; place it there");
  Request mixed = f.request(20, {.max_tokens = 1});
  Fixture::show(mixed, f.picture(2, 3, 1), 8);
  Fixture::show(mixed, f.picture(2, 3, 1), 3);
  CHECK(error_of(f, mixed) ==
        "request 5: picture 2 (3 x 2): tokens 3 to 9 are not between the picture before it and "
        "the end of the prompt; place it there");
  Request large = f.request(40, {.max_tokens = 1});
  Fixture::show(large, f.picture(3, 7, 1), 8);
  CHECK(error_of(f, large) ==
        "request 7: picture 1 (7 x 3): 21 tokens are more than 20, the largest picture that memory "
        "was planned for; send a smaller one");
}

TEST_CASE("a model that sees no pictures says so") {
  Fixture f;
  f.scheduler = std::make_unique<Scheduler>(
      f.config,
      SchedulerLimits{.state = {.groups = {{.window = 0, .num_blocks = 64}}, .block_size = 4},
                      .max_model_len = 200,
                      .eos_token = {}});
  Request request = f.request(20, {.max_tokens = 1});
  Fixture::show(request, f.picture(2, 3, 1), 8);
  CHECK(error_of(f, request) == "request 1: the model sees no pictures; send text only");
}

// Random traffic, with an arena that is written and read as ranks do.
struct PictureTraffic {
  std::mt19937 random;
  Fixture f;
  std::unordered_set<RequestId> open = {};
  struct Prompt {
    bool wants_logprobs;
    std::vector<BlockPicture> pictures;  // with the number of their first tokens in the prompt
    std::vector<int64_t> ends;           // of each
  };
  std::unordered_map<RequestId, Prompt> prompts = {};
  std::map<int32_t, std::pair<PictureHash, int64_t>> arena = {};  // row -> token of a picture
  std::optional<PictureHash> stream = {};
  int64_t stages_done = 0;

  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  PictureTraffic(uint32_t seed, size_t steps_in_flight) : random(seed) {
    SchedulerConfig& config = f.config;
    f.steps_in_flight = steps_in_flight;
    f.block_size = draw(1, 8);
    f.max_model_len = draw(30, 80);
    f.blocks = (f.max_model_len + f.block_size - 1) / f.block_size + draw(0, 20);
    config.max_sequences = draw(1, 6);
    config.chunked_prefill = draw(0, 3) > 0;
    config.chunked_pictures = draw(0, 3) > 0;
    f.max_picture_tokens = draw(4, 25);
    const int64_t least =
        std::max(config.max_sequences, config.chunked_pictures ? 1 : f.max_picture_tokens);
    config.max_step_tokens =
        config.chunked_prefill ? draw(least, least + 30) : f.max_model_len + draw(0, 9);
    config.long_prefill_threshold = draw(0, 1) * draw(1, 20);
    config.max_prompt_logprob_rows = draw(1, 10);
    config.prefix_caching = draw(0, 3) > 0;
    config.policy = draw(0, 1) ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs;
    f.picture_rows = std::max(f.max_picture_tokens, config.max_step_tokens);
    if (config.chunked_prefill && draw(0, 1)) f.picture_rows = f.max_picture_tokens;
    f.stages = static_cast<int>(draw(1, 6));
    f.work_a_token = draw(0, 2) == 0 ? 3 : 0.3;
  }

  void submit() {
    const int64_t prompt = draw(1, f.max_model_len - 1);
    SamplingParams sampling = {.max_tokens = draw(1, f.max_model_len - prompt)};
    if (draw(0, 4) == 0) sampling.prompt_logprobs = 1;
    Request request = f.request(prompt, sampling, static_cast<int32_t>(100 * draw(1, 3)));
    request.priority = draw(0, 2);
    for (int64_t at = draw(0, 10); draw(0, 4) > 0;) {
      const int64_t rows = draw(1, 3), columns = draw(1, f.max_picture_tokens / rows);
      if (at + rows * columns > prompt || rows * columns > f.max_picture_tokens) break;
      Fixture::show(request, f.picture(rows, columns, static_cast<uint8_t>(draw(1, 2))), at);
      at += rows * columns + draw(0, 5);
    }
    Prompt& kept = prompts[request.id];
    kept.wants_logprobs = request.sampling.prompt_logprobs.has_value();
    for (const PromptPicture& picture : request.pictures) {
      kept.pictures.push_back({.hash = picture.picture->hash, .first = picture.first});
      kept.ends.push_back(picture.end());
    }
    open.insert(f.submit(std::move(request)));
  }

  // As a rank runs it.
  void encode(const PlannedEncoding& encoding) {
    const PictureHash& hash = encoding.picture->hash;
    CHECK(encoding.stages.first == (stream == hash ? stages_done : 0));
    CHECK(encoding.stages.last > encoding.stages.first);
    stream = hash;
    stages_done = encoding.stages.last;
    CHECK((stages_done == f.stages) == !encoding.rows.empty());
    if (encoding.rows.empty()) return;
    for (size_t i = 0; i < encoding.rows.size(); ++i) {
      arena[encoding.rows[i]] = {hash, static_cast<int64_t>(i)};
    }
    stream.reset();
  }

  // `row`: of the chunk's first token in the step.
  void check_given(const PlannedChunk& chunk, int64_t row, std::span<const GivenToken>& given) {
    const Prompt& prompt = prompts.at(chunk.request);
    for (size_t i = 0; i < prompt.pictures.size(); ++i) {
      const auto& [hash, first] = prompt.pictures[i];
      for (int64_t token = first; token < prompt.ends[i]; ++token) {
        if (token < chunk.first || token >= chunk.end()) continue;
        REQUIRE_FALSE(given.empty());
        CHECK(given.front().token == row + token - chunk.first);
        CHECK(arena.at(given.front().row) == std::pair(hash, token - first));
        given = given.subspan(1);
      }
    }
  }

  void check_whole(const PlannedChunk& chunk) const {
    const Prompt& prompt = prompts.at(chunk.request);
    if (f.config.chunked_pictures || prompt.wants_logprobs) return;
    for (size_t i = 0; i < prompt.pictures.size(); ++i) {
      CHECK((chunk.end() <= prompt.pictures[i].first || chunk.end() >= prompt.ends[i]));
    }
  }

  void check_chunks(const StepPlan& plan) {
    std::span<const GivenToken> given = plan.given;
    int64_t row = 0;
    for (const PlannedChunk& chunk : plan.chunks) {
      check_given(chunk, row, given);
      check_whole(chunk);
      row += chunk.count;
    }
    CHECK(given.empty());
  }

  // Behind the decodes no more than the budget is done, or one stage.
  void check_work(const StepPlan& plan) {
    double work = 0, most = 0;
    for (const PlannedEncoding& encoding : plan.encodings) {
      const double stage = f.costs->work_of(encoding.picture->image)[0];
      work += stage * static_cast<double>(encoding.stages.last - encoding.stages.first);
      most = std::max(most, stage);
    }
    const auto budget = static_cast<double>(f.config.max_step_tokens);
    const auto done = static_cast<double>(plan.num_tokens());
    CHECK((work + done <= budget || plan.num_tokens() <= f.config.max_sequences));
    CHECK(work <= std::max(budget, most));
    CHECK(plan.num_tokens() <= f.config.max_step_tokens);
  }

  void step() {
    if (draw(0, 2) == 0) submit();
    if (draw(0, 12) == 0 && !open.empty()) {
      const auto victim = std::next(open.begin(), draw(0, static_cast<int64_t>(open.size()) - 1));
      f.get().cancel(*victim, FinishReason::kAbort, f.now);
      open.erase(victim);
    }
    if (stream && f.get().pictures().in_the_making() != stream) stream.reset();
    const StepPlan plan = f.plan();
    if (f.in_flight.empty()) CHECK(plan.empty() != f.get().has_work());
    check_work(plan);
    for (const PlannedEncoding& encoding : plan.encodings) encode(encoding);
    check_chunks(plan);
    if (!plan.empty()) f.launch(plan);
    if (plan.empty() || f.in_flight.size() == f.steps_in_flight) f.collect();
    std::erase_if(open, [&](RequestId id) { return f.is_finished(id); });
  }

  void check_end() {
    f.run_to_the_end();
    for (const auto& [id, event] : f.last_events) CHECK(event.error.empty());
    for (const RequestId id : open) CHECK(f.is_finished(id));
    CHECK_FALSE(f.get().pictures().in_the_making());
    CHECK(f.store.bytes() == 0);
  }
};

TEST_CASE("under random traffic every token gets its picture's row, and all requests end") {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    for (const size_t steps_in_flight : {1, 2}) {
      CAPTURE(seed);
      CAPTURE(steps_in_flight);
      PictureTraffic traffic(seed, steps_in_flight);
      for (int i = 0; i < 120; ++i) traffic.step();
      traffic.check_end();
    }
  }
}

}  // namespace
}  // namespace pagoda
