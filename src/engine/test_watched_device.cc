#include "engine/test_watched_device.h"

#include <utility>

#include "backends/backends.h"
#include "base/error.h"
#include "comm/connect.h"

namespace pagoda {
namespace {

void fail_if(bool is_told) {
  if (is_told) throw Error(ErrorKind::kDevice, "the cable is out");
}

class WatchedDevice final : public Device {
 public:
  WatchedDevice(std::unique_ptr<Device> inner, Watch& watch, bool may_fail)
      : inner_(std::move(inner)), watch_(watch), may_fail_(may_fail) {}
  std::string description() const override { return inner_->description(); }
  Ops& ops() override { return inner_->ops(); }
  std::unique_ptr<CommunicatorGroup> connect(int ranks) const override;
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec, const PanelReader& reader) override {
    return inner_->make_matrix(spec, reader);
  }
  int64_t matrix_bytes(const MatrixSpec& spec) const override { return inner_->matrix_bytes(spec); }
  int64_t kv_block_size(int64_t wanted) const override { return inner_->kv_block_size(wanted); }
  int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const override {
    return inner_->kv_block_bytes(shape, block_size);
  }
  std::unique_ptr<IdleOps> idle_ops() const override { return inner_->idle_ops(); }
  void reserve_scratch(int64_t bytes) override { inner_->reserve_scratch(bytes); }
  DeviceMemory memory() const override { return inner_->memory(); }
  Buffer allocate(int64_t bytes) override {
    ++watch_.allocations;
    return inner_->allocate(bytes);
  }
  Buffer allocate_host(int64_t bytes) override {
    ++watch_.allocations;
    return inner_->allocate_host(bytes);
  }
  void copy_in(Tensor device, const void* host) override {
    fail_if(is_told(WatchedFault::kCopy));
    inner_->copy_in(device, host);
  }
  void copy_out(void* host, Tensor device) override { inner_->copy_out(host, device); }
  void upload(Tensor device, const void* host) override {
    fail_if(is_told(WatchedFault::kCopy));
    inner_->upload(device, host);
  }
  void download(void* host, Tensor device) override { inner_->download(host, device); }
  Fence fence() override { return inner_->fence(); }
  void wait(Fence fence) override {
    fail_if(has_ended_);
    inner_->wait(fence);
  }
  void synchronize() override {
    fail_if(has_ended_);
    inner_->synchronize();
  }

  Device& inner() { return *inner_; }
  bool is_told(WatchedFault fault) const { return may_fail_ && watch_.fault == fault; }
  // Whether the stream takes a collective.
  bool takes_collective() {
    fail_if(is_told(WatchedFault::kCollective));
    has_ended_ = has_ended_ || is_told(WatchedFault::kStream);
    return !has_ended_;
  }

 private:
  std::unique_ptr<Device> inner_;
  Watch& watch_;
  const bool may_fail_;
  bool has_ended_ = false;  // its stream
};

class WatchedCommunicator final : public Communicator {
 public:
  WatchedCommunicator(std::unique_ptr<Communicator> inner, WatchedDevice& device)
      : inner_(std::move(inner)), device_(device) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  void all_reduce_sum(Tensor inout) override {
    if (device_.takes_collective()) inner_->all_reduce_sum(inout);
  }
  void all_gather(Tensor out, Tensor in) override {
    if (device_.takes_collective()) inner_->all_gather(out, in);
  }
  void all_to_all(Tensor out, Tensor in) override {
    if (device_.takes_collective()) inner_->all_to_all(out, in);
  }

 private:
  std::unique_ptr<Communicator> inner_;
  WatchedDevice& device_;
};

// Connects the devices that are watched, as they would be.
class WatchedGroup final : public CommunicatorGroup {
 public:
  explicit WatchedGroup(std::unique_ptr<CommunicatorGroup> inner) : inner_(std::move(inner)) {}
  std::unique_ptr<Communicator> join(int rank, Device& device) override {
    auto& watched = dynamic_cast<WatchedDevice&>(device);
    return std::make_unique<WatchedCommunicator>(inner_->join(rank, watched.inner()), watched);
  }
  void abort(const std::string& reason) override { inner_->abort(reason); }

 private:
  std::unique_ptr<CommunicatorGroup> inner_;
};

std::unique_ptr<CommunicatorGroup> WatchedDevice::connect(int ranks) const {
  return std::make_unique<WatchedGroup>(connect_ranks(*inner_, ranks));
}

}  // namespace

std::function<std::unique_ptr<Device>(int rank)> watched_world(const std::string& backend,
                                                               int ranks, Watch& watch) {
  return [backend, ranks, &watch](int rank) {
    return std::make_unique<WatchedDevice>(open_device(backend, {.ordinal = rank, .threads = 1}),
                                           watch, rank + 1 == ranks);
  };
}

}  // namespace pagoda
