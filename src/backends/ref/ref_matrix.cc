#include "backends/ref/ref_matrix.h"

#include <algorithm>

#include "backends/ref/rows.h"
#include "base/must.h"

namespace pagoda::ref {
namespace {

constexpr int64_t kPanelRows = 64;

}  // namespace

RefMatrix::RefMatrix(const MatrixSpec& spec, const PanelReader& reader) : spec_(spec) {
  values_.reserve(static_cast<size_t>(spec.count * spec.out * spec.in));
  for (int64_t expert = 0; expert < spec.count; ++expert) {
    for (int64_t first = 0; first < spec.out; first += kPanelRows) {
      append(reader, expert, first, std::min(kPanelRows, spec.out - first));
    }
  }
}

void RefMatrix::append(const PanelReader& reader, int64_t expert, int64_t first, int64_t rows) {
  const WeightFormat& format = spec_.format;
  std::vector<std::byte> scratch;
  const Panel panel = reader.read(expert, first, rows, scratch);
  MUST(static_cast<int64_t>(panel.values.size()) == rows * bytes_of(format.values, spec_.in));
  std::vector<float> row(static_cast<size_t>(spec_.in));
  for (int64_t r = 0; r < rows; ++r) {
    widen(row.data(), panel, spec_, {.row = r, .first = 0, .count = spec_.in});
    for (const float x : row) {
      values_.push_back(format.is_quantized() ? x : rounded(spec_.dtype, x));
    }
  }
  reader.done(expert, first, rows);
}

int64_t RefMatrix::bytes() const {
  return static_cast<int64_t>(values_.size() * sizeof(float));
}

}  // namespace pagoda::ref
