#include "api/transport/answer_maker.h"

#include <boost/asio/post.hpp>
#include <exception>

#include "api/transport/post_surely.h"

namespace pagoda {

namespace asio = boost::asio;

asio::awaitable<bool> AnswerMaker::make(const HttpRequest& request, RouteAnswer& out) {
  const bool is_heavy = Service::is_heavy(request);
  std::stop_source abandoned;
  const std::function<void()> begin = [&] {
    out = parts_.service.answer(request, abandoned.get_token());
  };
  co_await perform(begin, is_heavy, abandoned);
  if (abandoned.stop_requested()) co_return false;
  if (!out.preparation) co_return true;
  const bool is_wanted = co_await prepare(*out.preparation);
  if (!is_wanted) co_return false;
  const std::function<void()> finish = [&] { parts_.service.finish(out); };
  co_await perform(finish, is_heavy, abandoned);
  co_return !abandoned.stop_requested();
}

asio::awaitable<bool> AnswerMaker::make_reply(RouteAnswer& out) {
  std::stop_source abandoned;
  const std::function<void()> make = [&] { parts_.service.complete(out); };
  co_await perform(make, out.generation->has_large_reply(), abandoned);
  co_return !abandoned.stop_requested();
}

asio::awaitable<void> AnswerMaker::perform(const std::function<void()>& work, bool is_heavy,
                                           std::stop_source& abandoned) {
  if (!is_heavy) {
    work();
    co_return;
  }
  bool is_ready = false;
  std::exception_ptr failure;  // memory that ran out
  asio::post(parts_.workers, [this, &work, &is_ready, &abandoned, &failure] {
    try {
      if (!abandoned.stop_requested()) work();
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
    post_ready(is_ready);
  });
  while (!is_ready) {
    if (parts_.watch.is_gone()) abandoned.request_stop();
    co_await parts_.bell.wait();
  }
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<bool> AnswerMaker::prepare(Preparation& preparation) {
  bool is_ready = false;
  preparation.start([this, &is_ready] { post_ready(is_ready); });
  while (!is_ready) {
    if (parts_.watch.is_gone()) preparation.cancel();
    co_await parts_.bell.wait();
  }
  co_return !parts_.watch.is_gone();
}

void AnswerMaker::post_ready(bool& is_ready) {
  post_surely(parts_.context, [this, &is_ready] {
    is_ready = true;
    parts_.bell.ring();
  });
}

}  // namespace pagoda
