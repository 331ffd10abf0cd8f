#include "api/transport/connection.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "api/transport/access_log.h"
#include "api/transport/answer_maker.h"
#include "api/transport/answer_writer.h"
#include "api/transport/bell.h"
#include "api/transport/client_stream.h"
#include "api/transport/client_watch.h"
#include "api/transport/farewell.h"
#include "api/transport/request_reader.h"
#include "api/transport/subscription.h"
#include "api/transport/tls_handshake.h"
#include "base/log.h"

namespace pagoda {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;

std::string peer_name(const asio::ip::tcp::socket& socket) {
  error_code failed;
  const auto peer = socket.remote_endpoint(failed);
  if (failed) return "-";
  asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  const std::string text = address.to_string();
  return address.is_v6() ? fmt::format("[{}]:{}", text, peer.port())
                         : fmt::format("{}:{}", text, peer.port());
}

// A request and its answer.
struct Exchange {
  const ReceivedRequest& received;
  const bool keep_alive;
  const SteadyClock::time_point began = SteadyClock::now();
  RouteAnswer answer = {};
};

class Connection final : public Closable {
 public:
  Connection(asio::ip::tcp::socket socket, const ConnectionParts& parts);
  ~Connection() override { parts_.thread.remove(*this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> run();
  void close(bool at_once) override;

 private:
  // kOpening: there is no talk of requests yet. kIdle: waits for the first byte of one.
  enum class Stage : uint8_t { kOpening, kIdle, kServing };
  // After the request that is served, if there is one, or at once.
  enum class Closing : uint8_t { kNo, kSoon, kAtOnce };
  // What follows. kRefused: the end, but the client shall read first why.
  enum class Next : uint8_t { kRequest, kEnd, kRefused };

  asio::awaitable<Next> serve();
  asio::awaitable<Next> begin_tls();
  asio::awaitable<Next> serve_one();
  asio::awaitable<bool> wait_for_bytes();
  asio::awaitable<Next> refuse(const HttpReply& reply);
  asio::awaitable<void> end(Next why);

  asio::awaitable<bool> answer(Exchange& exchange);
  asio::awaitable<bool> send_reply(Exchange& exchange);
  asio::awaitable<bool> send_generated(Exchange& exchange);
  asio::awaitable<bool> send_stream(Exchange& exchange);
  asio::awaitable<bool> send_events(Generation& generation, bool in_chunks);
  SubscriptionParts subscription_parts();
  void count(const Exchange& exchange);

  const ConnectionParts parts_;
  const ServerConfig& config_;
  const std::string peer_;
  Stage stage_ = Stage::kOpening;
  Closing closing_ = Closing::kNo;
  ClientStream stream_;
  Bell bell_;
  ClientWatch watch_;
  AnswerWriter writer_;
  AnswerMaker maker_;
};

Connection::Connection(asio::ip::tcp::socket socket, const ConnectionParts& parts)
    : parts_(parts),
      config_(parts.service.config()),
      peer_(peer_name(socket)),
      stream_(std::move(socket)),
      bell_(parts.thread.context()),
      watch_(stream_, bell_),
      writer_(stream_, config_.limits.write_timeout),
      maker_({.service = parts.service,
              .context = parts.thread.context(),
              .workers = parts.workers,
              .bell = bell_,
              .watch = watch_}) {
  parts_.thread.add(*this);
}

asio::awaitable<void> Connection::run() {
  try {
    const Next last = co_await serve();
    co_await end(last);
  } catch (const std::exception& e) {
    LOG_ERROR("{}: the connection failed: {}", peer_, e.what());
  }
  stream_.hang_up();
  // The read that is under way refers to this object, be there memory to wait or not.
  for (bool has_rested = false; !has_rested;) {
    try {
      co_await watch_.rest();
      has_rested = true;
    } catch (const std::bad_alloc&) {
      std::this_thread::yield();
    }
  }
}

void Connection::close(bool at_once) {
  if (closing_ != Closing::kAtOnce) closing_ = at_once ? Closing::kAtOnce : Closing::kSoon;
  // Who waits for a request is told the end first, which takes no time.
  const bool is_busy = stage_ == Stage::kServing && at_once;
  if (stage_ == Stage::kOpening || is_busy) stream_.hang_up();
  bell_.ring();
}

asio::awaitable<Connection::Next> Connection::serve() {
  if (parts_.thread.is_closing()) co_return Next::kEnd;
  Next next = Next::kRequest;
  if (parts_.tls != nullptr) next = co_await begin_tls();
  while (next == Next::kRequest) next = co_await serve_one();
  co_return next;
}

asio::awaitable<Connection::Next> Connection::begin_tls() {
  error_code failed;
  const Handshake handshake =
      co_await shake_hands(stream_, *parts_.tls, config_.limits.tls_handshake_timeout, failed);
  switch (handshake) {
    case Handshake::kDone: co_return Next::kRequest;
    case Handshake::kGone: co_return Next::kEnd;
    case Handshake::kFailed:
      if (config_.log.access) LOG_INFO("{} - TLS handshake failed: {}", peer_, failed.message());
      co_return Next::kRefused;
    case Handshake::kPlain: break;
  }
  const HttpReply reply = text_reply(400, "This port speaks HTTPS: ask for https://");
  const Next next = co_await refuse(reply);
  co_return next;
}

asio::awaitable<Connection::Next> Connection::serve_one() {
  stage_ = Stage::kIdle;
  const bool has_bytes = co_await wait_for_bytes();
  stage_ = Stage::kServing;
  if (!has_bytes || closing_ == Closing::kAtOnce) co_return Next::kEnd;
  ReceivedRequest received(parts_.bodies);
  received.message.peer = peer_;
  const error_code failed = co_await read_request(stream_, writer_, config_.limits, received);
  if (failed) {
    const std::optional<HttpReply> reply = refusal_of(failed, config_.limits);
    if (!reply) co_return Next::kEnd;
    LOG_DEBUG("{}: {} ({})", peer_, reply->body, failed.message());
    const Next next = co_await refuse(*reply);
    co_return next;
  }
  Exchange exchange = {.received = received,
                       .keep_alive = received.keep_alive && closing_ == Closing::kNo};
  const InFlight in_flight(parts_.service.counters());
  const bool is_sent = co_await answer(exchange);
  const bool goes_on = is_sent && exchange.keep_alive && closing_ == Closing::kNo;
  co_return goes_on ? Next::kRequest : Next::kEnd;
}

asio::awaitable<bool> Connection::wait_for_bytes() {
  const auto deadline = SteadyClock::now() + config_.limits.keep_alive;
  while (stream_.received().size() == 0) {
    watch_.begin();
    const bool is_over = closing_ != Closing::kNo || SteadyClock::now() >= deadline;
    if (is_over || watch_.is_gone()) co_return false;
    co_await bell_.wait_until(deadline);
  }
  co_await watch_.rest();  // what follows reads by itself
  co_return true;
}

asio::awaitable<Connection::Next> Connection::refuse(const HttpReply& reply) {
  const std::string text = head_of(reply, {.keep_alive = false}) + reply.body;
  const bool is_sent = co_await writer_.write(text);
  co_return is_sent ? Next::kRefused : Next::kEnd;
}

asio::awaitable<void> Connection::end(Next why) {
  const bool speaks_tls = stream_.is_encrypted() && stage_ != Stage::kOpening;
  if (speaks_tls && !watch_.is_gone()) {
    const bool at_once = closing_ == Closing::kAtOnce;
    co_await end_tls(stream_, bell_, at_once ? std::chrono::seconds(0) : kLinger);
  }
  if (why == Next::kRefused) co_await linger(stream_);
}

asio::awaitable<bool> Connection::answer(Exchange& exchange) {
  watch_.begin();
  const bool is_wanted = co_await maker_.make(exchange.received.message, exchange.answer);
  if (!is_wanted) co_return false;
  const Generation* generation = exchange.answer.generation.get();
  bool is_sent = false;
  if (generation == nullptr) {
    count(exchange);
    is_sent = co_await send_reply(exchange);
  } else if (generation->is_stream()) {
    count(exchange);
    is_sent = co_await send_stream(exchange);
  } else {
    is_sent = co_await send_generated(exchange);
    count(exchange);
  }
  if (generation != nullptr && generation->is_done()) {
    parts_.service.counters().count_generation(generation->num_choices(),
                                               generation->longest_choice());
  }
  co_return is_sent;
}

void Connection::count(const Exchange& exchange) {
  const std::chrono::duration<double> time = SteadyClock::now() - exchange.began;
  parts_.service.count(exchange.received.message, exchange.answer, time.count());
}

asio::awaitable<bool> Connection::send_reply(Exchange& exchange) {
  const HttpReply& reply = exchange.answer.reply;
  const HttpRequest& request = exchange.received.message;
  log_access(request, reply.status, config_.log);
  std::string text = head_of(reply, {.keep_alive = exchange.keep_alive});
  if (request.method != "HEAD") text += reply.body;
  const bool is_sent = co_await writer_.write(text);
  co_return is_sent;
}

// Waits until the generation is done; false if the client goes away before.
asio::awaitable<bool> Connection::send_generated(Exchange& exchange) {
  Generation& generation = *exchange.answer.generation;
  {
    const Subscription subscription(generation, subscription_parts());
    while (!generation.is_done()) {
      if (watch_.is_gone()) co_return false;
      co_await bell_.wait();
    }
  }
  const bool is_wanted = co_await maker_.make_reply(exchange.answer);
  if (!is_wanted) co_return false;
  const bool is_sent = co_await send_reply(exchange);
  co_return is_sent;
}

asio::awaitable<bool> Connection::send_stream(Exchange& exchange) {
  log_access(exchange.received.message, 200, config_.log);
  HttpReply& reply = exchange.answer.reply;
  reply.status = 200;
  reply.content_type = "text/event-stream; charset=utf-8";
  // HTTP/1.0 knows no chunks: there the end of the connection ends the answer.
  const bool in_chunks = !exchange.received.is_http_1_0;
  const std::string head =
      head_of(reply, {.keep_alive = exchange.keep_alive,
                      .body_end = in_chunks ? BodyEnd::kLastChunk : BodyEnd::kConnection});
  const Subscription subscription(*exchange.answer.generation, subscription_parts());
  bool is_sent = co_await writer_.write(head);
  if (is_sent) is_sent = co_await send_events(*exchange.answer.generation, in_chunks);
  if (!is_sent || !in_chunks) co_return false;
  const std::string_view last_chunk = "0\r\n\r\n";
  is_sent = co_await writer_.write(last_chunk);
  co_return is_sent;
}

// A client that does not read makes this wait; meanwhile the generation's text piles up, see
// Subscription::on_batch_end().
asio::awaitable<bool> Connection::send_events(Generation& generation, bool in_chunks) {
  std::string part;
  bool is_sent = true;
  while (is_sent) {
    part.clear();
    part.swap(generation.unsent());
    if (part.empty()) {
      if (generation.is_done()) co_return true;
      if (watch_.is_gone()) co_return false;
      co_await bell_.wait();
    } else if (in_chunks) {
      is_sent = co_await writer_.write_chunks(part);
    } else {
      is_sent = co_await writer_.write(part);
    }
  }
  co_return false;
}

SubscriptionParts Connection::subscription_parts() {
  return {.thread = parts_.thread,
          .hub = parts_.hub,
          .bell = bell_,
          .client = stream_,
          .peer = peer_,
          .max_unsent_bytes = config_.limits.max_unsent_bytes};
}

}  // namespace

asio::awaitable<void> serve_connection(asio::ip::tcp::socket socket, ConnectionParts parts) {
  Connection connection(std::move(socket), parts);
  co_await connection.run();
}

}  // namespace pagoda
