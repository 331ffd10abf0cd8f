#include "backends/cpu/packed_matrix.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/must.h"
#include "base/mutex.h"

namespace pagoda::cpu {
namespace {

// Columns packed at a time: 32 rows of them stay in L1 while they are turned.
constexpr int64_t kBandColumns = 128;

// Files align nothing, so every number is copied out.
template <class To, class From>
void convert(To* out, const std::byte* values, int64_t first, int64_t n) {
  const std::byte* from = values + first * int64_t{sizeof(From)};
  if constexpr (std::is_same_v<To, From>) {
    std::memcpy(out, from, static_cast<size_t>(n) * sizeof(To));
  } else {
    for (int64_t i = 0; i < n; ++i) {
      From x;
      std::memcpy(&x, from + i * int64_t{sizeof(From)}, sizeof x);
      out[i] = from_float<To>(to_float(x));
    }
  }
}

template <class To>
void convert_scaled(To* out, const Panel& panel, const MatrixSpec& spec, const PanelPiece& piece) {
  float wide[kBandColumns];
  widen(wide, panel, spec, piece);
  for (int64_t i = 0; i < piece.count; ++i) out[i] = from_float<To>(wide[i]);
}

// At most kBandColumns of them.
template <class To>
void convert(To* out, const Panel& panel, const MatrixSpec& spec, const PanelPiece& piece) {
  const std::byte* values = panel.values.data();
  const int64_t first = piece.row * spec.in + piece.first, n = piece.count;
  switch (spec.format.values) {
    case Encoding::kF32: convert<To, float>(out, values, first, n); break;
    case Encoding::kF16: convert<To, Float16>(out, values, first, n); break;
    case Encoding::kBF16: convert<To, BFloat16>(out, values, first, n); break;
    case Encoding::kF8E4M3:
    case Encoding::kInt8:
    case Encoding::kInt4: convert_scaled(out, panel, spec, piece); break;
  }
}

// Lane o of step s is unit number s of row o: a number, or a pair of them.
template <int64_t kUnitBytes>
void turn(std::byte* out, const std::byte* band, int64_t steps, int64_t row_bytes) {
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t o = 0; o < kPanelOutputs; ++o) {
      std::memcpy(out, band + o * row_bytes + s * kUnitBytes, kUnitBytes);
      out += kUnitBytes;
    }
  }
}

// Packs rows <= 32 of `in` numbers. `out` is zero.
template <class T, int64_t kPerUnit>
void pack_panel(std::byte* out, const Panel& panel, int64_t rows, const MatrixSpec& spec) {
  alignas(64) T band[kPanelOutputs * kBandColumns] = {};
  for (int64_t k = 0; k < spec.in; k += kBandColumns) {
    const int64_t columns = std::min(kBandColumns, spec.in - k);
    const int64_t steps = (columns + kPerUnit - 1) / kPerUnit;
    for (int64_t r = 0; r < rows; ++r) {
      T* row = band + r * kBandColumns;
      convert(row, panel, spec, {.row = r, .first = k, .count = columns});
      for (int64_t j = columns; j < steps * kPerUnit; ++j) row[j] = T{};
    }
    turn<sizeof(T) * kPerUnit>(out + k * kPanelOutputs * int64_t{sizeof(T)},
                               reinterpret_cast<const std::byte*>(band), steps,
                               kBandColumns * int64_t{sizeof(T)});
  }
}

using PackPanel = void (*)(std::byte* out, const Panel& panel, int64_t rows,
                           const MatrixSpec& spec);
// In the order of WeightLayout.
constexpr PackPanel kPackPanel[kWeightLayouts] = {&pack_panel<float, 1>, &pack_panel<BFloat16, 2>,
                                                  &pack_panel<Float16, 1>};

}  // namespace

PackedMatrix::PackedMatrix(const MatrixSpec& spec, const PanelReader& reader, ThreadTeam& team)
    : spec_(spec),
      layout_(choose_layout(spec.format, spec.dtype)),
      buffer_(reserve_host_memory(bytes_of_spec(spec))) {
  std::vector<std::vector<std::byte>> scratch(static_cast<size_t>(team.size()));
  Mutex mutex;
  std::optional<Error> error;  // the first one; guarded by mutex
  std::atomic<bool> failed = false;
  // Jobs of a team must not throw.
  const auto pack_or_fail = [&](int64_t index, int worker) {
    try {
      read_panel(index, reader, scratch[static_cast<size_t>(worker)]);
    } catch (const Error& e) {
      const MutexLock lock(mutex);
      if (!error) error = e;
      failed = true;
    }
  };
  team.for_chunks(spec.count * panels(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end && !failed; ++i) pack_or_fail(i, worker);
  });
  if (error) throw *error;
}

void PackedMatrix::read_panel(int64_t index, const PanelReader& reader,
                              std::vector<std::byte>& scratch) {
  const int64_t expert = index / panels(), row = index % panels() * kPanelOutputs;
  const int64_t rows = std::min(kPanelOutputs, spec_.out - row);
  const Panel read = reader.read(expert, row, rows, scratch);
  MUST(std::ssize(read.values) == rows * bytes_of(spec_.format.values, spec_.in));
  kPackPanel[static_cast<size_t>(layout_)](
      static_cast<std::byte*>(buffer_.data()) + index * panel_bytes(), read, rows, spec_);
  reader.done(expert, row, rows);
}

int64_t PackedMatrix::depth_of(const MatrixSpec& spec) {
  return depth_of(spec, choose_layout(spec.format, spec.dtype));
}

int64_t PackedMatrix::depth_of(const MatrixSpec& spec, WeightLayout layout) {
  if (layout != WeightLayout::kBF16Pairs) return spec.in;
  return (spec.in + kDepthAlignment - 1) / kDepthAlignment * kDepthAlignment;
}

int64_t PackedMatrix::panels_of(const MatrixSpec& spec) {
  return (spec.out + kPanelOutputs - 1) / kPanelOutputs;
}

int64_t PackedMatrix::panel_bytes_of(const MatrixSpec& spec, WeightLayout layout) {
  return depth_of(spec, layout) * kPanelOutputs * bytes_of(dtype_of(layout));
}

int64_t PackedMatrix::bytes_of_spec(const MatrixSpec& spec) {
  return spec.count * panels_of(spec) *
         panel_bytes_of(spec, choose_layout(spec.format, spec.dtype));
}

const std::byte* PackedMatrix::panel(int64_t expert, int64_t index) const {
  return static_cast<const std::byte*>(buffer_.data()) +
         (expert * panels() + index) * panel_bytes();
}

void PackedMatrix::copy_row(void* out, int64_t row, int64_t begin, int64_t end) const {
  const std::byte* from = panel(0, row / kPanelOutputs);
  const int64_t lane = row % kPanelOutputs;
  if (layout_ == WeightLayout::kF32) {
    const auto* weights = reinterpret_cast<const float*>(from) + lane;
    auto* to = static_cast<float*>(out);
    for (int64_t k = begin; k < end; ++k) to[k - begin] = weights[k * kPanelOutputs];
  } else if (layout_ == WeightLayout::kBF16Pairs) {
    const auto* weights = reinterpret_cast<const BFloat16*>(from) + 2 * lane;
    auto* to = static_cast<BFloat16*>(out);
    for (int64_t k = begin; k < end; ++k)
      to[k - begin] = weights[k / 2 * 2 * kPanelOutputs + k % 2];
  } else {
    const auto* weights = reinterpret_cast<const Float16*>(from) + lane;
    auto* to = static_cast<Float16*>(out);
    for (int64_t k = begin; k < end; ++k) to[k - begin] = weights[k * kPanelOutputs];
  }
}

}  // namespace pagoda::cpu
