// Ranks that are threads of one process: each reads the others' tensors where they lie.
//
// Thread rule: one ThreadGroup for all ranks, which outlives their communicators; a rank uses its
// own communicator only. abort() from any thread.
// Invariant: a rank leaves a collective only when no other rank still reads or writes its tensors,
// also after abort().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "tensor/communicator.h"

namespace pagoda {

class ThreadGroup final : public CommunicatorGroup {
 public:
  explicit ThreadGroup(int ranks);
  ThreadGroup(const ThreadGroup&) = delete;
  ThreadGroup& operator=(const ThreadGroup&) = delete;

  int size() const { return static_cast<int>(inputs_.size()); }
  std::unique_ptr<Communicator> communicator(int rank);
  // The device's memory is the host's.
  std::unique_ptr<Communicator> join(int rank, Device& /*device*/) override {
    return communicator(rank);
  }
  void abort(const std::string& reason) override;

 private:
  friend class ThreadCommunicator;

  // A count of completed meetings times two; odd once it is aborted. One word, so that all ranks
  // agree on whether a meeting took place.
  struct Meeting {
    alignas(64) std::atomic<uint32_t> state = 0;
    alignas(64) std::atomic<int> arrived = 0;
  };

  // Returns when all ranks have called it. False: it was aborted before all had.
  [[nodiscard]] bool meet(Meeting& meeting);
  uint32_t wait_for_change(const std::atomic<uint32_t>& state, uint32_t old) const;
  std::string abort_reason();

  std::vector<Tensor> inputs_;  // by rank; written before, read after the meeting `enter_`
  const bool spins_;            // whether every rank has a core of its own
  Meeting enter_;               // may be aborted
  Meeting leave_;  // may not: whoever entered finishes, as others may still read its tensors
  Mutex mutex_;
  std::string abort_reason_ GUARDED_BY(mutex_);
};

}  // namespace pagoda
