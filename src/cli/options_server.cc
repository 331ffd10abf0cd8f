// Options of the server: what it listens on, who may ask, how it answers.

#include <boost/json.hpp>

#include "base/error.h"
#include "base/str.h"
#include "cli/option_table.h"
#include "cli/settings.h"

namespace pagoda {
namespace {

namespace json = boost::json;
using Group = OptionGroup;
using Type = ValueType;

constexpr std::string_view kNoPython = "It names Python code, and there is no Python here";
constexpr std::string_view kNoPromptAdapters =
    "Prompt adapters belong to vLLM's V0 engine and are not possible here";

std::string text(const json::value& value) {
  return std::string(value.as_string());
}

// A variable that a Compose file names and nobody has set must not open what shall be closed.
std::string protecting_text(std::string_view option, const json::value& value) {
  if (!value.as_string().empty()) return text(value);
  throw Error(ErrorKind::kConfig,
              str(option,
                  ": is empty, and the server would be open; give a value or leave the "
                  "option out"));
}

// "llm" means "/llm": that is how paths begin.
std::string root_path_of(const json::value& value) {
  const std::string path = text(value);
  return path.empty() || path.starts_with('/') ? path : "/" + path;
}

std::vector<std::string> texts(const json::value& value) {
  return json::value_to<std::vector<std::string>>(value);
}

ContentFormatOption content_format_of(const json::value& value) {
  if (value == "string") return ContentFormatOption::kString;
  return value == "openai" ? ContentFormatOption::kOpenAi : ContentFormatOption::kAuto;
}

// uvicorn writes its access lines at level info.
void apply_uvicorn_level(Settings& s, const json::value& value) {
  if (value != "info" && value != "debug" && value != "trace") s.server.log.access = false;
}

constexpr OptionRow kRows[] = {
    {.name = "headless",
     .group = Group::kServe,
     .help = "run engines only, no API server (data parallelism over several hosts)",
     .standing = Standing::kNotYet,
     .note = "Several hosts are not possible yet; run one server a host behind a load balancer"},
    {.name = "data-parallel-start-rank",
     .aliases = "-dpr",
     .group = Group::kServe,
     .type = Type::kInteger,
     .value_name = "N",
     .default_value = "0",
     .help = "first data parallel rank of this host",
     .standing = Standing::kNotYet,
     .note = "Several hosts are not possible yet; run one server a host behind a load balancer"},
    {.name = "api-server-count",
     .aliases = "-asc",
     .group = Group::kServe,
     .type = Type::kInteger,
     .value_name = "N",
     .default_value = "1",
     .help = "number of API server processes",
     .standing = Standing::kNoMeaning,
     .note = "One process serves all connections with native threads (--io-threads)"},
    {.name = "config",
     .group = Group::kServe,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "a YAML file of options by their long names; the command line wins over it",
     .apply = [](Settings&, const json::value&) { /* the parser has read it */ }},
    {.name = "host",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "HOST",
     .help = "address or name to listen on; all interfaces where it is not given",
     .apply = [](Settings& s, const json::value& v) { s.server.listen.host = text(v); }},
    {.name = "port",
     .group = Group::kFrontend,
     .type = Type::kInteger,
     .value_name = "PORT",
     .default_value = "8000",
     .least = 0,
     .most = 65535,
     .help = "port to listen on; 0 takes a free one and logs it",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.listen.port = static_cast<uint16_t>(v.as_int64());
         }},
    {.name = "uvicorn-log-level",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "LEVEL",
     .default_value = "info",
     .choices = "debug|info|warning|error|critical|trace",
     .help = "warning and above leave out the access line of each request",
     .apply = apply_uvicorn_level},
    {.name = "disable-uvicorn-access-log",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "leave out the access line of each request",
     .apply =
         [](Settings& s, const json::value& v) {
           if (v.as_bool()) s.server.log.access = false;
         }},
    {.name = "allow-credentials",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "CORS: allow credentials",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.access.allow_credentials = v.as_bool(); }},
    {.name = "allowed-origins",
     .group = Group::kFrontend,
     .type = Type::kJsonTexts,
     .value_name = "JSON",
     .default_value = R"(["*"])",
     .help = "CORS: allowed origins",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.access.allowed_origins = texts(v); }},
    {.name = "allowed-methods",
     .group = Group::kFrontend,
     .type = Type::kJsonTexts,
     .value_name = "JSON",
     .default_value = R"(["*"])",
     .help = "CORS: allowed methods",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.access.allowed_methods = texts(v); }},
    {.name = "allowed-headers",
     .group = Group::kFrontend,
     .type = Type::kJsonTexts,
     .value_name = "JSON",
     .default_value = R"(["*"])",
     .help = "CORS: allowed headers",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.access.allowed_headers = texts(v); }},
    {.name = "api-key",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "KEY",
     .help = "the bearer token that /v1 routes ask for (else VLLM_API_KEY)",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.access.api_keys = {protecting_text("--api-key", v)};
         }},
    {.name = "lora-modules",
     .group = Group::kFrontend,
     .type = Type::kTexts,
     .value_name = "NAME=PATH",
     .help = "LoRA adapters to serve",
     .standing = Standing::kNotYet,
     .note = "LoRA adapters are not possible yet; merge the adapter into the checkpoint"},
    {.name = "prompt-adapters",
     .group = Group::kFrontend,
     .type = Type::kTexts,
     .value_name = "NAME=PATH",
     .help = "prompt adapters to serve",
     .standing = Standing::kNotYet,
     .note = kNoPromptAdapters},
    {.name = "enable-prompt-adapter",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "serve prompt adapters",
     .standing = Standing::kNotYet,
     .note = kNoPromptAdapters},
    {.name = "max-prompt-adapters",
     .group = Group::kFrontend,
     .type = Type::kInteger,
     .value_name = "N",
     .default_value = "1",
     .help = "most prompt adapters in a batch",
     .standing = Standing::kNoMeaning,
     .note = kNoPromptAdapters},
    {.name = "max-prompt-adapter-token",
     .group = Group::kFrontend,
     .type = Type::kInteger,
     .value_name = "N",
     .default_value = "0",
     .help = "most tokens of a prompt adapter",
     .standing = Standing::kNoMeaning,
     .note = kNoPromptAdapters},
    {.name = "chat-template",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "file of the chat template, or the template itself in one line; else the model's own",
     .apply = [](Settings& s, const json::value& v) { s.model.chat_template = text(v); }},
    {.name = "chat-template-content-format",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FORM",
     .default_value = "auto",
     .choices = "auto|string|openai",
     .help = "give message content to the template as one text or as a list of parts; auto looks "
             "at the template",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.openai.content_format = content_format_of(v); }},
    {.name = "response-role",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "ROLE",
     .default_value = "assistant",
     .help = "role of the answer's message",
     .apply = [](Settings& s, const json::value& v) { s.server.openai.response_role = text(v); }},
    {.name = "ssl-keyfile",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "PEM file of the TLS key; else the key is in the file of --ssl-certfile",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.tls.key_file = protecting_text("--ssl-keyfile", v);
         }},
    {.name = "ssl-certfile",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "PEM file of the TLS certificate, followed by those between it and its root: the "
             "server speaks HTTPS; SIGHUP loads the files again",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.tls.certificate_file = protecting_text("--ssl-certfile", v);
         }},
    {.name = "ssl-ca-certs",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "PEM file of the certificates that clients' certificates are checked with",
     .apply = [](Settings& s, const json::value& v) { s.server.tls.ca_file = text(v); }},
    {.name = "enable-ssl-refresh",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "load the TLS files again when they change, within some seconds",
     .apply = [](Settings& s, const json::value& v) { s.server.tls.refresh = v.as_bool(); }},
    {.name = "ssl-cert-reqs",
     .group = Group::kFrontend,
     .type = Type::kInteger,
     .value_name = "N",
     .default_value = "0",
     .least = 0,
     .most = 2,
     .help = "whether clients must show a certificate: 0 no, 1 it is checked if they do, 2 yes",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.tls.client = static_cast<ClientCertificate>(v.as_int64());
         }},
    {.name = "root-path",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "PATH",
     .help = "path prefix under which a proxy shows this server",
     .apply = [](Settings& s, const json::value& v) { s.server.root_path = root_path_of(v); }},
    {.name = "middleware",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "IMPORT",
     .help = "Python ASGI middleware",
     .standing = Standing::kNotYet,
     .note = kNoPython},
    {.name = "return-tokens-as-token-ids",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "show tokens of log-probabilities as token_id:N",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.openai.return_tokens_as_token_ids = v.as_bool();
         }},
    {.name = "disable-frontend-multiprocessing",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "API and engine in one process",
     .standing = Standing::kNoMeaning,
     .note = "API and engine are always in one process here"},
    {.name = "enable-request-id-headers",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "answer with X-Request-Id",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.enable_request_id_headers = v.as_bool(); }},
    {.name = "enable-auto-tool-choice",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "let the model decide whether to call tools; needs --tool-call-parser",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.openai.enable_auto_tool_choice = v.as_bool(); }},
    {.name = "expand-tools-even-if-tool-choice-none",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "keep tools in the prompt when tool_choice is none (deprecated)",
     .standing = Standing::kNotYet,
     .note = "With tool_choice none the tools are left out of the prompt; leave this option out"},
    {.name = "tool-call-parser",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "NAME",
     .help = "how the model writes tool calls; an unknown name gets the list of those there are",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.openai.tool_call_parser = text(v); }},
    {.name = "tool-parser-plugin",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "Python file with a tool call parser",
     .standing = Standing::kNotYet,
     .note = kNoPython},
    {.name = "log-config-file",
     .group = Group::kFrontend,
     .type = Type::kText,
     .value_name = "FILE",
     .help = "Python logging configuration",
     .standing = Standing::kNoMeaning,
     .note = "It configures Python's logging; VLLM_LOGGING_LEVEL and --log-format say what the "
             "log holds here"},
    {.name = "max-log-len",
     .group = Group::kFrontend,
     .type = Type::kInteger,
     .value_name = "N",
     .least = 0,
     .help = "most characters, and token ids, of a prompt in the request log",
     .apply = [](Settings& s,
                 const json::value& v) { s.server.log.max_log_length = v.as_int64(); }},
    {.name = "disable-fastapi-docs",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "leave out /docs, /redoc and /openapi.json",
     .standing = Standing::kNoMeaning,
     .note = "This server has no such pages"},
    {.name = "enable-prompt-tokens-details",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "usage with prompt_tokens_details (how many were found in the prefix cache)",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.openai.enable_prompt_tokens_details = v.as_bool();
         }},
    {.name = "enable-force-include-usage",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "usage in every stream that has stream_options",
     .apply =
         [](Settings& s, const json::value& v) {
           s.server.openai.enable_force_include_usage = v.as_bool();
         }},
    {.name = "enable-server-load-tracking",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "count requests for GET /load",
     .standing = Standing::kNoMeaning,
     .note = "Requests are always counted here"},
    {.name = "disable-log-requests",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "leave out the line with prompt and parameters of each request",
     .apply = [](Settings& s, const json::value& v) { s.server.log.requests = !v.as_bool(); }},
    {.name = "disable-log-stats",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "leave out the line of statistics every 10 seconds",
     .apply = [](Settings& s, const json::value& v) { s.engine.log_stats = !v.as_bool(); }},
    {.name = "use-v2-block-manager",
     .group = Group::kFrontend,
     .default_value = "false",
     .help = "deprecated",
     .standing = Standing::kNoMeaning,
     .note = "It is deprecated, and vLLM ignores it too"},
};
static_assert(are_complete(kRows));

}  // namespace

std::span<const OptionRow> server_options() {
  return kRows;
}

}  // namespace pagoda
