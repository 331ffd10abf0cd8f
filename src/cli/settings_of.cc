#include "cli/settings_of.h"

#include <sched.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "cli/option_value.h"
#include "text/answer/reasoning_parser.h"
#include "text/answer/tool_call_parser.h"

namespace pagoda {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kConfig, message);
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : to_json(value);
}

// Keys and tokens do not go into a log.
std::string shown_value(std::string_view name, const std::string& value) {
  const bool is_secret = name == "api-key" || name == "hf-token";
  return is_secret ? "***" : value;
}

// Of an option or a variable that does not work: a line for the log, or a refusal.
struct Judged {
  Standing standing;
  std::string_view note, harmless;
  std::string shown;
  std::string value;  // empty for a flag that is set
};

std::string remark_on(const Judged& judged) {
  const std::string what =
      judged.value.empty() ? judged.shown : str(judged.shown, " ", judged.value);
  if (judged.standing == Standing::kNoMeaning)
    return str(what, " has no effect: ", judged.note, ".");
  if (judged.harmless == "*" || is_among(judged.harmless, judged.value)) {
    return str(what, " changes nothing: ", judged.note, ".");
  }
  refuse(str(what, ": is not possible. ", judged.note, "."));
}

void apply_variables(const Environment& environment, SettingsAndRemarks& result) {
  std::vector<std::string_view> names;
  for (const VariableRow& row : all_variables()) names.push_back(row.name);
  for (const auto& [name, value] : environment) {
    const VariableRow* row = find_variable(name);
    if (row == nullptr) {
      if (!name.starts_with("VLLM_")) continue;
      const std::string_view close = closest_of(name, names);
      result.warnings.push_back(str("The environment variable ", name, " is not known and ignored",
                                    close.empty() ? "" : "; did you mean ", close,
                                    close.empty() ? "." : "?"));
    } else if (row->standing == Standing::kWorks) {
      if (row->apply != nullptr) row->apply(result.settings, value);
    } else if (!value.empty() && value != row->default_value) {
      result.remarks.push_back(
          remark_on({row->standing, row->note, row->harmless, name, shown_value(name, value)}));
    }
  }
}

void apply_options(const ParsedOptions& options, SettingsAndRemarks& result) {
  for (const OptionRow* row : all_options()) {
    const auto given = options.given.find(row->name);
    if (given == options.given.end()) continue;
    const auto& [value, shown] = given->second;
    if (row->standing == Standing::kWorks) {
      row->apply(result.settings, value);
      continue;
    }
    const bool is_empty = value.is_string() && value.as_string().empty();
    if (is_empty || value == default_of(*row)) continue;
    const std::string text =
        value.is_bool() ? (value.as_bool() ? "" : "false") : shown_value(row->name, text_of(value));
    result.remarks.push_back(remark_on({row->standing, row->note, row->harmless, shown, text}));
  }
}

void apply_defaults(Settings& settings) {
  for (const OptionRow* row : all_options()) {
    if (row->standing != Standing::kWorks) continue;
    const json::value value = default_of(*row);
    if (!value.is_null()) row->apply(settings, value);
  }
}

// What vLLM checks before it loads anything.
void check_together(const Settings& s) {
  const SchedulerConfig& scheduler = s.engine.scheduler;
  if (scheduler.max_step_tokens < scheduler.max_sequences) {
    refuse(str("max_num_batched_tokens (", scheduler.max_step_tokens,
               ") must be greater than or equal to max_num_seqs (", scheduler.max_sequences,
               "). Raise --max-num-batched-tokens or lower --max-num-seqs."));
  }
  const auto& length = s.engine.model.max_model_len;
  if (!scheduler.chunked_prefill && length && *length > scheduler.max_step_tokens) {
    refuse(str("max_num_batched_tokens (", scheduler.max_step_tokens,
               ") is smaller than max_model_len (", *length,
               "). Without chunked prefill a prompt is computed in one step: raise "
               "--max-num-batched-tokens, lower --max-model-len, or leave "
               "--no-enable-chunked-prefill out."));
  }
  const OpenAiConfig& openai = s.server.openai;
  if (openai.enable_auto_tool_choice && openai.tool_call_parser.empty()) {
    refuse(
        "--enable-auto-tool-choice requires --tool-call-parser, such as --tool-call-parser hermes");
  }
  // Unknown names throw, with the list of those there are.
  if (!openai.tool_call_parser.empty()) make_tool_call_parser(openai.tool_call_parser);
  if (!openai.reasoning_parser.empty()) make_reasoning_parser(openai.reasoning_parser);
}

// Half of what TLS needs would leave a server open that shall not be.
void check_tls(const TlsConfig& tls, std::vector<std::string>& remarks) {
  const bool asks_clients = tls.client != ClientCertificate::kIgnored;
  if (!tls.is_on()) {
    if (!tls.key_file.empty()) {
      refuse("--ssl-keyfile needs --ssl-certfile, the certificate that the key belongs to");
    }
    if (!tls.ca_file.empty() || asks_clients) {
      refuse(str(asks_clients ? "--ssl-cert-reqs" : "--ssl-ca-certs",
                 " needs --ssl-certfile and --ssl-keyfile: without them the server speaks plain "
                 "HTTP, and clients show no certificates"));
    }
    if (tls.refresh) {
      remarks.emplace_back(
          "--enable-ssl-refresh has no effect: without --ssl-certfile there is no TLS.");
    }
    return;
  }
  if (asks_clients && tls.ca_file.empty()) {
    refuse(
        "--ssl-cert-reqs needs --ssl-ca-certs, those that clients' certificates are signed with");
  }
  if (!asks_clients && !tls.ca_file.empty()) {
    remarks.emplace_back(
        "--ssl-ca-certs has no effect: clients are not asked for certificates, unless "
        "--ssl-cert-reqs is 1 or 2.");
  }
}

[[noreturn]] void refuse_list(std::string_view list) {
  refuse(str("VLLM_CPU_OMP_THREADS_BIND: \"", list,
             "\" is not a list of cores such as 0-3,8; choose auto, all, nobind, or one list a "
             "rank with | between them"));
}

int core_number(std::string_view text, std::string_view list) {
  constexpr int kMostCores = CPU_SETSIZE;  // that the system can bind to
  int core = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), core);
  if (fault != std::errc{} || end != text.data() + text.size()) refuse_list(list);
  if (core < 0 || core >= kMostCores) refuse_list(list);
  return core;
}

std::vector<int> cores_of_list(std::string_view list) {
  std::vector<int> cores;
  for (std::string_view rest = list; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const size_t dash = item.find('-');
    const int first = core_number(item.substr(0, dash), list);
    const int last =
        dash == std::string_view::npos ? first : core_number(item.substr(dash + 1), list);
    if (last < first) refuse_list(list);
    for (int core = first; core <= last; ++core) cores.push_back(core);
  }
  if (cores.empty()) refuse_list(list);
  return cores;
}

}  // namespace

SettingsAndRemarks settings_of(const ParsedOptions& options, const Environment& environment) {
  SettingsAndRemarks result;
  apply_defaults(result.settings);
  apply_variables(environment, result);
  apply_options(options, result);
  if (result.settings.model.model.empty()) {
    result.settings.model.model = result.settings.model.default_model;
  }
  check_together(result.settings);
  check_tls(result.settings.server.tls, result.remarks);
  return result;
}

std::string non_default_arguments(const ParsedOptions& options) {
  json::object shown;
  for (const OptionRow* row : all_options()) {
    const auto given = options.given.find(row->name);
    if (given == options.given.end() || given->second.value == default_of(*row)) continue;
    std::string name(row->name);
    std::replace(name.begin(), name.end(), '-', '_');
    const json::value& value = given->second.value;
    shown[name] = value.is_string() ? json::value(shown_value(row->name, text_of(value))) : value;
  }
  return to_json(shown, kPythonStyle);
}

PlacementRequest placement_request_of(const Settings& settings) {
  const std::string& bind = settings.cores.bind;
  PlacementRequest request = {.ranks = settings.engine.parallel.tensor_parallel_size,
                              .threads = settings.engine.parallel.threads,
                              .reserved = settings.cores.reserved};
  if (bind == "all" || bind == "nobind") {
    request.binding = Binding::kNone;
  } else if (!bind.empty() && bind != "auto") {
    request.binding = Binding::kLists;
    for (const std::string_view list : split_choices(bind)) {
      request.lists.push_back(cores_of_list(list));
    }
  }
  return request;
}

}  // namespace pagoda
