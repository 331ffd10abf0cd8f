// What becomes of the groups of a quantized weight when a rank takes some of its columns.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "load/runs.h"
#include "tensor/weight_format.h"

namespace pagoda {

// The format of those columns, padding included. A cut inside of groups makes smaller ones, each
// with the scale of the one that it was in. None where no format can say it: groups of less than 8
// columns, halves of bytes, padding that would get a zero point.
std::optional<WeightFormat> cut_format(const WeightFormat& stored, const Runs& columns);

// For each group of `cut` the group of the file that it comes from; -1: padding, whose scale is 0.
std::vector<int32_t> group_sources(const WeightFormat& stored, const WeightFormat& cut,
                                   const Runs& columns);

// The groups of those columns by the file's order [columns of the file].
std::vector<int32_t> cut_order(std::span<const int32_t> order, const WeightFormat& stored,
                               const Runs& columns);

}  // namespace pagoda
