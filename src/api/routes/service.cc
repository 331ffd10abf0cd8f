#include "api/routes/service.h"

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "api/answers/random_id.h"
#include "api/http/access.h"
#include "api/http/error_body.h"
#include "api/pictures/picture_loader.h"
#include "api/requests/json_body.h"
#include "api/routes/route_table.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/answer/reasoning_parser.h"
#include "text/answer/tool_call_parser.h"

namespace pagoda {
namespace {

// Text is tokenized at some 10 MB/s, so what is larger would hold up an I/O thread for longer than
// a decoding step.
constexpr size_t kHeavyBytes = 32 << 10;

// Fields by which a small body can ask for much: a template and what it is given can compute as
// long as TemplateLimits lets them, and n multiplies the choices. A letter of a name can be written
// as \u0061, which no honest writer of JSON does.
constexpr std::string_view kHeavyWords[] = {"\"chat_template", "\"tools\"", "\"documents\"",
                                            "\"n\"",           "\\u004",    "\\u005",
                                            "\\u006",          "\\u007"};

[[noreturn]] void refuse_for_now(std::string_view message) {
  HttpReply reply = error_reply(503, "ServiceUnavailableError", message);
  reply.headers.push_back({"retry-after", "1"});
  throw Refusal(std::move(reply));
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

// What `make` gives, or the answer that its error becomes.
template <class Make>
RouteAnswer guarded(const Route* const& route, const Make& make) {
  try {
    return make();
  } catch (const Refusal& e) {
    return {.reply = e.reply()};
  } catch (const Error& e) {
    const ErrorMeaning meaning = meaning_of(e.kind());
    const bool by_client = e.kind() == ErrorKind::kRequest;
    return {.reply = error_reply(meaning.http_status, by_client ? "BadRequestError" : meaning.name,
                                 e.what())};
  } catch (const std::exception& e) {
    // A bug of ours or memory that ran out: this request fails, the others go on.
    LOG_ERROR("{} failed: {}", route == nullptr ? "a request" : route->path, e.what());
    return {.reply = failure_reply(failure_of(e))};
  }
}

}  // namespace

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
  const EngineFacts facts = parts.engine->facts();
  auto context = std::make_unique<RouteContext>();
  context->served = {.config = &config_, .parts = std::move(parts), .facts = facts};
  context->counters = &counters_;
  if (context->served.sees_pictures()) {
    picture_loader_ =
        std::make_unique<PictureLoader>(config_.pictures, *context->served.parts.pictures->store);
    context->picture_loader = picture_loader_.get();
  }
  counters_.set_max_model_len(facts.max_model_len);
  context_ = std::move(context);
  ready_ = context_.get();
}

bool Service::is_heavy(const HttpRequest& request) {
  const std::string_view body = request.body;
  return body.size() > kHeavyBytes ||
         std::any_of(std::begin(kHeavyWords), std::end(kHeavyWords), [body](std::string_view word) {
           return body.find(word) != std::string_view::npos;
         });
}

RouteAnswer Service::answer(const HttpRequest& request, std::stop_token abandoned) {
  if (auto reply = preflight_reply(request, config_.access)) return {.reply = std::move(*reply)};
  const Route* route = nullptr;
  RouteAnswer out = guarded(route, [&] { return call({request, std::move(abandoned)}, route); });
  out.route = route;
  for (HttpHeader& h : cors_headers(request, config_.access)) {
    out.reply.headers.push_back(std::move(h));
  }
  if (config_.enable_request_id_headers) {
    out.reply.headers.push_back({"X-Request-Id", request_id_of(request)});
  }
  return out;
}

// `route` is set before it is called, so that its errors are counted as its answers.
RouteAnswer Service::call(const Asked& asked, const Route*& route) const {
  const HttpRequest& request = asked.request;
  const std::string_view path = without_root(request.path(), config_.root_path);
  if (!has_access(request, path, config_.access)) {
    throw Refusal(json_reply(401, "{\"error\":\"Unauthorized\"}"));
  }
  const Route* found = find_route(request.method, path, config_.server_dev_mode);
  const RouteContext* context = ready_;
  if (context == nullptr && (found == nullptr || found->needs_model())) {
    refuse_for_now("the model is still loading; try again in a moment");
  }
  if (found == nullptr) throw Refusal(no_route_reply(path, config_.server_dev_mode));
  route = found;
  if (const auto* body = std::get_if<BodyRoute>(&found->kind)) {
    return call_with_body(*body, asked, *context);
  }
  if (const auto* state = std::get_if<StateRoute>(&found->kind))
    return {.reply = (*state)(*context)};
  if (const auto* fixed = std::get_if<FixedRoute>(&found->kind)) return {.reply = (*fixed)()};
  throw Error(ErrorKind::kRequest, str("The model does not support ",
                                       std::get<UnsupportedRoute>(found->kind).api, " API"));
}

RouteAnswer Service::call_with_body(BodyRoute route, const Asked& asked,
                                    const RouteContext& context) const {
  const boost::json::object body = json_body_of(asked.request);
  if (!context.served.parts.engine->is_alive()) {
    throw Refusal(error_reply(500, "InternalServerError",
                              "the engine has stopped after a failure; restart the server"));
  }
  if (draining_) refuse_for_now("the server is shutting down");
  return route(
      {.body = body, .request_id = request_id_of(asked.request), .abandoned = asked.abandoned},
      context);
}

void Service::finish(RouteAnswer& answer) {
  const std::unique_ptr<Preparation> preparation = std::move(answer.preparation);
  RouteAnswer made = guarded(answer.route, [&] { return preparation->finish(); });
  for (HttpHeader& h : answer.reply.headers) made.reply.headers.push_back(std::move(h));
  answer.reply = std::move(made.reply);
  answer.generation = std::move(made.generation);
}

void Service::complete(RouteAnswer& answer) {
  RouteAnswer made =
      guarded(answer.route, [&] { return RouteAnswer{.reply = answer.generation->reply()}; });
  for (HttpHeader& h : answer.reply.headers) made.reply.headers.push_back(std::move(h));
  answer.reply = std::move(made.reply);
}

void Service::count(const HttpRequest& request, const RouteAnswer& answer, double seconds) {
  if (answer.route == nullptr || answer.route->counted == Counted::kNo) return;
  counters_.count({.route = answer.route->path,
                   .method = request.method,
                   .status = answer.reply.status,
                   .request_bytes = request.body.size(),
                   .response_bytes = answer.reply.body.size(),
                   .seconds = seconds});
}

}  // namespace pagoda
