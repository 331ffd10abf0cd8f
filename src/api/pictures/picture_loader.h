// Gets the pictures of requests: fetched, decoded, resized, hashed and kept.
//
// Fetching waits for other servers, so it has many threads of its own, which mostly sleep; decoding
// has few, since it takes a core each. Neither is a thread that text requests need.
//
// Thread rule: a PictureLoader from any thread; a PictureLoad as Preparation.
// Invariant: no PictureLoad is between start() and `done` when its loader ends.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/pictures/picture_source.h"
#include "api/pictures/task_threads.h"
#include "api/server_config.h"
#include "base/mutex.h"
#include "vision/patches.h"
#include "vision/picture.h"

namespace pagoda {

class PictureLoader {
 public:
  PictureLoader(const PictureConfig& config, PictureStore& store);

 private:
  friend class PictureLoad;
  [[nodiscard]] bool hold(size_t bytes);
  void release(size_t bytes) { held_bytes_ -= static_cast<int64_t>(bytes); }
  int64_t bytes() const { return held_bytes_ + static_cast<int64_t>(store_.bytes()); }

  const PictureConfig config_;
  PictureStore& store_;
  std::atomic<int64_t> held_bytes_{0};  // fetched, not decoded yet
  TaskThreads decoding_;
  TaskThreads fetching_;  // ends first: it posts to the other
};

// How the pictures of a request are resized, and the most tokens that one may become.
struct PictureShape {
  PatchConfig patches;
  int64_t max_tokens = 0;
};

// All pictures of one request. The first that fails stops the others.
class PictureLoad {
 public:
  // Throws kRequest where a source is of no kind that is possible here.
  PictureLoad(PictureLoader& loader, std::vector<PictureSource> sources, const PictureShape& shape);

  void start(std::function<void()> done);
  void cancel() { stopped_ = true; }
  // After `done`, in the order of the sources. Throws kRequest naming the picture that failed and
  // why, kOverloaded where there is no memory or no thread for it.
  std::vector<PictureRef> take();

 private:
  using Clock = std::chrono::steady_clock;

  void begin_more() REQUIRES(mutex_);
  void begin(size_t i);
  void fetch(size_t i, Clock::time_point queued);
  std::string fetched(size_t i, Clock::time_point queued);
  void decode(size_t i, const std::string& fetched_bytes);
  PictureRef kept(const PictureSource& source, const std::string& bytes);
  ImageLimits limits() const;
  void require_use_of(int64_t width, int64_t height) const;
  bool attempt(const std::function<void()>& work);
  void keep_failure() REQUIRES(mutex_);
  void end_one();

  PictureLoader& loader_;
  const std::vector<PictureSource> sources_;
  const std::vector<SourceKind> kinds_;  // of the sources
  const PictureShape shape_;
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  std::function<void()> done_ GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;
  int running_ GUARDED_BY(mutex_) = 0;
  std::exception_ptr failure_ GUARDED_BY(mutex_);
  std::vector<std::optional<PictureRef>> pictures_ GUARDED_BY(mutex_);
};

}  // namespace pagoda
