#include "load/band_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/must.h"
#include "load/group_cut.h"
#include "load/load_progress.h"

namespace pagoda {
namespace {

// What the system is asked to read of a band before its first panel: tensors lie in the file by
// name, so layer 2 is far behind layer 1. Once it sees the sequence, the system reads ahead by
// itself, in larger pages: asking for the rest too cost 60 % more processor time (1.5 GB from
// disk).
constexpr int64_t kFirstBytes = 8 << 20;
// Parts of a panel that is not a view of a file begin at multiples of this.
constexpr int64_t kAlignment = 64;

int64_t aligned(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Where row `row` of a tensor begins, in elements: rows begin at whole bytes.
int64_t row_start(Encoding encoding, int64_t columns, int64_t row) {
  return row * (bytes_of(encoding, columns) * 8 / bits_of(encoding));
}

template <class Half>
void halves_to_floats(float* out, const std::byte* in, int64_t count) {
  const auto* half = reinterpret_cast<const Half*>(in);
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(half[i]);
}

}  // namespace

bool can_stand_together(const StoredWeight& a, const StoredWeight& b) {
  if (!a.format.is_quantized() && !b.format.is_quantized()) return true;
  return a.format == b.format && a.order == b.order;
}

BandReader::BandReader(std::vector<Band> bands, BandForm form, LoadProgress* progress)
    : bands_(std::move(bands)), form_(std::move(form)), progress_(progress) {
  MUST(!bands_.empty());
  for (const Band& band : bands_) append_segments(band);
  MUST(rows_ % form_.count == 0);
  format_ = common_format();
  if (format_.is_quantized()) {
    const WeightFormat& stored = bands_.front().weight.format;
    group_sources_ = group_sources(stored, format_, form_.columns);
    const size_t bands_of_matrix = bands_.size() / static_cast<size_t>(form_.count);
    for (size_t i = 0; format_.ordered_groups > 0 && i < bands_.size(); i += bands_of_matrix) {
      orders_.push_back(cut_order(bands_[i].weight.order, stored, form_.columns));
    }
  }
  prefetch_matrix(0);
}

// Matrices of one spec may have an order each, bands of one matrix share it.
WeightFormat BandReader::common_format() const {
  constexpr WeightFormat kWidest = {.values = Encoding::kF32};
  const WeightFormat& stored = bands_.front().weight.format;
  const size_t bands_of_matrix = bands_.size() / static_cast<size_t>(form_.count);
  for (size_t i = 0; i < bands_.size(); ++i) {
    if (bands_[i].weight.format != stored) return kWidest;
    const StoredWeight& first = bands_[i - i % bands_of_matrix].weight;
    if (bands_[i].weight.order != first.order) return kWidest;
  }
  if (!stored.is_quantized()) return stored;
  if (form_.wants_floats) return kWidest;
  return cut_format(stored, form_.columns).value_or(kWidest);
}

int64_t BandReader::bytes_of_row(const StoredWeight& weight) const {
  const WeightFormat& format = weight.format;
  const int64_t columns = form_.columns.stored();
  if (!format.is_quantized()) return bytes_of(format.values, columns);
  const int64_t groups = format.groups(form_.file_columns) * columns / form_.file_columns;
  return bytes_of(format.values, columns) + bytes_of(format.scales, groups) / weight.scale_rows;
}

void BandReader::append_segments(const Band& band) {
  const int64_t end = rows_ + band.rows.size;
  for (const Run& run : band.rows.runs) {
    segments_.push_back({rows_, run.count, &band.weight, run.first});
    rows_ += run.count;
  }
  if (rows_ < end) segments_.push_back({rows_, end - rows_, nullptr, 0});
  rows_ = end;
  untold_bytes_ += band.rows.stored() * bytes_of_row(band.weight);
}

double BandReader::padding() const {
  int64_t stored_rows = 0;
  for (const Band& band : bands_) stored_rows += band.rows.stored();
  const auto stored = static_cast<double>(stored_rows * form_.columns.stored());
  const auto all = static_cast<double>(rows_ * columns());
  return all == 0.0 ? 0.0 : 1.0 - stored / all;
}

void BandReader::prefetch_start(const Band& band) const {
  if (band.rows.runs.empty()) return;
  const Run& run = band.rows.runs.front();
  const Encoding encoding = band.weight.format.values;
  const int64_t rows =
      std::min(run.count, kFirstBytes / bytes_of(encoding, form_.file_columns) + 1);
  band.weight.values->prefetch(row_start(encoding, form_.file_columns, run.first),
                               row_start(encoding, form_.file_columns, rows));
}

void BandReader::prefetch_matrix(int64_t index) const {
  const size_t bands = bands_.size() / static_cast<size_t>(form_.count);
  for (size_t i = 0; i < bands; ++i) {
    prefetch_start(bands_[static_cast<size_t>(index) * bands + i]);
  }
}

size_t BandReader::segment_at(int64_t row) const {
  const auto behind = std::upper_bound(segments_.begin(), segments_.end(), row,
                                       [](int64_t r, const Segment& s) { return r < s.begin; });
  return static_cast<size_t>(behind - segments_.begin()) - 1;
}

template <class F>
void BandReader::for_segments(int64_t first_row, int64_t rows, F&& f) const {
  MUST(first_row >= 0 && first_row + rows <= rows_);
  for (size_t i = rows > 0 ? segment_at(first_row) : 0; rows > 0; ++i) {
    const Segment& segment = segments_[i];
    const int64_t inside = first_row - segment.begin;
    const int64_t count = std::min(rows, segment.count - inside);
    f(segment, inside, count);
    first_row += count;
    rows -= count;
  }
}

std::byte* BandReader::copy_row(const Segment& segment, int64_t file_row, std::byte* out) const {
  const StoredTensor& values = *segment.weight->values;
  const Encoding stored = segment.weight->format.values;
  std::vector<std::byte> wide;
  for (const Run& run : form_.columns.runs) {
    const int64_t first = row_start(stored, form_.file_columns, file_row) + run.first;
    if (stored == format_.values) {
      const std::byte* data = values.read(first, run.count, out);
      if (data != out) std::memcpy(out, data, static_cast<size_t>(bytes_of(stored, run.count)));
    } else {
      wide.resize(static_cast<size_t>(bytes_of(stored, run.count)));
      to_floats(reinterpret_cast<float*>(out), values.read(first, run.count, wide.data()),
                run.count, stored);
    }
    out += bytes_of(format_.values, run.count);
  }
  return out;
}

std::byte* BandReader::widen_row(const StoredWeight& weight, int64_t file_row,
                                 std::byte* out) const {
  const WeightFormat& format = weight.format;
  const int64_t columns = form_.file_columns, groups = format.groups(columns);
  const auto part = [&](const StoredTensor& tensor, int64_t n, std::vector<std::byte>& memory) {
    const auto bytes = static_cast<size_t>(bytes_of(tensor.encoding(), n));
    memory.resize(bytes);
    const int64_t first = row_start(tensor.encoding(), n, file_row);
    return std::span(tensor.read(first, n, memory.data()), bytes);
  };
  std::vector<std::byte> values, scales, zeros;
  Panel row = {.values = part(*weight.values, columns, values),
               .scales = part(*weight.scales, groups, scales),
               .order = weight.order};
  if (weight.zeros != nullptr) {
    const auto bytes = part(*weight.zeros, groups, zeros);
    row.zeros = {reinterpret_cast<const int8_t*>(bytes.data()), bytes.size()};
  }
  const MatrixSpec spec = {.out = 1, .in = columns, .format = format};
  for (const Run& run : form_.columns.runs) {
    widen(reinterpret_cast<float*>(out), row, spec,
          {.row = 0, .first = run.first, .count = run.count});
    out += run.count * int64_t{sizeof(float)};
  }
  return out;
}

std::byte* BandReader::read_row(const Segment& segment, int64_t file_row, std::byte* out) const {
  const bool is_widened = segment.weight->format.is_quantized() && !format_.is_quantized();
  return is_widened ? widen_row(*segment.weight, file_row, out) : copy_row(segment, file_row, out);
}

// The values of a panel: a view of the file where that holds them as they are.
const std::byte* BandReader::read_values(int64_t first_row, int64_t rows,
                                         std::byte* scratch) const {
  const int64_t row_bytes = bytes_of(format_.values, columns());
  const Segment& start = segments_[segment_at(first_row)];
  const bool is_whole_width = columns() == form_.file_columns && form_.columns.runs.size() == 1 &&
                              form_.columns.runs.front().count == form_.file_columns;
  const bool is_one_run = start.weight != nullptr &&
                          first_row + rows <= start.begin + start.count &&
                          start.weight->format.values == format_.values;
  if (is_whole_width && is_one_run) {
    const int64_t file_row = start.file_row + first_row - start.begin;
    return start.weight->values->read(row_start(format_.values, form_.file_columns, file_row),
                                      row_start(format_.values, form_.file_columns, rows), scratch);
  }
  std::byte* out = scratch;
  for_segments(first_row, rows, [&](const Segment& segment, int64_t inside, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      std::byte* end = out;
      if (segment.weight != nullptr) end = read_row(segment, segment.file_row + inside + i, out);
      out += row_bytes;
      std::memset(end, 0, static_cast<size_t>(out - end));  // padding
    }
  });
  return scratch;
}

// A row of scales or zero points, in the groups of a panel.
void BandReader::gather_groups(const StoredTensor& tensor, int64_t file_row, std::byte* out) const {
  const auto element = static_cast<size_t>(bytes_of(tensor.encoding(), 1));
  const int64_t groups = bands_.front().weight.format.groups(form_.file_columns);
  std::vector<std::byte> memory(static_cast<size_t>(groups) * element);
  const std::byte* stored = tensor.read(file_row * groups, groups, memory.data());
  for (const int32_t source : group_sources_) {
    if (source >= 0) std::memcpy(out, stored + static_cast<size_t>(source) * element, element);
    out += element;
  }
}

BandReader::Places BandReader::places_of(int64_t rows) const {
  const auto groups = std::ssize(group_sources_);
  Places places = {};
  places.scales = aligned(rows * bytes_of(format_.values, columns()));
  places.zeros = places.scales + aligned(rows * groups * bytes_of(format_.scales, 1));
  places.end = places.zeros + (format_.has_zeros ? rows * groups : 0);
  if (!format_.is_quantized()) places.end = rows * bytes_of(format_.values, columns());
  return places;
}

void BandReader::read_groups(int64_t first_row, int64_t rows, const Places& places,
                             std::byte* scratch) const {
  std::memset(scratch + places.scales, 0, static_cast<size_t>(places.end - places.scales));
  const auto groups = std::ssize(group_sources_);
  std::byte* scales = scratch + places.scales;
  std::byte* zeros = scratch + places.zeros;
  const int64_t scale_bytes = groups * bytes_of(format_.scales, 1);
  for_segments(first_row, rows, [&](const Segment& segment, int64_t inside, int64_t count) {
    const int64_t held = segment.weight != nullptr ? count : 0;
    for (int64_t i = 0; i < held; ++i) {
      const int64_t file_row = segment.file_row + inside + i;
      gather_groups(*segment.weight->scales, file_row, scales + i * scale_bytes);
      if (!format_.has_zeros) continue;
      gather_groups(*segment.weight->zeros, file_row, zeros + i * groups);
    }
    scales += count * scale_bytes;
    zeros += count * groups;
  });
}

Panel BandReader::read(int64_t expert, int64_t first_row, int64_t rows,
                       std::vector<std::byte>& scratch) const {
  MUST(expert >= 0 && expert < count() && first_row + rows <= this->rows());
  // Of many matrices, the next one is asked for when one begins.
  if (first_row == 0 && expert + 1 < count()) prefetch_matrix(expert + 1);
  first_row += expert * this->rows();
  const Places places = places_of(rows);
  if (std::ssize(scratch) < places.end) scratch.resize(static_cast<size_t>(places.end));
  Panel panel = {.values = {read_values(first_row, rows, scratch.data()),
                            static_cast<size_t>(rows * bytes_of(format_.values, columns()))}};
  if (!format_.is_quantized()) return panel;
  read_groups(first_row, rows, places, scratch.data());
  const auto numbers = static_cast<size_t>(rows) * group_sources_.size();
  panel.scales = {scratch.data() + places.scales,
                  numbers * static_cast<size_t>(bytes_of(format_.scales, 1))};
  if (format_.has_zeros) {
    panel.zeros = {reinterpret_cast<const int8_t*>(scratch.data() + places.zeros), numbers};
  }
  if (!orders_.empty()) panel.order = orders_[static_cast<size_t>(expert)];
  return panel;
}

void BandReader::done(int64_t expert, int64_t first_row, int64_t rows) const {
  first_row += expert * this->rows();
  int64_t bytes = 0;
  for_segments(first_row, rows, [&](const Segment& segment, int64_t inside, int64_t count) {
    if (segment.weight == nullptr) return;
    const Encoding encoding = segment.weight->format.values;
    segment.weight->values->drop(row_start(encoding, form_.file_columns, segment.file_row + inside),
                                 row_start(encoding, form_.file_columns, count));
    bytes += count * bytes_of_row(*segment.weight);
  });
  untold_bytes_ -= bytes;
  if (progress_ != nullptr) progress_->add_bytes(bytes);
}

void BandReader::finish() const {
  for (const Band& band : bands_) {
    const Encoding encoding = band.weight.format.values;
    for (const Run& run : band.rows.runs) {
      band.weight.values->drop(row_start(encoding, form_.file_columns, run.first),
                               row_start(encoding, form_.file_columns, run.count));
    }
  }
  const int64_t untold = untold_bytes_.exchange(0);
  if (progress_ != nullptr && untold > 0) progress_->add_bytes(untold);
}

void to_floats(float* out, const std::byte* in, int64_t count, Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32: std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float)); return;
    case Encoding::kF16: halves_to_floats<Float16>(out, in, count); return;
    case Encoding::kBF16: halves_to_floats<BFloat16>(out, in, count); return;
    case Encoding::kF8E4M3:
    case Encoding::kInt8:
    case Encoding::kInt4: MUST(is_float(encoding));  // these need their scales: widen()
  }
}

}  // namespace pagoda
