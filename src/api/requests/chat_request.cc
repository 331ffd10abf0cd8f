#include "api/requests/chat_request.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/requests/python_repr.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

void read_messages(FieldReader& in, ChatPrompt& out) {
  if (in.find("messages") == nullptr) {
    in.errors().add_missing({"messages"}, in.object());
    return;
  }
  const json::array* messages = in.list("messages");
  if (messages == nullptr) return;
  for (size_t i = 0; i < messages->size(); ++i) {
    const json::value& message = (*messages)[i];
    const std::vector<std::string> path = {"messages", std::to_string(i)};
    if (!message.is_object()) {
      in.errors().add({"dict_type", path, "Input should be a valid dictionary", {}}, message);
      continue;
    }
    FieldReader fields(message.get_object(), in.errors(), path);
    if (fields.find("role") == nullptr) {
      in.errors().add_missing({"messages", std::to_string(i), "role"}, message);
    } else {
      fields.text("role");
    }
  }
  out.messages = *messages;
}

// {"type": "function", "function": {"name", "description", "parameters"}} with nulls for what is
// absent and further fields behind: the form in which vLLM hands tools to the template.
std::optional<json::object> tool_for_template(const json::value& tool, size_t index,
                                              ValidationErrors& errors) {
  const std::vector<std::string> path = {"tools", std::to_string(index)};
  if (!tool.is_object()) {
    errors.add({"dict_type", path, "Input should be a valid dictionary", {}}, tool);
    return std::nullopt;
  }
  FieldReader in(tool.get_object(), errors, path);
  const json::object* function = in.dict("function");
  if (function == nullptr) {
    if (in.find("function") == nullptr) {
      errors.add_missing({"tools", std::to_string(index), "function"}, tool);
    }
    return std::nullopt;
  }
  FieldReader fields(*function, errors, {"tools", std::to_string(index), "function"});
  if (fields.find("name") == nullptr) {
    errors.add_missing({"tools", std::to_string(index), "function", "name"}, *function);
    return std::nullopt;
  }
  fields.text("name");
  fields.text("description");
  fields.dict("parameters");
  json::object inner = {
      {"name", function->at("name")}, {"description", nullptr}, {"parameters", nullptr}};
  for (const auto& [key, value] : *function) inner[key] = value;
  json::object out = {{"type", "function"}, {"function", std::move(inner)}};
  for (const auto& [key, value] : tool.get_object()) {
    if (key != "function") out[key] = value;
  }
  return out;
}

void read_tools(FieldReader& in, ChatPrompt& out) {
  const json::array* tools = in.list("tools");
  if (tools == nullptr) return;
  json::array list;
  for (size_t i = 0; i < tools->size(); ++i) {
    auto tool = tool_for_template((*tools)[i], i, in.errors());
    if (tool) list.emplace_back(std::move(*tool));
  }
  out.tools = std::move(list);
}

constexpr std::string_view kCorrectUsage =
    "Correct usage: `{\"type\": \"function\", \"function\": {\"name\": \"my_function\"}}`";

bool offers(const json::value& tools, std::string_view name) {
  if (!tools.is_array()) return false;
  const json::array& list = tools.get_array();
  return std::any_of(list.begin(), list.end(), [name](const json::value& tool) {
    const json::value* function =
        tool.is_object() ? tool.get_object().if_contains("function") : nullptr;
    const json::value* own = function != nullptr && function->is_object()
                                 ? function->get_object().if_contains("name")
                                 : nullptr;
    return own != nullptr && *own == json::string_view(name);
  });
}

void check_named_choice(const json::value& choice, const json::value& tools,
                        const FieldReader& in) {
  if (!choice.is_object()) {
    in.refuse(str("Invalid value for `tool_choice`: ", python_repr(choice),
                  "! Only named tools, \"none\", \"auto\" or \"required\" are supported."));
  }
  const json::value* function = choice.get_object().if_contains("function");
  if (function == nullptr || !function->is_object()) {
    in.refuse(str("Invalid value for `function`: `",
                  python_repr(function == nullptr ? json::value() : *function),
                  "` in `tool_choice`! ", kCorrectUsage));
  }
  const json::value* name = function->get_object().if_contains("name");
  if (name == nullptr) {
    in.refuse(str("Expected field `name` in `function` in `tool_choice`! ", kCorrectUsage));
  }
  if (!name->is_string() || name->get_string().find_first_not_of(" \t\n") == json::string::npos) {
    in.refuse(str("Invalid `name` in `function`: `", python_repr(*name), "` in `tool_choice`! ",
                  kCorrectUsage));
  }
  if (!offers(tools, name->get_string())) {
    in.refuse("The tool specified in `tool_choice` does not match any of the specified `tools`");
  }
}

// Refuses what vLLM refuses as a whole. A choice without tools to choose from is none.
ToolChoice checked_tool_choice(const FieldReader& in) {
  const json::value* tools = in.find("tools");
  const json::value* choice = in.find("tool_choice");
  if (choice != nullptr && *choice == "none") return ToolChoice::kNone;
  if (choice != nullptr && tools == nullptr) {
    in.refuse("When using `tool_choice`, `tools` must be set.");
  }
  ToolChoice out = ToolChoice::kAuto;
  if (choice != nullptr && *choice == "required") {
    out = ToolChoice::kRequired;
  } else if (choice != nullptr && *choice != "auto") {
    check_named_choice(*choice, *tools, in);
    out = ToolChoice::kNamed;
  }
  const bool has_tools = tools != nullptr && tools->is_array() && !tools->get_array().empty();
  return has_tools ? out : ToolChoice::kNone;
}

// The validators that vLLM runs before it looks at single fields: the first failure is the answer.
void check_whole(const FieldReader& in) {
  if (is_lax_true(in.find("continue_final_message")) &&
      is_lax_true(in.find("add_generation_prompt"))) {
    in.refuse("Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
  }
  if (const json::value* top = in.find("top_logprobs")) {
    double number = 0;
    if (!lax_number(*top, number) && number < 0) {
      in.refuse("`top_logprobs` must be a positive value.");
    }
    if (number > 0 && !is_lax_true(in.find("logprobs"))) {
      in.refuse("when using `top_logprobs`, `logprobs` must be set to true.");
    }
  }
}

}  // namespace

ChatPrompt read_chat_prompt(FieldReader& in) {
  ChatPrompt out;
  read_messages(in, out);
  read_tools(in, out);
  if (const json::array* documents = in.list("documents")) out.documents = documents;
  out.template_kwargs = in.dict("chat_template_kwargs");
  out.processor_arguments = in.dict("mm_processor_kwargs");
  out.chat_template = in.text("chat_template");
  out.continue_final_message = in.flag("continue_final_message").value_or(false);
  out.add_generation_prompt = in.flag("add_generation_prompt").value_or(true);
  out.add_special_tokens = in.flag("add_special_tokens").value_or(false);
  return out;
}

ChatRequest read_chat_request(const json::object& body) {
  ValidationErrors errors;
  FieldReader in(body, errors);
  check_whole(in);
  ChatRequest out;
  out.tool_choice = checked_tool_choice(in);
  out.fields = read_request_fields(in);
  out.prompt = read_chat_prompt(in);
  const bool wants_logprobs = in.flag("logprobs").value_or(false);
  const int64_t top_logprobs = in.integer("top_logprobs").value_or(0);
  out.echo = in.flag("echo").value_or(false);
  out.fields.bad_words = in.texts("bad_words").value_or(std::vector<std::string>{});
  out.request_id = in.text("request_id").value_or("");
  const int64_t asked = in.integer("max_completion_tokens").value_or(0);
  errors.refuse_if_any();
  if (wants_logprobs) out.fields.logprobs = top_logprobs;
  if (asked != 0) out.fields.max_tokens = asked;  // as Python's `or`: 0 gives way to max_tokens
  // With echo the prompt's log-probabilities belong to the answer.
  if (out.echo && !out.fields.prompt_logprobs) out.fields.prompt_logprobs = top_logprobs;
  if (out.tool_choice == ToolChoice::kNone) out.prompt.tools.reset();
  return out;
}

}  // namespace pagoda
