#include "api/requests/request_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/http/log_text.h"
#include "api/requests/python_repr.h"
#include "base/log.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

// The first `count` code points.
std::string_view cut(std::string_view text, std::optional<int64_t> count) {
  if (!count) return text;
  size_t end = 0;
  for (int64_t i = 0; i < *count && end < text.size(); ++i) next_code_point(text, end);
  return text.substr(0, end);
}

std::string ids_of(const TokenIds& tokens, std::optional<int64_t> count) {
  const auto size = static_cast<int64_t>(tokens.size());
  const int64_t end = std::clamp<int64_t>(count.value_or(size), 0, size);
  std::string out = "[";
  for (int64_t i = 0; i < end; ++i) {
    if (i > 0) out += ", ";
    out += fmt::format_int(tokens[static_cast<size_t>(i)].value()).c_str();
  }
  return out + "]";
}

}  // namespace

void log_request(const std::string& id, const Prompt& prompt, const std::string& params,
                 const RequestLogConfig& config) {
  if (!config.requests || !is_logged(LogLevel::kInfo)) return;
  LOG_INFO(
      "Received request {}: prompt: {}, params: {}, prompt_token_ids: {}, prompt_embeds shape: "
      "None, lora_request: None, prompt_adapter_request: None.",
      log_text(id), python_repr_of_text(cut(prompt.text, config.max_log_length)), params,
      ids_of(prompt.tokens, config.max_log_length));
}

}  // namespace pagoda
