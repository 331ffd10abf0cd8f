#include "backends/conformance_panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/must.h"

namespace pagoda {
namespace {

template <class Float>
void encode(std::byte* out, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Float x = from_float<Float>(values[i]);
    std::memcpy(out + i * sizeof(Float), &x, sizeof(Float));
  }
}

template <class T>
void append(std::vector<T>& out, const std::vector<T>& more) {
  out.insert(out.end(), more.begin(), more.end());
}

// What a group is stored with.
struct GroupScale {
  float scale = 1.0f;
  int zero = 0;
};

// Of whole numbers one more below zero.
float largest_of(Encoding values) {
  if (values == Encoding::kF8E4M3) return to_float(Float8E4M3{0x7E});
  return static_cast<float>((1 << (bits_of(values) - 1)) - 1);
}

// A tie goes to the even one.
std::byte nearest_float8(float x) {
  const float magnitude = std::abs(x);
  const auto distance = [&](uint8_t bits) {
    return std::abs(to_float(Float8E4M3{bits}) - magnitude);
  };
  uint8_t nearest = 0;
  for (uint8_t bits = 1; bits < 0x7F; ++bits) {
    const bool is_even = bits % 2 == 0;
    const float d = distance(bits), least = distance(nearest);
    if (d < least || (d == least && is_even)) nearest = bits;
  }
  return static_cast<std::byte>(nearest | (std::signbit(x) ? 0x80 : 0));
}

GroupScale scale_of(const std::vector<float>& group, const WeightFormat& format) {
  const float most = largest_of(format.values);
  float low = 0.0f, high = 0.0f;
  for (const float x : group) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  if (low == high) return {};
  float scale = std::max(-low, high) / most;
  if (format.has_zeros) scale = (high - low) / (2.0f * most + 1.0f);
  // The nearest that the file can hold.
  if (format.scales == Encoding::kF16) scale = to_float(from_float<Float16>(scale));
  if (format.scales == Encoding::kBF16) scale = to_float(from_float<BFloat16>(scale));
  const auto zero = static_cast<int>(std::lround(-most - 1.0f - low / scale));
  return {scale, format.has_zeros ? zero : 0};
}

}  // namespace

std::vector<std::byte> encoded(Encoding encoding, const std::vector<float>& values) {
  std::vector<std::byte> bytes(
      static_cast<size_t>(bytes_of(encoding, static_cast<int64_t>(values.size()))));
  switch (encoding) {
    case Encoding::kF32: encode<float>(bytes.data(), values); break;
    case Encoding::kBF16: encode<BFloat16>(bytes.data(), values); break;
    case Encoding::kF16: encode<Float16>(bytes.data(), values); break;
    case Encoding::kF8E4M3:
      for (size_t i = 0; i < values.size(); ++i) bytes[i] = nearest_float8(values[i]);
      break;
    case Encoding::kInt8:
      for (size_t i = 0; i < values.size(); ++i) {
        bytes[i] = static_cast<std::byte>(static_cast<int>(values[i]));
      }
      break;
    case Encoding::kInt4:
      for (size_t i = 0; i < values.size(); ++i) {
        const int shift = i % 2 == 0 ? 0 : 4;
        bytes[i / 2] |= static_cast<std::byte>((static_cast<int>(values[i]) & 15) << shift);
      }
      break;
  }
  return bytes;
}

namespace {

std::vector<int32_t> order_of(int64_t columns, int64_t expert, int64_t groups) {
  std::vector<int32_t> order(static_cast<size_t>(columns));
  for (int64_t i = 0; i < columns; ++i) {
    order[static_cast<size_t>(i)] = static_cast<int32_t>((i * 7 + expert) % groups);
  }
  return order;
}

}  // namespace

MemoryPanels::MemoryPanels(const MatrixSpec& spec, const std::vector<float>& values)
    : spec_(spec), groups_(spec.format.groups(spec.in)) {
  MUST(static_cast<int64_t>(values.size()) == spec.count * spec.out * spec.in);
  for (int64_t expert = 0; expert < spec.count; ++expert) {
    if (spec.format.ordered_groups > 0) orders_.push_back(order_of(spec.in, expert, groups_));
    for (int64_t row = 0; row < spec.out; ++row) {
      const float* numbers = values.data() + (expert * spec.out + row) * spec.in;
      spec.format.is_quantized() ? append_scaled(numbers, expert) : append_floats(numbers);
    }
  }
}

void MemoryPanels::append_floats(const float* row) {
  append(values_, encoded(spec_.format.values, std::vector<float>(row, row + spec_.in)));
}

void MemoryPanels::append_scaled(const float* row, int64_t expert) {
  const WeightFormat& format = spec_.format;
  const auto group_of = [&](int64_t column) -> size_t {
    if (!orders_.empty()) {
      return static_cast<size_t>(orders_[static_cast<size_t>(expert)][static_cast<size_t>(column)]);
    }
    return static_cast<size_t>(format.group == 0 ? 0 : column / format.group);
  };
  std::vector<std::vector<float>> members(static_cast<size_t>(groups_));
  for (int64_t i = 0; i < spec_.in; ++i) members[group_of(i)].push_back(row[i]);
  std::vector<GroupScale> groups;
  std::vector<float> scales, stored;
  for (const std::vector<float>& group : members) {
    groups.push_back(scale_of(group, format));
    scales.push_back(groups.back().scale);
    if (format.has_zeros) zeros_.push_back(static_cast<int8_t>(groups.back().zero));
  }
  const bool is_whole = format.values != Encoding::kF8E4M3;
  const float most = largest_of(format.values), least = is_whole ? -most - 1.0f : -most;
  for (int64_t i = 0; i < spec_.in; ++i) {
    const GroupScale& group = groups[group_of(i)];
    float number = row[i] / group.scale;
    if (is_whole) number = std::round(number) + static_cast<float>(group.zero);
    stored.push_back(std::clamp(number, least, most));
  }
  append(values_, encoded(format.values, stored));
  append(scales_, encoded(format.scales, scales));
}

Panel MemoryPanels::read(int64_t expert, int64_t first_row, int64_t rows,
                         std::vector<std::byte>& scratch) const {
  MUST(first_row >= 0 && rows > 0 && first_row + rows <= spec_.out);
  const auto first = static_cast<size_t>(expert * spec_.out + first_row);
  const auto count = static_cast<size_t>(rows);
  const auto row_bytes = static_cast<size_t>(bytes_of(spec_.format.values, spec_.in));
  const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(first * row_bytes);
  scratch.assign(begin, begin + static_cast<std::ptrdiff_t>(count * row_bytes));
  Panel panel = {.values = scratch};
  if (!spec_.format.is_quantized()) return panel;
  const auto groups = static_cast<size_t>(groups_);
  const auto scale_bytes = groups * static_cast<size_t>(bytes_of(spec_.format.scales, 1));
  panel.scales = std::span(scales_).subspan(first * scale_bytes, count * scale_bytes);
  if (spec_.format.has_zeros) {
    panel.zeros = std::span(zeros_).subspan(first * groups, count * groups);
  }
  if (!orders_.empty()) panel.order = orders_[static_cast<size_t>(expert)];
  return panel;
}

}  // namespace pagoda
