// generation_config.json: what the maker of a model recommends for requests that do not say.
//
// Thread rule: values.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/json_reader.h"

namespace pagoda {

struct GenerationOptions {
  // --generation-config: "auto" the model's file, "vllm" (or "pagoda") neutral defaults, else a
  // folder that holds such a file.
  std::string source = "auto";
  boost::json::object overrides;  // --override-generation-config, laid over any of these
};

// None: the neutral default of the field. Values are in the ranges that requests may use.
struct GenerationDefaults {
  std::optional<double> repetition_penalty, temperature;
  std::optional<int64_t> top_k;
  std::optional<double> top_p, min_p;
  std::optional<int64_t> max_new_tokens;  // bounds every request
  // Tokens that end a request beside the tokenizer's end token, whatever the source of the
  // sampling defaults: without a generation_config.json those of config.json.
  std::vector<TokenId> eos_token_ids;

  // "{'temperature': 0.6, 'top_k': 20}", as the log shows it; "{}" where nothing is set.
  std::string text() const;
};

// Throws kConfig where a value is of the wrong type or out of range, or a folder that was asked
// for has no generation_config.json.
GenerationDefaults load_generation_defaults(const std::filesystem::path& model_folder,
                                            const JsonReader& config,
                                            const GenerationOptions& options);

// The lines with which vLLM tells that requests get other defaults than the neutral ones.
void log_generation_defaults(const GenerationDefaults& defaults, const GenerationOptions& options);

}  // namespace pagoda
