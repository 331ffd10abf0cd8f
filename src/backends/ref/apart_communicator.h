// Ranks whose devices are apart: a collective is queued on the stream of every rank, and the
// streams meet in it.
//
// Thread rule: join() as CommunicatorGroup; collectives on the thread of their rank, which does not
// wait. The group outlives the communicators and what they have queued.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "tensor/communicator.h"

namespace pagoda::ref {

class ApartGroup final : public CommunicatorGroup {
 public:
  explicit ApartGroup(int ranks);
  // `device` is of ref:apart.
  std::unique_ptr<Communicator> join(int rank, Device& device) override;
  void abort(const std::string& reason) override;

  int size() const { return static_cast<int>(inputs_.size()); }

  // For the streams. A collective is enter(), reading what any rank has, and leave(), behind which
  // nobody reads any more. enter() throws kDevice once the group is aborted; whoever has entered
  // leaves, as do the others.
  void enter(int rank, Tensor in);
  Tensor input(int rank) const;  // between the two
  void leave();

 private:
  // Until all ranks have come, or, where it may be given up, until the group is aborted: false.
  bool meet(bool may_give_up);

  std::vector<Tensor> inputs_;  // by rank; each written before a meeting, read between two
  Mutex mutex_;
  Condition changed_;
  int arrived_ GUARDED_BY(mutex_) = 0;
  uint64_t meetings_ GUARDED_BY(mutex_) = 0;
  std::string abort_reason_ GUARDED_BY(mutex_);  // empty: not aborted
};

}  // namespace pagoda::ref
