// A request that cannot be answered yet: the pictures that it names have to be fetched first. The
// wait belongs to nobody's thread.
//
// Thread rule: start() once; cancel() from any thread until `done` was called; finish() once, after
// that, where it may take long.
// Invariant: between start() and the call of `done` the object must live; after `done` nothing of
// it runs any more.
#pragma once

#include <functional>

namespace pagoda {

struct RouteAnswer;

class Preparation {
 public:
  virtual ~Preparation() = default;
  // `done` is called once, on any thread, maybe before start() returns.
  virtual void start(std::function<void()> done) = 0;
  // Nobody wants the answer any more: `done` follows soon.
  virtual void cancel() = 0;
  // Throws what the route would throw.
  virtual RouteAnswer finish() = 0;
};

}  // namespace pagoda
