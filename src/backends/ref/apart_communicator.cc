#include "backends/ref/apart_communicator.h"

#include <cstring>
#include <utility>

#include "backends/ref/apart_device.h"
#include "backends/ref/rows.h"
#include "base/error.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda::ref {
namespace {

class ApartCommunicator final : public Communicator {
 public:
  ApartCommunicator(ApartGroup& group, int rank, ApartDevice& device)
      : group_(group), rank_(rank), device_(device) {}

  int rank() const override { return rank_; }
  int size() const override { return group_.size(); }
  void all_reduce_sum(Tensor inout) override {
    device_.stream().push([this, inout = at(inout)] { sum(inout); });
  }
  void all_gather(Tensor out, Tensor in) override {
    MUST(out.bytes() == in.bytes() * size());
    device_.stream().push([this, out = at(out), in = at(in)] { gather(out, in); });
  }
  void all_to_all(Tensor out, Tensor in) override {
    MUST(out.bytes() == in.bytes() && in.bytes() % size() == 0);
    device_.stream().push([this, out = at(out), in = at(in)] { exchange(out, in); });
  }

 private:
  Tensor at(Tensor t) const { return device_.reach().reached(t); }
  // The same tensor of every rank.
  Tensor like(int rank, Tensor mine) const;
  void sum(Tensor inout);
  void gather(Tensor out, Tensor in);
  void exchange(Tensor out, Tensor in);

  ApartGroup& group_;
  const int rank_;
  ApartDevice& device_;
};

Tensor ApartCommunicator::like(int rank, Tensor mine) const {
  const Tensor other = group_.input(rank);
  MUST(other.shape == mine.shape && other.dtype == mine.dtype);
  return other;
}

void ApartCommunicator::sum(Tensor inout) {
  std::vector<float> sums(static_cast<size_t>(inout.count()));
  group_.enter(rank_, inout);
  for (int r = 0; r < size(); ++r) {
    const Tensor other = like(r, inout);
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] += load(other.dtype, other.data, static_cast<int64_t>(i));
    }
  }
  group_.leave();
  for (size_t i = 0; i < sums.size(); ++i) {
    store(inout.dtype, inout.data, static_cast<int64_t>(i), sums[i]);
  }
}

void ApartCommunicator::gather(Tensor out, Tensor in) {
  group_.enter(rank_, in);
  for (int r = 0; r < size(); ++r) {
    if (in.empty()) break;
    std::memcpy(out.as<std::byte>() + r * in.bytes(), like(r, in).data,
                static_cast<size_t>(in.bytes()));
  }
  group_.leave();
}

void ApartCommunicator::exchange(Tensor out, Tensor in) {
  group_.enter(rank_, in);
  const int64_t bytes = in.bytes() / size();
  for (int r = 0; r < size(); ++r) {
    if (in.empty()) break;
    std::memcpy(out.as<std::byte>() + r * bytes, like(r, in).as<std::byte>() + rank_ * bytes,
                static_cast<size_t>(bytes));
  }
  group_.leave();
}

}  // namespace

ApartGroup::ApartGroup(int ranks) : inputs_(static_cast<size_t>(ranks)) {}

std::unique_ptr<Communicator> ApartGroup::join(int rank, Device& device) {
  return std::make_unique<ApartCommunicator>(*this, rank, dynamic_cast<ApartDevice&>(device));
}

void ApartGroup::abort(const std::string& reason) {
  {
    const MutexLock lock(mutex_);
    if (abort_reason_.empty()) abort_reason_ = reason;
  }
  changed_.notify_all();
}

bool ApartGroup::meet(bool may_give_up) {
  MutexLock lock(mutex_);
  if (may_give_up && !abort_reason_.empty()) return false;
  const uint64_t mine = meetings_;
  if (++arrived_ == size()) {
    arrived_ = 0;
    ++meetings_;
    changed_.notify_all();
    return true;
  }
  while (meetings_ == mine) {
    if (may_give_up && !abort_reason_.empty()) return false;
    changed_.wait(lock);
  }
  return true;
}

void ApartGroup::enter(int rank, Tensor in) {
  inputs_[static_cast<size_t>(rank)] = in;
  if (meet(true)) return;
  const MutexLock lock(mutex_);
  throw Error(ErrorKind::kDevice,
              str("rank ", rank, " stopped because another failed: ", abort_reason_));
}

Tensor ApartGroup::input(int rank) const {
  return inputs_[static_cast<size_t>(rank)];
}

void ApartGroup::leave() {
  MUST(meet(false));
}

// Here, because what connects devices knows them, and not the other way round.
std::unique_ptr<CommunicatorGroup> ApartDevice::connect(int ranks) const {
  return std::make_unique<ApartGroup>(ranks);
}

}  // namespace pagoda::ref
