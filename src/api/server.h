// The HTTP server: binds a port at once, answers 503 while the model loads, then serves the
// OpenAI API in front of an engine.
//
//   Server server(config);              // the port is ours from here on
//   server.start();                     // clients get 503
//   Engine engine(..., server.sink());  // minutes, maybe
//   server.attach(parts);               // now requests are served
//   engine.run();                       // events come through the sink
//
// Thread rule: all of these calls on one thread (main), but sink() is for the engine's,
// reload_tls() for any, and drain() and stop() may be called from any while engine.run() runs.
// Invariant: nothing a client sends stops the server.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/server_config.h"
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

class Server {
 public:
  // Binds. Throws kConfig naming host, port and the reason, or what is wrong with a file of TLS.
  explicit Server(const ServerConfig& config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;  // the one that was bound

  // Starts the I/O threads. /version answers, everything else gets 503 until attach().
  void start();
  // Reads key and certificate again, for the connections to come. Throws kConfig where they are
  // wrong, and goes on with those it has. Nothing happens where there is no TLS.
  void reload_tls();
  // Where the engine reports to.
  EventSink& sink();
  // From now on requests are served. Throws kConfig where the parts do not fit the configuration
  // (an unknown parser, a reasoning parser whose marks the vocabulary lacks).
  void attach(ServiceParts parts);

  // Stops accepting, lets what runs finish, closes idle connections. Returns when no request is in
  // flight, after `grace` at the latest: whether all had finished.
  bool drain(std::chrono::milliseconds grace);
  // Cancels what is still running, closes all connections and joins the I/O threads. The engine may
  // go after this, not before.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pagoda
