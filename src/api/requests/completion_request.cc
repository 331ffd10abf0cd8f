#include "api/requests/completion_request.h"

#include <algorithm>
#include <boost/json.hpp>

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr int64_t kDefaultMaxTokens = 16;

bool all_texts(const json::array& list) {
  return std::all_of(list.begin(), list.end(), [](const json::value& v) { return v.is_string(); });
}

bool as_ids(const json::value& value, std::vector<int64_t>& ids) {
  if (!value.is_array()) return false;
  for (const json::value& item : value.get_array()) {
    int64_t id = 0;
    if (item.is_bool() || lax_integer(item, id)) return false;
    ids.push_back(id);
  }
  return true;
}

bool read_list(const json::array& list, std::vector<PromptInput>& out) {
  if (all_texts(list)) {
    for (const json::value& item : list) out.emplace_back(std::string(item.get_string()));
    return true;
  }
  std::vector<int64_t> ids;
  if (as_ids(list, ids)) {
    out.emplace_back(std::move(ids));
    return true;
  }
  for (const json::value& item : list) {
    std::vector<int64_t> inner;
    if (!as_ids(item, inner)) return false;
    out.emplace_back(std::move(inner));
  }
  return true;
}

void read_prompts(const json::value& value, CompletionRequest& out, ValidationErrors& errors) {
  if (value.is_string()) {
    out.prompts.emplace_back(std::string(value.get_string()));
    return;
  }
  if (value.is_array() && read_list(value.get_array(), out.prompts)) return;
  constexpr std::string_view kList = "Input should be a valid list";
  constexpr std::string_view kText = "Input should be a valid string";
  if (value.is_array()) {
    errors.add({"string_type", {"prompt", "str"}, kText, {}}, value);
    errors.add({"list_type",
                {"prompt"},
                "Input should be a list of strings, of token ids, or of lists of token ids",
                {}},
               value);
    return;
  }
  errors.add({"list_type", {"prompt", "list[int]"}, kList, {}}, value);
  errors.add({"list_type", {"prompt", "list[list[int]]"}, kList, {}}, value);
  errors.add({"string_type", {"prompt", "str"}, kText, {}}, value);
  errors.add({"list_type", {"prompt", "list[str]"}, kList, {}}, value);
}

// The validators that vLLM runs before it looks at single fields: the first failure is the answer.
void check_whole(const FieldReader& in) {
  if (in.find("prompt") == nullptr && in.find("prompt_embeds") == nullptr) {
    in.refuse("At least one of `prompt` or `prompt_embeds` must be set.");
  }
  double logprobs = 0;
  if (const json::value* asked = in.find("logprobs");
      asked != nullptr && !lax_number(*asked, logprobs) && logprobs < 0) {
    in.refuse("`logprobs` must be a positive value.");
  }
}

}  // namespace

CompletionRequest read_completion_request(const json::object& body) {
  ValidationErrors errors;
  FieldReader in(body, errors);
  check_whole(in);
  CompletionRequest out;
  out.fields = read_request_fields(in);
  if (const json::value* prompt = in.find("prompt")) read_prompts(*prompt, out, errors);
  out.fields.logprobs = in.integer("logprobs");
  out.suffix = in.text("suffix").value_or("");
  out.echo = in.flag("echo").value_or(false);
  out.add_special_tokens = in.flag("add_special_tokens").value_or(true);
  errors.refuse_if_any();
  if (!out.fields.max_tokens) out.fields.max_tokens = kDefaultMaxTokens;
  // With echo the prompt's log-probabilities belong to the answer.
  if (out.echo && !out.fields.prompt_logprobs) out.fields.prompt_logprobs = out.fields.logprobs;
  return out;
}

}  // namespace pagoda
