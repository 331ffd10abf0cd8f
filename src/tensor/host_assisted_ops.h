// Ops of a device that leaves routing and sampling to the host: the numbers are downloaded, looked
// at, and what was found is uploaded. For a device without kernels for them; each call waits for
// the device, so a kernel is worth writing.
//
// Thread rule: as Ops.
#pragma once

#include "tensor/device.h"
#include "tensor/workspace.h"

namespace pagoda {

class HostAssistedOps : public Ops {
 public:
  void route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) override;
  void argmax(Tensor ids, Tensor logits) override;
  void top_k(Tensor scores, Tensor ids, Tensor logits) override;

 protected:
  // Host memory that they work in: room for 8,000 tokens over 256 experts, or for some rows of
  // logits at a time.
  static constexpr int64_t kHostScratchBytes = int64_t{16} << 20;

  // `scratch` is memory of allocate_host(), kHostScratchBytes of it.
  HostAssistedOps(Device& device, Buffer scratch);

 private:
  // On the host; a copy of the device's numbers, or as yet without content.
  Tensor downloaded(Tensor device);
  Tensor like(Tensor device);
  // The next call does not touch the memory before the device has read it: it begins by waiting.
  void upload(Tensor device, Tensor host) { device_.upload(device, host.data); }

  Device& device_;
  Workspace host_;
};

}  // namespace pagoda
