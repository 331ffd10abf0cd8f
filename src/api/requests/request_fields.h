// The fields that /v1/completions and /v1/chat/completions share, as they stand in the request, and
// what they become for the engine.
//
// Thread rule: pure functions on values.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/requests/validation.h"
#include "api/service_parts.h"
#include "engine/sampling_params.h"

namespace pagoda {

struct RequestFields {
  std::string model;  // empty: the one that is served
  std::optional<int64_t> n, best_of;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<double> presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, seed, min_tokens, max_tokens, prompt_logprobs, truncate;
  std::vector<std::string> stop, bad_words;
  std::vector<int64_t> stop_token_ids;
  std::optional<std::vector<int64_t>> allowed_token_ids;
  std::vector<std::pair<std::string, double>> logit_bias;
  bool include_stop_in_output = false;
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  bool spaces_between_special_tokens = true;
  std::optional<bool> return_tokens_as_token_ids;
  int64_t priority = 0;
  std::string cache_salt;
  bool stream = false;
  bool has_stream_options = false;
  bool include_usage = false;     // a last chunk with the usage
  bool continuous_usage = false;  // the usage so far in every chunk
};

// Reads them, and runs the checks that vLLM runs on the whole body. What is wrong is added to
// `errors`; after that the result means nothing.
RequestFields read_request_fields(const boost::json::object& body, ValidationErrors& errors);

// Throws kRequest where the request wants what this server cannot do yet, naming field and remedy.
void refuse_what_is_missing(const boost::json::object& body);

struct SamplingContext {
  const SamplingDefaults& defaults;
  const EngineFacts& facts;
  const Tokenizer& tokenizer;
  int max_logprobs;
};

// The parameters of choice 0; choice i uses seed + i. `max_tokens` is what the request asks for
// (none: as much as the context leaves), `logprobs` as the engine wants it. Throws kRequest in
// vLLM's words.
SamplingParams sampling_params(const RequestFields& fields, const SamplingContext& context,
                               int64_t prompt_tokens, std::optional<int64_t> max_tokens,
                               std::optional<int64_t> logprobs);

// As vLLM's log prints them.
std::string describe(const SamplingParams& params, const RequestFields& fields);

}  // namespace pagoda
