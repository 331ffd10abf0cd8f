#include "api/requests/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>

#include "api/requests/python_repr.h"
#include "api/requests/validation.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// Each stop string is looked for in every piece of text.
constexpr size_t kMaxStopStrings = 1024;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
}

void check_ranges(const RequestFields& f, const SamplingParams& p) {
  if (f.n && *f.n < 1) refuse(str("n must be at least 1, got ", *f.n, "."));
  const auto number = [](std::optional<double> asked, float used) {
    return python_repr_of_number(asked.value_or(used));
  };
  if (!(p.presence_penalty >= -2 && p.presence_penalty <= 2)) {
    refuse(str("presence_penalty must be in [-2, 2], got ",
               number(f.presence_penalty, p.presence_penalty), "."));
  }
  if (!(p.frequency_penalty >= -2 && p.frequency_penalty <= 2)) {
    refuse(str("frequency_penalty must be in [-2, 2], got ",
               number(f.frequency_penalty, p.frequency_penalty), "."));
  }
  if (!(p.repetition_penalty > 0)) {
    refuse(str("repetition_penalty must be greater than zero, got ",
               number(f.repetition_penalty, p.repetition_penalty), "."));
  }
  if (!(p.temperature >= 0)) {
    refuse(
        str("temperature must be non-negative, got ", number(f.temperature, p.temperature), "."));
  }
  if (!(p.top_p > 0 && p.top_p <= 1)) {
    refuse(str("top_p must be in (0, 1], got ", number(f.top_p, p.top_p), "."));
  }
  if (f.top_k && *f.top_k < -1) {
    refuse(str("top_k must be 0 (disable), or at least 1, got ", *f.top_k, "."));
  }
  if (!(p.min_p >= 0 && p.min_p <= 1)) {
    refuse(str("min_p must be in [0, 1], got ", number(f.min_p, p.min_p), "."));
  }
}

void check_lengths(const RequestFields& f, const SamplingParams& p) {
  if (p.max_tokens < 1) refuse(str("max_tokens must be at least 1, got ", p.max_tokens, "."));
  if (p.min_tokens < 0) {
    refuse(str("min_tokens must be greater than or equal to 0, got ", p.min_tokens, "."));
  }
  if (p.min_tokens > p.max_tokens) {
    refuse(str("min_tokens must be less than or equal to max_tokens=", p.max_tokens, ", got ",
               p.min_tokens, "."));
  }
  for (const std::string& stop : f.stop) {
    if (stop.empty()) refuse("stop cannot contain an empty string.");
  }
  if (f.stop.size() > kMaxStopStrings) {
    refuse(str("stop: ", f.stop.size(), " strings are too many; give at most ", kMaxStopStrings));
  }
}

void check_logprobs(const SamplingParams& p, int most) {
  const auto check = [most](std::optional<int> asked, const char* what) {
    if (asked && *asked > most) {
      refuse(str("Requested ", what, " logprobs of ", *asked,
                 ", which is greater than max allowed: ", most));
    }
  };
  check(p.logprobs, "sample");
  check(p.prompt_logprobs, "prompt");
}

std::vector<std::pair<TokenId, float>> resolved_bias(const RequestFields& fields, int64_t vocab) {
  std::vector<std::pair<TokenId, float>> out;
  std::vector<int64_t> unknown;
  for (const auto& [key, bias] : fields.logit_bias) {
    int64_t id = 0;
    if (lax_integer(json::value(key), id)) {
      refuse(str("invalid literal for int() with base 10: ", python_repr_of_text(key)));
    }
    if (id < 0 || id >= vocab) {
      unknown.push_back(id);
      continue;
    }
    out.emplace_back(TokenId(static_cast<int32_t>(id)),
                     static_cast<float>(std::clamp(bias, -100.0, 100.0)));
  }
  if (!unknown.empty()) {
    refuse(fmt::format(
        "token_id(s) [{}] in logit_bias contain out-of-vocab token ids. Vocabulary size: {}",
        fmt::join(unknown, ", "), vocab));
  }
  return out;
}

std::vector<TokenId> resolved_allowed(const RequestFields& fields, int64_t vocab) {
  std::vector<TokenId> out;
  if (!fields.allowed_token_ids) return out;
  if (fields.allowed_token_ids->empty()) refuse("allowed_token_ids is not None and empty!");
  for (const int64_t id : *fields.allowed_token_ids) {
    if (id < 0 || id >= vocab) {
      refuse(str("allowed_token_ids contains out-of-vocab token id! ", id,
                 " is not below the vocabulary size ", vocab));
    }
    out.emplace_back(static_cast<int32_t>(id));
  }
  return out;
}

// A word is forbidden as it begins a text and as it follows a blank (vllm/sampling_params.py,
// update_from_tokenizer, v0.9.2).
std::vector<std::vector<TokenId>> resolved_bad_words(const RequestFields& fields,
                                                     const Tokenizer& tokenizer) {
  std::vector<std::vector<TokenId>> out;
  for (const std::string& word : fields.bad_words) {
    const size_t begin = std::min(word.find_first_not_of(" \t\n\r"), word.size());
    const std::string bare = word.substr(begin);
    TokenIds first = tokenizer.encode(bare, false);
    TokenIds later = tokenizer.encode(" " + bare, false);
    if (first.empty()) continue;
    const bool differs = !later.empty() && later[0] != first[0] && later.size() == first.size();
    out.push_back(std::move(first));
    if (differs) out.push_back(std::move(later));
  }
  return out;
}

int to_int(int64_t value) {
  return static_cast<int>(std::clamp<int64_t>(value, -1, std::numeric_limits<int>::max()));
}

SamplingParams with_defaults(const RequestFields& f, const SamplingDefaults& d) {
  const auto pick = [](std::optional<double> asked, std::optional<double> model, double fallback) {
    return static_cast<float>(asked ? *asked : model.value_or(fallback));
  };
  SamplingParams p;
  p.temperature = pick(f.temperature, d.temperature, 1.0);
  p.top_p = pick(f.top_p, d.top_p, 1.0);
  p.min_p = pick(f.min_p, d.min_p, 0.0);
  p.repetition_penalty = pick(f.repetition_penalty, d.repetition_penalty, 1.0);
  p.presence_penalty = pick(f.presence_penalty, std::nullopt, 0.0);
  p.frequency_penalty = pick(f.frequency_penalty, std::nullopt, 0.0);
  p.top_k = to_int(f.top_k ? *f.top_k : d.top_k.value_or(0));
  if (p.top_k < 0) p.top_k = 0;
  if (f.seed && *f.seed != -1) p.seed = static_cast<uint64_t>(*f.seed);
  return p;
}

// Greedy sampling switches the filters off; a very small temperature would overflow.
void settle_temperature(SamplingParams& p, const RequestFields& f) {
  constexpr float kGreedyBelow = 1e-5F, kSmallest = 0.01F;
  if (p.temperature < kGreedyBelow) {
    p.temperature = 0;
    p.top_p = 1.0F;
    p.top_k = 0;
    p.min_p = 0.0F;
    if (f.n.value_or(1) > 1) {
      refuse(str("n must be 1 when using greedy sampling, got ", *f.n, "."));
    }
  } else {
    p.temperature = std::max(p.temperature, kSmallest);
  }
}

}  // namespace

SamplingParams sampling_params(const RequestFields& fields, int64_t prompt_tokens,
                               const ApiModel& served) {
  const SamplingDefaults& defaults = served.parts.sampling_defaults;
  SamplingParams p = with_defaults(fields, defaults);
  p.max_tokens = served.facts.max_model_len - prompt_tokens;
  if (fields.max_tokens) p.max_tokens = std::min(p.max_tokens, *fields.max_tokens);
  if (defaults.max_new_tokens) p.max_tokens = std::min(p.max_tokens, *defaults.max_new_tokens);
  p.min_tokens = fields.min_tokens.value_or(0);
  p.ignore_eos = fields.ignore_eos;
  if (fields.logprobs) p.logprobs = to_int(*fields.logprobs);
  if (fields.prompt_logprobs) p.prompt_logprobs = to_int(*fields.prompt_logprobs);

  check_ranges(fields, p);
  check_lengths(fields, p);
  settle_temperature(p, fields);
  check_logprobs(p, served.openai().max_logprobs);
  if (fields.best_of.value_or(1) > 1) refuse("vLLM V1 does not yet support best_of.");

  // Ids that the vocabulary lacks can never be sampled, so as stop tokens they mean nothing.
  for (const int64_t id : fields.stop_token_ids) {
    if (id >= 0 && id < served.facts.vocab) p.stop_token_ids.emplace_back(static_cast<int>(id));
  }
  const std::vector<TokenId>& end_tokens = defaults.stop_token_ids;
  if (!p.ignore_eos) {
    p.stop_token_ids.insert(p.stop_token_ids.end(), end_tokens.begin(), end_tokens.end());
  }
  p.logit_bias = resolved_bias(fields, served.facts.vocab);
  p.allowed_token_ids = resolved_allowed(fields, served.facts.vocab);
  p.bad_words = resolved_bad_words(fields, *served.parts.tokenizer);
  return p;
}

std::string describe(const SamplingParams& p, const RequestFields& f) {
  // 0.6, not the double 0.6000000238418579 that is nearest to the float.
  const auto number = [](float x) {
    const std::string shortest = fmt::format("{}", x);
    double nearest = x;
    std::from_chars(shortest.data(), shortest.data() + shortest.size(), nearest);
    return python_repr_of_number(nearest);
  };
  const auto optional = [](const auto& x) {
    return x ? fmt::format("{}", *x) : std::string("None");
  };
  const auto texts = [](const std::vector<std::string>& list) {
    json::array out;
    for (const std::string& item : list) out.emplace_back(item);
    return python_repr(out);
  };
  const auto flag = [](bool x) { return x ? "True" : "False"; };
  return fmt::format(
      "SamplingParams(n={}, presence_penalty={}, frequency_penalty={}, repetition_penalty={}, "
      "temperature={}, top_p={}, top_k={}, min_p={}, seed={}, stop={}, stop_token_ids=[{}], "
      "bad_words={}, include_stop_str_in_output={}, ignore_eos={}, max_tokens={}, min_tokens={}, "
      "logprobs={}, prompt_logprobs={}, skip_special_tokens={}, "
      "spaces_between_special_tokens={}, truncate_prompt_tokens={}, guided_decoding=None, "
      "extra_args=None)",
      f.n.value_or(1), number(p.presence_penalty), number(p.frequency_penalty),
      number(p.repetition_penalty), number(p.temperature), number(p.top_p), p.top_k,
      number(p.min_p), optional(f.seed), texts(f.stop), fmt::join(f.stop_token_ids, ", "),
      texts(f.bad_words), flag(f.include_stop_in_output), flag(p.ignore_eos), p.max_tokens,
      p.min_tokens, optional(p.logprobs), optional(p.prompt_logprobs), flag(f.skip_special_tokens),
      flag(f.spaces_between_special_tokens), optional(f.truncate));
}

}  // namespace pagoda
