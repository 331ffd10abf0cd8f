// A fixed team of threads that does one job at a time. The caller is worker 0.
//
// Thread rule: one thread owns the team and calls run() and for_chunks(); jobs run on all workers.
// Workers spin for at most kSpinMicroseconds after a job, then sleep: an idle team costs nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace pagoda {

// A reference to something callable; does not own it.
template <class Signature>
class FunctionRef;
template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)  // NOLINT(google-explicit-constructor): a parameter type, made in the call
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  Result operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  Result (*call_)(void*, Args...);
};

class ThreadTeam {
 public:
  // `cores[i]` is the core that worker i is bound to; empty: no binding. Worker 0, the caller, is
  // bound too if cores is given.
  explicit ThreadTeam(int workers, std::vector<int> cores = {});
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // job(worker) once on every worker; returns when all are done. Jobs must not throw.
  void run(FunctionRef<void(int worker)> job);

  // chunk(begin, end, worker) over [0, count) in chunks of `grain`, each taken by whichever worker
  // is free. What a chunk computes must not depend on who takes it.
  void for_chunks(int64_t count, int64_t grain,
                  FunctionRef<void(int64_t begin, int64_t end, int worker)> chunk);
  // The same in chunks that shrink, from a large share of the work to `least` (guided
  // self-scheduling, Polychronopoulos & Kuck 1987): long runs for memory that is read once, and
  // still nobody waits long for the last chunk.
  void for_shrinking_chunks(int64_t count, int64_t least,
                            FunctionRef<void(int64_t begin, int64_t end, int worker)> chunk);

 private:
  static constexpr int kSpinMicroseconds = 50;

  void work(int worker);
  static void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old);

  const std::vector<int> cores_;
  std::vector<std::thread> threads_;                  // workers 1, 2, ...
  const FunctionRef<void(int)>* job_ = nullptr;       // valid while a job runs
  alignas(64) std::atomic<uint32_t> generation_ = 0;  // one more for every job
  alignas(64) std::atomic<uint32_t> running_ = 0;     // workers that have not finished the job
  alignas(64) std::atomic<int64_t> next_chunk_ = 0;
  std::atomic<bool> stopping_ = false;
};

}  // namespace pagoda
