#include "api/requests/chat_messages.h"

#include <boost/json.hpp>

#include "api/requests/python_repr.h"
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
  const json::value* type = part.if_contains("type");
  if (type != nullptr && !type->is_null()) {
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

// A text, or the URL of a picture.
struct Part {
  std::string text;
  std::optional<std::string> picture;
};

// {"image_url": {"url": "..."}}, or {"image_url": "..."}.
std::string url_of(const json::object& part) {
  const json::value* url = part.if_contains("image_url");
  if (url != nullptr && url->is_object()) url = url->get_object().if_contains("url");
  if (url == nullptr || !url->is_string()) {
    refuse(
        str("content part of type \"image_url\": its field `image_url` must be an object with a "
            "text `url`, got ",
            python_repr(part, kMaxQuoted)));
  }
  return std::string(url->get_string());
}

class MessageConverter {
 public:
  explicit MessageConverter(const MessageRules& rules) : rules_(rules) {}

  json::object convert(const json::object& message, size_t index);
  std::vector<PictureSource> take_pictures() { return std::move(pictures_); }

 private:
  Part part_of(const json::value& part) const;
  [[noreturn]] void refuse_media(std::string_view type) const;
  void add_picture(std::string url, size_t part);
  json::value content_of(const json::object& message);
  json::value as_parts(const json::array& parts);
  json::value as_text(const json::array& parts);

  const MessageRules& rules_;
  size_t index_ = 0;  // of the message
  std::vector<PictureSource> pictures_;
};

void MessageConverter::refuse_media(std::string_view type) const {
  if (!rules_.pictures) {
    refuse(str(rules_.model, " is not a multimodal model; leave out the content part of type \"",
               type, "\""));
  }
  refuse(str("content part of type \"", type,
             "\" is not possible here; allowed are \"text\", \"refusal\" and \"image_url\""));
}

Part MessageConverter::part_of(const json::value& part) const {
  if (part.is_string()) return {.text = std::string(part.get_string()), .picture = {}};
  if (!part.is_object()) {
    refuse(str("a content part must be a text or an object with a `type`, got ",
               python_repr(part, kMaxQuoted)));
  }
  const json::object& object = part.get_object();
  const std::string type = type_of(object);
  if (type == "text") return {.text = text_of(object, "text"), .picture = {}};
  if (type == "refusal") return {.text = text_of(object, "refusal"), .picture = {}};
  if (type == "image_url" && rules_.pictures) return {.text = {}, .picture = url_of(object)};
  if (is_media(type)) refuse_media(type);
  refuse(str("Unknown part type: ", type, "; allowed are \"text\"",
             rules_.pictures ? ", \"refusal\" and \"image_url\"" : " and \"refusal\""));
}

void MessageConverter::add_picture(std::string url, size_t part) {
  const int64_t most = rules_.pictures->most;
  if (static_cast<int64_t>(pictures_.size()) >= most) {
    refuse(str("At most ", most,
               " image(s) may be provided in one request. You can set `--limit-mm-per-prompt` to "
               "increase this limit if the model supports it."));
  }
  pictures_.push_back(
      {.url = std::move(url), .place = str("messages[", index_, "].content[", part, "]")});
}

json::value MessageConverter::as_parts(const json::array& parts) {
  json::array out;
  for (size_t i = 0; i < parts.size(); ++i) {
    Part part = part_of(parts[i]);
    if (part.picture) {
      add_picture(std::move(*part.picture), i);
      out.emplace_back(json::object{{"type", "image"}});
    } else {
      out.emplace_back(json::object{{"type", "text"}, {"text", part.text}});
    }
  }
  return out;
}

size_t count_of(std::string_view text, std::string_view piece) {
  size_t count = 0;
  for (size_t at = text.find(piece); at != std::string_view::npos;
       at = text.find(piece, at + piece.size())) {
    ++count;
  }
  return count;
}

// As vLLM: a text may say itself where its pictures are; those of which it does not come first.
std::string with_placeholders(std::string text, size_t pictures, std::string_view placeholder) {
  const size_t placed = count_of(text, placeholder);
  if (placed > pictures) {
    refuse(str("Found more '", placeholder,
               "' placeholders in input prompt than actual multimodal data items. Leave it out of "
               "the text, or add the pictures."));
  }
  for (size_t i = placed; i < pictures; ++i) text = str(placeholder, "\n", text);
  return text;
}

json::value MessageConverter::as_text(const json::array& parts) {
  std::string text;
  bool first = true;
  const size_t before = pictures_.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    Part part = part_of(parts[i]);
    if (part.picture) add_picture(std::move(*part.picture), i);
    if (part.text.empty()) continue;
    if (!first) text += '\n';
    first = false;
    text += part.text;
  }
  const size_t pictures = pictures_.size() - before;
  if (pictures > 0) {
    text = with_placeholders(std::move(text), pictures, rules_.pictures->placeholder);
  }
  return json::value(text);
}

json::value MessageConverter::content_of(const json::object& message) {
  const bool parts = rules_.format == ContentFormat::kOpenAi;
  const auto flattened = [&](const json::array& content) {
    return parts ? as_parts(content) : as_text(content);
  };
  const json::value* content = message.if_contains("content");
  if (content == nullptr || content->is_null()) return flattened({});
  if (content->is_string()) return flattened({*content});
  if (content->is_array()) return flattened(content->get_array());
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

json::object MessageConverter::convert(const json::object& message, size_t index) {
  index_ = index;
  json::object out = {{"role", message.at("role")}, {"content", content_of(message)}};
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

TemplateMessages template_messages(const json::array& messages, const MessageRules& rules) {
  if (messages.empty()) refuse("messages: the list is empty; send at least one message");
  MessageConverter converter(rules);
  TemplateMessages out;
  for (size_t i = 0; i < messages.size(); ++i) {
    out.messages.emplace_back(converter.convert(messages[i].get_object(), i));
  }
  out.pictures = converter.take_pictures();
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
    const json::value* piece = part.get_object().if_contains("text");
    if (piece == nullptr) continue;  // a picture
    if (!text.empty()) text += '\n';
    text += std::string_view(piece->get_string());
  }
  return text;
}

}  // namespace pagoda
