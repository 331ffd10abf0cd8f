#include "api/answers/answer_logprobs.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/str.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr double kLowest = -9999.0;  // JSON has no infinity

double shown(float logprob) {
  return std::isnan(logprob) ? kLowest : std::max(static_cast<double>(logprob), kLowest);
}

std::string name_of(TokenId id, const LogprobStyle& style) {
  return style.tokens_as_ids ? str("token_id:", id.value()) : style.tokenizer->token(id);
}

// The chosen token first, then the most likely ones, each once.
std::vector<TokenLogprob> ranking(const TokenLogprobs& all) {
  std::vector<TokenLogprob> out = {all.chosen};
  for (const TokenLogprob& t : all.top) {
    if (t.token != all.chosen.token) out.push_back(t);
  }
  return out;
}

json::array bytes_of(std::string_view text) {
  json::array out;
  out.reserve(text.size());
  for (const char c : text) out.emplace_back(static_cast<unsigned char>(c));
  return out;
}

// Tokens of which nothing is known are decoded, the others named as the vocabulary writes them.
std::string shown_name(const ScoredToken& token, const LogprobStyle& style) {
  const bool decoded = token.logprobs == nullptr && !style.tokens_as_ids;
  return decoded ? style.tokenizer->decode_for_display({&token.token, 1})
                 : name_of(token.token, style);
}

// The chosen token and as many of the most likely as were asked for.
json::object top_of(const TokenLogprobs& token, const LogprobStyle& style) {
  json::object out;
  const std::vector<TokenLogprob> all = ranking(token);
  for (size_t i = 0; i < all.size() && i <= static_cast<size_t>(style.num_top); ++i) {
    out[name_of(all[i].token, style)] = shown(all[i].logprob);
  }
  return out;
}

json::object chat_token(const TokenLogprobs& token, const LogprobStyle& style) {
  json::array top;
  const std::vector<TokenLogprob> all = ranking(token);
  for (size_t i = 0; i < all.size() && i < static_cast<size_t>(style.num_top); ++i) {
    const std::string name = name_of(all[i].token, style);
    top.emplace_back(json::object{
        {"token", name}, {"logprob", shown(all[i].logprob)}, {"bytes", bytes_of(name)}});
  }
  return {{"token", name_of(token.chosen.token, style)},
          {"logprob", shown(token.chosen.logprob)},
          {"bytes", bytes_of(style.tokenizer->token(token.chosen.token))},
          {"top_logprobs", std::move(top)}};
}

}  // namespace

json::object completion_logprobs(std::span<const ScoredToken> tokens, size_t first_offset,
                                 const LogprobStyle& style) {
  json::array offsets, logprobs, names, tops;
  size_t offset = first_offset;
  for (const ScoredToken& token : tokens) {
    const std::string name = shown_name(token, style);
    offsets.emplace_back(offset);
    offset += num_code_points(name);
    names.emplace_back(name);
    if (token.logprobs == nullptr) {
      logprobs.emplace_back(nullptr);
      tops.emplace_back(nullptr);
    } else {
      logprobs.emplace_back(shown(token.logprobs->chosen.logprob));
      tops.emplace_back(top_of(*token.logprobs, style));
    }
  }
  return {{"text_offset", std::move(offsets)},
          {"token_logprobs", std::move(logprobs)},
          {"tokens", std::move(names)},
          {"top_logprobs", std::move(tops)}};
}

json::object chat_logprobs(std::span<const TokenLogprobs> tokens, const LogprobStyle& style) {
  json::array content;
  for (const TokenLogprobs& token : tokens) content.emplace_back(chat_token(token, style));
  return {{"content", std::move(content)}};
}

json::array prompt_logprobs(std::span<const TokenLogprobs> of_second_and_later,
                            const Tokenizer& tokenizer) {
  json::array out = {nullptr};
  for (const TokenLogprobs& token : of_second_and_later) {
    json::object entry;
    for (const TokenLogprob& t : ranking(token)) {
      entry[std::to_string(t.token.value())] =
          json::object{{"logprob", shown(t.logprob)},
                       {"rank", t.rank},
                       {"decoded_token", tokenizer.token(t.token)}};
    }
    out.emplace_back(std::move(entry));
  }
  return out;
}

}  // namespace pagoda
