#include "load/choose_dtype.h"

#include <array>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "load/checkpoint.h"

namespace pagoda {
namespace {

struct Spelling {
  std::string_view text;
  DType dtype;
};
constexpr std::array<Spelling, 5> kSpellings = {{{"half", DType::kF16},
                                                 {"float16", DType::kF16},
                                                 {"bfloat16", DType::kBF16},
                                                 {"float", DType::kF32},
                                                 {"float32", DType::kF32}}};

std::optional<DType> dtype_of(std::string_view text) {
  if (text.starts_with("torch.")) text.remove_prefix(6);
  for (const Spelling& spelling : kSpellings) {
    if (spelling.text == text) return spelling.dtype;
  }
  return std::nullopt;
}

// What config.json says of the weights: "torch_dtype", since transformers 4.56 "dtype"; models of
// several parts may say it in the section of the language model.
std::string_view stated_dtype(const JsonReader& config) {
  for (const JsonReader& part : {config, config.section("text_config")}) {
    for (const std::string_view key : {"torch_dtype", "dtype"}) {
      if (part.has(key)) return part.text(key);
    }
  }
  return {};
}

}  // namespace

DType choose_dtype(std::string_view option, const JsonReader& config,
                   std::optional<Encoding> stored) {
  if (option != "auto") {
    if (const auto dtype = dtype_of(option)) return *dtype;
    throw Error(ErrorKind::kConfig, str("--dtype: \"", option, "\" is not known; use auto, half, ",
                                        "float16, bfloat16, float or float32"));
  }
  std::string_view stated = stated_dtype(config);
  if (stated.empty()) stated = stored ? name_of(*stored) : "float32";
  const auto dtype = dtype_of(stated);
  if (!dtype) {
    throw Error(ErrorKind::kConfig,
                str(config.origin(), ": torch_dtype is \"", stated,
                    "\", expected float16, bfloat16 or float32; choose one ", "with --dtype"));
  }
  if (*dtype != DType::kF32) return *dtype;
  LOG_INFO("Downcasting torch.float32 to torch.float16.");
  return DType::kF16;
}

}  // namespace pagoda
