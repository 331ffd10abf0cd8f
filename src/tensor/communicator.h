// Ranks that work on the same tensors. Every rank makes the same calls in the same order.
//
// Sums are taken in rank order, so they do not depend on the size of the message or on timing.
// Tensors are those of the rank's device, and calls are queued as its ops are (device.h).
// Thread rule: one communicator a rank, used by the thread of that rank.
#pragma once

#include <memory>
#include <string>

#include "tensor/tensor.h"

namespace pagoda {

class Device;

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // inout = sum over ranks, the same bits on every rank. f32, bf16 or f16; summed in f32.
  virtual void all_reduce_sum(Tensor inout) = 0;
  // out [size, ...] = in [...] of every rank, in rank order.
  virtual void all_gather(Tensor out, Tensor in) = 0;
  // out[r] of this rank = in[rank] of rank r.  in and out [size, ...].
  virtual void all_to_all(Tensor out, Tensor in) = 0;
};

// How the ranks of one model find each other: made before they do, and there until all have gone.
//
// Thread rule: join() on the thread of the rank that joins, all at the same time; abort() from any
// thread.
class CommunicatorGroup {
 public:
  virtual ~CommunicatorGroup() = default;
  // Every rank calls it once, with its own device, and may wait in it for the others.
  virtual std::unique_ptr<Communicator> join(int rank, Device& device) = 0;
  // No rank waits for another any more: collectives that are not complete, and all that come later,
  // fail with Error{kDevice} and this reason. For a rank that fails, so that the others do not
  // hang. The first reason stays.
  virtual void abort(const std::string& reason) = 0;
};

}  // namespace pagoda
