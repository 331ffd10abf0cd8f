#include <doctest/doctest.h>

#include "api/requests/chat_messages.h"
#include "api/routes/test_service.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr const char* kWho = R"("messages":[{"role":"user","content":"Who are you?"}])";
constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}])";
constexpr const char* kCall =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Tokyo\"}}\n</tool_call>";

std::string chat(const std::string& more) {
  return str("{", kWho, more, "}");
}

ServerConfig with_parsers() {
  ServerConfig config = ServiceFixture::default_config();
  config.openai.enable_auto_tool_choice = true;
  config.openai.tool_call_parser = "hermes";
  config.openai.reasoning_parser = "qwen3";
  return config;
}

std::string prompt_text(const ServiceFixture& f) {
  return f.tokenizer.decode(f.engine.submitted().back().prompt, false);
}

// Of an id that differs from run to run, the beginning only.
std::string without_call_id(std::string text) {
  const size_t at = text.find("chatcmpl-tool-");
  if (at != std::string::npos) text.erase(at, std::string("chatcmpl-tool-").size() + 32);
  return text;
}

}  // namespace

TEST_CASE("a chat answer has exactly vLLM's fields in vLLM's order") {
  ServiceFixture f;
  f.engine.answer_with("I am Pagoda");
  const HttpReply reply = f.post("/v1/chat/completions", chat(""));
  CHECK(reply.status == 200);
  CHECK(steady(reply.body) ==
        str(R"({"id":"ID","object":"chat.completion","created":0,"model":"demo","choices":[)",
            R"({"index":0,"message":{"role":"assistant","reasoning_content":null,)",
            R"("content":"I am Pagoda","tool_calls":[]},"logprobs":null,"finish_reason":"stop",)",
            R"("stop_reason":null}],"usage":{"prompt_tokens":)",
            f.engine.submitted()[0].prompt.size(), R"(,"total_tokens":)",
            f.engine.submitted()[0].prompt.size() + f.tokenizer.encode("I am Pagoda").size() + 1,
            R"(,"completion_tokens":)", f.tokenizer.encode("I am Pagoda").size() + 1,
            R"(,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null})"));
}

TEST_CASE("a chat stream announces the role, sends the text, and ends with reason and [DONE]") {
  ServiceFixture f;
  f.engine.answer_with_tokens({TokenId(66)});
  const HttpReply reply = f.post("/v1/chat/completions", chat(R"(,"stream":true)"));
  const std::string head =
      R"(data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"demo","choices":[)";
  CHECK(steady(reply.body) ==
        str(head, R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)",
            "\"finish_reason\":null}]}\n\n", head,
            R"({"index":0,"delta":{"content":"`"},"logprobs":null,"finish_reason":null}]})", "\n\n",
            head, R"({"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop",)",
            "\"stop_reason\":null}]}\n\ndata: [DONE]\n\n"));
}

TEST_CASE("the usage of a stream comes in every chunk or in the last, as asked for") {
  ServiceFixture f;
  f.engine.answer_with_tokens({TokenId(66)});
  const HttpReply reply =
      f.post("/v1/chat/completions",
             chat(R"(,"stream":true,"stream_options":{"continuous_usage_stats":true})"));
  const auto n = f.engine.submitted()[0].prompt.size();
  for (const size_t done : {0, 1, 2}) {
    CHECK(reply.body.find(str(R"(],"usage":{"prompt_tokens":)", n, R"(,"total_tokens":)", n + done,
                              R"(,"completion_tokens":)", done, "}}")) != std::string::npos);
  }
  CHECK(reply.body.find("\"choices\":[],\"usage\"") != std::string::npos);
}

TEST_CASE("thinking is told from the answer, streaming and not") {
  ServiceFixture f(with_parsers());
  f.engine.answer_with("<think>\nI add.\n</think>\n\n68");
  const HttpReply whole = f.post("/v1/chat/completions", chat(""));
  CHECK(whole.body.find(R"("reasoning_content":"\nI add.\n","content":"\n\n68")") !=
        std::string::npos);
  const HttpReply stream = f.post("/v1/chat/completions", chat(R"(,"stream":true)"));
  CHECK(joined(stream.body, "/choices/0/delta/reasoning_content") == "\nI add.\n");
  CHECK(joined(stream.body, "/choices/0/delta/content") == "\n\n68");
}

TEST_CASE("tool calls are found, streaming and not") {
  ServiceFixture f(with_parsers());
  f.engine.answer_with(kCall);
  const HttpReply whole = f.post("/v1/chat/completions", chat(str(",", kTools)));
  CHECK(without_call_id(whole.body)
            .find(R"("content":null,"tool_calls":[{"id":"","type":"function","function":{"name":)"
                  R"("get_weather","arguments":"{\"city\": \"Tokyo\"}"}}]},"logprobs":null,)"
                  R"("finish_reason":"tool_calls")") != std::string::npos);
  const HttpReply stream =
      f.post("/v1/chat/completions", chat(str(",", kTools, R"(,"stream":true)")));
  CHECK(without_call_id(stream.body)
            .find(R"({"tool_calls":[{"id":"","type":"function","index":0,"function":{"name":)"
                  R"("get_weather"}}]})") != std::string::npos);
  CHECK(joined(stream.body, "/choices/0/delta/tool_calls/0/function/arguments") ==
        R"({"city": "Tokyo"})");
  CHECK(joined(stream.body, "/choices/0/finish_reason") == "tool_calls");
  CHECK(joined(stream.body, "/choices/0/delta/content").empty());
}

TEST_CASE("tools stay out of the prompt with tool_choice none") {
  ServiceFixture f(with_parsers());
  f.engine.answer_with("x");
  f.post("/v1/chat/completions", chat(str(",", kTools, R"(,"tool_choice":"none")")));
  CHECK(prompt_text(f).find("get_weather") == std::string::npos);
  f.post("/v1/chat/completions", chat(str(",", kTools)));
  CHECK(prompt_text(f).find("get_weather") != std::string::npos);
}

TEST_CASE("tool_choice is checked in vLLM's words") {
  ServiceFixture f(with_parsers());
  const auto message = [&f](const std::string& more) {
    const HttpReply reply = f.post("/v1/chat/completions", chat(more));
    CHECK(reply.status == 400);
    return message_of(reply);
  };
  CHECK(
      message(R"(,"tool_choice":"auto")").find("When using `tool_choice`, `tools` must be set.") !=
      std::string::npos);
  CHECK(message(str(",", kTools, R"(,"tool_choice":"maybe")"))
            .find("Invalid value for `tool_choice`") != std::string::npos);
  CHECK(message(str(",", kTools, R"(,"tool_choice":{"type":"function","function":{"name":"x"}})"))
            .find("does not match any of the specified `tools`") != std::string::npos);
  CHECK(message(str(",", kTools, R"(,"tool_choice":"required")")).find("not supported yet") !=
        std::string::npos);
  ServiceFixture plain;
  CHECK(message_of(plain.post("/v1/chat/completions", chat(str(",", kTools)))) ==
        "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set");
}

TEST_CASE("log-probabilities of a chat have bytes and the most likely tokens") {
  ServiceFixture f;
  f.engine.answer_with(" not");
  HttpReply reply =
      f.post("/v1/chat/completions", chat(R"(,"logprobs":true,"top_logprobs":1,"max_tokens":1)"));
  CHECK(reply.body.find("\"logprobs\":{\"content\":[{\"token\":\"Ġnot\",\"logprob\":-2.0,\"bytes\":"
                        "[196,160,110,111,116],\"top_logprobs\":[{\"token\":\"Ġnot\",\"logprob\":"
                        "-2.0,\"bytes\":[196,160,110,111,116]}]}]}") != std::string::npos);
  reply = f.post("/v1/chat/completions", chat(R"(,"logprobs":true,"max_tokens":1)"));
  CHECK(reply.body.find("\"top_logprobs\":[]") != std::string::npos);
  CHECK(message_of(f.post("/v1/chat/completions", chat(R"(,"top_logprobs":2)")))
            .find("when using `top_logprobs`, `logprobs` must be set to true.") !=
        std::string::npos);
}

TEST_CASE("max_completion_tokens wins over max_tokens, and without both the context is the limit") {
  ServiceFixture f;
  f.engine.answer_with("a");
  f.post("/v1/chat/completions", chat(R"(,"max_tokens":24,"max_completion_tokens":4)"));
  f.post("/v1/chat/completions", chat(""));
  const std::vector<Request> requests = f.engine.submitted();
  CHECK(requests[0].sampling.max_tokens == 4);
  CHECK(requests[1].sampling.max_tokens == 256 - static_cast<int64_t>(requests[1].prompt.size()));
}

TEST_CASE("the last message is continued, and echoed where asked for") {
  ServiceFixture f;
  f.engine.answer_with(" 68");
  const char* body =
      R"({"messages":[{"role":"user","content":"23 + 45?"},{"role":"assistant","content":"It is"}],)"
      R"("continue_final_message":true,"add_generation_prompt":false,"echo":true,"stream":)";
  const HttpReply whole = f.post("/v1/chat/completions", str(body, "false}"));
  CHECK(whole.body.find(R"("content":"It is 68")") != std::string::npos);
  CHECK(prompt_text(f).ends_with("It is"));
  CHECK(joined(f.post("/v1/chat/completions", str(body, "true}")).body,
               "/choices/0/delta/content") == "It is 68");
  CHECK(message_of(f.post("/v1/chat/completions", chat(R"(,"continue_final_message":true)")))
            .find("not compatible") != std::string::npos);
}

TEST_CASE("text parts are joined by line breaks for templates that want a text") {
  ServiceFixture f;
  f.engine.answer_with("x");
  f.post(
      "/v1/chat/completions",
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},"b",{"text":"c"}]}]})");
  CHECK(prompt_text(f).find("a\nb\nc") != std::string::npos);
}

TEST_CASE("messages that cannot be understood are refused with the reason") {
  ServiceFixture f;
  const auto message = [&f](const char* messages) {
    const HttpReply reply = f.post("/v1/chat/completions", str(R"({"messages":)", messages, "}"));
    CHECK(reply.status == 400);
    return message_of(reply);
  };
  CHECK(message("[]") == "messages: the list is empty; send at least one message");
  CHECK(message(R"([{"role":"user","content":[{"type":"hologram"}]}])") ==
        "Unknown part type: hologram; allowed are \"text\" and \"refusal\"");
  CHECK(message(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])") ==
        "demo-model is not a multimodal model; leave out the content part of type \"image_url\"");
  CHECK(message(R"([{"role":"user","content":7}])") ==
        "the content of a message must be a text or a list of parts, got 7");
  CHECK(message(R"([{"role":"alien","content":"hi"}])").starts_with("Unknown role: alien"));
  CHECK(message(R"([{"content":"hi"}])").find("('body', 'messages', 0, 'role')") !=
        std::string::npos);
  CHECK(message(R"([7])").find("Input should be a valid dictionary") != std::string::npos);
}

TEST_CASE("the arguments of earlier tool calls reach the template as objects") {
  const auto messages = boost::json::parse(
      R"([{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",
           "function":{"name":"f","arguments":"{\"city\": \"Tokyo\"}"}}]},
          {"role":"tool","tool_call_id":"c","name":"f","content":"20"}])");
  const auto out = template_messages(messages.as_array(),
                                     {.format = ChatTemplate::ContentFormat::kString, .model = "m"})
                       .messages;
  CHECK(to_json(out) ==
        R"([{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"function",)"
        R"("function":{"name":"f","arguments":{"city":"Tokyo"}}}]},)"
        R"({"role":"tool","content":"20","tool_call_id":"c","name":"f"}])");
  const auto broken = boost::json::parse(
      R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])");
  CHECK_THROWS_AS(template_messages(broken.as_array(),
                                    {.format = ChatTemplate::ContentFormat::kString, .model = "m"}),
                  Error);
}

TEST_CASE("a template can come with the request, and may be wrong") {
  ServiceFixture f;
  f.engine.answer_with("x");
  f.post("/v1/chat/completions", chat(R"(,"chat_template":"[{{ messages[0].content }}]")"));
  CHECK(prompt_text(f) == "[Who are you?]");
  const HttpReply wrong = f.post("/v1/chat/completions", chat(R"(,"chat_template":"{% if %}")"));
  CHECK(wrong.status == 400);
  CHECK(message_of(wrong).starts_with("chat_template: "));
}

TEST_CASE("an engine that fails in the middle ends streams and answers with the reason") {
  ServiceFixture f;
  f.engine.answer_with("abc");
  for (const bool stream : {false, true}) {
    RouteAnswer answer = f.service.answer(ServiceFixture::http(
        "POST", "/v1/chat/completions", chat(stream ? R"(,"stream":true)" : "")));
    answer.generation->take_requests();
    answer.generation->fail(engine_failure("out of memory"));
    CHECK(answer.generation->is_done());
    if (stream) {
      CHECK(answer.generation->unsent() ==
            "data: {\"error\":{\"object\":\"error\",\"message\":\"out of memory\",\"type\":"
            "\"InternalServerError\",\"param\":null,\"code\":500}}\n\ndata: [DONE]\n\n");
    } else {
      CHECK(answer.generation->reply().status == 500);
    }
  }
}

TEST_CASE("an answer for which memory runs out half way is a 503 as well") {
  ServiceFixture f;
  RouteAnswer answer =
      f.service.answer(ServiceFixture::http("POST", "/v1/chat/completions", chat("")));
  for (Request& request : answer.generation->take_requests()) f.engine.submit(std::move(request));
  answer.generation->fail(failure_of(std::bad_alloc()));
  CHECK(f.engine.cancelled().size() == 1);
  f.service.complete(answer);
  CHECK(answer.reply.status == 503);
  CHECK(answer.reply.body.find("ServiceUnavailableError") != std::string::npos);
}

TEST_CASE("a client that goes away ends its sequences in the engine") {
  ServiceFixture f;
  RouteAnswer answer =
      f.service.answer(ServiceFixture::http("POST", "/v1/chat/completions", chat(R"(,"n":2)")));
  for (Request& request : answer.generation->take_requests()) f.engine.submit(std::move(request));
  answer.generation.reset();
  REQUIRE(f.engine.cancelled().size() == 2);
  CHECK(f.engine.cancelled()[0].second == FinishReason::kAbort);
}

TEST_CASE("tokenize renders chats too") {
  ServiceFixture f;
  CHECK(f.post("/tokenize", R"({"messages":[{"role":"user","content":"你是谁？"}]})").body ==
        R"({"count":10,"max_model_len":256,"tokens":[1,286,201,1886,505,2,201,1,288,201],)"
        R"("token_strs":null})");
  CHECK(f.post("/tokenize", R"({"prompt":"你是谁？","return_token_strs":"true"})").body ==
        "{\"count\":2,\"max_model_len\":256,\"tokens\":[1886,505],\"token_strs\":[\"ä½łæĺ¯è°ģ\","
        "\"ï¼Ł\"]}");
}

}  // namespace pagoda
