#include "base/thread_team.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace pagoda {
namespace {

// Of what is left, a worker takes one in so many of its equal share.
constexpr int64_t kSharesPerWorker = 2;

void bind_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set,
                         &set);  // refused in some sandboxes: then float
}

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int workers, std::vector<int> cores) : cores_(std::move(cores)) {
  if (!cores_.empty()) bind_to(cores_[0]);
  for (int worker = 1; worker < workers; ++worker) {
    threads_.emplace_back([this, worker] { work(worker); });
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(FunctionRef<void(int worker)> job) {
  if (threads_.empty()) {
    job(0);
    return;
  }
  job_ = &job;
  running_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  job(0);
  for (uint32_t left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_for_change(running_, left);
  }
}

void ThreadTeam::for_chunks(int64_t count, int64_t grain,
                            FunctionRef<void(int64_t begin, int64_t end, int worker)> chunk) {
  if (count <= 0) return;
  if (count <= grain || threads_.empty()) {
    chunk(0, count, 0);
    return;
  }
  next_chunk_.store(0, std::memory_order_relaxed);
  run([&](int worker) {
    for (;;) {
      const int64_t begin = next_chunk_.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      chunk(begin, std::min(begin + grain, count), worker);
    }
  });
}

void ThreadTeam::for_shrinking_chunks(
    int64_t count, int64_t least, FunctionRef<void(int64_t begin, int64_t end, int worker)> chunk) {
  if (count <= 0) return;
  if (count <= least || threads_.empty()) {
    chunk(0, count, 0);
    return;
  }
  next_chunk_.store(0, std::memory_order_relaxed);
  const auto end_of = [&](int64_t begin) {
    const int64_t share = (count - begin) / (kSharesPerWorker * size());
    return std::min(count, begin + std::max(least, share));
  };
  run([&](int worker) {
    int64_t begin = next_chunk_.load(std::memory_order_relaxed);
    while (begin < count) {
      const int64_t end = end_of(begin);
      // Where another worker was quicker, `begin` is what it left.
      if (!next_chunk_.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
      chunk(begin, end, worker);
      begin = next_chunk_.load(std::memory_order_relaxed);
    }
  });
}

void ThreadTeam::work(int worker) {
  if (static_cast<size_t>(worker) < cores_.size()) bind_to(cores_[static_cast<size_t>(worker)]);
  uint32_t seen = 0;
  for (;;) {
    wait_for_change(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    (*job_)(worker);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void ThreadTeam::wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  const auto give_up =
      std::chrono::steady_clock::now() + std::chrono::microseconds(kSpinMicroseconds);
  do {
    for (int i = 0; i < 64; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() < give_up);
  value.wait(old, std::memory_order_acquire);
}

}  // namespace pagoda
