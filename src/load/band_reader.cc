#include "load/band_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/must.h"
#include "base/str.h"
#include "load/weight_store.h"
#include "tensor/dtype.h"

namespace pagoda {
namespace {

// What the system is asked to read of a band before its first panel: tensors lie in the file by
// name, so layer 2 is far behind layer 1. Once it sees the sequence, the system reads ahead by
// itself, in larger pages: asking for the rest too cost 60 % more processor time (1.5 GB from
// disk).
constexpr int64_t kFirstBytes = 8 << 20;

template <class Half>
void halves_to_floats(float* out, const std::byte* in, int64_t count) {
  const auto* half = reinterpret_cast<const Half*>(in);
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(half[i]);
}

}  // namespace

int64_t Runs::stored() const {
  int64_t count = 0;
  for (const Run& run : runs) count += run.count;
  return count;
}

std::string Runs::text() const {
  std::string text;
  for (const Run& run : runs) text += str(text.empty() ? "" : ",", run.first, "+", run.count);
  return text + str("|", size);
}

Runs runs_of(const Part& part, int64_t limit) {
  Runs result{.runs = {}, .size = part.size()};
  for (const int64_t unit : part.units) {
    const int64_t first = part.first + unit * part.unit;
    MUST(first >= 0 && first + part.unit <= limit);
    if (!result.runs.empty() && result.runs.back().first + result.runs.back().count == first) {
      result.runs.back().count += part.unit;
    } else {
      result.runs.push_back({first, part.unit});
    }
  }
  MUST(result.stored() <= result.size);
  return result;
}

BandReader::BandReader(std::vector<Band> bands, int64_t file_columns, Runs columns,
                       LoadProgress* progress, int64_t count)
    : bands_(std::move(bands)),
      file_columns_(file_columns),
      columns_(std::move(columns)),
      progress_(progress),
      count_(count) {
  MUST(!bands_.empty());
  encoding_ = bands_.front().tensor->encoding();
  for (const Band& band : bands_) {
    if (band.tensor->encoding() != encoding_) encoding_ = Encoding::kF32;
    append_segments(band);
  }
  MUST(rows_ % count_ == 0);
  prefetch_matrix(0);
}

void BandReader::append_segments(const Band& band) {
  const int64_t end = rows_ + band.rows.size;
  for (const Run& run : band.rows.runs) {
    segments_.push_back({rows_, run.count, band.tensor.get(), run.first});
    rows_ += run.count;
  }
  if (rows_ < end) segments_.push_back({rows_, end - rows_, nullptr, 0});
  rows_ = end;
  untold_bytes_ += band.rows.stored() * columns_.stored() * bytes_of(band.tensor->encoding());
}

double BandReader::padding() const {
  int64_t stored_rows = 0;
  for (const Band& band : bands_) stored_rows += band.rows.stored();
  const auto stored = static_cast<double>(stored_rows * columns_.stored());
  return rows_ * columns_.size == 0 ? 0.0
                                    : 1.0 - stored / static_cast<double>(rows_ * columns_.size);
}

void BandReader::prefetch_start(const Band& band) const {
  if (band.rows.runs.empty()) return;
  const Run& run = band.rows.runs.front();
  const int64_t most = kFirstBytes / bytes_of(band.tensor->encoding());
  band.tensor->prefetch(run.first * file_columns_, std::min(run.count * file_columns_, most));
}

void BandReader::prefetch_matrix(int64_t index) const {
  const size_t bands = bands_.size() / static_cast<size_t>(count_);
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

void BandReader::copy_row(const Segment& segment, int64_t file_row, std::byte* out) const {
  const StoredTensor& tensor = *segment.tensor;
  const int64_t element = bytes_of(encoding_);
  std::vector<std::byte> wide;
  for (const Run& run : columns_.runs) {
    const int64_t first = file_row * file_columns_ + run.first;
    if (tensor.encoding() == encoding_) {
      const std::byte* data = tensor.read(first, run.count, out);
      if (data != out) std::memcpy(out, data, static_cast<size_t>(run.count * element));
    } else {
      wide.resize(static_cast<size_t>(run.count * bytes_of(tensor.encoding())));
      to_floats(reinterpret_cast<float*>(out), tensor.read(first, run.count, wide.data()),
                run.count, tensor.encoding());
    }
    out += run.count * element;
  }
  const int64_t padding = columns_.size - columns_.stored();
  std::memset(out, 0, static_cast<size_t>(padding * element));
}

Panel BandReader::read(int64_t expert, int64_t first_row, int64_t rows,
                       std::vector<std::byte>& scratch) const {
  MUST(expert >= 0 && expert < count_ && first_row + rows <= this->rows());
  // Of many matrices, the next one is asked for when one begins.
  if (first_row == 0 && expert + 1 < count_) prefetch_matrix(expert + 1);
  first_row += expert * this->rows();
  const int64_t row_bytes = columns_.size * bytes_of(encoding_);
  const auto bytes = static_cast<size_t>(rows * row_bytes);
  if (scratch.size() < bytes) scratch.resize(bytes);
  const Segment& start = segments_[segment_at(first_row)];
  const bool is_whole_width = columns_.size == file_columns_ && columns_.runs.size() == 1 &&
                              columns_.runs.front().count == file_columns_;
  const bool is_one_run = start.tensor != nullptr &&
                          first_row + rows <= start.begin + start.count &&
                          start.tensor->encoding() == encoding_;
  if (is_whole_width && is_one_run) {
    const int64_t file_row = start.file_row + first_row - start.begin;
    const int64_t first = file_row * file_columns_;
    return {{start.tensor->read(first, rows * file_columns_, scratch.data()), bytes}};
  }
  std::byte* out = scratch.data();
  for_segments(first_row, rows, [&](const Segment& segment, int64_t inside, int64_t count) {
    for (int64_t i = 0; segment.tensor != nullptr && i < count; ++i) {
      copy_row(segment, segment.file_row + inside + i, out + i * row_bytes);
    }
    if (segment.tensor == nullptr) std::memset(out, 0, static_cast<size_t>(count * row_bytes));
    out += count * row_bytes;
  });
  return {{scratch.data(), bytes}};
}

void BandReader::done(int64_t expert, int64_t first_row, int64_t rows) const {
  first_row += expert * this->rows();
  int64_t bytes = 0;
  for_segments(first_row, rows, [&](const Segment& segment, int64_t inside, int64_t count) {
    if (segment.tensor == nullptr) return;
    const StoredTensor& tensor = *segment.tensor;
    tensor.drop((segment.file_row + inside) * file_columns_, count * file_columns_);
    bytes += count * columns_.stored() * bytes_of(tensor.encoding());
  });
  untold_bytes_ -= bytes;
  if (progress_ != nullptr) progress_->add_bytes(bytes);
}

void BandReader::finish() const {
  for (const Band& band : bands_) {
    for (const Run& run : band.rows.runs) {
      band.tensor->drop(run.first * file_columns_, run.count * file_columns_);
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
  }
}

}  // namespace pagoda
