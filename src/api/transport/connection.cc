#include "api/transport/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "api/http/error_body.h"
#include "api/transport/access_log.h"
#include "api/transport/client_stream.h"
#include "base/log.h"

namespace pagoda {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kPieceBytes = 64 << 10;  // written with one deadline
// After a refusal, how long and how much is read and dropped, so that the client sees the answer
// instead of a reset.
constexpr std::chrono::seconds kLinger{2};
constexpr size_t kMaxDropped = 8 << 20;
constexpr std::byte kTlsHandshake{0x16};  // the first byte of every TLS connection (RFC 8446, 5.1)

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

// A generation with its events, for as long as it is served.
class Subscription {
 public:
  Subscription(Generation& generation, EventListener& listener, const ConnectionParts& parts)
      : parts_(parts) {
    std::vector<Request> requests = generation.take_requests();
    for (size_t i = 0; i < requests.size(); ++i) {
      ids_.push_back(requests[i].id);
      parts_.thread.add(requests[i].id, listener, static_cast<int>(i));
      parts_.router.route(requests[i].id, parts_.thread);
    }
    EngineClient& engine = generation.engine();
    for (Request& request : requests) engine.submit(std::move(request));
    // An engine that died before it took these told only those that were there by then.
    if (!engine.is_alive()) listener.on_engine_death("the engine has failed; see the server's log");
  }
  ~Subscription() {
    for (const RequestId id : ids_) {
      parts_.router.forget(id);
      parts_.thread.remove(id);
    }
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  const ConnectionParts& parts_;
  std::vector<RequestId> ids_;
};

class Connection : public EventListener, public Closable {
 public:
  Connection(asio::ip::tcp::socket socket, const ConnectionParts& parts)
      : parts_(parts),
        config_(parts.service.config()),
        peer_(peer_name(socket)),
        stream_(std::move(socket)),
        wake_(parts.thread.context()) {
    parts_.thread.add(static_cast<Closable&>(*this));
  }
  ~Connection() override { parts_.thread.remove(static_cast<Closable&>(*this)); }

  asio::awaitable<void> run() {
    closing_ = parts_.thread.is_closing();
    try {
      bool goes_on = !closing_;
      if (goes_on && parts_.tls != nullptr) goes_on = co_await begin_tls();
      is_open_ = goes_on;
      while (goes_on) goes_on = co_await serve_one();
      if (stream_.is_encrypted()) co_await end_tls();
    } catch (const std::exception& e) {
      LOG_ERROR("{}: the connection failed: {}", peer_, e.what());
    }
    hang_up();
    // The read that watches the client refers to this object.
    while (reading_) co_await wait(SteadyClock::duration::max());
  }

  // EventListener.
  void on_event(int choice, Event event) override {
    generation_->on_event(choice, std::move(event));
  }
  void on_batch_end() override {
    if (generation_->unsent().size() > config_.limits.max_unsent_bytes) {
      LOG_WARNING("{}: gave up a stream: its client does not read", peer_);
      hang_up();
    }
    wake_.cancel();
  }
  void on_engine_death(const std::string& reason) override {
    generation_->fail(reason);
    wake_.cancel();
  }

  // Closable.
  void close(bool at_once) override {
    closing_ = true;
    if (at_once) closes_at_once_ = true;
    // Who waits for a request is told the end first, which takes no time.
    if (!is_open_ || (at_once && !is_idle_)) hang_up();
    wake_.cancel();
  }

 private:
  // Whether the connection can go on.
  asio::awaitable<bool> serve_one() {
    is_idle_ = true;
    const bool has_bytes = co_await wait_for_bytes();
    is_idle_ = false;
    if (!has_bytes || closes_at_once_) co_return false;
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(config_.limits.max_header_bytes));
    parser.body_limit(config_.limits.max_body_bytes);
    BodyMemory::Share held(parts_.bodies);
    const bool received = co_await receive(parser, held);
    if (!received) co_return false;
    http_1_0_ = parser.get().version() < 11;
    keep_alive_ = parser.get().keep_alive() && !http_1_0_ && !closing_;
    const HttpRequest request = request_of(parser);
    const InFlight in_flight(parts_.service.counters());
    const bool alive = co_await answer(request);
    co_return alive&& keep_alive_ && !closing_;
  }

  // --- TLS.

  // Whether requests can come. All of it has one time limit.
  asio::awaitable<bool> begin_tls() {
    error_code failed;
    stream_.expires_after(config_.limits.tls_handshake_timeout);
    const asio::mutable_buffer first = in_.prepare(kReadBytes);
    const size_t received =
        co_await stream_.async_read_some(first, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return false;
    in_.commit(received);
    if (*static_cast<const std::byte*>(in_.cdata().data()) != kTlsHandshake) {
      co_await refuse_plain();
      co_return false;
    }
    const TlsContextHandle context = parts_.tls->current();
    const size_t used = co_await stream_.async_handshake(
        context, in_, asio::redirect_error(asio::use_awaitable, failed));
    in_.consume(used);
    if (!failed) co_return true;
    if (config_.log.access) LOG_INFO("{} - TLS handshake failed: {}", peer_, failed.message());
    // The client shall read why, if TLS has told it.
    co_await linger();
    co_return false;
  }

  // A client that speaks plain HTTP can read an answer.
  asio::awaitable<void> refuse_plain() {
    keep_alive_ = false;
    const HttpReply reply = text_reply(400, "This port speaks HTTPS: ask for https://");
    const std::string text = head_of(reply, {.keep_alive = false, .chunked = false}) + reply.body;
    const bool sent = co_await write(text);
    if (sent) co_await linger();
  }

  // A client that does not hear the end from TLS must take an answer for cut off.
  asio::awaitable<void> end_tls() {
    if (!is_open_ || has_told_end_ || aborted_ || peer_gone_) co_return;
    has_told_end_ = true;
    bool is_done = false;
    // What the client is told is on its way when async_shutdown() returns; its answer is waited
    // for.
    auto deadline = SteadyClock::now();
    if (!closes_at_once_) deadline += kLinger;
    stream_.expires_never();
    stream_.async_shutdown([this, &is_done](error_code) {
      is_done = true;
      wake_.cancel();
    });
    while (!is_done && !aborted_ && SteadyClock::now() < deadline) {
      co_await wait(deadline - SteadyClock::now());
    }
    if (!is_done) hang_up();  // which ends it
    while (!is_done) co_await wait(SteadyClock::duration::max());
  }

  // --- Reading.

  // Reads ahead while something else is done: that is how a vanished client is noticed.
  void watch() {
    // With the next request there already, a read could wait for bytes that never come.
    if (reading_ || peer_gone_ || in_.size() > 0) return;
    reading_ = true;
    stream_.expires_never();
    stream_.async_read_some(in_.prepare(kReadBytes), [this](error_code failed, size_t bytes) {
      reading_ = false;
      if (failed) {
        peer_gone_ = true;
      } else {
        in_.commit(bytes);
      }
      wake_.cancel();
    });
  }

  asio::awaitable<bool> wait_for_bytes() {
    const auto deadline = SteadyClock::now() + config_.limits.keep_alive;
    while (in_.size() == 0) {
      watch();
      if (peer_gone_ || closing_) co_return false;
      const auto left = deadline - SteadyClock::now();
      if (left <= SteadyClock::duration::zero()) co_return false;
      co_await wait(left);
    }
    // What follows reads by itself.
    while (reading_) co_await wait(SteadyClock::duration::max());
    co_return true;
  }

  asio::awaitable<void> wait(SteadyClock::duration time) {
    if (time == SteadyClock::duration::max()) {
      wake_.expires_at(SteadyClock::time_point::max());
    } else {
      wake_.expires_after(time);
    }
    error_code ignored;
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::awaitable<bool> receive(Parser& parser, BodyMemory::Share& held) {
    error_code failed;
    stream_.expires_after(config_.limits.header_timeout);
    co_await http::async_read_header(stream_, in_, parser,
                                     asio::redirect_error(asio::use_awaitable, failed));
    // What is coded in a way we do not know has no length that we could trust.
    if (!failed && parser.get().count(http::field::transfer_encoding) > 0 && !parser.chunked()) {
      failed = http::make_error_code(http::error::bad_transfer_encoding);
    }
    if (!failed && expects_continue(parser)) {
      const std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
      const bool sent = co_await write(text);
      if (!sent) co_return false;
    }
    while (!failed && !parser.is_done()) {
      stream_.expires_after(config_.limits.body_timeout);
      co_await http::async_read_some(stream_, in_, parser,
                                     asio::redirect_error(asio::use_awaitable, failed));
      if (!failed && !held.grow_to(parser.get().body().size())) {
        failed = asio::error::make_error_code(asio::error::no_memory);
      }
    }
    if (!failed) co_return true;
    parser.get().body() = std::string();
    held.drop();
    co_await refuse(failed);
    co_return false;
  }

  static bool expects_continue(const Parser& parser) {
    return parser.get().version() >= 11 &&
           beast::iequals(parser.get()[http::field::expect], "100-continue");
  }

  // What could not be read as a request.
  asio::awaitable<void> refuse(error_code failed) {
    HttpReply reply;
    if (failed == http::error::body_limit) {
      reply = error_reply(413, "BadRequestError",
                          fmt::format("the body is larger than {} bytes, the limit of this server; "
                                      "send less at once",
                                      config_.limits.max_body_bytes));
    } else if (failed == http::error::header_limit) {
      reply = text_reply(431, fmt::format("the headers are larger than {} bytes",
                                          config_.limits.max_header_bytes));
    } else if (failed == asio::error::no_memory) {
      reply = error_reply(503, "ServiceUnavailableError",
                          "the server holds as many large requests as it can; try again later");
    } else if (failed.category() == http::make_error_code(http::error::bad_method).category() &&
               failed != http::error::end_of_stream && failed != http::error::partial_message) {
      reply = text_reply(400, "Invalid HTTP request received.");
    } else {
      co_return;  // the client is gone, or took too long: the stream is closed already
    }
    keep_alive_ = false;
    LOG_DEBUG("{}: {} ({})", peer_, reply.body, failed.message());
    const std::string text = head_of(reply, {.keep_alive = false, .chunked = false}) + reply.body;
    const bool sent = co_await write(text);
    if (sent) co_await linger();
  }

  // Reads what still comes and drops it, so that the kernel does not reset the connection before
  // the client has read the answer.
  asio::awaitable<void> linger() {
    if (stream_.is_encrypted()) co_await end_tls();
    error_code failed;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, failed);
    stream_.expires_after(kLinger);
    std::array<char, 4096> dropped;
    size_t total = 0;
    while (!failed && total < kMaxDropped) {
      const asio::mutable_buffer target = asio::buffer(dropped);
      total += co_await stream_.tcp().async_read_some(
          target, asio::redirect_error(asio::use_awaitable, failed));
    }
  }

  HttpRequest request_of(Parser& parser) const {
    HttpRequest out;
    const auto& message = parser.get();
    out.method = std::string(message.method_string());
    out.target = std::string(message.target());
    // The absolute form, which only proxies use: what is behind the host counts.
    if (const size_t scheme = out.target.find("://");
        scheme != std::string::npos && !out.target.starts_with('/')) {
      const size_t slash = out.target.find('/', scheme + 3);
      out.target = slash == std::string::npos ? "/" : out.target.substr(slash);
    }
    for (const auto& field : message) {
      out.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    out.body = std::move(parser.get().body());
    out.peer = peer_;
    return out;
  }

  // --- Answering.

  asio::awaitable<bool> answer(const HttpRequest& request) {
    const auto began = SteadyClock::now();
    watch();
    RouteAnswer answer;
    const bool is_heavy = Service::is_heavy(request);
    const std::function<void()> begin = [&] { answer = parts_.service.answer(request); };
    co_await perform(begin, is_heavy);
    if (answer.preparation) {
      const bool is_wanted = co_await prepare(*answer.preparation);
      if (!is_wanted) co_return false;
      const std::function<void()> finish = [&] { parts_.service.finish(answer); };
      co_await perform(finish, is_heavy);
    }
    generation_ = answer.generation.get();
    bool alive = false;
    if (answer.generation == nullptr) {
      count(request, answer, began);
      alive = co_await send_reply(request, answer.reply);
    } else if (answer.generation->is_stream()) {
      count(request, answer, began);
      alive = co_await send_stream(request, answer);
    } else {
      alive = co_await send_generated(request, answer);
      count(request, answer, began);
    }
    count_generation();
    generation_ = nullptr;
    co_return alive;
  }

  // Here, or on a worker where it may take long.
  asio::awaitable<void> perform(const std::function<void()>& work, bool is_heavy) {
    if (!is_heavy) {
      work();
      co_return;
    }
    bool is_ready = false;
    asio::post(parts_.workers, [this, &work, &is_ready] {
      work();
      post_ready(is_ready);
    });
    while (!is_ready) co_await wait(SteadyClock::duration::max());
  }

  // Whether the client still waits for what was prepared.
  asio::awaitable<bool> prepare(Preparation& preparation) {
    bool is_ready = false;
    preparation.start([this, &is_ready] { post_ready(is_ready); });
    while (!is_ready) {
      if (peer_gone_ || aborted_) preparation.cancel();
      co_await wait(SteadyClock::duration::max());
    }
    co_return !peer_gone_ && !aborted_;
  }

  // Any thread.
  void post_ready(bool& is_ready) {
    asio::post(parts_.thread.context(), [this, &is_ready] {
      is_ready = true;
      wake_.cancel();
    });
  }

  void count(const HttpRequest& request, const RouteAnswer& answer, SteadyClock::time_point began) {
    const std::chrono::duration<double> seconds = SteadyClock::now() - began;
    parts_.service.count(request, answer, seconds.count());
  }

  void count_generation() {
    if (generation_ == nullptr || !generation_->is_done()) return;
    parts_.service.counters().count_generation(generation_->num_choices(),
                                               generation_->longest_choice());
  }

  asio::awaitable<bool> send_reply(const HttpRequest& request, const HttpReply& reply) {
    log_access(request, reply.status, config_.log);
    std::string text = head_of(reply, {.keep_alive = keep_alive_, .chunked = false});
    if (request.method != "HEAD") text += reply.body;
    const bool sent = co_await write(text);
    co_return sent;
  }

  // Waits until the generation is done; false if the client goes away before.
  asio::awaitable<bool> send_generated(const HttpRequest& request, RouteAnswer& answer) {
    {
      const Subscription subscription(*generation_, *this, parts_);
      while (!generation_->is_done()) {
        if (peer_gone_ || aborted_) co_return false;
        co_await wait(SteadyClock::duration::max());
      }
    }
    HttpReply reply = generation_->reply();
    for (HttpHeader& h : answer.reply.headers) reply.headers.push_back(std::move(h));
    answer.reply = std::move(reply);
    const bool sent = co_await send_reply(request, answer.reply);
    co_return sent;
  }

  asio::awaitable<bool> send_stream(const HttpRequest& request, RouteAnswer& answer) {
    log_access(request, 200, config_.log);
    answer.reply.status = 200;
    answer.reply.content_type = "text/event-stream; charset=utf-8";
    // HTTP/1.0 knows no chunks: there the end of the connection ends the answer.
    const std::string head =
        http_1_0_ ? head_without_length(answer.reply)
                  : head_of(answer.reply, {.keep_alive = keep_alive_, .chunked = true});
    const Subscription subscription(*generation_, *this, parts_);
    bool sent = co_await write(head);
    std::string part;
    while (sent) {
      part.clear();
      part.swap(generation_->unsent());
      if (!part.empty()) {
        sent = co_await write_part(part);
        continue;
      }
      if (generation_->is_done()) break;
      if (peer_gone_ || aborted_) co_return false;
      co_await wait(SteadyClock::duration::max());
    }
    if (!sent) co_return false;
    if (http_1_0_) co_return false;
    const std::string_view end = "0\r\n\r\n";
    sent = co_await write(end);
    co_return sent;
  }

  static std::string head_without_length(const HttpReply& reply) {
    std::string head = head_of(reply, {.keep_alive = false, .chunked = true});
    const std::string_view chunked = "transfer-encoding: chunked\r\n";
    head.erase(head.find(chunked), chunked.size());
    return head;
  }

  // As HTTP chunks of a size that a slow client takes within the deadline. A client that does not
  // read makes this wait; meanwhile the generation's text piles up, see on_batch_end().
  asio::awaitable<bool> write_part(std::string_view part) {
    if (http_1_0_) {
      const bool all = co_await write(part);
      co_return all;
    }
    error_code failed;
    for (size_t at = 0; at < part.size() && !failed; at += kPieceBytes) {
      const std::string_view piece = part.substr(at, kPieceBytes);
      const std::string size = fmt::format("{:x}\r\n", piece.size());
      const std::array<asio::const_buffer, 3> buffers = {
          asio::buffer(size), asio::buffer(piece.data(), piece.size()), asio::buffer("\r\n", 2)};
      stream_.expires_after(config_.limits.write_timeout);
      co_await asio::async_write(stream_, buffers,
                                 asio::redirect_error(asio::use_awaitable, failed));
    }
    co_return !failed;
  }

  // Writes all of it, with a deadline for every piece.
  asio::awaitable<bool> write(std::string_view text) {
    error_code failed;
    for (size_t at = 0; at < text.size() && !failed; at += kPieceBytes) {
      const std::string_view piece = text.substr(at, kPieceBytes);
      const asio::const_buffer buffer(piece.data(), piece.size());
      stream_.expires_after(config_.limits.write_timeout);
      co_await asio::async_write(stream_, buffer,
                                 asio::redirect_error(asio::use_awaitable, failed));
    }
    co_return !failed;
  }

  void hang_up() {
    aborted_ = true;
    error_code ignored;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  const ConnectionParts parts_;
  const ServerConfig& config_;
  const std::string peer_;
  ClientStream stream_;
  beast::flat_buffer in_;    // received, not yet part of a request
  asio::steady_timer wake_;  // cancelled whenever there is something to look at
  Generation* generation_ = nullptr;
  bool reading_ = false;  // the read of watch() runs
  bool peer_gone_ = false;
  bool aborted_ = false;
  bool closing_ = false;  // after this request, or at once if there is none
  bool closes_at_once_ = false;
  bool is_open_ = false;       // requests can come: what TLS needs before them is done
  bool is_idle_ = false;       // waits for the first byte of a request
  bool has_told_end_ = false;  // through TLS
  bool keep_alive_ = false;
  bool http_1_0_ = false;
};

}  // namespace

asio::awaitable<void> serve_connection(asio::ip::tcp::socket socket, ConnectionParts parts) {
  Connection connection(std::move(socket), parts);
  co_await connection.run();
}

}  // namespace pagoda
