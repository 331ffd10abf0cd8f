// Pictures in chat requests: what becomes of them on the way to the engine.

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/pictures/test_pictures.h"

namespace pagoda {
namespace {

namespace json = boost::json;

json::object picture(std::string_view base64) {
  return {{"type", "image_url"}, {"image_url", {{"url", data_url(base64)}}}};
}

json::object text(std::string_view words) {
  return {{"type", "text"}, {"text", words}};
}

json::object message(const char* role, json::value content) {
  return {{"role", role}, {"content", std::move(content)}};
}

// The prompt with <N> for the N tokens of a picture.
std::string prompt_of(const VisionFixture& f, const Request& request) {
  std::string out;
  int64_t at = 0;
  const auto add_text = [&](int64_t end) {
    const auto tokens = std::span(request.prompt);
    out += f.tokenizer.decode(tokens.subspan(at, end - at), /*skip_special_tokens=*/false);
  };
  for (const PromptPicture& p : request.pictures) {
    add_text(p.first);
    out += str("<", p.tokens, ">");
    at = p.first + p.tokens;
  }
  add_text(static_cast<int64_t>(request.prompt.size()));
  return out;
}

std::string prompt_of_last(const VisionFixture& f) {
  return prompt_of(f, f.engine.submitted().back());
}

int64_t prompt_tokens(const HttpReply& reply) {
  return json::parse(reply.body).at_pointer("/usage/prompt_tokens").as_int64();
}

TEST_CASE("a picture takes as many tokens as it has merged patches, where its part stands") {
  VisionFixture f;
  const HttpReply reply = f.chat_of({text("a"), picture(kRed), text("b")});
  CHECK(reply.status == 200);
  CHECK(prompt_of_last(f) ==
        "<|im_start|>user\na<|vision_start|><4><|vision_end|>b<|im_end|>\n<|im_start|>assistant\n");
  const Request request = f.engine.submitted().back();
  CHECK(request.pictures[0].picture->image.width == 56);
  for (int i = 0; i < 4; ++i) {
    CHECK(request.prompt[request.pictures[0].first + i] == *f.tokenizer.id_of("<|image_pad|>"));
  }
  CHECK(prompt_tokens(reply) == static_cast<int64_t>(request.prompt.size()));
}

TEST_CASE("pictures of several turns and roles keep their order") {
  VisionFixture f;
  const json::array messages = {
      message("system", json::array{picture(kBlue)}),
      message("user", json::array{picture(kRed), picture(kBlue), text("a")}),
      message("assistant", "b"), message("user", json::array{text("c"), picture(kRed)})};
  const HttpReply reply = f.chat({{"messages", messages}});
  CAPTURE(reply.body);
  REQUIRE(reply.status == 200);
  CHECK(prompt_of_last(f) ==
        "<|im_start|>system\n<|vision_start|><6><|vision_end|><|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><4><|vision_end|><|vision_start|><6><|vision_end|>a"
        "<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc<|vision_start|><4><|vision_end|><|im_end|>\n<|im_start|>assistant\n");
  const Request request = f.engine.submitted().back();
  CHECK(request.pictures[1].picture->hash == request.pictures[3].picture->hash);
  CHECK(request.pictures[0].picture->hash != request.pictures[1].picture->hash);
}

TEST_CASE("every form of the part is understood") {
  VisionFixture f;
  const std::string url = data_url(kRed);
  for (const json::value& part :
       json::array{{{"type", "image_url"}, {"image_url", {{"url", url}, {"detail", "high"}}}},
                   {{"type", "image_url"}, {"image_url", {{"url", url}}}, {"uuid", "x"}},
                   {{"type", "image_url"}, {"image_url", url}},
                   {{"image_url", url}},
                   {{"image_url", {{"url", url}}}},
                   {{"type", nullptr}, {"image_url", url}}}) {
    CAPTURE(to_json(part));
    CHECK(f.chat_of({part}).status == 200);
    CHECK(f.engine.submitted().back().pictures.size() == 1);
  }
}

TEST_CASE("a template that wants one text gets the pictures before it, unless it places them") {
  ServerConfig config = VisionFixture::default_config();
  config.openai.content_format = ContentFormatOption::kString;
  VisionFixture f(config);
  CHECK(f.chat_of({text("a"), picture(kRed), picture(kBlue), text("b")}).status == 200);
  CHECK(
      prompt_of_last(f) ==
      "<|im_start|>user\n<|vision_start|><4><|vision_end|>\n<|vision_start|><6><|vision_end|>\na\n"
      "b<|im_end|>\n<|im_start|>assistant\n");
  CHECK(f.chat_of({text("a<|vision_start|><|image_pad|><|vision_end|>b"), picture(kBlue)}).status ==
        200);
  CHECK(prompt_of_last(f) ==
        "<|im_start|>user\na<|vision_start|><6><|vision_end|>b<|im_end|>\n<|im_start|>assistant\n");
  const std::string two = "<|vision_start|><|image_pad|><|vision_end|>";
  CHECK(
      message_of(f.chat_of({text(two + two), picture(kBlue)})) ==
      "Found more '<|vision_start|><|image_pad|><|vision_end|>' placeholders in input prompt than "
      "actual multimodal data items. Leave it out of the text, or add the pictures.");
}

TEST_CASE("all choices of a request share its pictures") {
  VisionFixture f;
  f.chat({{"n", 3}, {"seed", 1}, {"messages", {message("user", json::array{picture(kRed)})}}});
  const std::vector<Request> requests = f.engine.submitted();
  REQUIRE(requests.size() == 3);
  CHECK(&*requests[0].pictures[0].picture == &*requests[2].pictures[0].picture);
  CHECK(f.store.bytes() == 56 * 56 * 3);
}

TEST_CASE("a text with the image token cannot take the place of a picture") {
  VisionFixture f;
  CHECK(
      message_of(f.chat_of({text("<|image_pad|>"), picture(kRed)})) ==
      "Found more '<|image_pad|>' placeholders in input prompt than actual multimodal data items: "
      "2 and 1 pictures. Leave '<|image_pad|>' out of the texts.");
  // Where there is no picture nothing can be shifted: the token means itself.
  CHECK(f.chat_of({text("<|image_pad|>")}).status == 200);
  CHECK(f.engine.submitted().back().pictures.empty());
}

TEST_CASE("a template that leaves pictures out is not blamed on the client's text") {
  VisionFixture f;
  const HttpReply reply = f.chat({{"chat_template", "{{ messages[0]['role'] }}"},
                                  {"messages", {message("user", json::array{picture(kRed)})}}});
  CHECK(reply.status == 400);
  CHECK(
      message_of(reply) ==
      "the chat template shows 0 of 1 pictures; use another one, or start the server with another "
      "--chat-template-content-format");
}

TEST_CASE("a request may have as many pictures as the limit says") {
  ServerConfig config = VisionFixture::default_config();
  config.pictures.most_per_prompt = 1;
  VisionFixture f(config);
  CHECK(f.chat_of({picture(kRed)}).status == 200);
  CHECK(message_of(f.chat_of({picture(kRed), picture(kRed)})) ==
        "At most 1 image(s) may be provided in one request. You can set `--limit-mm-per-prompt` to "
        "increase this limit if the model supports it.");
}

TEST_CASE("what is no text and no picture is refused with what is possible") {
  VisionFixture f;
  CHECK(message_of(f.chat_of({{{"type", "video_url"}, {"video_url", {{"url", "x"}}}}})) ==
        "content part of type \"video_url\" is not possible here; allowed are \"text\", "
        "\"refusal\" and \"image_url\"");
  CHECK(f.chat_of({{{"type", "image_embeds"}, {"image_embeds", "x"}}}).status == 400);
  CHECK(f.chat_of({{{"type", "input_audio"}, {"input_audio", {{"data", "x"}}}}}).status == 400);
  CHECK(message_of(f.chat_of({{{"type", "image"}, {"image", "x"}}})) ==
        "Unknown part type: image; allowed are \"text\", \"refusal\" and \"image_url\"");
  CHECK(message_of(f.chat_of({{{"type", "image_url"}, {"image_url", {{"uri", "x"}}}}})) ==
        "content part of type \"image_url\": its field `image_url` must be an object with a text "
        "`url`, got {'type': 'image_url', 'image_url': {'uri': 'x'}}");
}

TEST_CASE("a prompt with pictures is cut nowhere, and said to be so") {
  VisionFixture f;
  const auto ask = [&](int64_t most) {
    return f.chat({{"truncate_prompt_tokens", most},
                   {"messages", {message("user", json::array{picture(kRed)})}}});
  };
  const HttpReply whole = ask(100);
  CHECK(whole.status == 200);
  const int64_t tokens = prompt_tokens(whole);
  CHECK(ask(tokens).status == 200);
  CHECK(message_of(ask(tokens - 1)) ==
        str("truncate_prompt_tokens: ", tokens - 1, " would cut the ", tokens,
            " tokens of a prompt with pictures, which cannot be cut; leave it out"));
}

TEST_CASE("pictures count against the context") {
  VisionFixture f;
  json::array content;
  for (int i = 0; i < 130; ++i) content.push_back(picture(kRed));
  const HttpReply reply = f.chat_of(std::move(content));
  CHECK(reply.status == 400);
  CHECK(message_of(reply).starts_with("This model's maximum context length is 512 tokens."));
  CHECK(f.store.bytes() == 0);
}

TEST_CASE("/tokenize counts the tokens of pictures") {
  VisionFixture f;
  const json::array messages = {message("user", json::array{picture(kBlue)})};
  const auto tokenize = [&](json::object body) {
    body["messages"] = messages;
    const HttpReply reply =
        ask(f.service, f.engine, ServiceFixture::http("POST", "/tokenize", to_json(body)));
    return json::parse(reply.body).as_object();
  };
  CHECK(f.chat({{"messages", messages}}).status == 200);
  const json::object answer = tokenize({{"return_token_strs", true}});
  CHECK(answer.at("count") == f.engine.submitted().back().prompt.size());
  CHECK(std::count(answer.at("token_strs").as_array().begin(),
                   answer.at("token_strs").as_array().end(), "<|image_pad|>") == 6);
}

TEST_CASE("a request may ask for other bounds of its pictures, within what the engine can do") {
  VisionFixture f;
  const auto ask = [&](json::object arguments) {
    return f.chat({{"mm_processor_kwargs", std::move(arguments)},
                   {"messages", {message("user", json::array{picture(kBlue)})}}});
  };
  CHECK(ask({{"max_pixels", 3136}}).status == 200);
  CHECK(f.engine.submitted().back().pictures[0].tokens == 2);
  CHECK(ask({{"min_pixels", 12544}}).status == 200);
  CHECK(f.engine.submitted().back().pictures[0].tokens == 20);
  CHECK(
      message_of(ask({{"min_pixels", 50176}})) ==
      str("messages[0].content[0]: \"data:image/png;base64,...\": resized to 280 x 196 pixels it "
          "is 70 tokens, and one picture may have 40 here; ask for max_pixels of at most 31360 in "
          "mm_processor_kwargs"));
  CHECK(ask({{"min_pixels", 200000000}, {"max_pixels", 268435456}}).status == 400);
  CHECK(message_of(ask({{"do_resize", false}})) ==
        "mm_processor_kwargs: do_resize is false, but only min_pixels, max_pixels and size "
        "{shortest_edge, longest_edge} are possible");
}

TEST_CASE("a stream begins after its pictures have come") {
  VisionFixture f;
  f.engine.answer_with("ab");
  const HttpReply reply = f.chat({{"stream", true},
                                  {"stream_options", {{"include_usage", true}}},
                                  {"messages", {message("user", json::array{picture(kRed)})}}});
  CHECK(reply.content_type == "text/event-stream");
  CHECK(joined(reply.body, "/choices/0/delta/content") == "ab");
  CHECK(reply.body.find(str("\"prompt_tokens\":", f.engine.submitted().back().prompt.size())) !=
        std::string::npos);
}

TEST_CASE("echo leaves pictures out") {
  VisionFixture f;
  f.engine.answer_with("b");
  const HttpReply reply =
      f.chat({{"echo", true},
              {"add_generation_prompt", false},
              {"continue_final_message", true},
              {"messages", {message("user", json::array{picture(kRed), text("a")})}}});
  CHECK(json::parse(reply.body).at_pointer("/choices/0/message/content") == "ab");
}

TEST_CASE("pictures go with the last request that shows them") {
  VisionFixture f;
  f.chat_of({picture(kRed)});
  f.chat_of({picture(kRed)});
  CHECK(f.store.bytes() == 56 * 56 * 3);
  f.engine.forget_submitted();
  CHECK(f.store.bytes() == 0);
}

TEST_CASE("a server that holds as many pictures as it can says so") {
  ServerConfig config = VisionFixture::default_config();
  config.pictures.max_kept_bytes = int64_t{56} * 56 * 3;
  VisionFixture f(config);
  CHECK(f.chat_of({picture(kRed)}).status == 200);
  const HttpReply reply = f.chat_of({picture(kRed)});
  CHECK(reply.status == 429);
  CHECK(message_of(reply) == "the server holds as many pictures as it can; try again later");
}

}  // namespace
}  // namespace pagoda
