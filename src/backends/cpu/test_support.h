// What the tests of this folder share: random tensors, matrices from memory, an exact comparison.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/families.h"
#include "base/str.h"
#include "tensor/device.h"

namespace pagoda::cpu {

// A tensor with its memory.
class Array {
 public:
  Array(std::initializer_list<int64_t> shape, DType dtype)
      : view_(make_view(nullptr, shape, dtype)), memory_(static_cast<size_t>(view_.bytes())) {
    view_.data = memory_.data();
  }
  Array(Array&&) = default;

  Tensor view() const { return view_; }
  operator Tensor() const { return view_; }  // NOLINT(google-explicit-constructor): test brevity
  const std::vector<std::byte>& bytes() const { return memory_; }

  float at(int64_t i) const {
    switch (view_.dtype) {
      case DType::kF32: return view_.as<float>()[i];
      case DType::kBF16: return to_float(view_.as<BFloat16>()[i]);
      case DType::kF16: return to_float(view_.as<Float16>()[i]);
      default: return static_cast<float>(view_.as<int32_t>()[i]);
    }
  }
  void set(int64_t i, float x) {
    switch (view_.dtype) {
      case DType::kF32: view_.as<float>()[i] = x; break;
      case DType::kBF16: view_.as<BFloat16>()[i] = from_float<BFloat16>(x); break;
      case DType::kF16: view_.as<Float16>()[i] = from_float<Float16>(x); break;
      default: view_.as<int32_t>()[i] = static_cast<int32_t>(x);
    }
  }

 private:
  Tensor view_;
  std::vector<std::byte> memory_;
};

inline Array random_array(std::initializer_list<int64_t> shape, DType dtype, uint32_t seed) {
  Array array(shape, dtype);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < array.view().count(); ++i) array.set(i, normal(generator));
  return array;
}

inline Array integers(std::vector<int32_t> values) {
  Array array({static_cast<int64_t>(values.size())}, DType::kI32);
  std::memcpy(array.view().data, values.data(), values.size() * sizeof(int32_t));
  return array;
}

// Panels out of an array [out, in].
class ArrayReader final : public PanelReader {
 public:
  explicit ArrayReader(const Array& array) : array_(array) {}
  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& /*scratch*/) const override {
    const Tensor t = array_.view();
    const int64_t row_bytes = t.dim(-1) * bytes_of(t.dtype);
    const int64_t out = t.dim(-2);
    return {std::span(array_.bytes())
                .subspan(static_cast<size_t>((expert * out + first_row) * row_bytes),
                         static_cast<size_t>(rows * row_bytes))};
  }
  void done(int64_t /*expert*/, int64_t /*first_row*/, int64_t /*rows*/) const override {}

 private:
  const Array& array_;
};

inline Encoding encoding_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16: return Encoding::kBF16;
    case DType::kF16: return Encoding::kF16;
    default: return Encoding::kF32;
  }
}

inline std::unique_ptr<Matrix> pack(Device& device, const Array& weights, DType dtype) {
  const Tensor t = weights.view();
  return device.make_matrix(
      {.out = t.dim(-2), .in = t.dim(-1), .format = {encoding_of(t.dtype)}, .dtype = dtype},
      ArrayReader(weights));
}

// Every instruction family of this machine.
inline std::vector<const Family*> families_here() {
  std::vector<const Family*> here;
  for (const Family& family : all_families()) {
    if (family.is_here()) here.push_back(&family);
  }
  return here;
}

inline std::unique_ptr<Device> open(const Family& family, int threads) {
  return std::make_unique<CpuDevice>(family, threads, std::vector<int>{});
}

// For CAPTURE: which case failed.
inline std::string label(const Family& family, DType dtype, int64_t size = 0) {
  return str(family.name, " ", name_of(dtype), " ", size);
}

constexpr DType kFloats[] = {DType::kF32, DType::kBF16, DType::kF16};

// One unit in the last place of a number near 1, as it is stored.
inline float epsilon_of(DType dtype) {
  return dtype == DType::kF32 ? 0x1p-23f : dtype == DType::kF16 ? 0x1p-10f : 0x1p-7f;
}

inline bool same_bits(const Array& a, const Array& b) {
  return a.bytes() == b.bytes();
}

// Rows [first, first + rows) of b begin like all of a.
inline bool same_rows(const Array& a, const Array& b, int64_t first) {
  const size_t row = a.bytes().size() / static_cast<size_t>(a.view().dim(0));
  return std::memcmp(a.bytes().data(), b.bytes().data() + static_cast<size_t>(first) * row,
                     a.bytes().size()) == 0;
}

}  // namespace pagoda::cpu
