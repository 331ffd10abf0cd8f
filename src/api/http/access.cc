#include "api/http/access.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagoda {
namespace {

bool allows_all(const std::vector<std::string>& list) {
  return std::find(list.begin(), list.end(), "*") != list.end();
}

bool allows(const std::vector<std::string>& list, std::string_view item) {
  return allows_all(list) || std::any_of(list.begin(), list.end(), [item](const std::string& x) {
           return equal_ignoring_case(x, item);
         });
}

// Looks at every byte of both, whatever they are.
bool equal_in_constant_time(std::string_view given, std::string_view key) {
  auto difference = static_cast<unsigned>(given.size() ^ key.size());
  for (size_t i = 0; i < given.size(); ++i) {
    const char expected = key.empty() ? '\0' : key[i % key.size()];
    difference |= static_cast<unsigned char>(given[i] ^ expected);
  }
  return difference == 0;
}

constexpr std::string_view kAllMethods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
// Requests with these headers only need no preflight, so they are allowed always.
constexpr std::string_view kSafeHeaders[] = {"Accept", "Accept-Language", "Content-Language",
                                             "Content-Type"};

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) out.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

bool allows_headers(const AccessConfig& config, std::string_view asked) {
  const std::vector<std::string> names = split_list(asked);
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return allows(config.allowed_headers, name) ||
           std::any_of(std::begin(kSafeHeaders), std::end(kSafeHeaders),
                       [&](std::string_view safe) { return equal_ignoring_case(safe, name); });
  });
}

// With credentials, browsers refuse a "*".
void add_origin(const AccessConfig& config, std::string_view origin,
                std::vector<HttpHeader>& headers) {
  if (allows_all(config.allowed_origins) && !config.allow_credentials) {
    headers.push_back({"access-control-allow-origin", "*"});
  } else {
    headers.push_back({"access-control-allow-origin", std::string(origin)});
    headers.push_back({"vary", "Origin"});
  }
  if (config.allow_credentials) headers.push_back({"access-control-allow-credentials", "true"});
}

}  // namespace

bool has_access(const HttpRequest& request, std::string_view path, const AccessConfig& config) {
  if (config.api_keys.empty() || request.method == "OPTIONS" || !path.starts_with("/v1")) {
    return true;
  }
  const std::string_view given = request.header("authorization").value_or("");
  bool found = false;
  for (const std::string& key : config.api_keys) {
    found = equal_in_constant_time(given, "Bearer " + key) || found;
  }
  return found;
}

std::optional<HttpReply> preflight_reply(const HttpRequest& request, const AccessConfig& config) {
  const auto origin = request.header("origin");
  const auto method = request.header("access-control-request-method");
  if (request.method != "OPTIONS" || !origin || !method) return std::nullopt;
  std::vector<std::string> wrong;
  HttpReply reply = text_reply(200, "OK");
  if (allows(config.allowed_origins, *origin)) {
    add_origin(config, *origin, reply.headers);
  } else {
    wrong.emplace_back("origin");
  }
  if (!allows(config.allowed_methods, *method)) wrong.emplace_back("method");
  const std::string_view asked =
      request.header("access-control-request-headers").value_or(std::string_view{});
  if (!allows_headers(config, asked)) wrong.emplace_back("headers");

  reply.headers.push_back({"access-control-allow-methods",
                           allows_all(config.allowed_methods)
                               ? std::string(kAllMethods)
                               : fmt::format("{}", fmt::join(config.allowed_methods, ", "))});
  reply.headers.push_back({"access-control-max-age", "600"});
  if (allows_all(config.allowed_headers)) {
    if (!asked.empty()) {
      reply.headers.push_back({"access-control-allow-headers", std::string(asked)});
    }
  } else {
    reply.headers.push_back(
        {"access-control-allow-headers", fmt::format("{}, {}", fmt::join(kSafeHeaders, ", "),
                                                     fmt::join(config.allowed_headers, ", "))});
  }
  if (!wrong.empty()) {
    reply.status = 400;
    reply.body = fmt::format("Disallowed CORS {}", fmt::join(wrong, ", "));
  }
  return reply;
}

std::vector<HttpHeader> cors_headers(const HttpRequest& request, const AccessConfig& config) {
  std::vector<HttpHeader> headers;
  const auto origin = request.header("origin");
  if (origin && allows(config.allowed_origins, *origin)) add_origin(config, *origin, headers);
  return headers;
}

}  // namespace pagoda
