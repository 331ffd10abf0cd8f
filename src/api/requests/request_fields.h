// The fields that /v1/completions and /v1/chat/completions share, as they stand in the request.
//
// Thread rule: pure functions on values.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/api_model.h"
#include "api/requests/validation.h"

namespace pagoda {

struct RequestFields {
  std::string model;  // empty: the one that is served
  std::optional<int64_t> n, best_of;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<double> presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, seed, min_tokens, max_tokens, truncate;
  // How many of the most likely tokens beside each: of the answer, of the prompt.
  std::optional<int64_t> logprobs, prompt_logprobs;
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

// Reads them, after the checks that vLLM runs on the whole body. Throws a Refusal that tells what
// is wrong.
RequestFields read_request_fields(FieldReader& in);

// Throws a Refusal (404) where no model is served under that name.
void require_model(const std::string& name, const ApiModel& served);

// Throws kRequest where the request wants what this server cannot do yet, naming field and remedy.
void refuse_what_is_missing(const boost::json::object& body);

}  // namespace pagoda
