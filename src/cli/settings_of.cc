#include "cli/settings_of.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "cli/option_value.h"
#include "text/reasoning_parser.h"
#include "text/tool_call_parser.h"

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

int core_number(std::string_view text, std::string_view list) {
  int core = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), core);
  if (fault != std::errc{} || end != text.data() + text.size() || core < 0) {
    refuse(str("VLLM_CPU_OMP_THREADS_BIND: \"", list,
               "\" is not a list of cores such as 0-3,8; choose auto, all, nobind, or one list a "
               "rank with | between them"));
  }
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
    for (int core = first; core <= last; ++core) cores.push_back(core);
  }
  if (cores.empty()) core_number("", list);
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

std::vector<std::vector<int>> bound_cores(const CoreSettings& settings, int ranks,
                                          const std::vector<int>& available) {
  const bool deals = settings.bind.empty() || settings.bind == "auto" || settings.bind == "all";
  if (settings.bind == "nobind") return {};
  if (deals && settings.reserved == 0) return {};  // the engine deals the cores out itself
  std::vector<std::vector<int>> lists;
  if (!deals) {
    for (const std::string_view list : split_choices(settings.bind)) {
      lists.push_back(cores_of_list(list));
    }
    if (lists.size() != static_cast<size_t>(ranks)) {
      refuse(str("VLLM_CPU_OMP_THREADS_BIND: \"", settings.bind, "\" has ", lists.size(),
                 " lists of cores for --tensor-parallel-size ", ranks, "; give one list a rank"));
    }
    return lists;
  }
  const auto usable = static_cast<int64_t>(available.size()) - settings.reserved;
  if (usable < ranks) {
    refuse(str("VLLM_CPU_NUM_OF_RESERVED_CPU: ", settings.reserved, " of ", available.size(),
               " cores leaves fewer than one core a rank (--tensor-parallel-size ", ranks,
               "); reserve fewer"));
  }
  for (int rank = 0; rank < ranks; ++rank) {
    const int64_t begin = usable * rank / ranks, end = usable * (rank + 1) / ranks;
    lists.emplace_back(available.begin() + begin, available.begin() + end);
  }
  return lists;
}

}  // namespace pagoda
