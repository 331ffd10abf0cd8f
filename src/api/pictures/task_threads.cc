#include "api/pictures/task_threads.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace pagoda {
namespace {

void perform(const std::function<void()>& task) {
  try {
    task();
  } catch (const std::exception& e) {
    LOG_ERROR("a task failed: {}", e.what());
  }
}

}  // namespace

TaskThreads::TaskThreads(int threads) {
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::exception&) {
    end();  // those that were begun
    throw;
  }
}

TaskThreads::~TaskThreads() {
  end();
}

void TaskThreads::end() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskThreads::post(std::function<void()> task) {
  {
    const MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

// What a task holds goes before the next one is taken.
void TaskThreads::work() {
  while (const std::optional<std::function<void()>> task = take()) perform(*task);
}

std::optional<std::function<void()>> TaskThreads::take() {
  MutexLock lock(mutex_);
  while (!ending_ && tasks_.empty()) changed_.wait(lock);
  if (tasks_.empty()) return std::nullopt;
  std::function<void()> task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

}  // namespace pagoda
