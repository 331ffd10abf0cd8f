// Loading must not hold the file in memory beside the matrices made from it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "base/mutex.h"
#include "load/checkpoint.h"
#include "load/test_device.h"
#include "load/test_files.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {
namespace {

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Looks at the process's memory whenever a panel is done.
class MemoryWatch final : public LoadProgress {
 public:
  void add_bytes(int64_t bytes) override {
    const MutexLock lock(mutex_);
    total_ += bytes;
    peak_ = std::max(peak_, resident_bytes());
  }
  int64_t peak() const {
    const MutexLock lock(mutex_);
    return peak_;
  }
  int64_t total() const {
    const MutexLock lock(mutex_);
    return total_;
  }

 private:
  mutable Mutex mutex_;
  int64_t total_ GUARDED_BY(mutex_) = 0, peak_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

TEST_CASE("the file's pages are given back while it is read") {
  constexpr int64_t kRows = 8192, kColumns = 4096;  // 128 MiB of float32
  constexpr int64_t kBytes = kRows * kColumns * 4;
  const TemporaryFolder folder;
  folder.write(
      "model.safetensors",
      safetensors_file({{"a.weight", "F32", {kRows, kColumns}, std::string(kBytes, 'x')}}));
  const auto source = open_checkpoint(folder.path());
  TestDevice device(/*panel_rows=*/32);
  MemoryWatch watch;
  WeightStore store(*source, device, {.progress = &watch});
  const int64_t before = resident_bytes();
  (store.root() / "a").matrix({kRows, kColumns}, whole_part(kRows), whole_part(kColumns));
  CHECK(watch.total() == kBytes);
  // A quarter is for the sanitizers; what is needed is a panel or two.
  CHECK(watch.peak() - before < store.bytes() + kBytes / 4);
}

TEST_CASE("ranks that load at once read each number once and hold no more than their shares") {
  constexpr int kRanks = 3;
  constexpr int64_t kRows = 6144, kColumns = 3072, kBytes = 2 * kRows * kColumns * 4;  // 144 MiB
  const TemporaryFolder folder;
  const std::string values(kBytes / 2, 'x');
  folder.write("model.safetensors",
               safetensors_file({{"a.weight", "F32", {kRows, kColumns}, values},
                                 {"b.weight", "F32", {kRows, kColumns}, values}}));
  const auto source = open_checkpoint(folder.path());
  MemoryWatch watch;
  const int64_t before = resident_bytes();
  std::atomic<int64_t> kept = 0;
  std::vector<std::unique_ptr<TestDevice>> devices(kRanks);
  std::vector<std::unique_ptr<WeightStore>> stores(kRanks);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      devices[rank] = std::make_unique<TestDevice>(/*panel_rows=*/32);
      stores[rank] = std::make_unique<WeightStore>(
          *source, *devices[rank],
          WeightStoreOptions{.rank = static_cast<int>(rank), .ranks = kRanks, .progress = &watch});
      const Weights root = stores[rank]->root();
      (root / "a").matrix({kRows, kColumns}, root.share(kRows), whole_part(kColumns));
      (root / "b").matrix({kRows, kColumns}, whole_part(kRows), root.share(kColumns));
      kept += stores[rank]->bytes();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(watch.total() == kBytes);
  CHECK(watch.peak() - before < kept + kBytes / 3);
}

}  // namespace pagoda
