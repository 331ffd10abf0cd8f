#include "tensor/matrix.h"

#include <array>
#include <cstring>

#include "base/must.h"

namespace pagoda {
namespace {

// Files align nothing, so every number is copied out.
template <class T>
float number_at(const std::byte* data, int64_t i) {
  T x;
  std::memcpy(&x, data + i * int64_t{sizeof(T)}, sizeof x);
  return to_float(x);
}

float float_at(Encoding encoding, const std::byte* data, int64_t i) {
  switch (encoding) {
    case Encoding::kF32: return number_at<float>(data, i);
    case Encoding::kF16: return number_at<Float16>(data, i);
    case Encoding::kBF16: return number_at<BFloat16>(data, i);
    case Encoding::kF8E4M3:
    case Encoding::kInt8:
    case Encoding::kInt4: break;
  }
  MUST(false);  // asked for floats only
  return 0.0f;
}

template <class T>
void widen_floats(float* out, const std::byte* row, int64_t first, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = number_at<T>(row, first + i);
}

// All there are: one read a number instead of three branches.
constexpr std::array<float, 256> kFloats8 = [] {
  std::array<float, 256> floats = {};
  for (size_t bits = 0; bits < floats.size(); ++bits) {
    floats[bits] = to_float(Float8E4M3{static_cast<uint8_t>(bits)});
  }
  return floats;
}();

float float8_at(const std::byte* row, int64_t i) {
  return kFloats8[static_cast<size_t>(row[i])];
}
int int8_at(const std::byte* row, int64_t i) {
  return static_cast<int8_t>(row[i]);
}
int int4_at(const std::byte* row, int64_t i) {
  const int nibble = (static_cast<int>(row[i / 2]) >> (i % 2 * 4)) & 15;
  return (nibble ^ 8) - 8;
}

// A row of values with scales, and what they mean.
struct QuantizedRow {
  const std::byte* values;
  const std::byte* scales;
  const int8_t* zeros;   // or null
  const int32_t* order;  // or null
  const WeightFormat& format;

  int64_t group_of(int64_t column) const {
    if (order != nullptr) return order[column];
    return format.group == 0 ? 0 : column / format.group;
  }
};

template <auto value_at>
void widen_scaled(float* out, const QuantizedRow& row, int64_t first, int64_t count) {
  int64_t known = -1;
  float scale = 0.0f;
  int8_t zero = 0;
  for (int64_t i = first; i < first + count; ++i) {
    if (const int64_t group = row.group_of(i); group != known) {
      scale = float_at(row.format.scales, row.scales, group);
      if (row.zeros != nullptr) zero = row.zeros[group];
      known = group;
    }
    *out++ = static_cast<float>(value_at(row.values, i) - zero) * scale;
  }
}

}  // namespace

void widen(float* out, const Panel& panel, const MatrixSpec& spec, const PanelPiece& piece) {
  const WeightFormat& format = spec.format;
  const int64_t groups = format.groups(spec.in);
  const std::byte* values = panel.values.data() + piece.row * bytes_of(format.values, spec.in);
  const QuantizedRow row = {
      .values = values,
      .scales = panel.scales.data() + piece.row * bytes_of(format.scales, groups),
      .zeros = panel.zeros.empty() ? nullptr : panel.zeros.data() + piece.row * groups,
      .order = panel.order.empty() ? nullptr : panel.order.data(),
      .format = format};
  switch (format.values) {
    case Encoding::kF32: widen_floats<float>(out, values, piece.first, piece.count); return;
    case Encoding::kF16: widen_floats<Float16>(out, values, piece.first, piece.count); return;
    case Encoding::kBF16: widen_floats<BFloat16>(out, values, piece.first, piece.count); return;
    case Encoding::kF8E4M3: widen_scaled<float8_at>(out, row, piece.first, piece.count); return;
    case Encoding::kInt8: widen_scaled<int8_at>(out, row, piece.first, piece.count); return;
    case Encoding::kInt4: widen_scaled<int4_at>(out, row, piece.first, piece.count); return;
  }
}

}  // namespace pagoda
