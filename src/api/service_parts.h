// What requests are served with: the engine, and what of the model's files the API needs to know.
//
// Thread rule: values, fixed once they are attached to a server; see Server::attach().
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/engine_client.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/tokenizer.h"
#include "vision/patches.h"
#include "vision/picture.h"

namespace pagoda {

// What generation_config.json and --override-generation-config say; absent ones are vLLM's own.
struct SamplingDefaults {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  std::optional<int64_t> max_new_tokens;  // an upper limit of max_tokens
  // End tokens beside the engine's own: stop_token_ids of every request without ignore_eos.
  std::vector<TokenId> stop_token_ids;
};

// What a model that sees pictures needs to know of them.
struct PictureParts {
  PatchConfig patches;      // preprocessor_config.json and --mm-processor-kwargs
  TokenId token;            // stands for one merged patch
  std::string placeholder;  // of a picture, in a text that a chat template gets
  PictureStore* store = nullptr;
};

// What requests are served with. Everything pointed at must outlive stop().
struct ServiceParts {
  EngineClient* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;  // none: chat requests are refused
  boost::json::object special_tokens;           // for templates that come with a request
  SamplingDefaults sampling_defaults;
  std::string model;                          // as typed or found: "root" of /v1/models
  boost::json::object server_info;            // what GET /server_info shows in development mode
  boost::json::object cache_config;           // labels of the metric vllm:cache_config_info
  std::optional<PictureParts> pictures = {};  // none: the model sees none
};

}  // namespace pagoda
