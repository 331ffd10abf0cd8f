#include "api/requests/picture_prompt.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"
#include "models/preprocessor.h"

namespace pagoda {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
}

}  // namespace

std::optional<PictureRules> picture_rules(const ApiModel& served) {
  if (!served.sees_pictures()) return std::nullopt;
  return PictureRules{.placeholder = served.parts.pictures->placeholder,
                      .most = served.config->pictures.most_per_prompt};
}

void require_placeholders(const TokenIds& tokens, size_t pictures, const ServiceParts& parts) {
  const TokenId token = parts.pictures->token;
  const auto found = static_cast<size_t>(std::count(tokens.begin(), tokens.end(), token));
  if (found == pictures) return;
  const std::string text = parts.tokenizer->token(token);
  if (found > pictures) {
    refuse(str("Found more '", text,
               "' placeholders in input prompt than actual multimodal data items: ", found, " and ",
               pictures, " pictures. Leave '", text, "' out of the texts."));
  }
  refuse(str("the chat template shows ", found, " of ", pictures,
             " pictures; use another one, or start the server with another "
             "--chat-template-content-format"));
}

PictureShape picture_shape(const boost::json::object* arguments, const ApiModel& served) {
  PatchConfig patches = served.parts.pictures->patches;
  if (arguments != nullptr) {
    patches = with_processor_arguments(
        patches,
        {.values = *arguments, .origin = "mm_processor_kwargs", .blame = ErrorKind::kRequest});
  }
  return {.patches = patches, .max_tokens = served.facts.max_picture_tokens};
}

void expand_pictures(Prompt& prompt, std::vector<PictureRef> pictures,
                     std::optional<int64_t> truncate, const PictureParts& parts) {
  TokenIds out;
  for (const TokenId token : prompt.tokens) {
    if (token != parts.token) {
      out.push_back(token);
      continue;
    }
    MUST(prompt.pictures.size() < pictures.size());
    PictureRef& picture = pictures[prompt.pictures.size()];
    const int64_t tokens = grid_of(picture->image, parts.patches).tokens(parts.patches.merge_size);
    prompt.pictures.push_back({.picture = std::move(picture),
                               .first = static_cast<int64_t>(out.size()),
                               .tokens = tokens});
    out.insert(out.end(), static_cast<size_t>(tokens), token);
  }
  prompt.tokens = std::move(out);
  if (truncate && *truncate < static_cast<int64_t>(prompt.tokens.size())) {
    refuse(str("truncate_prompt_tokens: ", *truncate, " would cut the ", prompt.tokens.size(),
               " tokens of a prompt with pictures, which cannot be cut; leave it out"));
  }
}

}  // namespace pagoda
