#include "api/routes/picture_preparation.h"

#include <memory>
#include <utility>

#include "api/pictures/picture_loader.h"
#include "api/requests/picture_prompt.h"

namespace pagoda {
namespace {

class PicturePreparation final : public Preparation {
 public:
  PicturePreparation(RenderedChat chat, const RouteContext& context, PromptAnswer answer)
      : chat_(std::move(chat)),
        parts_(*context.served.parts.pictures),
        load_(*context.picture_loader, chat_.pictures, chat_.shape),
        answer_(std::move(answer)) {}

  void start(std::function<void()> done) override { load_.start(std::move(done)); }
  void cancel() override { load_.cancel(); }
  RouteAnswer finish() override {
    expand_pictures(chat_.prompt, load_.take(), chat_.truncate, parts_);
    return answer_(chat_.prompt);
  }

 private:
  RenderedChat chat_;
  const PictureParts& parts_;
  PictureLoad load_;
  const PromptAnswer answer_;
};

}  // namespace

RouteAnswer with_pictures(RenderedChat chat, const RouteContext& context, PromptAnswer answer) {
  if (chat.pictures.empty()) return answer(chat.prompt);
  return {.preparation =
              std::make_unique<PicturePreparation>(std::move(chat), context, std::move(answer))};
}

}  // namespace pagoda
