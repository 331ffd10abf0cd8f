// Options about the pictures that requests bring or name.

#include <boost/json.hpp>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "cli/option_table.h"
#include "cli/settings.h"

namespace pagoda {
namespace {

namespace json = boost::json;
using Group = OptionGroup;
using Type = ValueType;

constexpr int64_t kMostPictures = 1 << 20;

void apply_limits(Settings& s, const json::value& value) {
  s.model.media_limits = value.as_object();
  for (const auto& [kind, limit] : value.as_object()) {
    const auto* count = limit.if_int64();
    const bool is_known = kind == "image" || kind == "video" || kind == "audio";
    if (!is_known || count == nullptr || *count < 0 || *count > kMostPictures) {
      throw Error(ErrorKind::kConfig,
                  str("--limit-mm-per-prompt: ", to_json(value),
                      R"( is not understood; write '{"image": 2}', or image=2)"));
    }
    // Requests with video and audio are refused whatever their limit is.
    if (kind == "image") s.server.pictures.most_per_prompt = *count;
  }
}

constexpr OptionRow kRows[] = {
    {.name = "limit-mm-per-prompt",
     .group = Group::kMultiModal,
     .type = Type::kJson,
     .value_name = "JSON",
     .default_value = "{}",
     .help = R"(most images of a request, as {"image": 2} or image=2; 999 where it is not given)",
     .apply = apply_limits},
    {.name = "media-io-kwargs",
     .group = Group::kMultiModal,
     .type = Type::kJson,
     .value_name = "JSON",
     .default_value = "{}",
     .help = "how media are read",
     .standing = Standing::kNoMeaning,
     .note = "It has settings for videos, which are not possible; images have none in vLLM either"},
    {.name = "mm-processor-kwargs",
     .group = Group::kMultiModal,
     .type = Type::kJson,
     .value_name = "JSON",
     .help =
         "bounds that images are resized to, laid over preprocessor_config.json: min_pixels and "
         "max_pixels, in pixels of area. Requests may bring their own, up to the same cost",
     .apply = [](Settings& s,
                 const json::value& v) { s.model.processor_arguments = v.as_object(); }},
    {.name = "disable-mm-preprocessor-cache",
     .group = Group::kMultiModal,
     .default_value = "false",
     .help = "prepare equal images again",
     .standing = Standing::kNoMeaning,
     .note =
         "There is no such cache: each request prepares its images, and equal ones are kept once"},
    {.name = "allow-private-media-addresses",
     .group = Group::kPagoda,
     .default_value = "false",
     .help =
         "let requests name images at loopback and private addresses. Whoever can send requests "
         "can then make this server ask any service of its own network; link-local addresses, "
         "where clouds keep secrets, stay refused",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.pictures.allow_private_addresses = v.as_bool();
         }},
};
static_assert(are_complete(kRows));

}  // namespace

std::span<const OptionRow> media_options() {
  return kRows;
}

}  // namespace pagoda
