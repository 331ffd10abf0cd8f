#include "cli/serve.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "api/transport/server.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/health.h"
#include "cli/model_files.h"
#include "cli/shutdown.h"
#include "cli/tls_refresh.h"
#include "cli/version.h"
#include "engine/engine.h"
#include "engine/memory_check.h"
#include "engine/memory_plan.h"
#include "engine/placement.h"
#include "engine/rank_count.h"
#include "load/checkpoint.h"
#include "load/progress_printer.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {
namespace {

namespace json = boost::json;

void log_beginning(const SettingsAndRemarks& given, const std::string& arguments) {
  LOG_INFO("vLLM API server version {} (Pagoda {})", kVllmVersion, kPagodaVersion);
  LOG_INFO("non-default args: {}", arguments);
  for (const std::string& remark : given.remarks) LOG_INFO("{}", remark);
  for (const std::string& warning : given.warnings) LOG_WARNING("{}", warning);
}

std::vector<RankPlace> logged_places(const Settings& settings) {
  const PlacementRequest request = placement_request_of(settings);
  const Topology topology = read_topology();
  std::vector<RankPlace> places = place_ranks(request, topology);
  for (const std::string& line : describe(places, topology)) LOG_INFO("{}", line);
  return places;
}

EngineConfig engine_config_of(const Settings& settings, const ModelFiles& files,
                              const Tokenizer& tokenizer) {
  EngineConfig config = settings.engine;
  config.model.folder = files.folder;
  config.model.definition = files.definition;
  config.model.dtype = files.dtype;
  config.model.eos_token = tokenizer.eos();
  config.model.pictures = files.pictures;
  return config;
}

// Of the weights that will be loaded, without their numbers.
std::unique_ptr<WeightSource> shapes_of(const Settings& settings, const ModelFiles& files) {
  const bool is_dummy = settings.engine.model.load_format == LoadFormat::kDummy;
  return make_shapes(is_dummy ? nullptr : open_checkpoint(files.folder), files.dtype);
}

ServerConfig server_config_of(const Settings& settings) {
  ServerConfig config = settings.server;
  if (config.openai.served_model_names.empty()) {
    config.openai.served_model_names = {settings.model.model};
  }
  return config;
}

// None where the model sees no pictures.
std::optional<PictureParts> picture_parts_of(const ModelFiles& files, const Tokenizer& tokenizer,
                                             PictureStore& store) {
  if (!files.pictures) return std::nullopt;
  const ModelFacts& facts = files.definition.facts;
  // The marks around a picture, where the model has them.
  const auto text_of = [&](std::optional<TokenId> token) {
    return token ? tokenizer.token(*token) : std::string();
  };
  return PictureParts{.patches = *files.pictures,
                      .token = *facts.image_token,
                      .placeholder = str(text_of(facts.picture_begin), text_of(facts.image_token),
                                         text_of(facts.picture_end)),
                      .store = &store};
}

// Labels of vllm:cache_config_info, as Python prints the values.
json::object cache_labels(const EngineConfig& config, const EngineFacts& facts) {
  const auto override_blocks = config.cache.num_blocks_override;
  std::string utilization;
  append_json_number(utilization, config.cache.memory_utilization);
  return {{"block_size", std::to_string(facts.block_size)},
          {"cache_dtype", "auto"},
          {"calculate_kv_scales", "False"},
          {"cpu_offload_gb", "0"},
          {"enable_prefix_caching", config.scheduler.prefix_caching ? "True" : "False"},
          {"gpu_memory_utilization", utilization},
          {"is_attention_free", "False"},
          {"num_cpu_blocks", "None"},
          {"num_gpu_blocks", std::to_string(facts.num_blocks)},
          {"num_gpu_blocks_override",
           override_blocks ? std::to_string(*override_blocks) : std::string("None")},
          {"prefix_caching_hash_algo", "builtin"},
          {"sliding_window", "None"},
          {"swap_space", "4"},
          {"swap_space_bytes", std::to_string(int64_t{4} << 30)}};
}

json::object server_info_of(const Settings& settings, const EngineConfig& config,
                            const EngineFacts& facts) {
  return {{"model", settings.model.model},
          {"dtype", name_of(config.model.dtype)},
          {"backend", config.backend},
          {"max_model_len", facts.max_model_len},
          {"max_num_seqs", config.scheduler.max_sequences},
          {"max_num_batched_tokens", config.scheduler.max_step_tokens},
          {"tensor_parallel_size", config.parallel.tensor_parallel_size},
          {"cache_config", cache_labels(config, facts)}};
}

void log_ready(const ServerConfig& config, uint16_t port, bool chats) {
  const std::string& host = config.listen.host;
  LOG_INFO("Starting vLLM API server 0 on {}{}:{}", config.tls.is_on() ? "https://" : "http://",
           host.empty() ? "0.0.0.0" : host, port);
  LOG_INFO("Application startup complete.");
  json::object request = {{"model", config.openai.served_model_names.front()}};
  if (chats) {
    request["messages"] = json::array{{{"role", "user"}, {"content", "Who are you?"}}};
  } else {
    request["prompt"] = "The future of AI is";
  }
  LOG_INFO(
      "Try it: curl {}{}{} -H 'Content-Type: application/json'{} -d '{}'", local_url(config, port),
      config.root_path, chats ? "/v1/chat/completions" : "/v1/completions",
      config.access.api_keys.empty() ? "" : " -H 'Authorization: Bearer <key>'", to_json(request));
}

// Hands events on, and keeps the reason if the engine dies.
class WatchedSink final : public EventSink {
 public:
  explicit WatchedSink(EventSink& next) : next_(next) {}
  void on_events(std::vector<Event> events) override { next_.on_events(std::move(events)); }
  void on_engine_death(const std::string& reason) override {
    reason_ = reason;
    next_.on_engine_death(reason);
  }
  // Engine thread. Empty: alive, or stopped.
  const std::string& reason() const { return reason_; }

 private:
  EventSink& next_;
  std::string reason_;
};

// A collector reads lines, though the container may have a terminal.
bool draws_bars(const Settings& settings) {
  return settings.log.format == LogFormat::kText && isatty(STDERR_FILENO) == 1;
}

// The parts of a running server, in the order in which they come up.
class Service {
 public:
  explicit Service(const Settings& settings)
      : settings_(settings),
        server_config_(server_config_of(settings)),
        server_(server_config_),
        sink_(server_.sink()) {
    server_.start();
  }

  // The port is ours by now: it would be a pity to find it taken after hours of downloading.
  void load() {
    std::vector<RankPlace> places = logged_places(settings_);
    files_ = checked_files(settings_);
    tokenizer_ = Tokenizer::load(files_.tokenizer_folder);
    chat_template_ = open_chat_template(settings_.model.chat_template, files_.tokenizer_folder);
    engine_config_ = engine_config_of(settings_, files_, *tokenizer_);
    engine_config_.parallel.places = std::move(places);
    require_memory(engine_config_, *shapes_of(settings_, files_));
    if (settings_.log.progress) {
      ProgressPrinter progress(
          {.total_bytes = files_.weight_bytes, .is_terminal = draws_bars(settings_)});
      engine_.emplace(engine_config_, sink_, &progress);
      progress.finish();
    } else {
      engine_.emplace(engine_config_, sink_, nullptr);
    }
  }

  void open_to_requests() {
    server_.attach({.engine = &*engine_,
                    .tokenizer = &*tokenizer_,
                    .chat_template = chat_template_ ? &*chat_template_ : nullptr,
                    .special_tokens = ChatTemplate::special_tokens_of(files_.tokenizer_folder),
                    .sampling_defaults = sampling_defaults_of(files_.defaults, tokenizer_->eos()),
                    .model = settings_.model.model,
                    .server_info = server_info_of(settings_, engine_config_, engine_->facts()),
                    .cache_config = cache_labels(engine_config_, engine_->facts()),
                    .pictures = picture_parts_of(files_, *tokenizer_, pictures_)});
    log_ready(server_config_, server_.port(), chat_template_.has_value());
  }

  // Until end_politely() on another thread, or the engine's death.
  void run(Shutdown& shutdown) {
    engine_->run();
    const std::string& reason = sink_.reason();
    if (!reason.empty() && settings_.keep_alive_on_engine_death) shutdown.wait_for_signal();
    server_.stop();
    LOG_INFO("Application shutdown complete.");
    if (!reason.empty()) throw Error(ErrorKind::kDevice, str("the engine failed: ", reason));
  }

  // Any thread.
  void reload_tls() { server_.reload_tls(); }

  void end_politely() {
    if (!server_.drain(settings_.shutdown_grace)) {
      LOG_WARNING("Requests that still ran after {:.1f} s are cut off (--shutdown-grace).",
                  std::chrono::duration<double>(settings_.shutdown_grace).count());
    }
    engine_->stop();
  }

 private:
  // What can be found wrong is found before any weight is read.
  static ModelFiles checked_files(const Settings& settings) {
    ModelFiles files = find_model_files(settings);
    LOG_INFO("Model {}: {} in {}, {} in {}, made for contexts of {} tokens", settings.model.model,
             files.definition.facts.architecture, name_of(files.dtype), files.weights,
             files.folder.string(), files.definition.facts.max_positions);
    EngineConfig early = settings.engine;
    early.model.definition = files.definition;
    check_lengths(early, files.definition.facts);
    check_ranks(early.parallel, files.definition.facts);
    return files;
  }

  const Settings& settings_;
  PictureStore pictures_;  // of the engine's and the server's requests
  const ServerConfig server_config_;
  Server server_;
  WatchedSink sink_;
  ModelFiles files_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  EngineConfig engine_config_;
  std::optional<Engine> engine_;
};

}  // namespace

void serve(const SettingsAndRemarks& given, const std::string& arguments) {
  block_hangup(given.settings.server.tls);
  Shutdown shutdown;
  log_beginning(given, arguments);
  Service service(given.settings);
  const TlsRefresh refresh(given.settings.server.tls, [&service] { service.reload_tls(); });
  service.load();
  const Shutdown::PoliteEnd end(shutdown, [&service] { service.end_politely(); });
  service.open_to_requests();
  service.run(shutdown);
}

}  // namespace pagoda
