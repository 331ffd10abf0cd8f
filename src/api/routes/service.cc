#include "api/routes/service.h"

#include <boost/json.hpp>
#include <ctime>

#include "api/answers/random_id.h"
#include "api/http/access.h"
#include "api/http/error_body.h"
#include "api/pictures/picture_loader.h"
#include "api/requests/json_body.h"
#include "api/routes/metrics_page.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/answer/reasoning_parser.h"
#include "text/answer/tool_call_parser.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// The version that we are a drop-in for: clients decide by it what they may ask.
constexpr std::string_view kVersion = "0.9.2";
// Text is tokenized at some 10 MB/s, so what is larger would hold up an I/O thread for longer than
// a decoding step.
constexpr size_t kHeavyBytes = 32 << 10;

RouteAnswer whole(HttpReply reply) {
  return {.reply = std::move(reply), .generation = nullptr};
}

RouteAnswer unsupported(std::string_view api) {
  return whole(
      error_reply(400, "BadRequestError", str("The model does not support ", api, " API")));
}

HttpReply not_ready(std::string_view message) {
  HttpReply reply = error_reply(503, "ServiceUnavailableError", message);
  reply.headers.push_back({"retry-after", "1"});
  return reply;
}

std::string request_id_of(const HttpRequest& request) {
  const auto given = request.header("x-request-id");
  return given && !given->empty() ? to_valid_utf8(*given) : random_hex_id();
}

// Both "/v1/models" and "/root/v1/models" reach the route, whether the proxy cuts the root or not.
std::string_view without_root(std::string_view path, std::string_view root) {
  while (!root.empty() && root.back() == '/') root.remove_suffix(1);
  if (root.empty() || !path.starts_with(root)) return path;
  const std::string_view rest = path.substr(root.size());
  return rest.starts_with('/') ? rest : path;
}

using JsonRoute = RouteAnswer (*)(const RouteRequest&, const RouteContext&);

// What `make` gives, or the answer that its error becomes.
template <class Make>
RouteAnswer guarded(std::string_view path, const Make& make) {
  try {
    return make();
  } catch (const Error& e) {
    const bool by_client = e.kind() == ErrorKind::kRequest;
    return whole(error_reply(meaning_of(e.kind()).http_status,
                             by_client ? "BadRequestError" : meaning_of(e.kind()).name, e.what()));
  } catch (const std::exception& e) {
    // A bug of ours or memory that ran out: this request fails, the others go on.
    LOG_ERROR("{} failed: {}", path, e.what());
    return whole(error_reply(500, "InternalServerError", e.what()));
  }
}

// SageMaker's only route: what the body looks like decides.
RouteAnswer answer_invocation(const RouteRequest& request, const RouteContext& context) {
  const bool is_chat = request.body.contains("messages");
  return is_chat ? answer_chat(request, context) : answer_completion(request, context);
}

}  // namespace

// Exactly one of `json` and `plain` is set, or `unsupported` names the API that the model lacks.
struct Service::Route {
  std::string_view method, path;
  JsonRoute json = nullptr;
  RouteAnswer (Service::*plain)(const HttpRequest&, const RouteContext&) = nullptr;
  std::string_view unsupported = {};
  bool only_in_dev_mode = false;
};

std::span<const Service::Route> Service::routes() {
  static constexpr Route kRoutes[] = {
      {"GET", "/health", nullptr, &Service::health},
      {"GET", "/ping", nullptr, &Service::health},
      {"POST", "/ping", nullptr, &Service::health},
      {"GET", "/load", nullptr, &Service::load},
      {"GET", "/metrics", nullptr, &Service::metrics},
      {"GET", "/v1/models", nullptr, &Service::models},
      {"POST", "/v1/completions", &answer_completion},
      {"POST", "/v1/chat/completions", &answer_chat},
      {"POST", "/tokenize", &answer_tokenize},
      {"POST", "/detokenize", &answer_detokenize},
      {"POST", "/invocations", &answer_invocation},
      {"POST", "/v1/embeddings", nullptr, nullptr, "Embeddings"},
      {"POST", "/pooling", nullptr, nullptr, "Pooling"},
      {"POST", "/classify", nullptr, nullptr, "Classification"},
      {"POST", "/score", nullptr, nullptr, "Score"},
      {"POST", "/v1/score", nullptr, nullptr, "Score"},
      {"POST", "/rerank", nullptr, nullptr, "Rerank (Score)"},
      {"POST", "/v1/rerank", nullptr, nullptr, "Rerank (Score)"},
      {"POST", "/v2/rerank", nullptr, nullptr, "Rerank (Score)"},
      {"POST", "/v1/audio/transcriptions", nullptr, nullptr, "Transcriptions"},
      {"POST", "/v1/audio/translations", nullptr, nullptr, "Translations"},
      {"GET", "/server_info", nullptr, &Service::server_info, {}, true},
      {"POST", "/reset_prefix_cache", nullptr, &Service::reset_prefix_cache, {}, true},
  };
  return kRoutes;
}

Service::Service(const ServerConfig& config) : config_(config) {}
Service::~Service() = default;

void Service::attach(ServiceParts parts) {
  const OpenAiConfig& openai = config_.openai;
  if (openai.served_model_names.empty()) {
    throw Error(ErrorKind::kConfig,
                "--served-model-name: there is no name to serve the model under");
  }
  if (!openai.tool_call_parser.empty()) make_tool_call_parser(openai.tool_call_parser);
  if (!openai.reasoning_parser.empty()) {
    make_reasoning_parser(openai.reasoning_parser);
    const ReasoningMarks marks = reasoning_marks(openai.reasoning_parser);
    for (const std::string_view mark : {marks.begin, marks.end}) {
      if (parts.tokenizer->id_of(mark)) continue;
      throw Error(ErrorKind::kConfig,
                  str("--reasoning-parser ", openai.reasoning_parser,
                      " could not locate think start/end tokens in the tokenizer! ", mark,
                      " is missing; this model needs another parser, or none"));
    }
  }
  auto context = std::make_unique<RouteContext>();
  context->config = &config_;
  context->facts = parts.engine->facts();
  context->parts = std::move(parts);
  if (context->parts.pictures && context->facts.max_picture_tokens > 0) {
    picture_loader_ =
        std::make_unique<PictureLoader>(config_.pictures, *context->parts.pictures->store);
    context->picture_loader = picture_loader_.get();
  }
  counters_.set_max_model_len(context->facts.max_model_len);
  context_ = std::move(context);
  ready_ = context_.get();
}

EngineClient* Service::engine() const {
  const RouteContext* context = ready_;
  return context == nullptr ? nullptr : context->parts.engine;
}

bool Service::is_heavy(const HttpRequest& request) {
  return request.body.size() > kHeavyBytes;
}

ServiceAnswer Service::answer(const HttpRequest& request) {
  if (auto reply = preflight_reply(request, config_.access)) {
    return {.reply = std::move(*reply), .generation = nullptr, .route = {}};
  }
  ServiceAnswer out;
  const std::string_view path = without_root(request.path(), config_.root_path);
  if (has_access(request, path, config_.access)) {
    out = answer_route(request, path);
  } else {
    out.reply = json_reply(401, "{\"error\":\"Unauthorized\"}");
  }
  for (HttpHeader& h : cors_headers(request, config_.access)) {
    out.reply.headers.push_back(std::move(h));
  }
  if (config_.enable_request_id_headers) {
    out.reply.headers.push_back({"X-Request-Id", request_id_of(request)});
  }
  return out;
}

ServiceAnswer Service::answer_route(const HttpRequest& request, std::string_view path) {
  if (request.method == "GET" && path == "/version") {
    return {.reply = json_reply(200, to_json(json::object{{"version", kVersion}})),
            .generation = nullptr,
            .route = "/version"};
  }
  const RouteContext* context = ready_;
  if (context == nullptr) {
    return {.reply = not_ready("the model is still loading; try again in a moment"),
            .generation = nullptr,
            .route = {}};
  }
  std::string allowed;
  for (const Route& route : routes()) {
    if (route.path != path || (route.only_in_dev_mode && !config_.server_dev_mode)) continue;
    if (route.method == request.method) return call(route, request, *context);
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  ServiceAnswer out;
  out.reply =
      allowed.empty() ? detail_reply(404, "Not Found") : detail_reply(405, "Method Not Allowed");
  if (!allowed.empty()) out.reply.headers.push_back({"allow", allowed});
  return out;
}

ServiceAnswer Service::call(const Route& route, const HttpRequest& request,
                            const RouteContext& context) {
  RouteAnswer answer = guarded(route.path, [&] {
    if (route.plain != nullptr) return (this->*route.plain)(request, context);
    if (!route.unsupported.empty()) return unsupported(route.unsupported);
    return answer_json(route, request, context);
  });
  return {.reply = std::move(answer.reply),
          .generation = std::move(answer.generation),
          .route = route.path,
          .preparation = std::move(answer.preparation)};
}

void Service::finish(ServiceAnswer& answer) {
  const std::unique_ptr<Preparation> preparation = std::move(answer.preparation);
  RouteAnswer made = guarded(answer.route, [&] { return preparation->finish(); });
  for (HttpHeader& h : answer.reply.headers) made.reply.headers.push_back(std::move(h));
  answer.reply = std::move(made.reply);
  answer.generation = std::move(made.generation);
}

RouteAnswer Service::answer_json(const Route& route, const HttpRequest& request,
                                 const RouteContext& context) {
  auto body = json_body_of(request);
  if (auto* failed = std::get_if<HttpReply>(&body)) return whole(std::move(*failed));
  if (!context.parts.engine->is_alive()) {
    return whole(error_reply(500, "InternalServerError",
                             "the engine has stopped after a failure; restart the server"));
  }
  if (draining_) return whole(not_ready("the server is shutting down"));
  return route.json({std::get<json::object>(body), request_id_of(request)}, context);
}

RouteAnswer Service::health(const HttpRequest& /*request*/, const RouteContext& context) {
  return whole(empty_reply(context.parts.engine->is_alive() ? 200 : 500));
}

RouteAnswer Service::load(const HttpRequest& /*request*/, const RouteContext& /*context*/) {
  // The request that asks is in flight as well.
  return whole(json_reply(200, to_json(json::object{{"server_load", in_flight() - 1}})));
}

RouteAnswer Service::models(const HttpRequest& /*request*/, const RouteContext& context) {
  const int64_t now = std::time(nullptr);
  json::array cards;
  for (const std::string& name : context.openai().served_model_names) {
    json::object permission = {{"id", "modelperm-" + random_hex_id()},
                               {"object", "model_permission"},
                               {"created", now},
                               {"allow_create_engine", false},
                               {"allow_sampling", true},
                               {"allow_logprobs", true},
                               {"allow_search_indices", false},
                               {"allow_view", true},
                               {"allow_fine_tuning", false},
                               {"organization", "*"},
                               {"group", nullptr},
                               {"is_blocking", false}};
    json::object card = {{"id", name},
                         {"object", "model"},
                         {"created", now},
                         {"owned_by", "vllm"},
                         {"root", context.parts.model},
                         {"parent", nullptr},
                         {"max_model_len", context.facts.max_model_len}};
    json::array permissions;
    permissions.emplace_back(std::move(permission));
    card["permission"] = std::move(permissions);
    cards.emplace_back(std::move(card));
  }
  const json::object body = {{"object", "list"}, {"data", std::move(cards)}};
  return whole(json_reply(200, to_json(body)));
}

RouteAnswer Service::metrics(const HttpRequest& /*request*/, const RouteContext& context) {
  HttpReply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = metrics_text(context.parts.engine->metrics(), counters_.snapshot(),
                            context.default_model(), context.parts.cache_config);
  return whole(std::move(reply));
}

RouteAnswer Service::server_info(const HttpRequest& /*request*/, const RouteContext& context) {
  return whole(json_reply(200, to_json(json::object{{"vllm_config", context.parts.server_info}})));
}

RouteAnswer Service::reset_prefix_cache(const HttpRequest& /*request*/,
                                        const RouteContext& context) {
  context.parts.engine->reset_prefix_cache();
  return whole(empty_reply(200));
}

}  // namespace pagoda
