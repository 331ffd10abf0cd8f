// What every route needs to answer a request.
//
// Thread rule: fixed while requests are served; any thread may read it.
#pragma once

#include <algorithm>
#include <string>

#include "api/server_config.h"
#include "api/service_parts.h"

namespace pagoda {

class PictureLoader;

struct RouteContext {
  const ServerConfig* config = nullptr;
  ServiceParts parts;
  EngineFacts facts;
  PictureLoader* picture_loader = nullptr;  // where the model sees pictures

  bool sees_pictures() const { return picture_loader != nullptr; }
  const OpenAiConfig& openai() const { return config->openai; }
  // Ids below it are tokens of both the tokenizer and the model.
  int64_t vocab() const { return std::min(facts.vocab, parts.tokenizer->vocab_size()); }
  const std::string& default_model() const { return config->openai.served_model_names.front(); }
};

}  // namespace pagoda
