#include "backends/ref/apart_stream.h"

#include <chrono>
#include <exception>
#include <utility>

#include "base/must.h"
#include "base/rng.h"

namespace pagoda::ref {
namespace {

// One work in so many is late, by up to this: a step of a small model is queued in less.
constexpr double kLateShare = 1.0 / 16;
constexpr double kLongestDelayUs = 200;

}  // namespace

ApartStream::ApartStream(uint64_t seed) : seed_(seed), thread_([this] { run(); }) {}

ApartStream::~ApartStream() {
  {
    const MutexLock lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ApartStream::push(std::function<void()> work) {
  ++pushed_;
  {
    const MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  changed_.notify_all();
}

void ApartStream::wait(uint64_t point) {
  MUST(point <= pushed_);
  MutexLock lock(mutex_);
  while (done_ < point) changed_.wait(lock);
  if (failure_) throw Error(*failure_);
}

void ApartStream::drain() {
  MutexLock lock(mutex_);
  while (done_ < pushed_) changed_.wait(lock);
}

std::function<void()> ApartStream::next() {
  MutexLock lock(mutex_);
  while (queue_.empty() && !is_ending_) changed_.wait(lock);
  if (queue_.empty()) return {};
  std::function<void()> work = std::move(queue_.front());
  queue_.pop_front();
  return work;
}

void ApartStream::delay() {
  if (uniform_from(seed_, ++delays_, 0) > kLateShare) return;
  const double us = kLongestDelayUs * uniform_from(seed_, delays_, 1);
  std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(us));
}

void ApartStream::run() {
  while (const std::function<void()> work = next()) {
    delay();
    try {
      if (!has_failed_) work();
    } catch (const Error& e) {
      note_failure(e.kind(), e.what());
    } catch (const std::exception& e) {
      note_failure(ErrorKind::kDevice, e.what());
    }
    {
      const MutexLock lock(mutex_);
      ++done_;
    }
    changed_.notify_all();
  }
}

void ApartStream::note_failure(ErrorKind kind, const char* what) {
  has_failed_ = true;
  const MutexLock lock(mutex_);
  failure_.emplace(kind, what);
}

}  // namespace pagoda::ref
