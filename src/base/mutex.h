// A mutex whose use Clang checks when the program is compiled (-Wthread-safety,
// tools/check_tidy.py): a member says which mutex it is under, and whoever touches it without
// holding that is told so.
//
// Thread rule: any thread, as std::mutex and std::condition_variable, which these are.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define PAGODA_CHECKED(attribute) __attribute__((attribute))
#else
#define PAGODA_CHECKED(attribute)  // GCC has no such analysis
#endif

// A member that is read and written only by who holds the mutex.
#define GUARDED_BY(mutex) PAGODA_CHECKED(guarded_by(mutex))
// A function that is called only by who holds the mutex.
#define REQUIRES(mutex) PAGODA_CHECKED(requires_capability(mutex))

namespace pagoda {

class PAGODA_CHECKED(capability("mutex")) Mutex {
 public:
  void lock() PAGODA_CHECKED(acquire_capability()) { mutex_.lock(); }
  void unlock() PAGODA_CHECKED(release_capability()) { mutex_.unlock(); }
  [[nodiscard]] bool try_lock() PAGODA_CHECKED(try_acquire_capability(true)) {
    return mutex_.try_lock();
  }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a mutex as long as it lives.
class PAGODA_CHECKED(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PAGODA_CHECKED(acquire_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~MutexLock() PAGODA_CHECKED(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

// Waits end without cause now and then: write `while (!ready_) changed_.wait(lock);`. (A predicate
// would be a lambda, of which the analysis does not know that it runs under the mutex.)
class Condition {
 public:
  void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
  // Whether it was woken before the deadline.
  bool wait_until(MutexLock& lock, std::chrono::steady_clock::time_point deadline) {
    return condition_.wait_until(lock.lock_, deadline) == std::cv_status::no_timeout;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace pagoda
