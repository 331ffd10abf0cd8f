// --load-format dummy: random numbers instead of files, for measuring without a download.
//
// A number depends on the seed, the tensor's name and its place in the whole tensor, so every rank
// count and panel size sees the same model. Matrices are uniform with the variance 1 / columns,
// which keeps activations near 1 through any number of layers; gains of norms are 1, biases small.
// Nothing is kept: panels are made when a device asks for them, on its threads.
//
// Thread rule: immutable after construction; any thread may read.
#pragma once

#include <cstdint>
#include <memory>

#include "load/weight_source.h"
#include "tensor/dtype.h"

namespace pagoda {

// `dtype` is that of the activations: f32, bf16 or f16.
std::unique_ptr<WeightSource> make_random_weights(uint64_t seed, DType dtype);

}  // namespace pagoda
