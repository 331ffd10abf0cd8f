#include "backends/ref/ref_device.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "backends/ref/apart_device.h"
#include "backends/ref/rows.h"
#include "base/error.h"
#include "base/must.h"
#include "base/str.h"

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

std::unique_ptr<Matrix> RefDevice::make_matrix(const MatrixSpec& spec, const PanelReader& reader) {
  return std::make_unique<RefMatrix>(spec, reader);
}

int64_t RefDevice::matrix_bytes(const MatrixSpec& spec) const {
  return spec.count * spec.out * spec.in * static_cast<int64_t>(sizeof(float));
}

int64_t RefDevice::kv_block_bytes(const KvShape& shape, int64_t block_size) const {
  return block_size * shape.kv_heads * (shape.key_dim + shape.value_dim) * bytes_of(shape.dtype);
}

DeviceMemory RefDevice::memory() const {
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {.total_bytes = sysconf(_SC_PHYS_PAGES) * page,
          .free_bytes = sysconf(_SC_AVPHYS_PAGES) * page};
}

void RefDevice::copy_in(Tensor device, const void* host) {
  if (!device.empty()) std::memcpy(device.data, host, static_cast<size_t>(device.bytes()));
}

void RefDevice::copy_out(void* host, Tensor device) {
  if (!device.empty()) std::memcpy(host, device.data, static_cast<size_t>(device.bytes()));
}

}  // namespace pagoda::ref

namespace pagoda {

std::unique_ptr<Device> open_ref(const DeviceOptions& options) {
  if (options.instruction_set == "apart") {
    return std::make_unique<ref::ApartDevice>(options.ordinal);
  }
  if (options.instruction_set.empty()) return std::make_unique<ref::RefDevice>();
  throw Error(ErrorKind::kConfig, str("--backend: ref has no form \"", options.instruction_set,
                                      "\"; use --backend ref, or ref:apart"));
}

}  // namespace pagoda
