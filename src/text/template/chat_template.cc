#include "text/template/chat_template.h"

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/json_reader.h"
#include "base/str.h"
#include "text/template/content_format.h"
#include "text/template/eval.h"
#include "text/template/json.h"
#include "text/template/parser.h"
#include "text/template/text.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr std::string_view kDefault = "default";
constexpr std::string_view kToolUse = "tool_use";

// Without remedies: whoever asked for the template says them, with its option.
constexpr JsonTerms kTerms = {.blame = ErrorKind::kConfig};

std::optional<json::object> read_if_there(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return read_json_object(path);
}

// A special token is a text, or an object that holds it as "content".
std::optional<std::string> token_text(const JsonReader& token) {
  auto text = token.if_text();
  if (!text) text = token.if_text("content");
  if (!text) return std::nullopt;
  return std::string(*text);
}

void add_special_tokens(const JsonReader& config, json::object& tokens) {
  constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};
  for (const std::string_view name : kNames) {
    const auto token = config.find(name);
    const auto text = token ? token_text(*token) : std::nullopt;
    if (text) tokens[name] = *text;
  }
  const auto more = config.if_list("additional_special_tokens");
  if (!more || more->list().empty()) return;
  json::array texts;
  for (const JsonReader& token : more->items()) {
    if (const auto text = token_text(token)) texts.emplace_back(*text);
  }
  tokens["additional_special_tokens"] = std::move(texts);
}

using Sources = std::map<std::string, std::string>;

// "chat_template": a text, or a list of {name, template}.
Sources sources_of(const JsonReader& config) {
  constexpr std::string_view kKey = "chat_template";
  if (!config.has(kKey)) return {};
  if (const auto text = config.if_text(kKey)) {
    return {{std::string(kDefault), std::string(*text)}};
  }
  Sources sources;
  const auto list = config.if_list(kKey);
  for (const JsonReader& entry : list ? list->items() : std::vector<JsonReader>()) {
    const auto name = entry.if_text("name"), text = entry.if_text("template");
    if (name && text) sources.emplace(*name, *text);
  }
  if (sources.empty()) config.reject(kKey, R"(a text or a list of {"name", "template"})");
  return sources;
}

// The three places, in the order in which transformers prefers them.
Sources find_sources(const std::filesystem::path& folder) {
  const std::filesystem::path plain = folder / "chat_template.jinja";
  if (std::filesystem::exists(plain)) return {{std::string(kDefault), read_text_file(plain)}};
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    const auto config = read_if_there(folder / name);
    if (!config) continue;
    Sources sources = sources_of({*config, (folder / name).string(), kTerms});
    if (!sources.empty()) return sources;
  }
  return {};
}

// The text that continue_final_message goes on with: the content, or its last text part.
std::string_view final_text(const json::array& messages) {
  const auto fail = [](std::string_view reason) {
    throw Error(ErrorKind::kRequest, str("continue_final_message is set but ", reason));
  };
  const json::object* message = messages.empty() ? nullptr : messages.back().if_object();
  const json::value* content = message != nullptr ? message->if_contains("content") : nullptr;
  if (content == nullptr) fail("the final message has no content to continue");
  if (const json::string* text = content->if_string()) return {text->data(), text->size()};
  const json::array* parts = content->if_array();
  for (size_t i = parts != nullptr ? parts->size() : 0; i-- > 0;) {
    const json::object* part = (*parts)[i].if_object();
    const json::value* text = part != nullptr ? part->if_contains("text") : nullptr;
    if (text != nullptr && text->is_string())
      return {text->get_string().data(), text->get_string().size()};
  }
  fail("we could not find any text to continue in the final message!");
  return {};
}

// As transformers 4.53 does, render_jinja_template in utils/chat_template_utils.py.
std::string cut_behind_final_message(std::string prompt, const json::array& messages) {
  const std::string_view text = final_text(messages);
  const std::string_view trimmed = stripped(text);
  const size_t at = find_last_text(prompt, trimmed);
  if (at == std::string::npos) {
    throw Error(ErrorKind::kRequest,
                "continue_final_message is set but the final message does not appear in the chat "
                "after applying the chat template! This can happen if the chat template deletes "
                "portions of the final message. Please verify the chat template and final message "
                "in your chat to ensure they are compatible.");
  }
  const std::string_view without_lead = stripped(text, Side::kLeft);
  const bool keeps_spaces = std::string_view(prompt).substr(at, without_lead.size()) == text;
  prompt.resize(at + (keeps_spaces ? without_lead.size() : trimmed.size()));
  return prompt;
}

std::string_view view(const json::string_view& text) {
  return {text.data(), text.size()};
}

}  // namespace

ChatTemplate::ChatTemplate(const std::string& source, const json::object& special_tokens,
                           const TemplateLimits& limits)
    : special_tokens_(std::make_unique<const json::object>(special_tokens)), limits_(limits) {
  programs_.emplace(kDefault, parse_template(source));
}

ChatTemplate::ChatTemplate(Programs programs, const json::object& special_tokens,
                           const TemplateLimits& limits)
    : programs_(std::move(programs)),
      special_tokens_(std::make_unique<const json::object>(special_tokens)),
      limits_(limits) {}

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::optional<ChatTemplate> ChatTemplate::find(const std::filesystem::path& model_folder) {
  const Sources sources = find_sources(model_folder);
  if (sources.empty()) return std::nullopt;
  Programs programs;
  for (const auto& [name, source] : sources) {
    try {
      programs.emplace(name, parse_template(source));
    } catch (const Error& error) {
      throw Error(error.kind(), str(model_folder.string(), ": ", error.what()));
    }
  }
  return ChatTemplate(std::move(programs), special_tokens_of(model_folder), {});
}

json::object ChatTemplate::special_tokens_of(const std::filesystem::path& model_folder) {
  json::object tokens;
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const auto config = read_if_there(model_folder / name);
    if (config) add_special_tokens({*config, (model_folder / name).string(), kTerms}, tokens);
  }
  return tokens;
}

const TemplateProgram& ChatTemplate::program(bool with_tools) const {
  if (with_tools) {
    const auto found = programs_.find(std::string(kToolUse));
    if (found != programs_.end()) return *found->second;
  }
  const auto found = programs_.find(std::string(kDefault));
  if (found != programs_.end()) return *found->second;
  std::string names;
  for (const auto& entry : programs_) names += str(names.empty() ? "" : ", ", entry.first);
  throw Error(ErrorKind::kRequest,
              str("This model has multiple chat templates with no default specified! They are: ",
                  names, "; choose one with --chat-template"));
}

std::string ChatTemplate::render(const ChatTemplateInput& input) const {
  TemplateHeap heap(limits_);
  heap.set_abandoned(input.abandoned);
  std::vector<NamedTemplateValue> variables;
  for (const auto& token : *special_tokens_) {
    variables.push_back({view(token.key()), value_from_json(heap, token.value())});
  }
  const auto add_list = [&](std::string_view name, const json::array* list) {
    variables.push_back(
        {name, list != nullptr ? value_from_json(heap, *list) : TemplateValue::none()});
  };
  add_list("messages", &input.messages);
  add_list("tools", input.tools);
  add_list("documents", input.documents);
  variables.push_back(
      {"add_generation_prompt", TemplateValue::boolean(input.add_generation_prompt)});
  const json::object no_extra;
  for (const auto& pair : input.extra != nullptr ? *input.extra : no_extra) {
    if (pair.key() == "messages") {
      throw Error(ErrorKind::kRequest, "chat_template_kwargs: messages cannot be given there");
    }
    variables.push_back({view(pair.key()), value_from_json(heap, pair.value())});
  }
  std::string prompt = render_template(program(input.tools != nullptr), heap, variables);
  if (!input.continue_final_message) return prompt;
  return cut_behind_final_message(std::move(prompt), input.messages);
}

ChatTemplate::ContentFormat ChatTemplate::content_format(bool with_tools) const {
  return loops_over_content(program(with_tools)) ? ContentFormat::kOpenAi : ContentFormat::kString;
}

}  // namespace pagoda
