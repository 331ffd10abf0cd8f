#include "api/transport/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "api/routes/service.h"
#include "api/transport/connection.h"
#include "api/transport/event_hub.h"
#include "api/transport/io_thread.h"
#include "api/transport/post_surely.h"
#include "api/transport/tls_context.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kWorkers = 2;  // so that one very large request does not hold up the next
constexpr std::chrono::milliseconds kDrainPoll{10};
// Out of file descriptors: they come back when connections end.
constexpr std::chrono::milliseconds kAcceptPause{100};

[[noreturn]] void cannot_listen(const ListenConfig& listen, const std::string& reason,
                                ErrorKind kind = ErrorKind::kConfig) {
  const std::string host = listen.host.empty() ? "all interfaces" : listen.host;
  throw Error(kind, str("cannot listen on ", host, ", port ", listen.port, ": ", reason));
}

[[noreturn]] void cannot_bind(const ListenConfig& listen, const error_code& failed) {
  if (failed == asio::error::address_in_use) {
    cannot_listen(listen, str("another process listens there; end it (`ss -ltnp` shows which one "
                              "it is) or choose another port with --port"));
  }
  if (failed == asio::error::access_denied) {
    cannot_listen(listen, "ports below 1024 need privileges; choose a higher one with --port");
  }
  if (failed == boost::system::errc::address_not_available) {
    cannot_listen(listen,
                  "this machine does not have that address; choose one of its own with --host "
                  "(`ip address` lists them), or leave --host out for all");
  }
  if (failed == asio::error::no_descriptors) {
    cannot_listen(listen, "too many open files; raise the limit (ulimit -n, LimitNOFILE)",
                  ErrorKind::kDevice);
  }
  cannot_listen(listen, failed.message(), ErrorKind::kDevice);
}

// The addresses to try, the best first. All interfaces means both families where there are two.
std::vector<tcp::endpoint> endpoints_of(const ListenConfig& listen, asio::io_context& context) {
  if (listen.host.empty()) return {{tcp::v6(), listen.port}, {tcp::v4(), listen.port}};
  error_code failed;
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(listen.host, std::to_string(listen.port), tcp::resolver::passive, failed);
  if (failed) {
    cannot_listen(listen,
                  str("the name is not known (", failed.message(),
                      "); give --host an address of this machine, or leave it out for all"));
  }
  std::vector<tcp::endpoint> out;
  for (const auto& entry : found) out.push_back(entry.endpoint());
  return out;
}

error_code listen_on(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, int backlog) {
  error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed && endpoint.address().is_v6()) {
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), failed);
  }
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(backlog, failed);
  if (failed) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return failed;
}

// There was no memory for this connection; there may be for the next.
void note_unserved(const std::exception& cause) {
  LOG_WARNING("cannot serve a connection: {}", cause.what());
}

// Counts one as long as it lives.
class CountedConnection {
 public:
  explicit CountedConnection(std::atomic<size_t>& number) : number_(number) { ++number_; }
  ~CountedConnection() { --number_; }
  CountedConnection(const CountedConnection&) = delete;
  CountedConnection& operator=(const CountedConnection&) = delete;

 private:
  std::atomic<size_t>& number_;
};

}  // namespace

struct Server::State {
  explicit State(const ServerConfig& c)
      : config(c),
        service(c),
        bodies(c.limits.max_held_body_bytes),
        workers(kWorkers),
        hub(threads) {
    for (int i = 0; i < std::max(1, config.listen.io_threads); ++i) {
      threads.push_back(std::make_unique<IoThread>());
    }
    if (config.tls.is_on()) tls.emplace(config.tls);
    acceptor.emplace(threads[0]->context());
    error_code failed;
    for (const tcp::endpoint& endpoint : endpoints_of(config.listen, threads[0]->context())) {
      failed = listen_on(*acceptor, endpoint, config.listen.backlog);
      if (!failed || failed == asio::error::address_in_use) break;
    }
    if (failed) cannot_bind(config.listen, failed);
    port = acceptor->local_endpoint().port();
  }

  asio::awaitable<void> accept_all();
  asio::awaitable<void> accept_one(IoThread& thread);
  void begin(tcp::socket socket, IoThread& thread);
  asio::awaitable<void> serve(tcp::socket socket, IoThread& thread);
  void stop_accepting();

  const ServerConfig config;
  Service service;
  BodyMemory bodies;
  std::optional<TlsContext> tls;
  asio::thread_pool workers;
  std::vector<std::unique_ptr<IoThread>> threads;
  EventHub hub;
  std::optional<tcp::acceptor> acceptor;  // thread 0
  uint16_t port = 0;
  std::atomic<size_t> num_connections{0};
  bool started = false;
  bool stopped = false;
};

asio::awaitable<void> Server::State::accept_all() {
  for (size_t next = 0; acceptor->is_open(); next = (next + 1) % threads.size()) {
    try {
      co_await accept_one(*threads[next]);
    } catch (const std::exception& e) {
      note_unserved(e);
    }
  }
}

asio::awaitable<void> Server::State::accept_one(IoThread& thread) {
  tcp::socket socket(thread.context());
  error_code failed;
  co_await acceptor->async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
  if (!acceptor->is_open()) co_return;
  if (failed) {
    LOG_WARNING("cannot accept a connection: {}", failed.message());
    asio::steady_timer pause(threads[0]->context(), kAcceptPause);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
  } else if (num_connections < config.limits.max_connections) {  // else it is closed at once
    begin(std::move(socket), thread);
  }
}

void Server::State::begin(tcp::socket socket, IoThread& thread) {
  error_code ignored;
  // Answers are written as soon as there is something to write.
  socket.set_option(tcp::no_delay(true), ignored);
  asio::co_spawn(thread.context(), serve(std::move(socket), thread), asio::detached);
}

asio::awaitable<void> Server::State::serve(tcp::socket socket, IoThread& thread) {
  const CountedConnection counted(num_connections);
  const ConnectionParts parts = {.service = service,
                                 .thread = thread,
                                 .hub = hub,
                                 .bodies = bodies,
                                 .workers = workers,
                                 .tls = tls ? &*tls : nullptr};
  co_await serve_connection(std::move(socket), parts);
}

void Server::State::stop_accepting() {
  post_surely(threads[0]->context(), [this] {
    error_code ignored;
    acceptor->close(ignored);
  });
}

Server::Server(const ServerConfig& config) : state_(std::make_unique<State>(config)) {}

Server::~Server() {
  stop();
}

uint16_t Server::port() const {
  return state_->port;
}

void Server::start() {
  state_->started = true;
  asio::co_spawn(state_->threads[0]->context(), state_->accept_all(), asio::detached);
  for (const auto& thread : state_->threads) thread->start();
}

void Server::reload_tls() {
  if (state_->tls) state_->tls->reload();
}

EventSink& Server::sink() {
  return state_->hub;
}

void Server::attach(ServiceParts parts) {
  state_->service.attach(std::move(parts));
}

bool Server::drain(std::chrono::milliseconds grace) {
  state_->service.set_draining();
  state_->stop_accepting();
  for (const auto& thread : state_->threads) thread->post_close(false);
  const auto deadline = std::chrono::steady_clock::now() + grace;
  const ApiCounters& counters = state_->service.counters();
  while (counters.in_flight() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kDrainPoll);
  }
  return counters.in_flight() == 0;
}

void Server::stop() {
  if (state_->stopped) return;
  state_->stopped = true;
  if (!state_->started) return;
  state_->service.set_draining();
  state_->stop_accepting();
  for (const auto& thread : state_->threads) thread->post_close(true);
  // The workers last: a connection may still wait for one.
  for (const auto& thread : state_->threads) thread->finish();
  state_->workers.join();
}

}  // namespace pagoda
