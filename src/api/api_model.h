// The model that is served, as everything that answers a request sees it.
//
// Thread rule: fixed while requests are served; any thread may read it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "api/server_config.h"
#include "api/service_parts.h"

namespace pagoda {

struct ApiModel {
  const ServerConfig* config = nullptr;
  ServiceParts parts;
  EngineFacts facts;

  bool sees_pictures() const { return parts.pictures && facts.max_picture_tokens > 0; }
  const OpenAiConfig& openai() const { return config->openai; }
  // Ids below it are tokens of both the tokenizer and the model.
  int64_t vocab() const { return std::min(facts.vocab, parts.tokenizer->vocab_size()); }
  const std::string& default_name() const { return config->openai.served_model_names.front(); }
};

}  // namespace pagoda
