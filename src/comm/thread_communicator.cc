#include "comm/thread_communicator.h"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"

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
  void enter(Tensor out, Tensor in);
  void leave();
  Tensor in_of(int rank) const { return group_.tensors_[static_cast<size_t>(rank)].in; }
  template <class Float>
  void sum_slice(Slice slice);

  ThreadGroup& group_;
  const int rank_;
};

ThreadGroup::ThreadGroup(int ranks)
    : tensors_(static_cast<size_t>(ranks)),
      spins_(static_cast<unsigned>(ranks) <= std::thread::hardware_concurrency()) {
  MUST(ranks > 0);
}

std::unique_ptr<Communicator> ThreadGroup::communicator(int rank) {
  MUST(rank >= 0 && rank < size());
  return std::make_unique<ThreadCommunicator>(*this, rank);
}

void ThreadGroup::abort(const std::string& reason) {
  {
    const std::scoped_lock lock(mutex_);
    if (abort_reason_.empty()) abort_reason_ = reason;
  }
  enter_.state.fetch_or(1);
  enter_.state.notify_all();
}

std::string ThreadGroup::abort_reason() {
  const std::scoped_lock lock(mutex_);
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

void ThreadCommunicator::enter(Tensor out, Tensor in) {
  group_.tensors_[static_cast<size_t>(rank_)] = {out, in};
  if (group_.meet(group_.enter_)) return;
  throw Error(ErrorKind::kDevice,
              str("rank ", rank_, " stopped because another failed: ", group_.abort_reason()));
}

void ThreadCommunicator::leave() {
  MUST(group_.meet(group_.leave_));
}

template <class Float>
void ThreadCommunicator::sum_slice(Slice slice) {
  for (int64_t i = slice.first; i < slice.end; ++i) {
    float sum = to_float(in_of(0).as<Float>()[i]);
    for (int r = 1; r < size(); ++r) sum += to_float(in_of(r).as<Float>()[i]);
    for (int r = 0; r < size(); ++r) in_of(r).as<Float>()[i] = from_float<Float>(sum);
  }
}

void ThreadCommunicator::all_reduce_sum(Tensor inout) {
  enter(inout, inout);
  MUST(in_of(0).count() == inout.count() && in_of(0).dtype == inout.dtype);
  const Slice slice = slice_of(inout.count(), rank_, size());
  switch (inout.dtype) {
    case DType::kF32: sum_slice<float>(slice); break;
    case DType::kBF16: sum_slice<BFloat16>(slice); break;
    case DType::kF16: sum_slice<Float16>(slice); break;
    case DType::kI32:
    case DType::kU8: MUST(false);  // only floats are added up
  }
  leave();
}

void ThreadCommunicator::all_gather(Tensor out, Tensor in) {
  MUST(out.bytes() == in.bytes() * size());
  enter(out, in);
  const int64_t bytes = in.bytes();
  for (int r = 0; r < size() && bytes > 0; ++r) {
    std::memcpy(out.as<std::byte>() + r * bytes, in_of(r).data, static_cast<size_t>(bytes));
  }
  leave();
}

void ThreadCommunicator::all_to_all(Tensor out, Tensor in) {
  MUST(out.bytes() == in.bytes() && in.bytes() % size() == 0);
  enter(out, in);
  const int64_t bytes = in.bytes() / size();
  for (int r = 0; r < size() && bytes > 0; ++r) {
    std::memcpy(out.as<std::byte>() + r * bytes, in_of(r).as<std::byte>() + rank_ * bytes,
                static_cast<size_t>(bytes));
  }
  leave();
}

}  // namespace pagoda
