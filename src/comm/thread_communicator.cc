#include "comm/thread_communicator.h"

#include <chrono>
#include <cstddef>
#include <cstring>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "comm/rank_sum.h"

namespace pagoda {
namespace {

constexpr std::chrono::microseconds kSpinTime(50);
constexpr int kLooksPerClockRead = 64;

// The numbers [first, end) that this rank adds up for everyone.
struct Slice {
  int64_t first, end;
};
Slice slice_of(int64_t count, int rank, int ranks) {
  return {count * rank / ranks, count * (rank + 1) / ranks};
}

}  // namespace

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(ThreadGroup& group, int rank) : group_(group), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_.size(); }
  void all_reduce_sum(Tensor inout) override;
  void all_gather(Tensor out, Tensor in) override;
  void all_to_all(Tensor out, Tensor in) override;

 private:
  void enter(Tensor in);
  void leave();
  Tensor in_of(int rank) const { return group_.inputs_[static_cast<size_t>(rank)]; }

  ThreadGroup& group_;
  const int rank_;
};

ThreadGroup::ThreadGroup(int ranks)
    : inputs_(static_cast<size_t>(ranks)), spins_(ranks <= usable_cores("/")) {
  MUST(ranks > 0);
}

std::unique_ptr<Communicator> ThreadGroup::communicator(int rank) {
  MUST(rank >= 0 && rank < size());
  return std::make_unique<ThreadCommunicator>(*this, rank);
}

void ThreadGroup::abort(const std::string& reason) {
  {
    const MutexLock lock(mutex_);
    if (abort_reason_.empty()) abort_reason_ = reason;
  }
  enter_.state.fetch_or(1);
  enter_.state.notify_all();
}

std::string ThreadGroup::abort_reason() {
  const MutexLock lock(mutex_);
  return abort_reason_;
}

uint32_t ThreadGroup::wait_for_change(const std::atomic<uint32_t>& state, uint32_t old) const {
  const auto start = std::chrono::steady_clock::now();
  for (int looks = 1; spins_; ++looks) {
    if (const uint32_t now = state.load(); now != old) return now;
    if (looks % kLooksPerClockRead != 0) continue;
    if (std::chrono::steady_clock::now() - start > kSpinTime) break;
  }
  state.wait(old);
  return state.load();
}

bool ThreadGroup::meet(Meeting& meeting) {
  // Cannot change to the next even value before this rank has arrived.
  const uint32_t before = meeting.state.load();
  if (before % 2 == 1) return false;
  if (meeting.arrived.fetch_add(1) + 1 < size()) {
    return wait_for_change(meeting.state, before) != before + 1;
  }
  meeting.arrived.store(0);
  uint32_t expected = before;
  if (!meeting.state.compare_exchange_strong(expected, before + 2)) return false;
  meeting.state.notify_all();
  return true;
}

void ThreadCommunicator::enter(Tensor in) {
  group_.inputs_[static_cast<size_t>(rank_)] = in;
  if (group_.meet(group_.enter_)) return;
  throw Error(ErrorKind::kDevice,
              str("rank ", rank_, " stopped because another failed: ", group_.abort_reason()));
}

void ThreadCommunicator::leave() {
  MUST(group_.meet(group_.leave_));
}

void ThreadCommunicator::all_reduce_sum(Tensor inout) {
  enter(inout);
  const std::span<const Tensor> all = group_.inputs_;
  MUST(all[0].count() == inout.count() && all[0].dtype == inout.dtype);
  const Slice slice = slice_of(inout.count(), rank_, size());
  sum_in_order(all, slice.first, slice.end);
  leave();
}

void ThreadCommunicator::all_gather(Tensor out, Tensor in) {
  MUST(out.bytes() == in.bytes() * size());
  enter(in);
  const int64_t bytes = in.bytes();
  for (int r = 0; r < size() && bytes > 0; ++r) {
    std::memcpy(out.as<std::byte>() + r * bytes, in_of(r).data, static_cast<size_t>(bytes));
  }
  leave();
}

void ThreadCommunicator::all_to_all(Tensor out, Tensor in) {
  MUST(out.bytes() == in.bytes() && in.bytes() % size() == 0);
  enter(in);
  const int64_t bytes = in.bytes() / size();
  for (int r = 0; r < size() && bytes > 0; ++r) {
    std::memcpy(out.as<std::byte>() + r * bytes, in_of(r).as<std::byte>() + rank_ * bytes,
                static_cast<size_t>(bytes));
  }
  leave();
}

}  // namespace pagoda
