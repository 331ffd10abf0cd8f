// Hands work to another thread that somebody waits for, or that ends the program: it must arrive.
//
// Thread rule: any thread.
#pragma once

#include <boost/asio/post.hpp>
#include <chrono>
#include <new>
#include <thread>

namespace pagoda {

// Where there is no memory for it, it waits until others have given some back. `work` is copied.
template <class Context, class Work>
void post_surely(Context& context, const Work& work) {
  constexpr std::chrono::milliseconds kPause{1};
  for (;;) {
    try {
      boost::asio::post(context, work);
      return;
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace pagoda
