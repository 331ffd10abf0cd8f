// ref:apart: the reference as an accelerator is to its host. Its memory faults when the host
// touches it, its work runs on a stream of its own, late, and reads host memory when it runs; its
// ranks are connected by a communicator of its own, and its KV blocks are 8 tokens.
//
// It finds what a host that runs on a CPU gets away with: reads of device memory, buffers used
// again too early, results looked at too soon. It is no way to serve.
//
// Thread rule: as Device; its stream is a thread beside that of the rank.
#pragma once

#include "backends/ref/apart_memory.h"
#include "backends/ref/apart_ops.h"
#include "backends/ref/apart_stream.h"
#include "backends/ref/ref_device.h"

namespace pagoda::ref {

class ApartDevice final : public Device {
 public:
  // Delays come from the ordinal: ranks differ.
  explicit ApartDevice(int ordinal);

  std::string description() const override { return "ref apart, plain loops on a stream"; }
  Ops& ops() override { return ops_; }
  std::unique_ptr<CommunicatorGroup> connect(int ranks) const override;
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec, const PanelReader& reader) override {
    return ref_.make_matrix(spec, reader);
  }
  int64_t matrix_bytes(const MatrixSpec& spec) const override { return ref_.matrix_bytes(spec); }
  int64_t kv_block_size(int64_t /*wanted*/) const override { return ApartOps::kBlockSize; }
  int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const override {
    return ref_.kv_block_bytes(shape, block_size);
  }
  DeviceMemory memory() const override;
  Buffer allocate(int64_t bytes) override { return memory_.allocate(bytes); }
  Buffer allocate_host(int64_t bytes) override { return memory_.allocate_host(bytes); }
  void copy_in(Tensor device, const void* host) override;
  void copy_out(void* host, Tensor device) override;
  void upload(Tensor device, const void* host) override;
  void download(void* host, Tensor device) override;
  Fence fence() override { return {stream_.last()}; }
  void wait(Fence fence) override { stream_.wait(fence.point); }
  void synchronize() override { stream_.wait(stream_.last()); }

  // For its communicator.
  const ApartMemory& reach() const { return memory_; }
  ApartStream& stream() { return stream_; }

 private:
  RefDevice ref_;
  ApartStream stream_;
  ApartMemory memory_;
  ApartOps ops_;
};

}  // namespace pagoda::ref
