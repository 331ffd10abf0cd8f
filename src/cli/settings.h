// Everything that the command line, the configuration file and the environment decide, as values.
// The tables of options and variables write into it (option_table.h, environment_table.h); after
// that nothing reads argv or the environment again.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/server_config.h"
#include "base/log.h"
#include "engine/config.h"
#include "hub/resolve.h"
#include "load/generation_config.h"

namespace pagoda {

// What is known about the model before its files are found.
struct ModelSettings {
  std::string model;          // as typed: a folder, or a name on a hub
  std::string default_model;  // --default-model: where none is typed
  std::string tokenizer;      // --tokenizer; empty: the model
  std::string hf_config_path;
  std::string dtype = "auto";
  std::string quantization;          // --quantization; empty: as config.json says
  boost::json::object hf_overrides;  // --hf-overrides, --rope-scaling, --rope-theta
  std::string chat_template;         // --chat-template: a file, or the template itself
  // Of models that see pictures:
  boost::json::object media_limits;         // --limit-mm-per-prompt
  boost::json::object processor_arguments;  // --mm-processor-kwargs
};

// How worker threads are dealt over the cores.
struct CoreSettings {
  std::string bind = "auto";  // VLLM_CPU_OMP_THREADS_BIND
  int64_t reserved = 0;       // VLLM_CPU_NUM_OF_RESERVED_CPU
};

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string prefix;
  bool progress = true;  // --use-tqdm-on-load
};

struct Settings {
  HubOptions hub;
  std::string tokenizer_revision;
  ModelSettings model;
  GenerationOptions generation;
  CoreSettings cores;
  LogSettings log;
  EngineConfig engine;  // its model.folder and model.definition come when the model is found
  ServerConfig server;
  std::chrono::milliseconds shutdown_grace{30000};
  bool keep_alive_on_engine_death = false;  // VLLM_KEEP_ALIVE_ON_ENGINE_DEATH
};

}  // namespace pagoda
