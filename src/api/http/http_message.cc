#include "api/http/http_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagoda {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// RFC 9110 section 5.5: visible characters, blanks, tabs and obs-text.
std::string safe_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F)) out += c;
  }
  return out;
}

}  // namespace

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& h : headers) {
    if (equal_ignoring_case(h.name, name)) return h.value;
  }
  return std::nullopt;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view status_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Unknown";
  }
}

std::string head_of(const HttpReply& reply, const HeadOptions& options) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, status_phrase(reply.status));
  if (!reply.content_type.empty()) head += fmt::format("content-type: {}\r\n", reply.content_type);
  switch (options.body_end) {
    case BodyEnd::kLength: head += fmt::format("content-length: {}\r\n", reply.body.size()); break;
    case BodyEnd::kLastChunk:
      head += "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n";
      break;
    case BodyEnd::kConnection: head += "cache-control: no-cache\r\n"; break;
  }
  for (const HttpHeader& h : reply.headers) {
    head += fmt::format("{}: {}\r\n", h.name, safe_value(h.value));
  }
  head +=
      options.keep_alive ? "server: pagoda\r\n\r\n" : "server: pagoda\r\nconnection: close\r\n\r\n";
  return head;
}

HttpReply json_reply(int status, std::string body) {
  return {
      .status = status, .content_type = "application/json", .body = std::move(body), .headers = {}};
}

HttpReply empty_reply(int status) {
  return {.status = status, .content_type = {}, .body = {}, .headers = {}};
}

HttpReply text_reply(int status, std::string body) {
  return {.status = status,
          .content_type = "text/plain; charset=utf-8",
          .body = std::move(body),
          .headers = {}};
}

}  // namespace pagoda
