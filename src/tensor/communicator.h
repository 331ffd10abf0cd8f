// Ranks that work on the same tensors. Every rank makes the same calls in the same order.
//
// Sums are taken in rank order, so they do not depend on the size of the message or on timing.
// Thread rule: one communicator a rank, used by the thread of that rank.
#pragma once

#include "tensor/tensor.h"

namespace pagoda {

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

}  // namespace pagoda
