#include "api/transport/client_watch.h"

#include <cstddef>

namespace pagoda {

void ClientWatch::begin() {
  // With the next request there already, a read could wait for bytes that never come.
  if (state_ != State::kResting || stream_.received().size() > 0) return;
  state_ = State::kReading;
  stream_.expires_never();
  stream_.async_read_some(stream_.received().prepare(ClientStream::kReadBytes),
                          [this](boost::system::error_code failed, size_t bytes) {
                            state_ = failed ? State::kGone : State::kResting;
                            if (!failed) stream_.received().commit(bytes);
                            bell_.ring();
                          });
}

boost::asio::awaitable<void> ClientWatch::rest() {
  while (state_ == State::kReading) co_await bell_.wait();
}

}  // namespace pagoda
