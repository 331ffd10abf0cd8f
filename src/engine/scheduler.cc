#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/must.h"
#include "base/str.h"
#include "engine/plan_writer.h"

namespace pagoda {
namespace {

// Whether there is something to tell of it.
bool has_result(const PlannedChunk& chunk) {
  return chunk.samples > 0 || chunk.hidden > 0;
}

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config, const SchedulerLimits& limits)
    : config_(config),
      limits_(limits),
      block_size_(limits.state.block_size),
      pools_(limits.state),
      pictures_(limits.pictures, limits.picture_rows) {}

void Scheduler::submit(Request request, Clock::time_point now) {
  const RequestId id = request.id;
  auto sequence = std::make_unique<Sequence>(std::move(request), num_arrivals_++, now);
  Sequence& s = *sequence;
  MUST(sequences_.emplace(id, std::move(sequence)).second);
  insert_waiting(s);
}

void Scheduler::cancel(RequestId id, FinishReason why, Clock::time_point now) {
  if (Sequence* sequence = find(id)) finish(*sequence, why, now);
}

std::vector<Event> Scheduler::abort_all(const std::string& error, Clock::time_point now) {
  std::vector<Event> events = std::exchange(failed_, {});
  while (!sequences_.empty()) {
    Sequence& sequence = *sequences_.begin()->second;
    events.push_back({.id = sequence.id(), .finish = FinishReason::kAbort, .error = error});
    finish(sequence, FinishReason::kAbort, now);
  }
  in_flight_.abandon();
  return events;
}

Sequence* Scheduler::find(RequestId id) {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : found->second.get();
}

void Scheduler::plan(StepPlan& step, Clock::time_point now) {
  MUST(step.empty());
  drafted_.clear();
  Draft draft = {.plan = step,
                 .chunks = drafted_,
                 .tokens_left = config_.max_step_tokens,
                 .logprob_rows_left = std::max<int64_t>(1, config_.max_prompt_logprob_rows)};
  pictures_.begin_step();
  add_decodes(draft);
  work_on_picture(draft);
  add_started_prefills(draft);
  admit_waiting(draft, now);
  // One that has just begun may have a stage that costs more than a whole step.
  if (draft.empty()) work_on_picture(draft);
  write(draft);
}

// Whoever is preempted is behind the one that needs room, so the loops below stay valid.
void Scheduler::add_decodes(Draft& draft) {
  for (size_t i = 0; i < running_.size() && draft.tokens_left > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (!is_decode(sequence) || !may_follow(sequence)) continue;
    if (next_chunk(sequence, draft).count == 1 && make_room(sequence, 1, draft) == 1) {
      add_chunk(sequence, 1, draft);
    }
  }
}

// However busy the others are, it gets on.
void Scheduler::work_on_picture(Draft& draft) {
  EncodingDraft work = {.encodings = draft.plan.encodings, .tokens_left = draft.tokens_left};
  pictures_.work_on(work);
  draft.tokens_left = work.tokens_left;
}

void Scheduler::add_started_prefills(Draft& draft) {
  for (size_t i = 0; i < running_.size() && draft.tokens_left > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (is_decode(sequence)) continue;
    const NextChunk next = next_chunk(sequence, draft);
    draft.is_closed = next.lacks_tokens;
    if (draft.is_closed) return;
    if (next.count == 0) continue;
    const int64_t count = make_room(sequence, next.count, draft);
    if (count == next.count || (count > 0 && may_be_cut(sequence))) {
      add_chunk(sequence, count, draft);
    }
  }
}

void Scheduler::admit_waiting(Draft& draft, Clock::time_point now) {
  while (!waiting_.empty() && !draft.short_of_blocks && !draft.is_closed && draft.tokens_left > 0 &&
         num_running() < config_.max_sequences) {
    Sequence& first = *waiting_.front();
    if (const std::string obstacle = obstacle_to(first); !obstacle.empty()) {
      fail(first, str("request ", first.id().value(), ": ", obstacle), now);
    } else if (!admit_first(draft, now)) {
      return;
    }
  }
}

bool Scheduler::admit_first(Draft& draft, Clock::time_point now) {
  Sequence& sequence = *waiting_.front();
  if (sequence.num_pending() > 0) return false;
  start_with_prefix(sequence);
  if (!has_room_for(sequence)) {
    sequence.take_state().give_back_all();  // no step has seen it
    return false;
  }
  sequence.begun_behind = in_flight_.latest();
  waiting_.pop_front();
  insert_running(sequence);
  const NextChunk next = next_chunk(sequence, draft);
  if (next.count == 0 && !next.waits_for_picture) {
    std::erase(running_, &sequence);
    give_back_blocks(sequence);
    waiting_.push_front(&sequence);
    return false;
  }
  const int64_t most =
      std::min(sequence.num_tokens() + sequence.sampling().max_tokens, limits_.max_model_len);
  sequence.reserve(most, most / block_size_ + 1);
  pools_.reserve(sequence.state, most, config_.max_step_tokens);
  if (!sequence.was_scheduled) {
    sequence.was_scheduled = true;
    sequence.times.scheduled = now;
    sequence.cached_tokens = sequence.num_computed();
    place_pictures(sequence);
    counts_.prefix_queries += sequence.num_tokens();
    counts_.prefix_hits += sequence.cached_tokens;
  }
  if (next.count == 0) return true;
  MUST(make_room(sequence, next.count, draft) == next.count);
  add_chunk(sequence, next.count, draft);
  return true;
}

// The API refuses all of these before; a request that slips through must not stop the others.
std::string Scheduler::obstacle_to(const Sequence& sequence) const {
  const int64_t tokens = sequence.num_tokens();
  if (tokens == 0) return "the prompt is empty; give it at least one token";
  if (tokens > limits_.max_model_len) {
    return str(tokens, " tokens are more than max_model_len, which is ", limits_.max_model_len,
               "; shorten the prompt");
  }
  for (size_t group = 0; group < pools_.num_groups(); ++group) {
    const int64_t needed = pools_.span(group).most_held(tokens, config_.max_step_tokens);
    if (needed <= pools_.num_blocks(group)) continue;
    return str(tokens, " tokens do not fit: the KV cache has ", pools_.num_blocks(group),
               " blocks of ", block_size_,
               " tokens; give the cache more memory, or lower max_model_len");
  }
  if (!config_.chunked_prefill && tokens > config_.max_step_tokens) {
    return str(tokens, " tokens do not fit: without chunked prefill a step computes at most ",
               config_.max_step_tokens, "; raise max_num_batched_tokens");
  }
  return picture_obstacle_to(sequence);
}

std::string Scheduler::picture_obstacle_to(const Sequence& sequence) const {
  if (sequence.pictures().empty()) return "";
  if (limits_.pictures == nullptr) return "the model sees no pictures; send text only";
  int64_t end = 0, number = 0;
  for (const PromptPicture& picture : sequence.pictures()) {
    const Image& image = picture.picture->image;
    const std::string name = str("picture ", ++number, " (", image.width, " x ", image.height, ")");
    const std::optional<PictureSize> size = limits_.pictures->size_of(image);
    if (!size) return str(name, ": its sides are not whole patches; resize it for the model");
    if (picture.tokens != size->tokens()) {
      return str(name, " has ", picture.tokens, " tokens in the prompt and makes ", size->tokens(),
                 "; give it as many");
    }
    if (picture.first < end || picture.end() > sequence.prompt_size()) {
      return str(name, ": tokens ", picture.first, " to ", picture.end(),
                 " are not between the picture before it and the end of the prompt; place it "
                 "there");
    }
    if (picture.tokens > limits_.max_picture_tokens) {
      return str(name, ": ", picture.tokens, " tokens are more than ", limits_.max_picture_tokens,
                 ", the largest picture that memory was planned for; send a smaller one");
    }
    if (!config_.chunked_pictures && picture.tokens > config_.max_step_tokens) {
      return str(name, ": ", picture.tokens, " tokens, which may not be cut, are more than the ",
                 config_.max_step_tokens, " of a step; raise max_num_batched_tokens");
    }
    end = picture.end();
  }
  return "";
}

void Scheduler::place_pictures(Sequence& sequence) const {
  RotaryPositions positions;
  for (const PromptPicture& picture : sequence.pictures()) {
    const std::optional<PictureSize> size = limits_.pictures->size_of(picture.picture->image);
    MUST(size);
    positions.add_picture(picture.first, size->rows, size->columns);
  }
  sequence.place(std::move(positions));
}

// A sampled token, or the last of a prompt, unless it stands for a picture.
bool Scheduler::is_decode(const Sequence& sequence) {
  return sequence.num_uncomputed() == 1 && sequence.pictures_end() <= sequence.num_computed();
}

// It must come of the step right behind which the next one runs; and where it is known to be the
// last one, nothing follows.
bool Scheduler::may_follow(const Sequence& sequence) const {
  const int64_t pending = sequence.num_pending();
  if (pending == 0) return true;
  return sequence.last_step() == in_flight_.latest() && !is_at_length(sequence, pending);
}

bool Scheduler::is_at_length(const Sequence& sequence, int64_t pending) const {
  return sequence.num_outputs() + pending >= sequence.sampling().max_tokens ||
         sequence.num_tokens() + pending >= limits_.max_model_len;
}

bool Scheduler::may_be_cut(const Sequence& sequence) const {
  return config_.chunked_prefill &&
         (config_.chunked_pictures || sequence.pictures_end() <= sequence.num_computed());
}

// Pictures within reach are asked for one after the other: what the encoding of one takes is gone
// for the tokens behind it.
Scheduler::NextChunk Scheduler::next_chunk(Sequence& sequence, Draft& draft) {
  const bool whole = !config_.chunked_prefill;
  const int64_t threshold = config_.long_prefill_threshold;
  int64_t most = draft.tokens_left;
  if (!whole && threshold > 0) most = std::min(most, threshold);
  bool has_worked = false;
  for (const PromptPicture& picture : sequence.pictures()) {
    if (picture.end() <= sequence.num_computed()) continue;
    const int64_t before = std::max<int64_t>(0, picture.first - sequence.num_computed());
    if (!whole && before >= most) break;
    const int64_t left = draft.tokens_left;
    const bool is_ready = provide(picture, whole ? most : most - before, draft);
    has_worked |= draft.tokens_left < left;
    most -= left - draft.tokens_left;
    if (is_ready) continue;
    const int64_t count = whole ? 0 : cut_for_logprobs(sequence, before, draft);
    return {.count = count, .waits_for_picture = true};
  }
  NextChunk next = cut(sequence, most, draft);
  next.waits_for_picture = next.count == 0 && has_worked;
  return next;
}

bool Scheduler::provide(const PromptPicture& picture, int64_t budget, Draft& draft) {
  EncodingDraft work = {.encodings = draft.plan.encodings, .tokens_left = budget};
  const bool is_ready = pictures_.provide(picture, running_, work);
  draft.tokens_left -= budget - work.tokens_left;
  return is_ready;
}

Scheduler::NextChunk Scheduler::cut(const Sequence& sequence, int64_t most,
                                    const Draft& draft) const {
  NextChunk next = {.count = std::min(sequence.num_uncomputed(), most)};
  if (!config_.chunked_prefill && next.count < sequence.num_uncomputed()) {
    return {.count = 0, .lacks_tokens = true};
  }
  if (!config_.chunked_pictures) next = cut_between_pictures(sequence, next.count, draft);
  next.count = cut_for_logprobs(sequence, next.count, draft);
  return next;
}

Scheduler::NextChunk Scheduler::cut_between_pictures(const Sequence& sequence, int64_t count,
                                                     const Draft& draft) const {
  const int64_t first = sequence.num_computed(), end = first + count;
  for (const PromptPicture& picture : sequence.pictures()) {
    if (end <= picture.first || picture.end() <= end) continue;
    if (picture.first > first) return {.count = picture.first - first};
    // The threshold for long prompts does not hold here.
    const int64_t rest = picture.end() - first;
    if (rest <= draft.tokens_left) return {.count = rest};
    return {.count = 0, .lacks_tokens = true};
  }
  return {.count = count};
}

// Logits are large: a prompt whose log-probabilities are wanted is cut even where prompts are
// otherwise computed whole.
int64_t Scheduler::cut_for_logprobs(const Sequence& sequence, int64_t count,
                                    const Draft& draft) const {
  const int64_t first = sequence.num_computed();
  if (num_logprob_rows(sequence, first, count) <= draft.logprob_rows_left) return count;
  return std::max(first, sequence.num_prompt_logprobs()) + draft.logprob_rows_left - first;
}

void Scheduler::add_chunk(Sequence& sequence, int64_t count, Draft& draft) {
  const int64_t first = sequence.num_computed();
  const int64_t ends = count == sequence.num_uncomputed() ? 1 : 0;
  const int64_t hidden = sequence.task() == Task::kEmbed ? ends : 0;
  const int64_t samples = ends - hidden;
  const int64_t rows = num_logprob_rows(sequence, first, count);
  draft.chunks.push_back({.sequence = &sequence,
                          .chunk = {.first = first,
                                    .count = count,
                                    .outputs = rows + samples,
                                    .samples = samples,
                                    .hidden = hidden}});
  draft.tokens_left -= count;
  draft.logprob_rows_left -= rows;
}

void Scheduler::write(const Draft& draft) {
  for (const DraftChunk& drafted : draft.chunks) {
    write_given(drafted, draft.plan);
    write_chunk(draft.plan, drafted.chunk, *drafted.sequence, block_size_);
  }
}

void Scheduler::write_given(const DraftChunk& drafted, StepPlan& plan) {
  const PlannedChunk& chunk = drafted.chunk;
  for (const PromptPicture& picture : drafted.sequence->pictures()) {
    const int64_t begin = std::max(chunk.first, picture.first);
    const int64_t end = std::min(chunk.end(), picture.end());
    if (begin >= end) continue;
    const std::span<const int32_t> rows = pictures_.rows_of(picture.picture->hash);
    for (int64_t token = begin; token < end; ++token) {
      plan.given.push_back({.token = static_cast<int32_t>(plan.num_tokens() + token - chunk.first),
                            .row = rows[static_cast<size_t>(token - picture.first)]});
    }
  }
}

int64_t Scheduler::make_room(Sequence& sequence, int64_t count, Draft& draft) {
  const int64_t end = sequence.num_computed() + count;
  while (!pools_.extend(sequence.state, end)) {
    draft.short_of_blocks = true;
    // Nobody gives up more while blocks are on their way back.
    if (in_flight_.holds_blocks() || running_.back() == &sequence) break;
    preempt(*running_.back(), draft);
  }
  return std::min(end, pools_.room(sequence.state)) - sequence.num_computed();
}

void Scheduler::preempt(Sequence& sequence, Draft& draft) {
  MUST(running_.back() == &sequence);
  running_.pop_back();
  remove_from(draft, sequence);
  give_back_blocks(sequence);
  insert_waiting(sequence);
  ++counts_.preemptions;
}

void Scheduler::remove_from(Draft& draft, const Sequence& sequence) {
  const auto found =
      std::find_if(draft.chunks.begin(), draft.chunks.end(),
                   [&](const DraftChunk& drafted) { return drafted.sequence == &sequence; });
  if (found == draft.chunks.end()) return;
  draft.tokens_left += found->chunk.count;
  draft.logprob_rows_left += found->chunk.prompt_outputs();
  draft.chunks.erase(found);
}

int64_t Scheduler::num_logprob_rows(const Sequence& sequence, int64_t first, int64_t count) {
  if (!sequence.lacks_prompt_logprobs()) return 0;
  const int64_t begin = std::max(first, sequence.num_prompt_logprobs());
  const int64_t end = std::min(first + count, sequence.prompt_size() - 1);
  return std::max<int64_t>(0, end - begin);
}

// At least one token is left to compute: its logits are what the request is about.
// Log-probabilities of a prompt need the logits of all its positions, so such a prompt is computed
// anew.
void Scheduler::start_with_prefix(Sequence& sequence) {
  if (!config_.prefix_caching || sequence.lacks_prompt_logprobs()) return;
  const int64_t most = (sequence.num_tokens() - 1) / block_size_;
  extend_hashes(sequence, most);
  const auto hashes = std::span(sequence.block_hashes).first(static_cast<size_t>(most));
  const int64_t blocks = pools_.longest_prefix(hashes);
  if (blocks == 0) return;
  sequence.start_with(pools_.share(hashes.first(static_cast<size_t>(blocks))), blocks, block_size_);
}

// What sequences that have begun will still take is promised to them. While steps are in flight,
// slots of those that are over may be missing.
bool Scheduler::has_room_for(const Sequence& sequence) const {
  const auto promised = std::count_if(running_.begin(), running_.end(),
                                      [](const Sequence* one) { return !one->state.slot; });
  if (!pools_.has_slots_for(promised + 1)) return false;
  for (size_t group = 0; group < pools_.num_groups(); ++group) {
    int64_t left = pools_.num_free(group);
    for (const Sequence* running : running_) left -= missing_blocks(*running, group);
    if (missing_blocks(sequence, group) > left) return false;
  }
  return true;
}

int64_t Scheduler::missing_blocks(const Sequence& sequence, size_t group) const {
  const std::vector<BlockTable>& tables = sequence.state.tables;
  const int64_t held = tables.empty() ? 0 : tables[group].num_held();
  const int64_t needed =
      pools_.span(group).most_held(sequence.num_tokens() + sequence.num_pending(),
                                   config_.max_step_tokens, sequence.num_computed());
  return std::max<int64_t>(0, needed - held);
}

void Scheduler::extend_hashes(Sequence& sequence, int64_t blocks) {
  std::vector<BlockHash>& hashes = sequence.block_hashes;
  while (static_cast<int64_t>(hashes.size()) < blocks) {
    const auto first = static_cast<int64_t>(hashes.size()) * block_size_;
    const BlockHash parent = hashes.empty() ? hasher_.root(sequence.cache_salt()) : hashes.back();
    const auto tokens =
        sequence.tokens().subspan(static_cast<size_t>(first), static_cast<size_t>(block_size_));
    hashes.push_back(hasher_.next(parent, tokens, sequence.pictures_in(first, block_size_)));
  }
}

// Blocks of tokens that are known; who finds them reads them in a later step than those in flight.
void Scheduler::cache_full_blocks(Sequence& sequence) {
  if (!config_.prefix_caching) return;
  const int64_t full = std::min(sequence.num_computed(), sequence.num_tokens()) / block_size_;
  extend_hashes(sequence, full);
  for (int64_t& i = sequence.num_hashed_in_cache; i < full; ++i) {
    pools_.note(sequence.state, i, sequence.block_hashes[static_cast<size_t>(i)]);
  }
}

void Scheduler::advance(const StepPlan& step) {
  const uint64_t number = in_flight_.launch();
  int64_t outputs = 0;
  for (const PlannedChunk& chunk : step.chunks) {
    outputs += chunk.outputs;
    Sequence& sequence = *find(chunk.request);
    sequence.launch(chunk, number, outputs - 1);
    cache_full_blocks(sequence);
  }
}

std::vector<Event> Scheduler::append(const StepPlan& step, std::span<ChunkResult> results,
                                     Clock::time_point now) {
  MUST(step.chunks.size() == results.size());
  const uint64_t number = in_flight_.collect();
  std::vector<Event> events = std::exchange(failed_, {});
  events.reserve(events.size() + static_cast<size_t>(std::count_if(step.chunks.begin(),
                                                                   step.chunks.end(), has_result)));
  for (size_t i = 0; i < step.chunks.size(); ++i) {
    const PlannedChunk& chunk = step.chunks[i];
    Sequence* sequence = find(chunk.request);
    if (sequence == nullptr) continue;  // over since the step was launched
    sequence->collect(chunk);
    // Unless it has begun again since: then what tokens to come see is another matter.
    if (number > sequence->begun_behind) {
      pools_.give_back_unseen(sequence->state, chunk.end());
    }
    sequence->add_prompt_logprobs(std::move(results[i].prompt_logprobs));
    if (!has_result(chunk)) continue;
    events.push_back(chunk.hidden > 0 ? embed(*sequence, std::move(results[i]), now)
                                      : append(*sequence, std::move(results[i]), now));
    if (events.back().finish) finish(*sequence, *events.back().finish, now);
  }
  return events;
}

// Where nothing waits to be told, and still there is work, the only sequence has filled the cache.
// It ends here, or it would wait for ever.
std::vector<Event> Scheduler::fail_stuck(Clock::time_point now) {
  MUST(in_flight_.empty());
  if (failed_.empty() && !running_.empty()) {
    fail(*running_.front(),
         str("request ", running_.front()->id().value(), ": the KV cache has ",
             pools_.num_blocks(pools_.fullest()), " blocks of ", block_size_,
             " tokens, and the request needs more; give the cache more "
             "memory, or lower max_model_len"),
         now);
  }
  return std::exchange(failed_, {});
}

Event Scheduler::append(Sequence& sequence, ChunkResult result, Clock::time_point now) {
  // A step in flight goes by as many as this one was to choose.
  MUST(result.tokens.size() == 1 || (!result.tokens.empty() && sequence.num_pending() == 0));
  Event event = {.id = sequence.id(), .cached_tokens = sequence.cached_tokens};
  if (sequence.num_outputs() == 0) {
    sequence.times.first_token = now;
    event.prompt_logprobs = sequence.take_prompt_logprobs();
    counts_.prompt_tokens += sequence.prompt_size();
    counts_.seconds_to_first_token.push_back(
        std::chrono::duration<double>(now - sequence.times.submitted).count());
  } else {
    counts_.seconds_per_output_token.push_back(
        std::chrono::duration<double>(now - sequence.times.last_token).count());
  }
  sequence.times.last_token = now;
  size_t num_taken = 0;  // what stands behind the end is dropped
  while (num_taken < result.tokens.size() && !event.finish) {
    const TokenId token = result.tokens[num_taken++];
    sequence.append(token);
    event.finish = finish_of(sequence, token, event);
  }
  cache_full_blocks(sequence);
  result.tokens.resize(num_taken);
  if (!result.logprobs.empty()) result.logprobs.resize(num_taken);
  counts_.generation_tokens += static_cast<int64_t>(num_taken);
  event.tokens = std::move(result.tokens);
  event.logprobs = std::move(result.logprobs);
  return event;
}

Event Scheduler::embed(Sequence& sequence, ChunkResult result, Clock::time_point now) {
  sequence.times.first_token = sequence.times.last_token = now;
  counts_.prompt_tokens += sequence.prompt_size();
  return {.id = sequence.id(),
          .embedding = std::move(result.hidden),
          .cached_tokens = sequence.cached_tokens,
          .finish = FinishReason::kStop};
}

// The length is looked at first, as vLLM does (v1/core/sched/utils.py, check_stop): an end token
// that is also the last one allowed counts as kLength.
std::optional<FinishReason> Scheduler::finish_of(const Sequence& sequence, TokenId last,
                                                 Event& event) const {
  const SamplingParams& sampling = sequence.sampling();
  if (is_at_length(sequence, 0)) return FinishReason::kLength;
  if (!sampling.ignore_eos && last == limits_.eos_token) return FinishReason::kStop;
  const auto& stops = sampling.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), last) == stops.end()) return std::nullopt;
  event.stop_token = last;
  return FinishReason::kStop;
}

void Scheduler::give_back_blocks(Sequence& sequence) {
  in_flight_.give_back(sequence.take_state(), sequence.last_step());
}

void Scheduler::fail(Sequence& sequence, const std::string& reason, Clock::time_point now) {
  failed_.push_back({.id = sequence.id(), .finish = FinishReason::kAbort, .error = reason});
  finish(sequence, FinishReason::kAbort, now);
}

void Scheduler::finish(Sequence& sequence, FinishReason reason, Clock::time_point now) {
  counts_.finished.push_back({.reason = reason,
                              .prompt_tokens = sequence.prompt_size(),
                              .generation_tokens = sequence.num_outputs(),
                              .max_tokens = sequence.sampling().max_tokens,
                              .times = sequence.times,
                              .now = now});
  std::erase(running_, &sequence);
  std::erase(waiting_, &sequence);
  give_back_blocks(sequence);
  sequences_.erase(sequence.id());
  abandon_picture_nobody_shows();
}

void Scheduler::abandon_picture_nobody_shows() {
  const std::optional<PictureHash> hash = pictures_.in_the_making();
  if (!hash) return;
  const bool is_shown = std::any_of(sequences_.begin(), sequences_.end(),
                                    [&](const auto& entry) { return entry.second->shows(*hash); });
  if (!is_shown) pictures_.abandon();
}

const StepCounts& Scheduler::take_counts() {
  counts_.running = num_running();
  counts_.waiting = num_waiting();
  counts_.kv_cache_usage = pools_.usage();
  std::swap(counts_, taken_counts_);
  counts_.clear();
  return taken_counts_;
}

bool Scheduler::before(const Sequence& a, const Sequence& b) const {
  if (config_.policy == SchedulingPolicy::kPriority && a.priority() != b.priority()) {
    return a.priority() < b.priority();
  }
  return a.arrival() < b.arrival();
}

void Scheduler::insert_running(Sequence& sequence) {
  const auto order = [this](const Sequence* a, const Sequence* b) { return before(*a, *b); };
  running_.insert(std::upper_bound(running_.begin(), running_.end(), &sequence, order), &sequence);
}

void Scheduler::insert_waiting(Sequence& sequence) {
  const auto order = [this](const Sequence* a, const Sequence* b) { return before(*a, *b); };
  waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), &sequence, order), &sequence);
}

}  // namespace pagoda
