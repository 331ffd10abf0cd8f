// An HTTP request and its answer as plain data: all that the routes see of HTTP.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pagoda {

struct HttpHeader {
  std::string name, value;
};

struct HttpRequest {
  std::string method;
  std::string target;  // path and query as sent
  std::vector<HttpHeader> headers;
  std::string body;
  std::string peer;  // address:port, for the log

  std::string_view path() const;  // without the query
  // The first of that name, in any case; nullopt if there is none.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type;  // empty: no content-type header
  std::string body;
  std::vector<HttpHeader> headers;
};

std::string_view status_phrase(int status);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// What tells a client where a body ends.
enum class BodyEnd : uint8_t { kLength, kLastChunk, kConnection };

struct HeadOptions {
  bool keep_alive = true;
  BodyEnd body_end = BodyEnd::kLength;
};
// Status line and headers, the blank line included. Bytes of header values that HTTP forbids are
// left out.
std::string head_of(const HttpReply& reply, const HeadOptions& options);

HttpReply json_reply(int status, std::string body);
HttpReply empty_reply(int status);
HttpReply text_reply(int status, std::string body);

}  // namespace pagoda
