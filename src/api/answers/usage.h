// The usage objects of answers.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

namespace pagoda {

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // 0: no details
};

// {"prompt_tokens","total_tokens","completion_tokens"}
inline boost::json::object usage_counts(const Usage& u) {
  return {{"prompt_tokens", u.prompt_tokens},
          {"total_tokens", u.prompt_tokens + u.completion_tokens},
          {"completion_tokens", u.completion_tokens}};
}

// The same with "prompt_tokens_details", null where there are none.
inline boost::json::object usage_with_details(const Usage& u) {
  boost::json::object out = usage_counts(u);
  out["prompt_tokens_details"] = nullptr;
  if (u.cached_tokens > 0) {
    out["prompt_tokens_details"] = boost::json::object{{"cached_tokens", u.cached_tokens}};
  }
  return out;
}

// The same, absent where there are none: in the last chunk of a stream.
inline boost::json::object usage_without_nulls(const Usage& u) {
  boost::json::object out = usage_counts(u);
  if (u.cached_tokens > 0) {
    out["prompt_tokens_details"] = boost::json::object{{"cached_tokens", u.cached_tokens}};
  }
  return out;
}

}  // namespace pagoda
