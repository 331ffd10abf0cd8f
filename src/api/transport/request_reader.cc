#include "api/transport/request_reader.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http.hpp>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "api/http/error_body.h"

namespace pagoda {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

bool expects_continue(const Parser& parser) {
  return parser.get().version() >= 11 &&
         boost::beast::iequals(parser.get()[http::field::expect], "100-continue");
}

// Of the absolute form, which only proxies use, what is behind the host.
std::string origin_form(std::string target) {
  const size_t scheme = target.find("://");
  if (scheme == std::string::npos || target.starts_with('/')) return target;
  const size_t slash = target.find('/', scheme + 3);
  return slash == std::string::npos ? "/" : target.substr(slash);
}

void take_message(Parser& parser, ReceivedRequest& out) {
  const auto& message = parser.get();
  out.is_http_1_0 = message.version() < 11;
  out.keep_alive = message.keep_alive() && !out.is_http_1_0;
  out.message.method = std::string(message.method_string());
  out.message.target = origin_form(std::string(message.target()));
  for (const auto& field : message) {
    out.message.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  out.message.body = std::move(parser.get().body());
}

asio::awaitable<error_code> read_head(ClientStream& stream, const HttpLimits& limits,
                                      Parser& parser) {
  error_code failed;
  stream.expires_after(limits.header_timeout);
  co_await http::async_read_header(stream, stream.received(), parser,
                                   asio::redirect_error(asio::use_awaitable, failed));
  // What is coded in a way we do not know has no length that we could trust.
  if (!failed && parser.get().count(http::field::transfer_encoding) > 0 && !parser.chunked()) {
    failed = http::make_error_code(http::error::bad_transfer_encoding);
  }
  co_return failed;
}

asio::awaitable<error_code> read_body(ClientStream& stream, const HttpLimits& limits,
                                      Parser& parser, BodyMemory::Share& memory) {
  error_code failed;
  while (!failed && !parser.is_done()) {
    stream.expires_after(limits.body_timeout);
    co_await http::async_read_some(stream, stream.received(), parser,
                                   asio::redirect_error(asio::use_awaitable, failed));
    if (!failed && !memory.grow_to(parser.get().body().size())) {
      failed = asio::error::make_error_code(asio::error::no_memory);
    }
  }
  if (failed) memory.drop();
  co_return failed;
}

}  // namespace

asio::awaitable<error_code> read_request(ClientStream& stream, AnswerWriter& writer,
                                         const HttpLimits& limits, ReceivedRequest& out) {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(limits.max_header_bytes));
  parser.body_limit(limits.max_body_bytes);
  error_code failed = co_await read_head(stream, limits, parser);
  if (failed) co_return failed;
  if (expects_continue(parser)) {
    const std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool is_sent = co_await writer.write(text);
    if (!is_sent) co_return asio::error::make_error_code(asio::error::broken_pipe);
  }
  try {
    failed = co_await read_body(stream, limits, parser, out.memory);
    if (!failed) take_message(parser, out);
  } catch (const std::bad_alloc&) {
    failed = asio::error::make_error_code(asio::error::no_memory);
  }
  co_return failed;
}

std::optional<HttpReply> refusal_of(const error_code& failed, const HttpLimits& limits) {
  if (failed == http::error::body_limit) {
    return error_reply(413, "BadRequestError",
                       fmt::format("the body is larger than {} bytes, the limit of this server; "
                                   "send less at once",
                                   limits.max_body_bytes));
  }
  if (failed == http::error::header_limit) {
    return text_reply(431,
                      fmt::format("the headers are larger than {} bytes", limits.max_header_bytes));
  }
  if (failed == asio::error::no_memory) {
    return error_reply(503, "ServiceUnavailableError",
                       "the server holds as many large requests as it can; try again later");
  }
  const bool is_http =
      failed.category() == http::make_error_code(http::error::bad_method).category();
  if (!is_http || failed == http::error::end_of_stream || failed == http::error::partial_message) {
    return std::nullopt;
  }
  return text_reply(400, "Invalid HTTP request received.");
}

}  // namespace pagoda
