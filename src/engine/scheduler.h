// Decides what runs in each step, who gets which blocks, and when a request is over. Knows nothing
// but integers.
//
// One budget of tokens a step: sequences that decode come first, then prompts that have begun, then
// new ones while tokens and blocks last. Sequences are ordered by (priority, arrival). When blocks
// run out, the last of the running gives up its own and is computed again later, its sampled tokens
// kept; the last one itself waits with what it has. So the first always gets on, and nothing
// starves. The order and cutting of work never changes what is computed (ARCHITECTURE.md, 5).
//
// Encoding pictures takes from the same budget, behind the decodes: first one stage of the picture
// in the making, then as the prompts that show them have their turn (picture_planner.h). So all
// that is done in a step is at most the budget, or the decodes and one stage where that is more. A
// chunk ends before the first picture that is not ready; meanwhile its sequence runs without
// chunks, and others pass it. What must be computed whole and lacks tokens holds up all behind it,
// so that it gets its turn when those that decode have ended.
//
// A step is planned, launched and collected; the next one may be planned before it is collected.
// advance() counts a launched step as done: what it computes is there for all steps behind it, and
// a token that it chooses can be computed in the step right behind it, which reads it where it was
// chosen. append() takes in what was chosen, when the step is collected. A request may be over by
// then, or have given up its blocks: its chunk then says nothing more, or only what comes next.
//
// Thread rule: engine thread only.
// Invariant: every block in use belongs to a running sequence, or to a step in flight.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/picture_planner.h"
#include "engine/prefix_cache.h"
#include "engine/scheduler_config.h"
#include "engine/sequence.h"
#include "engine/state_pools.h"
#include "engine/step_counts.h"
#include "engine/step_plan.h"
#include "engine/steps_in_flight.h"

namespace pagoda {

struct SchedulerLimits {
  StateLimits state;
  int64_t max_model_len;
  std::optional<TokenId> eos_token;
  const PictureCosts* pictures = nullptr;  // null: the model sees none
  int64_t max_picture_tokens = 0;          // of one picture
  int64_t picture_rows = 0;                // tokens of encoded pictures that are kept
};

class Scheduler {
 public:
  Scheduler(const SchedulerConfig& config, const SchedulerLimits& limits);

  void submit(Request request, Clock::time_point now);
  // Forgets the request at once, without an event. An unknown id is one that is over already.
  void cancel(RequestId id, FinishReason why, Clock::time_point now);
  // Every request ends with kAbort, and with `error` where that is not empty. No step in flight is
  // collected any more.
  std::vector<Event> abort_all(const std::string& error, Clock::time_point now);
  void reset_prefix_cache() { pools_.forget_all(); }

  // Fills `step`, which is empty, with what runs next. Empty: nothing can before a step in flight
  // is collected; and where none is, call fail_stuck().
  void plan(StepPlan& step, Clock::time_point now);
  // The plan made last is launched.
  void advance(const StepPlan& step);
  // The oldest step in flight is collected, with one result a chunk.
  std::vector<Event> append(const StepPlan& step, std::span<ChunkResult> results,
                            Clock::time_point now);
  // Nothing is in flight and nothing can be planned: what ends without having run.
  std::vector<Event> fail_stuck(Clock::time_point now);

  bool has_work() const { return !sequences_.empty() || !failed_.empty(); }
  int64_t num_running() const { return static_cast<int64_t>(running_.size()); }
  int64_t num_waiting() const { return static_cast<int64_t>(waiting_.size()); }
  const StatePools& blocks() const { return pools_; }
  const PicturePlanner& pictures() const { return pictures_; }
  // What happened since the last call. Valid until the next one.
  const StepCounts& take_counts();

 private:
  struct DraftChunk {
    Sequence* sequence;
    PlannedChunk chunk;
  };
  // A plan in the making, with what is left for it. Chunks are written into it when all are known.
  struct Draft {
    StepPlan& plan;
    std::vector<DraftChunk>& chunks;
    int64_t tokens_left, logprob_rows_left;
    bool short_of_blocks = false;
    bool is_closed = false;  // nobody new: someone waits for more tokens than are left
    bool empty() const { return chunks.empty() && plan.encodings.empty(); }
  };
  // What a sequence may compute now.
  struct NextChunk {
    int64_t count;
    bool waits_for_picture = false;
    bool lacks_tokens = false;  // of what may not be cut
  };

  // Steps of plan(), in order.
  void add_decodes(Draft& draft);
  void work_on_picture(Draft& draft);
  void add_started_prefills(Draft& draft);
  void admit_waiting(Draft& draft, Clock::time_point now);
  void write(const Draft& draft);

  [[nodiscard]] bool admit_first(Draft& draft, Clock::time_point now);
  // Why the request can never run; empty: it can.
  [[nodiscard]] std::string obstacle_to(const Sequence& sequence) const;
  [[nodiscard]] std::string picture_obstacle_to(const Sequence& sequence) const;
  void place_pictures(Sequence& sequence) const;
  static bool is_decode(const Sequence& sequence);
  // Whether the next token, which a step in flight chooses, can be an input already.
  bool may_follow(const Sequence& sequence) const;
  bool is_at_length(const Sequence& sequence, int64_t pending) const;
  // Less than next_chunk() says may be computed.
  bool may_be_cut(const Sequence& sequence) const;
  // Has pictures encoded on the way.
  NextChunk next_chunk(Sequence& sequence, Draft& draft);
  // Spends at most `budget` of the draft's tokens. Whether the picture is ready.
  [[nodiscard]] bool provide(const PromptPicture& picture, int64_t budget, Draft& draft);
  // At most `most` tokens, whose pictures are ready.
  NextChunk cut(const Sequence& sequence, int64_t most, const Draft& draft) const;
  NextChunk cut_between_pictures(const Sequence& sequence, int64_t count, const Draft& draft) const;
  int64_t cut_for_logprobs(const Sequence& sequence, int64_t count, const Draft& draft) const;
  void write_given(const DraftChunk& drafted, StepPlan& plan);
  void add_chunk(Sequence& sequence, int64_t count, Draft& draft);
  // How many of `count` more tokens the sequence has blocks for, after taking and preempting.
  int64_t make_room(Sequence& sequence, int64_t count, Draft& draft);
  void preempt(Sequence& sequence, Draft& draft);
  void remove_from(Draft& draft, const Sequence& sequence);

  // Of the prompt logits positions of a chunk, those whose log-probabilities are still wanted.
  static int64_t num_logprob_rows(const Sequence& sequence, int64_t first, int64_t count);
  // With what need not be computed again.
  void start_with_prefix(Sequence& sequence);
  // For the whole of it, or it would begin only to be preempted.
  bool has_room_for(const Sequence& sequence) const;
  // Blocks of a group that a sequence will still take.
  int64_t missing_blocks(const Sequence& sequence, size_t group) const;
  void extend_hashes(Sequence& sequence, int64_t blocks);
  void cache_full_blocks(Sequence& sequence);

  Sequence* find(RequestId id);

  // Steps of append().
  // Tokens of an answer, or an embedding.
  Event append(Sequence& sequence, ChunkResult result, Clock::time_point now);
  Event embed(Sequence& sequence, ChunkResult result, Clock::time_point now);
  std::optional<FinishReason> finish_of(const Sequence& sequence, TokenId last, Event& event) const;
  void give_back_blocks(Sequence& sequence);
  void fail(Sequence& sequence, const std::string& reason, Clock::time_point now);
  void finish(Sequence& sequence, FinishReason reason, Clock::time_point now);
  void abandon_picture_nobody_shows();

  bool before(const Sequence& a, const Sequence& b) const;
  void insert_running(Sequence& sequence);
  void insert_waiting(Sequence& sequence);

  const SchedulerConfig config_;
  const SchedulerLimits limits_;
  const int64_t block_size_;
  StatePools pools_;
  BlockHasher hasher_;
  PicturePlanner pictures_;
  StepsInFlight in_flight_;
  std::unordered_map<RequestId, std::unique_ptr<Sequence>> sequences_;
  std::vector<Sequence*> running_;   // the first has the best claim
  std::deque<Sequence*> waiting_;    // likewise
  std::vector<Event> failed_;        // goes out with the next events
  std::vector<DraftChunk> drafted_;  // of the plan in the making
  StepCounts counts_, taken_counts_;
  uint64_t num_arrivals_ = 0;
};

}  // namespace pagoda
