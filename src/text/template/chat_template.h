// Turns the messages of a chat into the text of a prompt, with the Jinja2 template that came with
// the model, as Hugging Face transformers does (ImmutableSandboxedEnvironment, trim_blocks,
// lstrip_blocks, loop controls, generation blocks, tojson, raise_exception, strftime_now).
//
// Thread rule: a ChatTemplate is immutable after construction; any thread may render.
// Invariant: whatever the template and the messages are, rendering ends within TemplateLimits, with
// a text or an Error.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "text/template/limits.h"

namespace pagoda {

struct TemplateProgram;

// Absent tools and documents are None in the template, as Hugging Face passes them.
struct ChatTemplateInput {
  const boost::json::array& messages;
  const boost::json::array* tools = nullptr;
  const boost::json::array* documents = nullptr;
  bool add_generation_prompt = true;
  // Cut the prompt behind the content of the last message, so that the model goes on with it.
  bool continue_final_message = false;
  // chat_template_kwargs, such as enable_thinking. They win over everything above but messages.
  const boost::json::object* extra = nullptr;
  // Asked to stop when nobody waits for the prompt any more; then rendering ends with an Error.
  std::stop_token abandoned = {};
};

class ChatTemplate {
 public:
  // special_tokens: bos_token, eos_token, pad_token ... as text; the template sees them as
  // variables. Throws kConfig with line and reason if the template does not parse.
  ChatTemplate(const std::string& source, const boost::json::object& special_tokens,
               const TemplateLimits& limits = {});
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // The template of a model folder: chat_template.jinja, chat_template.json, or chat_template in
  // tokenizer_config.json (a text, or a list of named ones of which "default" is used, and
  // "tool_use" when tools are given). nullopt if the folder has none.
  static std::optional<ChatTemplate> find(const std::filesystem::path& model_folder);
  // bos_token, eos_token ... of tokenizer_config.json and special_tokens_map.json; for a template
  // that does not come from the folder (--chat-template).
  static boost::json::object special_tokens_of(const std::filesystem::path& model_folder);

  // Throws kRequest: the reason, then the line. What the template says through raise_exception is
  // the reason as it stands.
  std::string render(const ChatTemplateInput& input) const;

  // How message content is to be given to the template: flattened to one text, or as the list of
  // parts. Found in the template as vLLM does: a loop over a message's content means parts.
  enum class ContentFormat : uint8_t { kString, kOpenAi };
  ContentFormat content_format(bool with_tools = false) const;

 private:
  using Programs = std::map<std::string, std::unique_ptr<const TemplateProgram>>;
  ChatTemplate(Programs programs, const boost::json::object& special_tokens,
               const TemplateLimits& limits);
  const TemplateProgram& program(bool with_tools) const;

  Programs programs_;  // by name: "default", "tool_use", ...
  std::unique_ptr<const boost::json::object> special_tokens_;
  TemplateLimits limits_;
};

}  // namespace pagoda
