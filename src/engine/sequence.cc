#include "engine/sequence.h"

#include <algorithm>
#include <utility>

#include "base/must.h"

namespace pagoda {

Sequence::Sequence(Request request, uint64_t arrival, Clock::time_point now)
    : request_(std::move(request)),
      arrival_(arrival),
      prompt_size_(request_.prompt.size()),
      tokens_(std::move(request_.prompt)) {
  times.submitted = now;
}

bool Sequence::shows(const PictureHash& hash) const {
  return std::any_of(pictures().begin(), pictures().end(),
                     [&](const PromptPicture& picture) { return picture.picture->hash == hash; });
}

std::vector<BlockPicture> Sequence::pictures_in(int64_t first, int64_t count) const {
  std::vector<BlockPicture> found;
  for (const PromptPicture& picture : pictures()) {
    if (picture.first >= first + count || picture.end() <= first) continue;
    found.push_back({.hash = picture.picture->hash, .first = picture.first - first});
  }
  return found;
}

void Sequence::reserve(int64_t tokens, int64_t blocks) {
  tokens_.reserve(static_cast<size_t>(tokens));
  block_hashes.reserve(static_cast<size_t>(blocks));
}

void Sequence::launch(const PlannedChunk& chunk, uint64_t step, int64_t last_output) {
  num_computed_ += chunk.count;
  num_pending_ += chunk.samples;
  num_prompt_logprobs_ += chunk.prompt_outputs();
  last_step_ = step;
  last_output_ = last_output;
}

void Sequence::start_with(SequenceState found, int64_t blocks, int64_t block_size) {
  state = std::move(found);
  num_computed_ = blocks * block_size;
  num_hashed_in_cache = blocks;
}

SequenceState Sequence::take_state() {
  num_computed_ = 0;
  num_hashed_in_cache = 0;
  return std::exchange(state, {});
}

void Sequence::add_prompt_logprobs(std::vector<TokenLogprobs> logprobs) {
  for (TokenLogprobs& one : logprobs) prompt_logprobs_.push_back(std::move(one));
}

}  // namespace pagoda
