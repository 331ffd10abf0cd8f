#include "api/pictures/task_threads.h"

#include <doctest/doctest.h>

#include <atomic>
#include <new>

namespace pagoda {

TEST_CASE("a task that throws takes neither its thread nor the tasks behind it along") {
  std::atomic<int> done{0};
  {
    TaskThreads threads(1);
    threads.post([] { throw std::bad_alloc(); });
    threads.post([&] { ++done; });
  }
  CHECK(done == 1);
}

}  // namespace pagoda
