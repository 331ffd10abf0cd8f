#include "engine/picture_planner.h"

#include <cmath>
#include <utility>

#include "base/must.h"

namespace pagoda {
namespace {

PictureNeeds needs_of(std::span<Sequence* const> running) {
  PictureNeeds needs;
  int64_t place = 0;
  for (const Sequence* sequence : running) {
    for (const PromptPicture& picture : sequence->pictures()) {
      if (picture.end() <= sequence->num_computed()) continue;
      needs.try_emplace(picture.picture->hash, place++);
    }
  }
  return needs;
}

// A picture that gets on twice in a step is one encoding.
void plan_stages(std::vector<PlannedEncoding>& encodings, const PictureRef& picture,
                 StageRange stages) {
  if (!encodings.empty() && encodings.back().stages.last == stages.first && stages.first > 0) {
    encodings.back().stages.last = stages.last;
    return;
  }
  encodings.push_back({.picture = picture, .stages = stages});
}

}  // namespace

void PicturePlanner::work_on(EncodingDraft& draft) {
  if (making_) advance(draft, making_->next + 1);
}

bool PicturePlanner::provide(const PromptPicture& picture, std::span<Sequence* const> running,
                             EncodingDraft& draft) {
  const PictureHash& hash = picture.picture->hash;
  PictureCache::Entry* entry = cache_.find(hash);
  if (entry == nullptr) {
    if (making_ || draft.tokens_left <= 0 || !begin(picture, running)) return false;
    entry = cache_.find(hash);
  }
  if (!entry->is_ready) advance(draft, making_->next);
  if (entry->is_ready) entry->last_use = step_;
  return entry->is_ready;
}

bool PicturePlanner::begin(const PromptPicture& picture, std::span<Sequence* const> running) {
  const PictureHash& hash = picture.picture->hash;
  if (picture.tokens > cache_.num_free()) {
    const PictureNeeds needs = needs_of(running);
    if (!cache_.make_room(picture.tokens, needs.at(hash), needs, step_)) return false;
  }
  cache_.add(hash, picture.tokens);
  making_.emplace(Making{picture.picture, costs_->work_of(picture.picture->image)});
  return true;
}

void PicturePlanner::advance(EncodingDraft& draft, size_t at_least) {
  Making& making = *making_;
  const size_t first = making.next;
  const auto budget = static_cast<double>(draft.tokens_left);
  double work = 0;
  while (making.next < making.work.size() &&
         (making.next < at_least || work + making.work[making.next] <= budget)) {
    work += making.work[making.next++];
  }
  if (making.next == first) return;
  draft.tokens_left -= static_cast<int64_t>(std::ceil(work));
  plan_stages(draft.encodings, making.picture,
              {static_cast<int64_t>(first), static_cast<int64_t>(making.next)});
  if (making.next < making.work.size()) return;
  PictureCache::Entry& entry = *cache_.find(making.picture->hash);
  entry.is_ready = true;
  entry.last_use = step_;
  draft.encodings.back().rows = entry.rows;
  making_.reset();
}

std::span<const int32_t> PicturePlanner::rows_of(const PictureHash& hash) {
  const PictureCache::Entry* entry = cache_.find(hash);
  MUST(entry != nullptr && entry->is_ready);
  return entry->rows;
}

std::optional<PictureHash> PicturePlanner::in_the_making() const {
  if (!making_) return std::nullopt;
  return making_->picture->hash;
}

void PicturePlanner::abandon() {
  cache_.drop(making_->picture->hash);
  making_.reset();
}

}  // namespace pagoda
