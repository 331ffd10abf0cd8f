// A service with the demo model's tokenizer and chat template in front of a scripted engine.
#pragma once

#include <boost/json.hpp>
#include <future>
#include <optional>
#include <string>

#include "api/routes/service.h"
#include "api/routes/test_engine.h"
#include "base/json_writer.h"

namespace pagoda {

inline std::string demo_folder() {
  return std::string(PAGODA_SOURCE_DIR) + "/models/demo";
}

// The whole answer, streams included.
inline HttpReply ask(Service& service, ScriptedEngine& engine, const HttpRequest& request) {
  RouteAnswer answer = service.answer(request);
  if (answer.preparation) {
    std::promise<void> done;
    answer.preparation->start([&done] { done.set_value(); });
    done.get_future().wait();
    service.finish(answer);
  }
  if (!answer.generation) return answer.reply;
  Generation& generation = *answer.generation;
  std::map<uint64_t, int> choices;
  std::vector<Request> requests = generation.take_requests();
  for (size_t i = 0; i < requests.size(); ++i) {
    choices[requests[i].id.value()] = static_cast<int>(i);
    engine.submit(std::move(requests[i]));
  }
  while (!generation.is_done()) {
    for (Event& event : engine.step()) {
      const int choice = choices.at(event.id.value());
      generation.on_event(choice, std::move(event));
    }
  }
  if (!generation.is_stream()) return generation.reply();
  HttpReply stream;
  stream.content_type = "text/event-stream";
  stream.body = generation.unsent();
  return stream;
}

struct ServiceFixture {
  static ServerConfig default_config() {
    ServerConfig config;
    config.openai.served_model_names = {"demo"};
    config.log.requests = false;
    config.log.access = false;
    return config;
  }

  explicit ServiceFixture(const ServerConfig& config = default_config(),
                          SamplingDefaults defaults = {})
      : tokenizer(Tokenizer::load(demo_folder())),
        chat_template(ChatTemplate::find(demo_folder())),
        engine(tokenizer),
        service(config) {
    service.attach({.engine = &engine,
                    .tokenizer = &tokenizer,
                    .chat_template = &*chat_template,
                    .special_tokens = ChatTemplate::special_tokens_of(demo_folder()),
                    .sampling_defaults = std::move(defaults),
                    .model = "demo-model",
                    .server_info = {},
                    .cache_config = {}});
  }

  static HttpRequest http(const std::string& method, const std::string& target,
                          std::string body = {}) {
    HttpRequest request = {.method = method,
                           .target = target,
                           .headers = {},
                           .body = std::move(body),
                           .peer = "127.0.0.1:1"};
    if (!request.body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    return request;
  }

  HttpReply ask(const HttpRequest& request) { return pagoda::ask(service, engine, request); }
  HttpReply post(const std::string& target, std::string body) {
    return ask(http("POST", target, std::move(body)));
  }

  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  ScriptedEngine engine;
  Service service;
};

// The body without what differs from run to run: ids and times.
inline std::string steady(const std::string& body) {
  std::string out;
  for (size_t i = 0; i < body.size();) {
    bool cut = false;
    for (const std::string_view key :
         {"\"id\":\"cmpl-", "\"id\":\"chatcmpl-", "\"id\":\"modelperm-"}) {
      if (body.compare(i, key.size(), key) != 0) continue;
      out += "\"id\":\"ID\"";
      i = body.find('"', i + key.size()) + 1;
      cut = true;
      break;
    }
    const std::string_view created = "\"created\":";
    if (!cut && body.compare(i, created.size(), created) == 0) {
      out += "\"created\":0";
      i = body.find_first_not_of("0123456789", i + created.size());
      cut = true;
    }
    if (!cut) out += body[i++];
  }
  return out;
}

// What a client reads in an error: message and type.
inline std::string message_of(const HttpReply& reply) {
  const auto body = boost::json::parse(reply.body).as_object();
  return std::string(body.at("message").as_string());
}

// Of all chunks of a stream, what `path` leads to, joined. Chunks without it add nothing.
inline std::string joined(const std::string& stream, const std::string& pointer) {
  std::string out;
  for (size_t at = stream.find("data: "); at != std::string::npos;) {
    const size_t end = stream.find("\n\n", at);
    const std::string text = stream.substr(at + 6, end - at - 6);
    at = stream.find("data: ", end);
    if (text == "[DONE]") continue;
    boost::json::error_code failed;
    const auto chunk = boost::json::parse(text);
    const boost::json::value* found = chunk.find_pointer(pointer, failed);
    if (found != nullptr && found->is_string()) out += std::string(found->get_string());
  }
  return out;
}

}  // namespace pagoda
