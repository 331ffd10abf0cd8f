// Plans the encoding of pictures: which one is in the making, how far it gets in a step, and whose
// rows are kept.
//
// One picture at a time is in the making; what is between its stages is kept on the ranks. A
// picture is asked for when the computation of a sequence reaches it, and is known by its content,
// so that it is encoded once however many requests show it.
//
// No picture waits for ever. Needs are ordered: by the claim of the running sequence, then by the
// place in its prompt. (1) A picture in the making gets at least one stage a step, so it is
// finished after as many steps as it has stages, and then the first in order that lacks one has its
// turn. (2) That one gets rows: it may take those of every need behind it, the cache holds the
// largest picture, and where a prompt is computed whole, all that its step can show. Needs before
// it are those of sequences with a better claim, which get on by the same argument. A need that has
// lost its rows is encoded again.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/picture_cache.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"

namespace pagoda {

struct PictureSize {
  int64_t rows, columns;  // in merged patches, of which each is a token
  int64_t tokens() const { return rows * columns; }
};

// What an encoder makes of pictures, in numbers.
class PictureCosts {
 public:
  virtual ~PictureCosts() = default;
  // None: its sides are not whole merged patches.
  virtual std::optional<PictureSize> size_of(const Image& image) const = 0;
  // Of each stage, in tokens of the decoder that cost as much.
  virtual std::vector<double> work_of(const Image& image) const = 0;
};

// The encodings of a plan in the making, with what is left for them.
struct EncodingDraft {
  std::vector<PlannedEncoding>& encodings;
  int64_t tokens_left;
};

class PicturePlanner {
 public:
  // Without costs there are no pictures.
  PicturePlanner(const PictureCosts* costs, int64_t cache_rows)
      : costs_(costs), cache_(cache_rows) {}

  void begin_step() { ++step_; }
  // One more stage of the picture in the making, if there is one, whatever it costs.
  void work_on(EncodingDraft& draft);
  // Plans what the draft has tokens for, so that the picture, which one of the running sequences
  // shows, gets ready. Whether it is: then it stays for this step.
  [[nodiscard]] bool provide(const PromptPicture& picture, std::span<Sequence* const> running,
                             EncodingDraft& draft);
  // Of a picture that is ready: its row in the arena for each of its tokens.
  std::span<const int32_t> rows_of(const PictureHash& hash);

  // Its content; none: no picture is in the making.
  std::optional<PictureHash> in_the_making() const;
  // Forgets the picture in the making.
  void abandon();

  const PictureCache& cache() const { return cache_; }

 private:
  struct Making {
    PictureRef picture;
    std::vector<double> work;  // of each stage
    size_t next = 0;           // stage
  };

  [[nodiscard]] bool begin(const PromptPicture& picture, std::span<Sequence* const> running);
  void advance(EncodingDraft& draft, size_t at_least);

  const PictureCosts* costs_;
  PictureCache cache_;
  std::optional<Making> making_;
  int64_t step_ = 0;
};

}  // namespace pagoda
