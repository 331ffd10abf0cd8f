#include "text/template/chat_template.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "text/template/test_rendering.h"

namespace pagoda {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using ContentFormat = ChatTemplate::ContentFormat;

constexpr const char* kPlain =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

json::array messages(const char* text) {
  return json::parse(text).as_array();
}

std::string message_of(const ChatTemplate& chat, const ChatTemplateInput& input) {
  try {
    return str("no error: ", chat.render(input));
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kRequest ? error.what() : "an error of another kind";
  }
}

std::string error_of_source(const std::string& source) {
  try {
    const ChatTemplate chat(source, {});
    return "no error";
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kConfig ? error.what() : "an error of another kind";
  }
}

using Files = std::map<std::string, std::string>;

// A model folder with the given files, gone with the fixture.
class Folder {
 public:
  explicit Folder(const Files& files)
      : path_(fs::temp_directory_path() / str("pagoda-chat-template-", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    for (const auto& [name, text] : files) std::ofstream(path_ / name) << text;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string render_of(const Folder& folder, const json::array* tools = nullptr) {
  const json::array none;
  const auto chat = ChatTemplate::find(folder.path());
  return chat ? chat->render({.messages = none, .tools = tools}) : "no template";
}

TEST_CASE("messages become a prompt, with the generation prompt unless it is switched off") {
  const ChatTemplate chat(kPlain, {});
  const json::array chats = messages(R"([{"role":"user","content":"Hi"}])");
  CHECK(chat.render({.messages = chats}) == "<user>Hi</><assistant>");
  CHECK(chat.render({.messages = chats, .add_generation_prompt = false}) == "<user>Hi</>");
}

TEST_CASE("tools and documents that are not given are None, as transformers passes them") {
  const ChatTemplate chat("{{ tools is defined }}{{ tools }}{{ documents }}", {});
  const json::array none;
  CHECK(chat.render({.messages = none}) == "TrueNoneNone");
}

TEST_CASE("special tokens are variables, and chat_template_kwargs win over them") {
  const ChatTemplate chat("{{ bos_token }}{{ enable_thinking }}{{ add_generation_prompt }}",
                          {{"bos_token", "<s>"}});
  const json::array none;
  const json::object extra{
      {"enable_thinking", false}, {"bos_token", "B"}, {"add_generation_prompt", 0}};
  CHECK(chat.render({.messages = none}) == "<s>True");
  CHECK(chat.render({.messages = none, .extra = &extra}) == "BFalse0");
}

TEST_CASE("chat_template_kwargs cannot replace the messages") {
  const ChatTemplate chat(kPlain, {});
  const json::array none;
  const json::object extra{{"messages", json::array()}};
  CHECK(message_of(chat, {.messages = none, .extra = &extra}) ==
        "chat_template_kwargs: messages cannot be given there");
}

TEST_CASE("what raise_exception says comes first in the error, then the line") {
  const ChatTemplate chat("a\n{{ raise_exception('Roles must alternate!') }}", {});
  const json::array none;
  CHECK(message_of(chat, {.messages = none}) == "Roles must alternate! (chat template, line 2)");
}

TEST_CASE("a template that does not parse is refused with line and reason") {
  CHECK(error_of_source("a\n{% if x %}b") ==
        "the chat template does not parse: Unexpected end of template. Jinja was looking for the "
        "following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed "
        "is 'if'. (line 2)");
  CHECK(error_of_source("{{ x | nope }}") ==
        "the chat template does not parse: No filter named 'nope'. (line 1)");
  CHECK(error_of_source("\n\n{% include 'a' %}") ==
        "the chat template does not parse: 'include' is not supported: a chat template is one "
        "file, without parents (line 3)");
}

TEST_CASE("continue_final_message cuts behind the content of the last message") {
  const ChatTemplate chat(kPlain, {});
  const json::array chats =
      messages(R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Once upon "}])");
  CHECK(chat.render(
            {.messages = chats, .add_generation_prompt = false, .continue_final_message = true}) ==
        "<user>Hi</><assistant>Once upon ");
}

TEST_CASE("continue_final_message finds a content that the template has trimmed") {
  const ChatTemplate chat("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", {});
  const json::array chats = messages(R"([{"role":"assistant","content":" Once upon \n"}])");
  CHECK(chat.render({.messages = chats, .continue_final_message = true}) == "<Once upon");
}

TEST_CASE("continue_final_message goes on with the last text part of a list of parts") {
  const ChatTemplate chat(
      "{% for m in messages %}{% for p in m.content %}{{ p.text }}.{% endfor %}{% endfor %}", {});
  const json::array chats = messages(
      R"([{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},
          {"type":"image"}]}])");
  CHECK(chat.render({.messages = chats, .continue_final_message = true}) == "a.b");
}

TEST_CASE("continue_final_message says so if the template drops the content") {
  const ChatTemplate chat("nothing of it", {});
  const json::array chats = messages(R"([{"role":"assistant","content":"gone"}])");
  CHECK(message_of(chat, {.messages = chats, .continue_final_message = true})
            .starts_with("continue_final_message is set but the final message does not appear in "
                         "the chat after applying the chat template!"));
  const json::array empty;
  CHECK(message_of(chat, {.messages = empty, .continue_final_message = true}) ==
        "continue_final_message is set but the final message has no content to continue");
}

TEST_CASE("the template is found in each of its three places") {
  CHECK(render_of(Folder(Files{{"chat_template.jinja", "A"},
                               {"tokenizer_config.json", R"({"chat_template":"C"})"}})) == "A");
  CHECK(render_of(Folder(Files{{"chat_template.json", R"({"chat_template":"B"})"}})) == "B");
  CHECK(render_of(Folder(Files{{"tokenizer_config.json", R"({"chat_template":"C"})"}})) == "C");
  CHECK(render_of(Folder(Files{{"tokenizer_config.json", "{}"}})) == "no template");
}

TEST_CASE("of several named templates, tool_use is for requests with tools") {
  const Folder folder(Files{{"tokenizer_config.json",
                             R"({"chat_template":[{"name":"default","template":"plain"},
                                             {"name":"tool_use","template":"tools"}]})"}});
  const json::array tools;
  CHECK(render_of(folder) == "plain");
  CHECK(render_of(folder, &tools) == "tools");
}

TEST_CASE("named templates without a default are refused when one is needed") {
  const Folder folder(
      Files{{"tokenizer_config.json", R"({"chat_template":[{"name":"rag","template":"x"}]})"}});
  const auto chat = ChatTemplate::find(folder.path());
  const json::array none;
  CHECK(message_of(*chat, {.messages = none}) ==
        "This model has multiple chat templates with no default specified! They are: rag; choose "
        "one with --chat-template");
}

TEST_CASE("what is no template is told with its place and what is expected") {
  const Folder folder(Files{{"tokenizer_config.json", R"({"chat_template":[{"name":"x"}]})"}});
  const std::string file = (folder.path() / "tokenizer_config.json").string();
  CHECK_THROWS_WITH_AS(ChatTemplate::find(folder.path()),
                       (file + ": chat_template is [{\"name\": \"x\"}], expected a text or a list "
                               "of {\"name\", \"template\"}")
                           .c_str(),
                       Error);
}

TEST_CASE("special tokens come from the folder, as text or as objects with content") {
  const Folder folder(Files{{"tokenizer_config.json",
                             R"({"chat_template":"{{ bos_token }}{{ eos_token }}{{ pad_token }}",
                            "bos_token":"<s>","eos_token":{"content":"</s>"},"pad_token":null})"}});
  CHECK(render_of(folder) == "<s></s>");
}

TEST_CASE("content is wanted as parts if the template loops over a message's content") {
  const auto format = [](const char* source) { return ChatTemplate(source, {}).content_format(); };
  CHECK(format(kPlain) == ContentFormat::kString);
  CHECK(format("{% for m in messages %}{% for c in m['content'] %}{% endfor %}{% endfor %}") ==
        ContentFormat::kOpenAi);
  CHECK(format("{% set rest = messages[1:] %}{% for m in rest | list %}{% if m.content is string %}"
               "{% else %}{% for c in m.content | reverse %}{% endfor %}{% endif %}{% endfor %}") ==
        ContentFormat::kOpenAi);
  CHECK(format("{% for m in messages %}{% for c in m.parts %}{% endfor %}{% endfor %}") ==
        ContentFormat::kString);
  CHECK(format("{% set ns.m = messages %}{% for m in messages %}{% for c in m.content %}"
               "{% endfor %}{% endfor %}") == ContentFormat::kString);
}

TEST_CASE("messages are followed through as many names as a template has room for") {
  // Each name compared with each assignment would be 1.6 * 10^9 looks.
  std::string source = "{% set a0 = messages %}";
  int last = 0;
  while (last < 40'000) {
    source += str("{%set a", last + 1, "=a", last, "%}");
    ++last;
  }
  source += str("{% for m in a", last, " %}{% for part in m.content %}{% endfor %}{% endfor %}");
  CHECK(ChatTemplate(source, {}).content_format() == ChatTemplate::ContentFormat::kOpenAi);
}

TEST_CASE("the message to be continued is searched for without comparing it at every place") {
  const std::string content = std::string(1'000'000, 'a') + "b";
  const json::array messages = {json::object{{"role", "user"}, {"content", content}}};
  const ChatTemplate chat_template("{{ messages[0].content }}{{ 'a' * 2000000 }}", {});
  const std::string prompt =
      chat_template.render({.messages = messages, .continue_final_message = true});
  CHECK(prompt == content);
}

}  // namespace
}  // namespace pagoda
