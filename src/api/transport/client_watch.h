// Notices when a client leaves. Only a read is told so, so this reads ahead while the client's
// request is served; what comes is the beginning of its next one.
//
// Thread rule: its I/O thread.
// Invariant: nobody else reads from the stream between begin() and the end of rest(), and this
// object lives as long.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "api/transport/bell.h"
#include "api/transport/client_stream.h"

namespace pagoda {

class ClientWatch {
 public:
  // Rings when something has come, or the client has gone.
  ClientWatch(ClientStream& stream, Bell& bell) : stream_(stream), bell_(bell) {}
  ClientWatch(const ClientWatch&) = delete;
  ClientWatch& operator=(const ClientWatch&) = delete;

  void begin();
  boost::asio::awaitable<void> rest();  // until its read has ended
  // The client has gone, or we have hung up.
  bool is_gone() const { return state_ == State::kGone || !stream_.is_open(); }

 private:
  enum class State : uint8_t { kResting, kReading, kGone };

  ClientStream& stream_;
  Bell& bell_;
  State state_ = State::kResting;
};

}  // namespace pagoda
