// The routes without a body: what the server is and does.

#include <boost/json.hpp>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "api/answers/random_id.h"
#include "api/routes/api_counters.h"
#include "api/routes/metrics_page.h"
#include "api/routes/routes.h"
#include "base/json_writer.h"

namespace pagoda {

namespace json = boost::json;

namespace {

// The version that we are a drop-in for: clients decide by it what they may ask.
constexpr std::string_view kVersion = "0.9.2";

json::object model_card(const std::string& name, int64_t now, const ApiModel& served) {
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
                       {"root", served.parts.model},
                       {"parent", nullptr},
                       {"max_model_len", served.facts.max_model_len}};
  json::array permissions;
  permissions.emplace_back(std::move(permission));
  card["permission"] = std::move(permissions);
  return card;
}

}  // namespace

HttpReply version_reply() {
  return json_reply(200, to_json(json::object{{"version", kVersion}}));
}

HttpReply health_reply(const RouteContext& context) {
  return empty_reply(context.served.parts.engine->is_alive() ? 200 : 500);
}

HttpReply load_reply(const RouteContext& context) {
  // The request that asks is in flight as well.
  return json_reply(200, to_json(json::object{{"server_load", context.counters->in_flight() - 1}}));
}

HttpReply metrics_reply(const RouteContext& context) {
  const ApiModel& served = context.served;
  HttpReply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = metrics_text(served.parts.engine->metrics(), context.counters->snapshot(),
                            served.default_name(), served.parts.cache_config);
  return reply;
}

HttpReply models_reply(const RouteContext& context) {
  const int64_t now = std::time(nullptr);
  json::array cards;
  for (const std::string& name : context.served.openai().served_model_names) {
    cards.emplace_back(model_card(name, now, context.served));
  }
  return json_reply(200, to_json(json::object{{"object", "list"}, {"data", std::move(cards)}}));
}

HttpReply server_info_reply(const RouteContext& context) {
  return json_reply(200, to_json(json::object{{"vllm_config", context.served.parts.server_info}}));
}

HttpReply reset_prefix_cache_reply(const RouteContext& context) {
  context.served.parts.engine->reset_prefix_cache();
  return empty_reply(200);
}

}  // namespace pagoda
