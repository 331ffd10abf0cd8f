// For tests: a socket that listens on a free loopback port.
//
// Thread rule: stop() from any thread ends an accept() that waits.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"

namespace pagoda {

class LoopbackListener {
 public:
  explicit LoopbackListener(int backlog = 64)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    MUST(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    MUST(listen(socket_, backlog) == 0);
    MUST(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~LoopbackListener() { close(socket_); }
  LoopbackListener(const LoopbackListener&) = delete;
  LoopbackListener& operator=(const LoopbackListener&) = delete;

  int port() const { return port_; }
  // The next connection; below 0 once it is stopped.
  int accept() { return accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC); }
  void stop() { shutdown(socket_, SHUT_RDWR); }

 private:
  const int socket_;
  int port_ = 0;
};

}  // namespace pagoda
