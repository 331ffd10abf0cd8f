// How the numbers of a weight matrix stand in a panel, before any device has packed them: one
// description for all published forms.
//
//   w[row, column] = value                                          of floats
//   w[row, column] = value * scale[row, g]                          of floats of 8 bits
//   w[row, column] = (value - zero[row, g]) * scale[row, g]         of whole numbers
//
// where g is column / group, or what the matrix' order says. Values are signed: a form that stores
// them plus 2^(bits - 1), or whose scales hold for several rows, is turned into this when it is
// read (load/).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pagoda {

enum class Encoding : uint8_t { kF32, kF16, kBF16, kF8E4M3, kInt8, kInt4 };

constexpr int64_t bits_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32: return 32;
    case Encoding::kF16:
    case Encoding::kBF16: return 16;
    case Encoding::kF8E4M3:
    case Encoding::kInt8: return 8;
    case Encoding::kInt4: return 4;
  }
  return 0;
}
// Of `count` numbers side by side, from a whole byte on. The lower half of a byte comes first.
constexpr int64_t bytes_of(Encoding encoding, int64_t count) {
  return (count * bits_of(encoding) + 7) / 8;
}
// Floats that mean something without a scale.
constexpr bool is_float(Encoding encoding) {
  return encoding == Encoding::kF32 || encoding == Encoding::kF16 || encoding == Encoding::kBF16;
}
constexpr std::string_view name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32: return "float32";
    case Encoding::kF16: return "float16";
    case Encoding::kBF16: return "bfloat16";
    case Encoding::kF8E4M3: return "float8_e4m3";
    case Encoding::kInt8: return "int8";
    case Encoding::kInt4: return "int4";
  }
  return "?";
}

struct WeightFormat {
  Encoding values = Encoding::kBF16;
  // The rest is of values with scales only.
  int64_t group = 0;                 // neighboring columns that share a scale; 0: the whole row
  Encoding scales = Encoding::kF32;  // floats
  bool has_zeros = false;            // int8, one beside each scale of whole numbers
  int64_t ordered_groups = 0;        // so many groups of any columns, as the order says; 0: none

  bool is_quantized() const { return !is_float(values); }
  // Scales of a row of `in` columns. The last group may be smaller.
  int64_t groups(int64_t in) const {
    if (!is_quantized()) return 0;
    if (ordered_groups > 0) return ordered_groups;
    return group == 0 ? 1 : (in + group - 1) / group;
  }
  bool operator==(const WeightFormat&) const = default;
};

// "int4 in groups of 32": for logs and messages.
std::string text_of(const WeightFormat& format);

}  // namespace pagoda
