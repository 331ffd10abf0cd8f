#include "engine/scheduler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/rng.h"
#include "engine/test_scheduler.h"

namespace pagoda {
namespace {

using Fixture = SchedulerFixture;
constexpr TokenId kEos = Fixture::kEos;

SamplingParams tokens(int64_t max_tokens) {
  return {.max_tokens = max_tokens};
}

TEST_CASE("a prompt is cut to the budget of a step, and the last piece samples") {
  Fixture f;
  f.submit(20, tokens(1));
  const StepPlan first = f.step(), second = f.step();
  CHECK(first.chunks[0].count == 16);
  CHECK(first.chunks[0].outputs == 0);
  CHECK(second.chunks[0].first == 16);
  CHECK(second.chunks[0].count == 4);
  CHECK(second.chunks[0].samples == 1);
  CHECK(f.get().blocks().num_used() == 0);
}

TEST_CASE("sequences that decode come before prompts") {
  Fixture f;
  const RequestId a = f.submit(4, tokens(9));
  f.step();
  f.submit(100, tokens(1));
  const StepPlan plan = f.step();
  REQUIRE(plan.chunks.size() == 2);
  CHECK(plan.chunks[0].request == a);
  CHECK(plan.chunks[0].count == 1);
  CHECK(plan.chunks[1].count == 15);
}

TEST_CASE("the threshold for long prompts leaves room for a second prompt") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .long_prefill_threshold = 10}};
  f.submit(40, tokens(1));
  f.submit(40, tokens(1));
  const StepPlan plan = f.step();
  REQUIRE(plan.chunks.size() == 2);
  CHECK(plan.chunks[0].count == 10);
  CHECK(plan.chunks[1].count == 6);
}

TEST_CASE("without chunked prefill a prompt waits until the step has room for all of it") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .chunked_prefill = false}};
  f.submit(10, tokens(1));
  f.submit(10, tokens(1));
  const StepPlan first = f.step(), second = f.step();
  CHECK(first.chunks.size() == 1);
  CHECK(second.chunks.size() == 1);
  CHECK(second.chunks[0].count == 10);
}

TEST_CASE("no more sequences run than allowed") {
  Fixture f{.config = {.max_sequences = 2, .max_step_tokens = 16}};
  for (int i = 0; i < 3; ++i) f.submit(2, tokens(5));
  f.step();
  CHECK(f.get().num_running() == 2);
  CHECK(f.get().num_waiting() == 1);
  f.run_to_the_end();
}

TEST_CASE("a prefix computed before is not computed again, but for one token at least") {
  Fixture f;
  f.submit(12, tokens(1), 0, 500);
  f.run_to_the_end();
  const RequestId again = f.submit(12, tokens(1), 0, 500);
  const StepPlan plan = f.step();
  CHECK(plan.chunks[0].first == 8);
  CHECK(plan.chunks[0].count == 4);
  CHECK(f.last_events[again].cached_tokens == 8);
  const auto counts = f.get().take_counts();
  CHECK(counts.prefix_queries == 24);
  CHECK(counts.prefix_hits == 8);
}

TEST_CASE("sampled tokens are part of the prefix that the next turn finds") {
  Fixture f;
  f.submit(6, tokens(7), 0, 500);
  f.run_to_the_end();
  Request next = {
      .id = RequestId(99), .prompt = {}, .sampling = tokens(1), .priority = 0, .cache_salt = {}};
  for (int32_t i = 0; i < 6; ++i) next.prompt.emplace_back(500 + i);
  for (int32_t i = 0; i < 7; ++i) next.prompt.push_back(f.sampled);
  f.get().submit(next, f.now);
  CHECK(f.step().chunks[0].first == 12);  // the seventh token was sampled but never computed
}

TEST_CASE("a reset prefix cache finds nothing") {
  Fixture f;
  f.submit(12, tokens(1), 0, 500);
  f.run_to_the_end();
  f.get().reset_prefix_cache();
  f.submit(12, tokens(1), 0, 500);
  CHECK(f.step().chunks[0].count == 12);
}

TEST_CASE("log-probabilities of a prompt need all its positions, cached or not") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .max_prompt_logprob_rows = 5}};
  SamplingParams sampling = tokens(1);
  f.submit(12, sampling, 0, 500);
  f.run_to_the_end();
  sampling.prompt_logprobs = 0;
  const RequestId id = f.submit(12, sampling, 0, 500);
  const StepPlan first = f.step(), second = f.step(), third = f.step();
  CHECK(first.chunks[0].count == 5);
  CHECK(first.chunks[0].outputs == 5);
  CHECK(second.chunks[0].count == 5);
  CHECK(third.chunks[0].count == 2);
  CHECK(third.chunks[0].outputs == 2);
  CHECK(f.last_events[id].prompt_logprobs.size() == 11);
}

TEST_CASE("when blocks run out the newest sequence gives up its own and keeps its tokens") {
  Fixture f{.blocks = 5, .block_size = 4};
  const RequestId old = f.submit(8, tokens(10)), newest = f.submit(8, tokens(10));
  f.step();
  CHECK(f.get().num_running() == 2);
  while (f.get().num_running() == 2) f.step();
  CHECK(f.get().num_waiting() == 1);
  CHECK_FALSE(f.is_finished(newest));
  const size_t sampled_before = f.answers[newest].size();
  CHECK(sampled_before > 0);
  f.run_to_the_end();
  CHECK(f.answers[old].size() == 10);
  CHECK(f.answers[newest].size() == 10);
  CHECK(f.get().take_counts().preemptions >= 1);
}

TEST_CASE("with the priority policy the smaller number goes first and is preempted last") {
  Fixture f{
      .config = {.max_sequences = 1, .max_step_tokens = 16, .policy = SchedulingPolicy::kPriority}};
  const RequestId later = f.submit(4, tokens(2), 5), sooner = f.submit(4, tokens(2), 1);
  const StepPlan plan = f.step();
  CHECK(plan.chunks[0].request == sooner);
  f.run_to_the_end();
  CHECK(f.is_finished(later));
}

TEST_CASE("first come, first served does not look at priorities") {
  Fixture f{.config = {.max_sequences = 1, .max_step_tokens = 16}};
  const RequestId first = f.submit(4, tokens(2), 5);
  f.submit(4, tokens(2), 1);
  CHECK(f.step().chunks[0].request == first);
  f.run_to_the_end();
}

TEST_CASE("a cancelled request is forgotten with all its blocks, running or waiting") {
  Fixture f{.config = {.max_sequences = 1, .max_step_tokens = 16}};
  const RequestId running = f.submit(40, tokens(9)), waiting = f.submit(4, tokens(9));
  f.step();
  f.get().cancel(waiting, FinishReason::kAbort, f.now);
  f.get().cancel(running, FinishReason::kAbort, f.now);
  f.get().cancel(RequestId(1234), FinishReason::kAbort, f.now);
  CHECK_FALSE(f.get().has_work());
  CHECK(f.get().blocks().num_used() == 0);
  CHECK(f.get().take_counts().finished.size() == 2);
}

TEST_CASE("the end token ends a request and is part of the answer") {
  Fixture f{.sampled = kEos};
  const RequestId id = f.submit(4, tokens(9));
  f.step();
  CHECK(f.last_events[id].finish == FinishReason::kStop);
  CHECK(f.answers[id] == std::vector{kEos});
  CHECK_FALSE(f.last_events[id].stop_token);
}

TEST_CASE("ignore_eos goes on behind the end token") {
  Fixture f{.sampled = kEos};
  const RequestId id = f.submit(4, {.max_tokens = 3, .ignore_eos = true});
  f.run_to_the_end();
  CHECK(f.answers[id].size() == 3);
  CHECK(f.last_events[id].finish == FinishReason::kLength);
}

TEST_CASE("a stop token ends a request and is named") {
  Fixture f;
  const RequestId id = f.submit(4, {.max_tokens = 9, .stop_token_ids = {TokenId(7)}});
  f.step();
  CHECK(f.last_events[id].finish == FinishReason::kStop);
  CHECK(f.last_events[id].stop_token == TokenId(7));
}

TEST_CASE("a request ends at the context length") {
  Fixture f{.max_model_len = 10};
  const RequestId id = f.submit(6, tokens(100));
  f.run_to_the_end();
  CHECK(f.answers[id].size() == 4);
  CHECK(f.last_events[id].finish == FinishReason::kLength);
}

TEST_CASE("a prompt that can never fit ends with an error and does not block the others") {
  Fixture f{.blocks = 4, .block_size = 4};
  const RequestId giant = f.submit(30, tokens(1)), small = f.submit(4, tokens(1));
  f.run_to_the_end();
  CHECK(f.last_events[giant].finish == FinishReason::kAbort);
  CHECK(f.last_events[giant].error ==
        "request 1: 30 tokens do not fit: the KV cache has 4 blocks of 4 tokens; give the cache "
        "more memory, or lower max_model_len");
  CHECK(f.answers[small].size() == 1);
}

TEST_CASE("a prompt that is empty or longer than the context ends with an error") {
  Fixture f{.max_model_len = 20};
  const RequestId empty = f.submit(0, tokens(1)), longer = f.submit(21, tokens(1));
  const RequestId longest = f.submit(20, tokens(5));
  f.run_to_the_end();
  CHECK(f.last_events[empty].error == "request 1: the prompt is empty; give it at least one token");
  CHECK(f.last_events[longer].error ==
        "request 2: 21 tokens are more than max_model_len, which is 20; shorten the prompt");
  CHECK(f.last_events[longest].finish == FinishReason::kLength);
}

TEST_CASE("without chunked prefill a prompt longer than a step ends with an error") {
  Fixture f{.config = {.max_sequences = 4, .max_step_tokens = 16, .chunked_prefill = false}};
  const RequestId id = f.submit(17, tokens(1));
  f.run_to_the_end();
  CHECK(f.last_events[id].error ==
        "request 1: 17 tokens do not fit: without chunked prefill a step computes at most 16; "
        "raise max_num_batched_tokens");
}

TEST_CASE("a request that outgrows the whole cache ends with an error") {
  Fixture f{.blocks = 2, .block_size = 4};
  const RequestId id = f.submit(5, tokens(100));
  f.run_to_the_end();
  CHECK(f.answers[id].size() == 4);
  CHECK(f.last_events[id].error ==
        "request 1: the KV cache has 2 blocks of 4 tokens, and the request needs more; give the "
        "cache more memory, or lower max_model_len");
}

TEST_CASE("aborting all ends every request with the reason") {
  Fixture f;
  f.submit(4, tokens(9));
  f.step();
  f.submit(4, tokens(9));
  const std::vector<Event> events = f.get().abort_all("the device is gone", f.now);
  REQUIRE(events.size() == 2);
  CHECK(events[0].finish == FinishReason::kAbort);
  CHECK(events[1].error == "the device is gone");
  CHECK_FALSE(f.get().has_work());
  CHECK(f.get().blocks().num_used() == 0);
}

TEST_CASE("the step behind reads a token where the one before it chooses it") {
  Fixture f{.steps_in_flight = 2};
  f.submit(6, tokens(9));
  const RequestId b = f.submit(4, tokens(9));
  const StepPlan first = f.step(), second = f.step();
  CHECK(first.sampled.empty());
  REQUIRE(second.sampled.size() == 2);
  CHECK(second.tokens == std::vector{TokenId(0), TokenId(0)});
  CHECK(second.sampled[1].token == 1);
  CHECK(second.sampled[1].output == 1);
  CHECK(second.chunks[1].request == b);
  CHECK(second.chunks[1].first == 4);
  f.run_to_the_end();
  CHECK(f.answers[b].size() == 9);
}

TEST_CASE("a request that ends by its length has no step behind its last") {
  Fixture f{.max_model_len = 8, .steps_in_flight = 2};
  const RequestId by_tokens = f.submit(4, tokens(2)), by_context = f.submit(6, tokens(9));
  CHECK(f.step().chunks.size() == 2);
  CHECK(f.step().chunks.size() == 2);
  CHECK(f.plan().empty());
  f.run_to_the_end();
  CHECK(f.answers[by_tokens].size() == 2);
  CHECK(f.answers[by_context].size() == 2);
  CHECK(f.last_events[by_context].finish == FinishReason::kLength);
}

TEST_CASE("what a step in flight says of a request that has ended is dropped, its blocks wait") {
  Fixture f{.steps_in_flight = 2, .sampled = kEos};
  const RequestId id = f.submit(4, tokens(9));
  f.step();
  CHECK(f.step().chunks.size() == 1);
  CHECK(f.is_finished(id));
  CHECK_FALSE(f.get().has_work());
  CHECK(f.get().blocks().num_used() == 2);
  f.collect();
  CHECK(f.get().blocks().num_used() == 0);
  CHECK(f.answers[id] == std::vector{kEos});
}

TEST_CASE("a request cancelled while its step is in flight says nothing more, its blocks wait") {
  Fixture f{.steps_in_flight = 2};
  const RequestId id = f.submit(4, tokens(9));
  f.step();
  f.get().cancel(id, FinishReason::kAbort, f.now);
  CHECK(f.get().blocks().num_used() == 1);
  f.collect();
  CHECK(f.get().blocks().num_used() == 0);
  CHECK(f.answers[id].empty());
}

TEST_CASE("a sequence preempted while its step is in flight keeps the token that it chooses") {
  Fixture f{
      .config = {.max_sequences = 4, .max_step_tokens = 24}, .blocks = 6, .steps_in_flight = 2};
  const RequestId old = f.submit(8, tokens(6)), middle = f.submit(8, tokens(6)),
                  newest = f.submit(8, tokens(6));
  f.step();
  const StepPlan second = f.step();  // there is no block for a ninth token of any
  CHECK(second.chunks.empty());
  CHECK(f.get().num_running() == 2);  // two blocks are on their way back: nobody gives up more
  CHECK(f.answers[newest].size() == 1);
  CHECK(f.get().blocks().num_used() == 4);
  CHECK(f.step().chunks.size() == 2);
  f.run_to_the_end();
  for (const RequestId id : {old, middle, newest}) CHECK(f.answers[id].size() == 6);
}

TEST_CASE("a request waits for the slot of one that is over while its step is in flight") {
  Fixture f{
      .config = {.max_sequences = 1, .max_step_tokens = 16}, .steps_in_flight = 2, .slots = 1};
  const RequestId first = f.submit(4, tokens(9)), second = f.submit(4, tokens(1));
  f.step();
  f.get().cancel(first, FinishReason::kAbort, f.now);
  CHECK(f.step().chunks.empty());
  const StepPlan next = f.step();
  REQUIRE(next.chunks.size() == 1);
  CHECK(next.chunks[0].request == second);
  CHECK(next.slots == std::vector<int32_t>{0});
  f.run_to_the_end();
}

TEST_CASE("aborting all gives back blocks of steps that nobody will collect") {
  Fixture f{.steps_in_flight = 2};
  f.submit(4, tokens(9));
  f.step();
  CHECK(f.get().abort_all("", f.now).size() == 1);
  CHECK(f.get().blocks().num_used() == 0);
}

TEST_CASE("a step may choose several tokens, and those behind an end are dropped") {
  Fixture f;
  const RequestId id = f.submit(4, {.max_tokens = 9, .stop_token_ids = {TokenId(8)}});
  const auto choose = [&](std::vector<TokenId> chosen) {
    StepPlan plan = f.plan();
    f.get().advance(plan);
    std::vector<ChunkResult> results(1);
    results[0].tokens = std::move(chosen);
    results[0].logprobs.resize(results[0].tokens.size());
    f.take(f.get().append(plan, results, f.now));
    return plan;
  };
  choose({TokenId(5), TokenId(6)});
  CHECK(f.last_events[id].logprobs.size() == 2);
  const StepPlan next = choose({TokenId(7), TokenId(8), TokenId(9)});
  CHECK(next.tokens == std::vector{TokenId(5), TokenId(6)});
  CHECK(f.answers[id] == std::vector{TokenId(5), TokenId(6), TokenId(7), TokenId(8)});
  CHECK(f.last_events[id].logprobs.size() == 2);
  CHECK(f.last_events[id].stop_token == TokenId(8));
  CHECK(f.get().take_counts().generation_tokens == 4);
  CHECK_FALSE(f.get().has_work());
}

// What layers would keep of tokens in a cache of blocks: a number that tells a token and all before
// it. Finds out whether chunks read what was written for the tokens before them.
struct FakeCache {
  std::unordered_map<int64_t, uint64_t> slots;

  static uint64_t mix(uint64_t before, TokenId token) {
    return (before ^ static_cast<uint64_t>(token.value())) * 0x9E3779B97F4A7C15 + 1;
  }

  void run(const PlannedChunk& chunk, std::span<const TokenId> tokens,
           std::span<const BlockId> blocks, const StateSpan& span) {
    const int64_t block_size = span.block_size;
    const int64_t first_seen =
        span.window == 0 ? 0 : std::max<int64_t>(0, chunk.first - span.window + 1);
    uint64_t number = 0;
    bool is_right = true;
    for (int64_t at = 0; at < chunk.end(); ++at) {
      number = mix(number, tokens[static_cast<size_t>(at)]);
      if (at < first_seen) continue;
      const int64_t block = blocks[static_cast<size_t>(at / block_size)].value();
      uint64_t& slot = slots[block * block_size + at % block_size];
      if (at >= chunk.first) slot = number;
      is_right &= slot == number;
    }
    CHECK(is_right);
  }
};

// What layers would keep of a sequence in its slot: a number that tells all of its tokens. A chunk
// from the first token on finds nothing there, any other what the one before it left.
struct FakeSlots {
  std::unordered_map<int32_t, uint64_t> numbers;

  void run(const PlannedChunk& chunk, std::span<const TokenId> tokens, int32_t slot) {
    const auto first = static_cast<size_t>(chunk.first), count = static_cast<size_t>(chunk.count);
    uint64_t expected = 0;
    for (const TokenId token : tokens.first(first)) expected = FakeCache::mix(expected, token);
    uint64_t& number = numbers[slot];
    if (chunk.first == 0) number = 0;
    CHECK(number == expected);
    for (const TokenId token : tokens.subspan(first, count)) number = FakeCache::mix(number, token);
  }
};

// By layers: windows, one a group of layers, and a state of fixed size.
struct KeptState {
  std::vector<int64_t> windows;
  bool in_slots = false;
};

// Random traffic, with what must hold at every step.
struct Traffic {
  std::mt19937 random;
  Fixture f;
  std::unordered_set<RequestId> open;
  struct Asked {
    int64_t prompt, max_tokens;
    bool ignore_eos;
  };
  std::unordered_map<RequestId, Asked> asked;
  // With what steps in flight choose.
  std::unordered_map<RequestId, std::vector<TokenId>> texts;
  std::vector<TokenId> chosen;    // by output of the step launched last
  std::vector<FakeCache> caches;  // one a group
  FakeSlots slots;

  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  Traffic(uint32_t seed, size_t steps_in_flight, const KeptState& kept)
      : random(seed), caches(kept.windows.size()) {
    f.steps_in_flight = steps_in_flight;
    f.choose = &choose;
    f.block_size = draw(1, 8);
    f.max_model_len = draw(20, 80);
    f.blocks = (f.max_model_len + f.block_size - 1) / f.block_size + draw(0, 20);
    f.config.max_sequences = draw(1, 8);
    f.config.chunked_prefill = draw(0, 3) > 0;
    f.config.max_step_tokens =
        f.config.chunked_prefill ? draw(f.config.max_sequences, 40) : f.max_model_len + draw(0, 9);
    f.config.long_prefill_threshold = draw(0, 1) * draw(1, 20);
    f.config.max_prompt_logprob_rows = draw(1, 10);
    f.config.prefix_caching = draw(0, 3) > 0;
    f.config.policy = draw(0, 1) ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs;
    for (const int64_t window : kept.windows) f.groups.push_back({window, num_blocks_of(window)});
    if (kept.in_slots) f.slots = f.config.max_sequences;
  }

  // Enough for the longest request alone, and a little more.
  int64_t num_blocks_of(int64_t window) {
    if (window == 0) return f.blocks;
    const StateSpan span = {window, f.block_size};
    return span.most_held(f.max_model_len, f.config.max_step_tokens) + draw(0, 9);
  }
  StateSpan span_of(size_t group) const { return {f.groups[group].window, f.block_size}; }

  // Now and then the end token.
  static TokenId choose(RequestId id, int64_t position) {
    const auto number = philox(id.value(), static_cast<uint64_t>(position))[0];
    return number % 20 == 0 ? kEos : TokenId(static_cast<int32_t>(50 + number % 40));
  }

  void submit() {
    const int64_t prompt = draw(1, f.max_model_len - 1);
    SamplingParams sampling = tokens(draw(1, f.max_model_len - prompt));
    sampling.ignore_eos = draw(0, 1) == 0;
    if (draw(0, 4) == 0) sampling.prompt_logprobs = 1;
    const auto first = static_cast<int32_t>(100 * draw(1, 4));  // prefixes repeat
    Request request = f.request(prompt, sampling, first);
    request.priority = draw(0, 2);
    texts[request.id] = request.prompt;
    asked[request.id] = {prompt, sampling.max_tokens, sampling.ignore_eos};
    open.insert(f.submit(std::move(request)));
  }

  std::vector<TokenId> expected_answer(RequestId id) const {
    const Asked& request = asked.at(id);
    std::vector<TokenId> answer;
    do {
      answer.push_back(choose(id, request.prompt + static_cast<int64_t>(answer.size())));
    } while (static_cast<int64_t>(answer.size()) < request.max_tokens &&
             (request.ignore_eos || answer.back() != kEos));
    return answer;
  }

  std::span<const BlockId> blocks_of(const StepPlan& plan, size_t index, size_t group) const {
    size_t first = 0;
    const auto count = [&](size_t i) {
      return static_cast<size_t>((plan.chunks[i].end() + f.block_size - 1) / f.block_size);
    };
    for (size_t i = 0; i < index; ++i) first += count(i);
    return std::span(plan.tables.at(group).blocks).subspan(first, count(index));
  }

  // Of the whole step, with what the step before chooses.
  std::vector<TokenId> inputs_of(const StepPlan& plan) const {
    std::vector<TokenId> inputs = plan.tokens;
    for (const SampledToken& one : plan.sampled) {
      inputs.at(static_cast<size_t>(one.token)) = chosen.at(static_cast<size_t>(one.output));
    }
    return inputs;
  }

  void check(const StepPlan& plan) {
    CHECK(plan.num_tokens() <= f.config.max_step_tokens);
    CHECK(static_cast<int64_t>(plan.chunks.size()) <= f.config.max_sequences);
    const std::vector<TokenId> inputs = inputs_of(plan);
    int64_t rows = 0, token = 0;
    std::unordered_set<RequestId> seen;
    for (size_t i = 0; i < plan.chunks.size(); ++i) {
      const PlannedChunk& chunk = plan.chunks[i];
      const std::vector<TokenId>& text = texts.at(chunk.request);
      CHECK(seen.insert(chunk.request).second);
      rows += chunk.prompt_outputs();
      CHECK(chunk.count >= 1);
      CHECK(chunk.samples == (chunk.end() == static_cast<int64_t>(text.size()) ? 1 : 0));
      CHECK(std::equal(text.begin() + chunk.first, text.begin() + chunk.end(),
                       inputs.begin() + token));
      token += chunk.count;
      for (size_t group = 0; group < caches.size(); ++group) {
        caches[group].run(chunk, text, blocks_of(plan, i, group), span_of(group));
      }
      if (f.slots > 0) slots.run(chunk, text, plan.slots.at(i));
    }
    CHECK(token == plan.num_tokens());
    CHECK(rows <= f.config.max_prompt_logprob_rows);
    CHECK(rows == static_cast<int64_t>(plan.next_tokens.size()));
    for (size_t group = 0; group < caches.size(); ++group) {
      check_written_blocks_are_not_shared(plan, group);
    }
  }

  // A block that is written in this step is nobody else's, here or in a step in flight.
  void check_written_blocks_are_not_shared(const StepPlan& plan, size_t group) {
    std::unordered_map<BlockId, std::unordered_set<RequestId>> users;
    const auto add_users = [&](const StepPlan& step) {
      for (size_t i = 0; i < step.chunks.size(); ++i) {
        const int64_t first = span_of(group).first_seen(step.chunks[i].first);
        for (const BlockId block : blocks_of(step, i, group).subspan(static_cast<size_t>(first))) {
          users[block].insert(step.chunks[i].request);
        }
      }
    };
    add_users(plan);
    for (const StepPlan& step : f.in_flight) add_users(step);
    for (size_t i = 0; i < plan.chunks.size(); ++i) {
      const std::span<const BlockId> blocks = blocks_of(plan, i, group);
      for (const BlockId block :
           blocks.subspan(static_cast<size_t>(plan.chunks[i].first / f.block_size))) {
        CHECK(users[block].size() == 1);
      }
    }
  }

  void launch(const StepPlan& plan) {
    chosen.clear();
    for (const PlannedChunk& chunk : plan.chunks) {
      chosen.resize(chosen.size() + static_cast<size_t>(chunk.outputs), TokenId(-1));
      if (chunk.samples == 0) continue;
      chosen.back() = choose(chunk.request, chunk.end());
      texts.at(chunk.request).push_back(chosen.back());
    }
    f.launch(plan);
  }

  void step() {
    if (draw(0, 2) == 0) submit();
    if (draw(0, 15) == 0 && !open.empty()) {
      const auto victim = std::next(open.begin(), draw(0, static_cast<int64_t>(open.size()) - 1));
      f.get().cancel(*victim, FinishReason::kAbort, f.now);
      open.erase(victim);
    }
    step_on();
  }

  void step_on() {
    const StepPlan plan = f.plan();
    check(plan);
    // Whenever there is work, some of it is done.
    if (f.in_flight.empty()) CHECK(plan.empty() != f.get().has_work());
    if (!plan.empty()) launch(plan);
    if (plan.empty() || f.in_flight.size() == f.steps_in_flight) f.collect();
    std::erase_if(open, [&](RequestId id) { return f.is_finished(id); });
  }

  void check_end() {
    for (int i = 0; i < 10000 && f.has_work(); ++i) step_on();
    f.run_to_the_end();
    CHECK(open.empty());
    for (const auto& [id, event] : f.last_events) {
      CHECK(event.error.empty());
      if (event.finish) CHECK(f.answers.at(id) == expected_answer(id));
    }
  }
};

void check_traffic(uint32_t seeds, const KeptState& kept) {
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    for (const size_t steps_in_flight : {1, 2, 3}) {
      CAPTURE(seed);
      CAPTURE(steps_in_flight);
      Traffic traffic(seed, steps_in_flight, kept);
      for (int i = 0; i < 150; ++i) traffic.step();
      traffic.check_end();
    }
  }
}

TEST_CASE("under random traffic budgets hold, written blocks are private, and all requests end") {
  check_traffic(150, {{0}});
}

TEST_CASE("the same holds where layers have windows, and each sees what it wrote") {
  check_traffic(50, {{0, 5}});
  check_traffic(50, {{9}});
  check_traffic(50, {{1, 16, 0}});
}

TEST_CASE("the same holds where layers keep a state of fixed size, which nobody else writes") {
  check_traffic(100, {.windows = {0}, .in_slots = true});
}

TEST_CASE("with a window a long request runs in few blocks, and gives back all it does not see") {
  Fixture f{.max_model_len = 200, .groups = {{8, 7}}};
  const RequestId id = f.submit(100, tokens(90));
  int64_t most = 0;
  while (!f.is_finished(id)) {
    f.step();
    most = std::max(most, f.get().blocks().num_used());
  }
  CHECK(f.answers[id].size() == 90);
  CHECK(most == 3);  // between steps, of 8 tokens
  f.run_to_the_end();
}

TEST_CASE("with a window a prefix is taken up of which only the end is left") {
  Fixture f{.groups = {{8, 10}}};
  f.submit(36, tokens(1), 0, 500);
  f.run_to_the_end();
  f.submit(36, tokens(1), 0, 500);
  CHECK(f.step().chunks[0].first == 32);
}

}  // namespace
}  // namespace pagoda
