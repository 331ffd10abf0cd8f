// The routes that have a JSON body.
//
// Thread rule: any thread. All throw Error(kRequest) for what the client did wrong.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>

#include "api/answers/generation.h"
#include "api/http/http_message.h"
#include "api/requests/prompt.h"
#include "api/routes/preparation.h"
#include "api/routes/route_context.h"

namespace pagoda {

// The whole reply, or a generation from which it will come, or what has to be done before either.
struct RouteAnswer {
  HttpReply reply;
  std::unique_ptr<Generation> generation;
  std::unique_ptr<Preparation> preparation = {};
};

// A JSON body, and what else of the HTTP request matters to a route.
struct RouteRequest {
  const boost::json::object& body;  // gone when the route has returned
  std::string request_id;           // of the header X-Request-Id, or a new one
};

RouteAnswer answer_completion(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_chat(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_tokenize(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_detokenize(const RouteRequest& request, const RouteContext& context);

// Parts that these routes share.
bool serves_model(const std::string& model, const RouteContext& context);
RouteAnswer unknown_model(const std::string& model);
RouteAnswer invalid_request(const ValidationErrors& errors);
AnswerFrame answer_frame(const RequestFields& fields, std::string id, const RouteContext& context);

// The choices of one prompt. `params` are those of its choice 0.
struct ChoicePlanner {
  const RequestFields& fields;
  const RouteContext& context;
  SamplingParams params;

  void add(const Prompt& prompt, std::vector<PlannedChoice>& plan) const;
};
// Throws kRequest where there would be more choices, or more tokens in them, than one request may
// have.
void check_size(const RequestFields& fields, const std::vector<const TokenIds*>& prompts);

}  // namespace pagoda
