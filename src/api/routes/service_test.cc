#include <doctest/doctest.h>

#include <stop_token>

#include "api/routes/test_service.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr const char* kPrompt = R"("prompt":"The future of AI is")";

std::string completion(const std::string& more) {
  return str("{", kPrompt, more, "}");
}

}  // namespace

TEST_CASE("a completion has exactly vLLM's fields in vLLM's order") {
  ServiceFixture f;
  f.engine.answer_with(" not one large machine");
  const HttpReply reply =
      f.post("/v1/completions", completion(R"(,"model":"demo","max_tokens":2)"));
  CHECK(reply.status == 200);
  CHECK(reply.content_type == "application/json");
  CHECK(steady(reply.body) ==
        R"({"id":"ID","object":"text_completion","created":0,"model":"demo","choices":[{"index":0,)"
        R"("text":" not one","logprobs":null,"finish_reason":"length","stop_reason":null,)"
        R"("prompt_logprobs":null}],"usage":{"prompt_tokens":5,"total_tokens":7,)"
        R"("completion_tokens":2,"prompt_tokens_details":null},"kv_transfer_params":null})");
}

TEST_CASE("a streamed completion sends one chunk a token, then the usage, then [DONE]") {
  ServiceFixture f;
  f.engine.answer_with(" not one");
  const HttpReply stream = f.post(
      "/v1/completions",
      completion(R"(,"stream":true,"max_tokens":2,"stream_options":{"include_usage":true})"));
  CHECK(steady(stream.body) ==
        "data: {\"id\":\"ID\",\"object\":\"text_completion\",\"created\":0,\"model\":\"demo\","
        "\"choices\":[{\"index\":0,\"text\":\" not\",\"logprobs\":null,\"finish_reason\":null,"
        "\"stop_reason\":null}],\"usage\":null}\n\n"
        "data: {\"id\":\"ID\",\"object\":\"text_completion\",\"created\":0,\"model\":\"demo\","
        "\"choices\":[{\"index\":0,\"text\":\" one\",\"logprobs\":null,\"finish_reason\":"
        "\"length\",\"stop_reason\":null}],\"usage\":null}\n\n"
        "data: {\"id\":\"ID\",\"object\":\"text_completion\",\"created\":0,\"model\":\"demo\","
        "\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":7,\"completion_tokens\":2}}"
        "\n\ndata: [DONE]\n\n");
}

TEST_CASE("the usage of streams and cached tokens are told as the server is configured") {
  ServerConfig config = ServiceFixture::default_config();
  config.openai.enable_force_include_usage = true;
  config.openai.enable_prompt_tokens_details = true;
  ServiceFixture f(config);
  f.engine.answer_with(" not");
  const HttpReply stream = f.post(
      "/v1/completions", completion(R"(,"stream":true,"stream_options":{"include_usage":false})"));
  CHECK(stream.body.find(R"("prompt_tokens_details":{"cached_tokens":4}}})") != std::string::npos);
  CHECK(f.post("/v1/completions", completion(R"(,"stream":true)")).body.find("cached") ==
        std::string::npos);
  CHECK(f.post("/v1/completions", completion(""))
            .body.find(R"("prompt_tokens_details":{"cached_tokens":4}},"kv)") != std::string::npos);
}

TEST_CASE("a stop string split over two tokens is not sent, and ends the request in the engine") {
  ServiceFixture f;
  f.engine.answer_with(" not one large machine");
  for (const char* stream : {"false", "true"}) {
    const HttpReply reply =
        f.post("/v1/completions", completion(str(R"(,"stop":["e lar"],"stream":)", stream)));
    CHECK(reply.body.find(R"("finish_reason":"stop","stop_reason":"e lar")") != std::string::npos);
    CHECK(reply.body.find("lar\"") == reply.body.rfind("lar\""));
  }
  REQUIRE(f.engine.cancelled().size() == 2);
  CHECK(f.engine.cancelled()[0].second == FinishReason::kStop);
  CHECK(f.engine.num_running() == 0);
}

TEST_CASE("the stop string is kept where that is asked for") {
  ServiceFixture f;
  f.engine.answer_with(" not one large");
  const HttpReply reply =
      f.post("/v1/completions", completion(R"(,"stop":"one","include_stop_str_in_output":true)"));
  CHECK(reply.body.find(R"("text":" not one",)") != std::string::npos);
}

TEST_CASE("a text that breaks off within a character ends before it") {
  ServiceFixture f;
  const TokenId lead_byte(100);  // three in a row are no character, whatever follows
  f.engine.answer_with_tokens({TokenId(66), lead_byte, lead_byte, TokenId(66), lead_byte});
  const HttpReply reply = f.post("/v1/completions", completion(R"(,"max_tokens":5)"));
  CHECK(reply.body.find("\"text\":\"`\xEF\xBF\xBD\xEF\xBF\xBD`\"") != std::string::npos);
}

TEST_CASE("echo puts the prompt before the answer, alone with max_tokens 0") {
  ServiceFixture f;
  f.engine.answer_with(" not one");
  HttpReply reply = f.post("/v1/completions", completion(R"(,"echo":true,"max_tokens":1)"));
  CHECK(reply.body.find(R"("text":"The future of AI is not")") != std::string::npos);
  reply = f.post("/v1/completions", completion(R"(,"echo":true,"max_tokens":0)"));
  CHECK(reply.body.find(R"("text":"The future of AI is",)") != std::string::npos);
  CHECK(reply.body.find(R"("completion_tokens":1)") != std::string::npos);
}

TEST_CASE("log-probabilities of completions name tokens as the vocabulary writes them") {
  ServiceFixture f;
  f.engine.answer_with(" not one");
  HttpReply reply = f.post("/v1/completions", completion(R"(,"logprobs":0,"max_tokens":2)"));
  CHECK(reply.body.find(
            "\"logprobs\":{\"text_offset\":[0,4],\"token_logprobs\":[-2.0,-2.0],\"tokens\":[\"Ġnot"
            "\",\"Ġone\"],\"top_logprobs\":[{\"Ġnot\":-2.0},{\"Ġone\":-2.0}]}") !=
        std::string::npos);
  reply = f.post("/v1/completions",
                 completion(R"(,"logprobs":1,"max_tokens":1,"return_tokens_as_token_ids":true)"));
  CHECK(reply.body.find(R"("tokens":["token_id:1835"],"top_logprobs":[{"token_id:1835":-2.0,)"
                        R"("token_id:1834":-1.0}])") != std::string::npos);
}

TEST_CASE("echo with log-probabilities begins with a null for the first token of the prompt") {
  ServiceFixture f;
  f.engine.answer_with(" not");
  const HttpReply reply =
      f.post("/v1/completions", completion(R"(,"logprobs":0,"max_tokens":1,"echo":true)"));
  CHECK(reply.body.find("\"text_offset\":[0,3,10,13,16,19],\"token_logprobs\":[null,-2.0,-2.0,-2.0,"
                        "-2.0,-2.0],\"tokens\":[\"The\",\"Ġfuture\"") != std::string::npos);
  CHECK(reply.body.find("\"prompt_logprobs\":[null,{\"1230\":{\"logprob\":-2.0,\"rank\":2,"
                        "\"decoded_token\":\"Ġfuture\"}}") != std::string::npos);
}

TEST_CASE("several prompts and choices are numbered prompt by prompt, with a seed each") {
  ServiceFixture f;
  f.engine.answer_with(" not");
  const HttpReply reply = f.post(
      "/v1/completions", R"({"prompt":["a b","c"],"n":2,"seed":7,"max_tokens":1,"temperature":1})");
  const auto choices = boost::json::parse(reply.body).at("choices").as_array();
  REQUIRE(choices.size() == 4);
  CHECK(choices[3].at("index") == 3);
  const std::vector<Request> requests = f.engine.submitted();
  CHECK(requests[0].prompt == requests[1].prompt);
  CHECK(requests[0].prompt != requests[2].prompt);
  CHECK(requests[0].sampling.seed == 7);
  CHECK(requests[1].sampling.seed == 8);
  CHECK(requests[2].sampling.seed == 7);
}

TEST_CASE("the model's defaults hold where the request says nothing") {
  ServiceFixture f(ServiceFixture::default_config(), {.temperature = 0.6,
                                                      .top_p = 0.95,
                                                      .min_p = {},
                                                      .repetition_penalty = {},
                                                      .top_k = 20,
                                                      .max_new_tokens = 3,
                                                      .stop_token_ids = {TokenId(7)}});
  f.engine.answer_with(" not one large machine but many");
  f.post("/v1/completions", completion(R"(,"top_p":0.5,"stop_token_ids":[9])"));
  const SamplingParams params = f.engine.submitted().at(0).sampling;
  CHECK(params.temperature == 0.6F);
  CHECK(params.top_p == 0.5F);
  CHECK(params.top_k == 20);
  CHECK(params.max_tokens == 3);
  CHECK(params.stop_token_ids == std::vector<TokenId>{TokenId(9), TokenId(7)});
}

TEST_CASE("temperature 0 is greedy and switches the filters off; a tiny one is raised") {
  ServiceFixture f;
  f.post("/v1/completions", completion(R"(,"temperature":0,"top_p":0.5,"top_k":3,"min_p":0.1)"));
  f.post("/v1/completions", completion(R"(,"temperature":0.001)"));
  const std::vector<Request> requests = f.engine.submitted();
  CHECK(requests.at(0).sampling.temperature == 0.0F);
  CHECK(requests.at(0).sampling.top_p == 1.0F);
  CHECK(requests.at(0).sampling.top_k == 0);
  CHECK(requests.at(1).sampling.temperature == 0.01F);
}

TEST_CASE("what is out of range is refused in vLLM's words") {
  struct Case {
    const char* fields;
    const char* message;
  };
  const Case cases[] = {
      {R"(,"top_k":-5)", "top_k must be 0 (disable), or at least 1, got -5."},
      {R"(,"temperature":-1)", "temperature must be non-negative, got -1.0."},
      {R"(,"temperature":"nan")", "temperature must be non-negative, got nan."},
      {R"(,"top_p":0)", "top_p must be in (0, 1], got 0.0."},
      {R"(,"max_tokens":-1)", "max_tokens must be at least 1, got -1."},
      {R"(,"n":0)", "n must be at least 1, got 0."},
      {R"(,"n":2,"temperature":0)", "n must be 1 when using greedy sampling, got 2."},
      {R"(,"min_tokens":9,"max_tokens":3)",
       "min_tokens must be less than or equal to max_tokens=3, got 9."},
      {R"(,"stop":[""])", "stop cannot contain an empty string."},
      {R"(,"allowed_token_ids":[])", "allowed_token_ids is not None and empty!"},
      {R"(,"logit_bias":{"99999":1})",
       "token_id(s) [99999] in logit_bias contain out-of-vocab token ids. Vocabulary size: 2048"},
      {R"(,"logit_bias":{"a":1})", "invalid literal for int() with base 10: 'a'"},
      {R"(,"suffix":"!")", "suffix is not currently supported"},
      {R"(,"logprobs":50)",
       "Requested sample logprobs of 50, which is greater than max allowed: 20"},
      {R"(,"best_of":3)", "vLLM V1 does not yet support best_of."},
      {R"(,"max_tokens":5000)",
       "This model's maximum context length is 256 tokens. However, you requested 5005 tokens (5 "
       "in "
       "the messages, 5000 in the completion). Please reduce the length of the messages or "
       "completion."},
  };
  ServiceFixture f;
  for (const Case& c : cases) {
    const HttpReply reply = f.post("/v1/completions", completion(c.fields));
    CHECK(reply.status == 400);
    CHECK(message_of(reply) == c.message);
    CHECK(reply.body.find("\"type\":\"BadRequestError\"") != std::string::npos);
  }
  CHECK(f.engine.submitted().empty());
}

TEST_CASE("error bodies carry the flat fields and the nested object") {
  ServiceFixture f;
  const HttpReply reply = f.post("/v1/completions", R"({"prompt":"x","model":"other"})");
  CHECK(reply.status == 404);
  CHECK(reply.body ==
        R"({"object":"error","message":"The model `other` does not exist.","type":"NotFoundError",)"
        R"("param":null,"code":404,"error":{"message":"The model `other` does not exist.",)"
        R"("type":"NotFoundError","param":null,"code":404}})");
}

TEST_CASE("prompts that are no prompts are refused") {
  ServiceFixture f;
  const auto message = [&f](const char* body) {
    return message_of(f.post("/v1/completions", body));
  };
  CHECK(message(R"({"prompt":[]})") == "please provide at least one prompt");
  CHECK(message(R"({"prompt":""})") == "The decoder prompt cannot be empty");
  CHECK(message(R"({"prompt":[[]]})") == "The decoder prompt cannot be empty");
  CHECK(message(R"({"prompt":[99999]})") == "Token id 99999 is out of vocabulary");
  CHECK(message(R"({"prompt":[-1]})") == "Token id -1 is out of vocabulary");
  CHECK(message(R"({"model":"demo"})") ==
        "[{'type': 'value_error', 'loc': ('body',), 'msg': 'Value error, At least one of `prompt` "
        "or `prompt_embeds` must be set.', 'input': {'model': 'demo'}, 'ctx': {'error': "
        "ValueError('At least one of `prompt` or `prompt_embeds` must be set.')}}]");
}

TEST_CASE("a prompt is truncated from the left, and echo still gives the whole text") {
  ServiceFixture f;
  f.engine.answer_with(" not");
  const HttpReply reply = f.post(
      "/v1/completions", completion(R"(,"truncate_prompt_tokens":2,"echo":true,"max_tokens":1)"));
  CHECK(reply.body.find(R"("text":"The future of AI is not")") != std::string::npos);
  CHECK(reply.body.find(R"("prompt_tokens":2)") != std::string::npos);
  CHECK(f.engine.submitted().at(0).prompt == TokenIds{TokenId(1229), TokenId(318)});
}

TEST_CASE("what is not possible yet is said, never ignored") {
  ServiceFixture f;
  for (const char* fields :
       {R"(,"guided_choice":["a"])", R"(,"guided_regex":"a+")", R"(,"use_beam_search":true)",
        R"(,"response_format":{"type":"json_object"})"}) {
    const HttpReply reply = f.post("/v1/completions", completion(fields));
    CHECK(reply.status == 400);
    CHECK(message_of(reply).find("not supported yet") != std::string::npos);
  }
  CHECK(f.post("/v1/completions", completion(R"(,"response_format":{"type":"text"})")).status ==
        200);
}

TEST_CASE("one request cannot ask for more choices than memory holds") {
  ServiceFixture f;
  const HttpReply reply = f.post("/v1/completions", completion(R"(,"n":1000000000,"seed":1)"));
  CHECK(reply.status == 400);
  CHECK(message_of(reply) ==
        "n: 1000000000 choices of 1 prompts are more than the 4096 that one request may have; send "
        "several requests");
}

TEST_CASE("bodies that are no JSON objects get the reason") {
  ServiceFixture f;
  const auto message = [&f](const std::string& body) {
    const HttpReply reply = f.post("/v1/chat/completions", body);
    CHECK(reply.status == 400);
    return message_of(reply);
  };
  CHECK(message(R"({"model": "demo", "messages": [)") ==
        "[{'type': 'json_invalid', 'loc': ('body', 31), 'msg': 'JSON decode error', 'input': {}, "
        "'ctx': {'error': 'Expecting value'}}]");
  CHECK(message("[]") ==
        "[{'type': 'model_attributes_type', 'loc': ('body',), 'msg': 'Input should be a valid "
        "dictionary or object to extract fields from', 'input': []}]");
  CHECK(message("\"\xFF\xFE\"") ==
        "There was an error parsing the body: byte 1 begins no UTF-8 character");
  CHECK(message(std::string(5000, '[')) ==
        "There was an error parsing the body: it nests deeper than 256 levels");
  HttpRequest empty = ServiceFixture::http("POST", "/v1/chat/completions");
  empty.headers.push_back({"content-type", "application/json; charset=utf-8"});
  CHECK(message_of(f.ask(empty)) ==
        "[{'type': 'missing', 'loc': ('body',), 'msg': 'Field required', 'input': None}]");
  HttpRequest form = ServiceFixture::http("POST", "/v1/chat/completions", "{}");
  form.headers = {{"content-type", "text/plain"}};
  CHECK(message_of(f.ask(form)) == "Unsupported Media Type: Only 'application/json' is allowed");
}

TEST_CASE("routes that are not there and methods that do not fit are told as FastAPI does") {
  ServiceFixture f;
  CHECK(f.ask(ServiceFixture::http("GET", "/v1/nothing")).body == R"({"detail":"Not Found"})");
  const HttpReply wrong = f.ask(ServiceFixture::http("GET", "/v1/chat/completions"));
  CHECK(wrong.status == 405);
  CHECK(wrong.body == R"({"detail":"Method Not Allowed"})");
  CHECK(wrong.headers.at(0).value == "POST");
  CHECK(f.ask(ServiceFixture::http("POST", "/reset_prefix_cache")).status == 404);
}

TEST_CASE("a method that the version does not have is told as of any other route") {
  ServiceFixture f;
  const HttpReply wrong = f.post("/version", "{}");
  CHECK(wrong.status == 405);
  CHECK(wrong.headers.at(0).value == "GET");
}

TEST_CASE("what asks for the state of the server is not counted, nor what no route answers") {
  ServiceFixture f;
  for (const char* path :
       {"/v1/models", "/health", "/ping", "/load", "/metrics", "/version", "/nothing"}) {
    const HttpRequest request = ServiceFixture::http("GET", path);
    f.service.count(request, f.service.answer(request), 0.1);
  }
  const HttpRequest wrong = ServiceFixture::http("POST", "/v1/completions", "[]");
  f.service.count(wrong, f.service.answer(wrong), 0.1);
  const ApiCounts counts = f.service.counters().snapshot();
  REQUIRE(counts.routes.size() == 2);
  CHECK(counts.routes.at({"/v1/completions", "POST"}).by_status.at("4xx") == 1);
  CHECK(counts.routes.at({"/v1/models", "GET"}).by_status.at("2xx") == 1);
}

TEST_CASE("what only development mode offers works there") {
  ServerConfig config = ServiceFixture::default_config();
  config.server_dev_mode = true;
  ServiceFixture f(config);
  CHECK(f.ask(ServiceFixture::http("POST", "/reset_prefix_cache?device=gpu")).status == 200);
  CHECK(f.engine.num_resets() == 1);
  CHECK(f.ask(ServiceFixture::http("GET", "/server_info")).body == R"({"vllm_config":{}})");
}

TEST_CASE("small routes answer as vLLM does") {
  ServiceFixture f;
  CHECK(f.ask(ServiceFixture::http("GET", "/version")).body == R"({"version":"0.9.2"})");
  CHECK(f.ask(ServiceFixture::http("GET", "/health")).body.empty());
  CHECK(f.ask(ServiceFixture::http("POST", "/ping")).status == 200);
  CHECK(steady(f.ask(ServiceFixture::http("GET", "/v1/models")).body) ==
        R"({"object":"list","data":[{"id":"demo","object":"model","created":0,"owned_by":"vllm",)"
        R"("root":"demo-model","parent":null,"max_model_len":256,"permission":[{"id":"ID",)"
        R"("object":"model_permission","created":0,"allow_create_engine":false,)"
        R"("allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,)"
        R"("allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,)"
        R"("is_blocking":false}]}]})");
  CHECK(f.post("/tokenize", R"({"prompt":"The future of AI is"})").body ==
        R"({"count":5,"max_model_len":256,"tokens":[316,1230,369,1229,318],"token_strs":null})");
  CHECK(f.post("/detokenize", R"({"tokens":[66,67,68]})").body == R"({"prompt":"`ab"})");
  CHECK(f.post("/detokenize", R"({"tokens":[99999,-1]})").body == R"({"prompt":""})");
  CHECK(message_of(f.post("/v1/embeddings", R"({"input":"x"})")) ==
        "The model does not support Embeddings API");
}

TEST_CASE("an engine that died is told by /health and by every request") {
  ServiceFixture f;
  f.engine.die();
  CHECK(f.ask(ServiceFixture::http("GET", "/health")).status == 500);
  CHECK(f.post("/v1/completions", completion("")).status == 500);
}

TEST_CASE("a request that finds no memory is asked to come again, and the next one finds some") {
  ServiceFixture f;
  f.engine.answer_with("x");
  f.engine.run_out_of_memory();
  const HttpReply reply = f.post("/v1/completions", R"({"prompt":"ab"})");
  CHECK(reply.status == 503);
  CHECK(message_of(reply) ==
        "the server has no memory for this request now; try again later, or ask for less at once");
  REQUIRE(reply.headers.size() == 1);
  CHECK(reply.headers[0].name == "retry-after");
  CHECK(f.post("/v1/completions", R"({"prompt":"ab"})").status == 200);
}

TEST_CASE("before a model is attached everything but the version is answered 503") {
  Service service(ServiceFixture::default_config());
  CHECK(service.answer(ServiceFixture::http("GET", "/health")).reply.status == 503);
  CHECK(service.answer(ServiceFixture::http("GET", "/version")).reply.status == 200);
}

TEST_CASE("a key is needed below /v1 only, and the answer to a wrong one is vLLM's") {
  ServerConfig config = ServiceFixture::default_config();
  config.access.api_keys = {"secret"};
  ServiceFixture f(config);
  HttpRequest request = ServiceFixture::http("GET", "/v1/models");
  CHECK(f.ask(request).status == 401);
  CHECK(f.ask(request).body == R"({"error":"Unauthorized"})");
  for (const char* wrong : {"secret", "Bearer secre", "Bearer secrets", "bearer secret", ""}) {
    request.headers = {{"authorization", wrong}};
    CHECK(f.ask(request).status == 401);
  }
  request.headers = {{"Authorization", "Bearer secret"}};
  CHECK(f.ask(request).status == 200);
  CHECK(f.ask(ServiceFixture::http("GET", "/metrics")).status == 200);
  CHECK(f.post("/tokenize", R"({"prompt":"a"})").status == 200);
}

TEST_CASE("browsers of other origins are let in as configured") {
  ServerConfig config = ServiceFixture::default_config();
  config.access.allowed_origins = {"https://a.example"};
  config.access.allow_credentials = true;
  ServiceFixture f(config);
  HttpRequest request = ServiceFixture::http("GET", "/version");
  request.headers = {{"Origin", "https://a.example"}};
  HttpReply reply = f.ask(request);
  REQUIRE(reply.headers.size() == 3);
  CHECK(reply.headers[0].value == "https://a.example");
  CHECK(reply.headers[2].value == "true");
  request.headers = {{"Origin", "https://b.example"}};
  CHECK(f.ask(request).headers.empty());
  request.method = "OPTIONS";
  request.headers.push_back({"Access-Control-Request-Method", "POST"});
  reply = f.ask(request);
  CHECK(reply.status == 400);
  CHECK(reply.body == "Disallowed CORS origin");
}

TEST_CASE("a preflight request is answered whatever the route") {
  ServerConfig config = ServiceFixture::default_config();
  config.access.api_keys = {"secret"};
  ServiceFixture f(config);
  HttpRequest request = ServiceFixture::http("OPTIONS", "/v1/chat/completions");
  request.headers = {{"Origin", "https://x"},
                     {"Access-Control-Request-Method", "POST"},
                     {"Access-Control-Request-Headers", "authorization, content-type"}};
  const HttpReply reply = f.ask(request);
  CHECK(reply.status == 200);
  CHECK(reply.headers.at(0).value == "*");
  CHECK(reply.headers.at(3).value == "authorization, content-type");
}

TEST_CASE("the root path may be cut off by the proxy or not") {
  ServerConfig config = ServiceFixture::default_config();
  config.root_path = "/llm/";
  ServiceFixture f(config);
  CHECK(f.ask(ServiceFixture::http("GET", "/llm/v1/models")).status == 200);
  CHECK(f.ask(ServiceFixture::http("GET", "/v1/models")).status == 200);
  CHECK(f.ask(ServiceFixture::http("GET", "/llmv1/models")).status == 404);
}

TEST_CASE("the id of a request can be given by the client, and comes back") {
  ServerConfig config = ServiceFixture::default_config();
  config.enable_request_id_headers = true;
  ServiceFixture f(config);
  HttpRequest request = ServiceFixture::http("POST", "/v1/completions", completion(""));
  request.headers.push_back({"x-request-id", "mine"});
  CHECK(f.service.answer(request).reply.headers.at(0).value == "mine");
  CHECK(f.ask(request).body.find(R"("id":"cmpl-mine")") != std::string::npos);
}

TEST_CASE("the page of metrics has vLLM's names, labels and suffixes") {
  ServiceFixture f;
  const std::string page = f.ask(ServiceFixture::http("GET", "/metrics")).body;
  const std::string labels = "{engine=\"0\",model_name=\"demo\"} 0.0\n";
  const std::string stopped = "{engine=\"0\",finished_reason=\"stop\",model_name=\"demo\"} 0.0\n";
  const std::string infinite = "{engine=\"0\",le=\"+Inf\",model_name=\"demo\"} 0.0\n";
  for (const std::string& line :
       {"vllm:num_requests_running" + labels, "vllm:generation_tokens_total" + labels,
        "vllm:request_success_total" + stopped, "vllm:request_prompt_tokens_bucket" + infinite,
        std::string("# TYPE vllm:time_to_first_token_seconds histogram\n")}) {
    CHECK(page.find(line) != std::string::npos);
  }
}

TEST_CASE("a reasoning parser whose marks the vocabulary lacks is refused at the start") {
  ServerConfig config = ServiceFixture::default_config();
  config.openai.tool_call_parser = "nothing";
  CHECK_THROWS_AS(ServiceFixture{config}, Error);
}

TEST_CASE("a small request that brings what multiplies its work is heavy, a plain one is not") {
  const auto is_heavy = [](std::string body) {
    return Service::is_heavy(ServiceFixture::http("POST", "/tokenize", std::move(body)));
  };
  CHECK_FALSE(is_heavy(""));
  CHECK_FALSE(is_heavy(completion("")));
  CHECK_FALSE(is_heavy(R"({"messages":[{"role":"user","content":"\u4f60\u00e9"}]})"));
  CHECK(is_heavy(std::string(64 << 10, ' ')));
  for (const char* field :
       {"chat_template", "chat_template_kwargs", "tools", "documents", "n", R"(chat\u005ftemplate)",
        R"(\u0063hat_template)", R"(\u006E)", R"(t\u006fols)", R"(\u0074ools)", R"(\u004e)"}) {
    CHECK(is_heavy(str("{\"messages\":[],\"", field, "\" : 1}")));
  }
}

TEST_CASE("a template that would compute for hours is answered 400 with what ended it") {
  ServiceFixture f;
  const auto tokenize = [&](std::string_view chat_template) {
    return f.post("/tokenize", str(R"({"messages":[{"role":"user","content":"x"}],)",
                                   R"("chat_template":")", chat_template, "\"}"));
  };
  CHECK(tokenize("{{('a'*5000000).strip('b'*5000000+'a')}}!").status == 200);
  for (const char* expression : {"('b'+s) in s", "s.replace(s+'b','')", "s.startswith(s)"}) {
    const HttpReply reply = tokenize(str("{% set s='a'*5000000 %}{% for i in range(99999) %}{% if ",
                                         expression, " %}{% endif %}{% endfor %}"));
    CHECK(reply.status == 400);
    CHECK(reply.body.find("the template does not come to an end within ") != std::string::npos);
  }
}

TEST_CASE("a template's work ends when nobody waits for the answer") {
  ServiceFixture f;
  std::stop_source client;
  client.request_stop();
  const HttpRequest request = ServiceFixture::http(
      "POST", "/tokenize",
      R"({"messages":[{"role":"user","content":"x"}],"chat_template":)"
      R"("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"})");
  const RouteAnswer answer = f.service.answer(request, client.get_token());
  CHECK(answer.reply.body.find("nobody waits for the template's text any more") !=
        std::string::npos);
}

TEST_CASE("log-probabilities of prompts are counted over all choices before they are made") {
  ServiceFixture f;
  f.engine.answer_with(" not");
  const auto ask_for = [&](std::string_view fields) {
    return f.post("/v1/completions", completion(str(",\"max_tokens\":1", fields)));
  };
  CHECK(ask_for(R"(,"n":4,"prompt_logprobs":2)").status == 200);
  const size_t started = f.engine.submitted().size();
  std::string prompt = "5";
  for (int i = 1; i < 250; ++i) prompt += ",5";
  const HttpReply reply =
      f.post("/v1/completions",
             str(R"({"max_tokens":1,"n":200,"prompt_logprobs":20,"prompt":[)", prompt, "]}"));
  CHECK(reply.status == 400);
  CHECK(reply.body.find(
            "prompt_logprobs: 200 choices (n) of 250 prompt tokens with 21 log-probabilities each "
            "make 1050000, more than the 1048576 that one request may have; lower n or "
            "prompt_logprobs (with echo: logprobs), or send several requests") !=
        std::string::npos);
  CHECK(f.engine.submitted().size() == started);
}

}  // namespace pagoda
