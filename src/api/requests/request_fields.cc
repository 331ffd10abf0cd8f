#include "api/requests/request_fields.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/http/error_body.h"
#include "api/requests/python_repr.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
}

// Whatever type it came in. Used before the fields are read.
bool is_negative(const json::value& value) {
  double number = 0;
  return !lax_number(value, number) && number < 0;
}

// The validators that vLLM runs before it looks at single fields: the first failure is the answer.
void check_whole(const FieldReader& in) {
  const bool stream = is_lax_true(in.find("stream"));
  if (const json::value* options = in.find("stream_options"); options != nullptr && !stream) {
    if (!options->is_object() || !options->get_object().empty()) {
      in.refuse("Stream options can only be defined when `stream=True`.");
    }
  }
  if (const json::value* wanted = in.find("prompt_logprobs")) {
    int64_t number = 0;
    if (stream && !lax_integer(*wanted, number) && number > 0) {
      in.refuse("`prompt_logprobs` are not available when `stream=True`.");
    }
    if (is_negative(*wanted)) in.refuse("`prompt_logprobs` must be a positive value.");
  }
  int guided = 0;
  for (const char* key : {"guided_json", "guided_regex", "guided_choice"}) {
    guided += in.find(key) != nullptr ? 1 : 0;
  }
  if (guided > 1) {
    in.refuse(
        "You can only use one kind of guided decoding ('guided_json', 'guided_regex' or "
        "'guided_choice').");
  }
  const json::value* salt = in.find("cache_salt");
  if (salt != nullptr && (!salt->is_string() || salt->get_string().empty())) {
    in.refuse("Parameter 'cache_salt' must be a non-empty string if provided.");
  }
}

void read_logit_bias(FieldReader& in, RequestFields& out) {
  const json::object* bias = in.dict("logit_bias");
  if (bias == nullptr) return;
  for (const auto& [key, value] : *bias) {
    double number = 0;
    if (const auto failure = lax_number(value, number)) {
      in.errors().add({failure->type, {"logit_bias", std::string(key)}, failure->message, {}},
                      value);
      return;
    }
    out.logit_bias.emplace_back(key, number);
  }
}

void read_stream_options(FieldReader& in, RequestFields& out) {
  out.stream = in.flag("stream").value_or(false);
  const json::object* options = in.dict("stream_options");
  if (options == nullptr) return;
  FieldReader inner(*options, in.errors(), {"stream_options"});
  out.has_stream_options = true;
  out.include_usage = inner.flag("include_usage").value_or(true);
  out.continuous_usage = inner.flag("continuous_usage_stats").value_or(false);
}

void read_sampling(FieldReader& in, RequestFields& out) {
  out.n = in.integer("n");
  out.best_of = in.integer("best_of");
  out.temperature = in.number("temperature");
  out.top_p = in.number("top_p");
  out.min_p = in.number("min_p");
  out.repetition_penalty = in.number("repetition_penalty");
  out.presence_penalty = in.number("presence_penalty");
  out.frequency_penalty = in.number("frequency_penalty");
  out.top_k = in.integer("top_k");
  out.seed = in.integer("seed");
}

void read_limits(FieldReader& in, RequestFields& out) {
  out.min_tokens = in.integer("min_tokens");
  out.max_tokens = in.integer("max_tokens");
  out.prompt_logprobs = in.integer("prompt_logprobs");
  out.truncate = in.integer_from("truncate_prompt_tokens", 1);
  out.stop = in.text_or_texts("stop").value_or(std::vector<std::string>{});
  out.stop_token_ids = in.integers("stop_token_ids").value_or(std::vector<int64_t>{});
  out.allowed_token_ids = in.integers("allowed_token_ids");
  out.ignore_eos = in.flag("ignore_eos").value_or(false);
}

void read_output(FieldReader& in, RequestFields& out) {
  out.include_stop_in_output = in.flag("include_stop_str_in_output").value_or(false);
  out.skip_special_tokens = in.flag("skip_special_tokens").value_or(true);
  out.spaces_between_special_tokens = in.flag("spaces_between_special_tokens").value_or(true);
  out.return_tokens_as_token_ids = in.flag("return_tokens_as_token_ids");
  out.priority = in.integer("priority").value_or(0);
  out.cache_salt = in.text("cache_salt").value_or("");
}

}  // namespace

RequestFields read_request_fields(FieldReader& in) {
  check_whole(in);
  RequestFields out;
  out.model = in.text("model").value_or("");
  read_sampling(in, out);
  read_limits(in, out);
  read_output(in, out);
  read_logit_bias(in, out);
  read_stream_options(in, out);
  in.errors().refuse_if_any();
  return out;
}

void require_model(const std::string& name, const ApiModel& served) {
  const std::vector<std::string>& names = served.openai().served_model_names;
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Refusal(error_reply(404, "NotFoundError", str("The model `", name, "` does not exist.")));
}

void refuse_what_is_missing(const json::object& body) {
  ValidationErrors ignored;
  const FieldReader in(body, ignored);
  for (const char* key :
       {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structural_tag"}) {
    if (in.find(key) != nullptr) {
      refuse(str(key, ": guided decoding is not supported yet; leave the field out"));
    }
  }
  if (const json::value* format = in.find("response_format")) {
    const json::value* type =
        format->is_object() ? format->get_object().if_contains("type") : nullptr;
    if (type == nullptr || *type != "text") {
      refuse(str("response_format: ", python_repr(type == nullptr ? *format : *type),
                 " is not supported yet; leave the field out or use {\"type\": \"text\"}"));
    }
  }
  if (is_lax_true(in.find("use_beam_search"))) {
    refuse("use_beam_search: beam search is not supported yet; leave the field out");
  }
  if (in.find("logits_processors") != nullptr) {
    refuse("vLLM V1 does not support per request user provided logits processors.");
  }
  for (const char* key : {"prompt_embeds", "kv_transfer_params"}) {
    if (in.find(key) != nullptr) refuse(str(key, ": not supported by this server; leave it out"));
  }
}

}  // namespace pagoda
