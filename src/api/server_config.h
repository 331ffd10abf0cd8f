// What the HTTP server is made from. Values with their defaults; fixed once the server exists.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/tls_config.h"

namespace pagoda {

// Where to listen, and how much of the machine to use for it.
struct ListenConfig {
  std::string host;      // --host: an address or a name; empty: all interfaces
  uint16_t port = 8000;  // --port; 0: a free one, see Server::port()
  int io_threads = 1;    // each serves its own connections
  int backlog = 2048;    // connections that wait to be accepted
};

// What a client may cost.
struct HttpLimits {
  size_t max_header_bytes = 64 << 10;
  size_t max_body_bytes = 64 << 20;      // beyond: 413
  size_t max_held_body_bytes = 1 << 30;  // of all requests together; beyond: 503
  size_t max_unsent_bytes = 16 << 20;    // a stream whose client does not read is given up here
  size_t max_connections = 16384;        // beyond: closed at once
  std::chrono::seconds keep_alive{5};    // VLLM_HTTP_TIMEOUT_KEEP_ALIVE: idle between requests
  std::chrono::seconds tls_handshake_timeout{10};  // from the connection to the end of it
  std::chrono::seconds header_timeout{30};  // from the first byte of a request to its last header
  std::chrono::seconds body_timeout{60};    // without a byte of the body
  std::chrono::seconds write_timeout{60};   // without a byte taken by the client
};

// Who may ask.
struct AccessConfig {
  std::vector<std::string> api_keys;  // --api-key, VLLM_API_KEY: any of them; none: open
  bool allow_credentials = false;
  std::vector<std::string> allowed_origins = {"*"};
  std::vector<std::string> allowed_methods = {"*"};
  std::vector<std::string> allowed_headers = {"*"};
};

// What is written about requests.
struct RequestLogConfig {
  bool requests = true;                   // not --disable-log-requests: prompt and parameters
  bool access = true;                     // not --disable-uvicorn-access-log: one line an answer
  bool access_json = false;               // --log-format json: that line is a JSON object
  std::optional<int64_t> max_log_length;  // --max-log-len: characters, and ids, of a prompt
};

enum class ContentFormatOption : uint8_t { kAuto, kString, kOpenAi };

// How the OpenAI routes answer.
struct OpenAiConfig {
  std::vector<std::string> served_model_names;  // --served-model-name, else the model as typed
  std::string response_role = "assistant";
  ContentFormatOption content_format =
      ContentFormatOption::kAuto;  // --chat-template-content-format
  bool enable_auto_tool_choice = false;
  std::string tool_call_parser;  // "hermes" ...; empty: none
  std::string reasoning_parser;  // "qwen3" ...; empty: none
  bool return_tokens_as_token_ids = false;
  bool enable_prompt_tokens_details = false;  // usage.prompt_tokens_details
  bool enable_force_include_usage = false;    // acts where a stream has stream_options, as in vLLM
  int max_logprobs = 20;
};

// Pictures that requests bring or name; docs/pictures.md.
struct PictureConfig {
  int64_t most_per_prompt = 999;         // --limit-mm-per-prompt
  std::string allowed_local_folder;      // --allowed-local-media-path; empty: no file:// URLs
  bool allow_private_addresses = false;  // --allow-private-media-addresses
  int64_t max_bytes = 20 << 20;          // of a picture's file
  int64_t max_pixels = 89'478'485;       // before it is resized; PIL warns above
  std::chrono::milliseconds fetch_timeout{5000};  // VLLM_IMAGE_FETCH_TIMEOUT
  std::chrono::milliseconds decode_timeout{20000};
  std::string ca_file;  // SSL_CERT_FILE, REQUESTS_CA_BUNDLE: trusted certificates; empty: system's
  // VLLM_MM_INPUT_CACHE_GIB: of all requests, resized or not decoded yet; beyond: 429.
  int64_t max_kept_bytes = int64_t{4} << 30;
};

struct ServerConfig {
  ListenConfig listen;
  TlsConfig tls;
  HttpLimits limits;
  AccessConfig access;
  RequestLogConfig log;
  OpenAiConfig openai;
  PictureConfig pictures;
  std::string root_path;                   // --root-path: what a proxy has cut off, or has not
  bool enable_request_id_headers = false;  // X-Request-Id in every answer
  bool server_dev_mode = false;  // VLLM_SERVER_DEV_MODE: /server_info, /reset_prefix_cache
};

}  // namespace pagoda
