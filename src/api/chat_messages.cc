#include "api/chat_messages.h"

#include <boost/json.hpp>

#include "api/python_repr.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;
using ContentFormat = ChatTemplate::ContentFormat;

constexpr size_t kMaxQuoted = 200;  // bytes of a wrong value that come back in a message

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
}

std::string text_of(const json::object& part, const char* key) {
  const json::value* text = part.if_contains(key);
  if (text == nullptr || !text->is_string()) {
    refuse(str("content part of type \"", key, "\": its field `", key, "` must be a text, got ",
               python_repr(part, kMaxQuoted)));
  }
  return std::string(text->get_string());
}

bool is_media(std::string_view type) {
  for (const std::string_view known :
       {"image_url", "image_embeds", "image_pil", "audio_url", "input_audio", "video_url"}) {
    if (type == known) return true;
  }
  return false;
}

// A part without `type` is known by its other key: {"image_url": "..."}.
std::string type_of(const json::object& part) {
  if (const json::value* type = part.if_contains("type")) {
    if (type->is_string()) return std::string(type->get_string());
    refuse(str("Unknown part type: ", python_repr(*type, kMaxQuoted),
               "; `type` must be a text such as \"text\""));
  }
  for (const auto& [key, value] : part) {
    if (key == "text" || key == "refusal" || is_media(key)) return std::string(key);
  }
  refuse(str("Unknown part type: ", python_repr(part, kMaxQuoted),
             " has no `type`; allowed are \"text\" and \"refusal\""));
}

std::string text_of_part(const json::value& part, std::string_view model) {
  if (part.is_string()) return std::string(part.get_string());
  if (!part.is_object()) {
    refuse(str("a content part must be a text or an object with a `type`, got ",
               python_repr(part, kMaxQuoted)));
  }
  const json::object& object = part.get_object();
  const std::string type = type_of(object);
  if (type == "text") return text_of(object, "text");
  if (type == "refusal") return text_of(object, "refusal");
  if (is_media(type)) {
    refuse(str(model, " is not a multimodal model; leave out the content part of type \"", type,
               "\""));
  }
  refuse(str("Unknown part type: ", type, "; allowed are \"text\" and \"refusal\""));
}

json::value flattened(const json::array& parts, ContentFormat format, std::string_view model) {
  if (format == ContentFormat::kOpenAi) {
    json::array out;
    for (const json::value& part : parts) {
      out.emplace_back(json::object{{"type", "text"}, {"text", text_of_part(part, model)}});
    }
    return out;
  }
  std::string text;
  bool first = true;
  for (const json::value& part : parts) {
    const std::string piece = text_of_part(part, model);
    if (piece.empty()) continue;
    if (!first) text += '\n';
    first = false;
    text += piece;
  }
  return json::value(text);
}

json::value content_of(const json::object& message, ContentFormat format, std::string_view model) {
  const json::value* content = message.if_contains("content");
  if (content == nullptr || content->is_null()) return flattened({}, format, model);
  if (content->is_string()) return flattened({*content}, format, model);
  if (content->is_array()) return flattened(content->get_array(), format, model);
  refuse(str("the content of a message must be a text or a list of parts, got ",
             python_repr(*content, kMaxQuoted)));
}

// Templates want the arguments as an object; clients send the JSON text that they got.
json::value parsed_call(const json::value& call) {
  const json::value* function =
      call.is_object() ? call.get_object().if_contains("function") : nullptr;
  if (function == nullptr || !function->is_object()) {
    refuse(str("a tool call needs a `function` with `name` and `arguments`, got ",
               python_repr(call, kMaxQuoted)));
  }
  json::object out = call.get_object();
  json::object& inner = out["function"].get_object();
  json::value& arguments = inner["arguments"];
  if (!arguments.is_string()) return out;
  const std::string text(arguments.get_string());
  json::error_code failed;
  json::value parsed = json::parse(text.empty() ? "{}" : text, failed);
  if (failed) {
    refuse(str("the `arguments` of a tool call must be JSON text, got ",
               python_repr(json::value(text), kMaxQuoted), ": ", failed.message()));
  }
  arguments = std::move(parsed);
  return out;
}

void copy_text(const json::object& from, const char* key, json::object& to) {
  const json::value* value = from.if_contains(key);
  if (value != nullptr && value->is_string()) to[key] = *value;
}

json::object template_message(const json::object& message, ContentFormat format,
                              std::string_view model) {
  json::object out = {{"role", message.at("role")},
                      {"content", content_of(message, format, model)}};
  if (message.at("role") == "assistant") {
    const json::value* calls = message.if_contains("tool_calls");
    if (calls != nullptr && calls->is_array()) {
      json::array list;
      for (const json::value& call : calls->get_array()) list.push_back(parsed_call(call));
      out["tool_calls"] = std::move(list);
    }
    copy_text(message, "reasoning_content", out);
  } else if (message.at("role") == "tool") {
    copy_text(message, "tool_call_id", out);
  }
  copy_text(message, "name", out);
  return out;
}

}  // namespace

json::array template_messages(const json::array& messages, ContentFormat format,
                              std::string_view model) {
  if (messages.empty()) refuse("messages: the list is empty; send at least one message");
  json::array out;
  for (const json::value& message : messages) {
    out.emplace_back(template_message(message.get_object(), format, model));
  }
  return out;
}

std::string text_to_echo(const json::array& messages, std::string_view role) {
  if (messages.empty()) return {};
  const json::object& last = messages.back().get_object();
  if (last.at("role") != json::string_view(role)) return {};
  const json::value& content = last.at("content");
  if (content.is_string()) return std::string(content.get_string());
  std::string text;
  for (const json::value& part : content.get_array()) {
    if (!text.empty()) text += '\n';
    text += std::string_view(part.get_object().at("text").get_string());
  }
  return text;
}

}  // namespace pagoda
