// Reads a matrix for its device: bands of rows of several tensors one below the other (q, k, v),
// of each only the rows and columns that this rank holds, zeros where a Part is padded.
//
// Thread rule: as PanelReader: read() and done() on any number of threads at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/checkpoint.h"
#include "tensor/part.h"

namespace pagoda {

class LoadProgress;

// Rows (or columns) that lie side by side in the file.
struct Run {
  int64_t first, count;
};

// A Part as few runs as possible, so that equal shares compare equal however they were written.
struct Runs {
  std::vector<Run> runs;
  int64_t size = 0;  // padding included

  int64_t stored() const;    // without padding
  std::string text() const;  // "0+4,8+4|16": a key for equal shares
};
// MUSTs that the part lies in [0, limit): models make it from the same shape that is checked.
Runs runs_of(const Part& part, int64_t limit);

struct Band {
  std::unique_ptr<StoredTensor> tensor;  // [any, columns of the file]
  Runs rows;
};

class BandReader final : public PanelReader {
 public:
  // `file_columns` is the width of all tensors. `progress` may be null. The bands are `count`
  // matrices of as many bands and rows each.
  BandReader(std::vector<Band> bands, int64_t file_columns, Runs columns, LoadProgress* progress,
             int64_t count = 1);

  int64_t count() const { return count_; }
  int64_t rows() const { return rows_ / count_; }  // of one matrix
  int64_t columns() const { return columns_.size; }
  double padding() const;  // what share of all values are zeros that the files do not have
  // That of the tensors; f32 where they differ.
  Encoding encoding() const { return encoding_; }

  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& scratch) const override;
  void done(int64_t expert, int64_t first_row, int64_t rows) const override;

  // All has been read: whatever done() has not told progress yet is told, all pages may go.
  void finish() const;

 private:
  // Rows of the panel that are consecutive rows of one tensor; null: zeros.
  struct Segment {
    int64_t begin, count;
    const StoredTensor* tensor;
    int64_t file_row;
  };

  void append_segments(const Band& band);
  void prefetch_start(const Band& band) const;
  void prefetch_matrix(int64_t index) const;
  size_t segment_at(int64_t row) const;
  void copy_row(const Segment& segment, int64_t file_row, std::byte* out) const;
  // f(segment, first row in it, rows) over [first_row, first_row + rows).
  template <class F>
  void for_segments(int64_t first_row, int64_t rows, F&& f) const;

  const std::vector<Band> bands_;
  const int64_t file_columns_;
  const Runs columns_;
  LoadProgress* const progress_;
  const int64_t count_;
  std::vector<Segment> segments_;
  int64_t rows_ = 0;  // of all matrices
  Encoding encoding_;
  mutable std::atomic<int64_t> untold_bytes_ = 0;  // that done() has not told progress yet
};

// out[i] = in[i] in float.  in: `count` elements, aligned to their size.
void to_floats(float* out, const std::byte* in, int64_t count, Encoding encoding);

}  // namespace pagoda
