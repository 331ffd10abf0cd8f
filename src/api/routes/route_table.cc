#include "api/routes/route_table.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "api/http/error_body.h"
#include "api/routes/routes.h"

namespace pagoda {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/version", &version_reply, Counted::kNo},
    {"GET", "/health", &health_reply, Counted::kNo},
    {"GET", "/ping", &health_reply, Counted::kNo},
    {"POST", "/ping", &health_reply, Counted::kNo},
    {"GET", "/load", &load_reply, Counted::kNo},
    {"GET", "/metrics", &metrics_reply, Counted::kNo},
    {"GET", "/v1/models", &models_reply},
    {"POST", "/v1/completions", &answer_completion},
    {"POST", "/v1/chat/completions", &answer_chat},
    {"POST", "/tokenize", &answer_tokenize},
    {"POST", "/detokenize", &answer_detokenize},
    {"POST", "/invocations", &answer_invocation},
    {"POST", "/v1/embeddings", UnsupportedRoute{"Embeddings"}},
    {"POST", "/pooling", UnsupportedRoute{"Pooling"}},
    {"POST", "/classify", UnsupportedRoute{"Classification"}},
    {"POST", "/score", UnsupportedRoute{"Score"}},
    {"POST", "/v1/score", UnsupportedRoute{"Score"}},
    {"POST", "/rerank", UnsupportedRoute{"Rerank (Score)"}},
    {"POST", "/v1/rerank", UnsupportedRoute{"Rerank (Score)"}},
    {"POST", "/v2/rerank", UnsupportedRoute{"Rerank (Score)"}},
    {"POST", "/v1/audio/transcriptions", UnsupportedRoute{"Transcriptions"}},
    {"POST", "/v1/audio/translations", UnsupportedRoute{"Translations"}},
    {"GET", "/server_info", &server_info_reply, Counted::kNo, Offered::kInDevMode},
    {"POST", "/reset_prefix_cache", &reset_prefix_cache_reply, Counted::kYes, Offered::kInDevMode},
};

bool has_path(const Route& route, std::string_view path, bool dev_mode) {
  return route.path == path && (dev_mode || route.offered == Offered::kAlways);
}

}  // namespace

const Route* find_route(std::string_view method, std::string_view path, bool dev_mode) {
  const auto* const at = std::find_if(
      std::begin(kRoutes), std::end(kRoutes), [method, path, dev_mode](const Route& route) {
        return route.method == method && has_path(route, path, dev_mode);
      });
  return at == std::end(kRoutes) ? nullptr : at;
}

HttpReply no_route_reply(std::string_view path, bool dev_mode) {
  std::string methods;
  for (const Route& route : kRoutes) {
    if (!has_path(route, path, dev_mode)) continue;
    methods += (methods.empty() ? "" : ", ") + std::string(route.method);
  }
  if (methods.empty()) return detail_reply(404, "Not Found");
  HttpReply reply = detail_reply(405, "Method Not Allowed");
  reply.headers.push_back({"allow", methods});
  return reply;
}

}  // namespace pagoda
