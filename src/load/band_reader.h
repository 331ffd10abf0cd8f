// Reads a matrix for its device: bands of rows of several weights one below the other (q, k, v), of
// each only the rows and columns that this rank holds, zeros where a Part is padded.
//
// What panels hold is decided here, by what the bands are stored as: bands of one format keep it;
// where formats differ, or a cut leaves no groups that a panel can describe, all become float32.
//
// Thread rule: as PanelReader: read() and done() on any number of threads at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "load/runs.h"
#include "load/stored_weight.h"
#include "tensor/matrix.h"

namespace pagoda {

class LoadProgress;

struct Band {
  StoredWeight weight;  // [any, columns of the file]
  Runs rows;
};

// What all bands have in common.
struct BandForm {
  int64_t file_columns;  // the width of all weights
  Runs columns;
  int64_t count = 1;          // the bands are so many matrices of as many bands and rows each
  bool wants_floats = false;  // values with scales are widened in any case
};

// One matrix may hold both and lose nothing: floats of any kind, or values with scales of one
// format and order.
bool can_stand_together(const StoredWeight& a, const StoredWeight& b);

class BandReader final : public PanelReader {
 public:
  // `progress` may be null.
  BandReader(std::vector<Band> bands, BandForm form, LoadProgress* progress);

  int64_t count() const { return form_.count; }
  int64_t rows() const { return rows_ / form_.count; }  // of one matrix
  int64_t columns() const { return form_.columns.size; }
  double padding() const;  // what share of all values are zeros that the files do not have
  const WeightFormat& format() const { return format_; }

  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& scratch) const override;
  void done(int64_t expert, int64_t first_row, int64_t rows) const override;

  // All has been read: whatever done() has not told progress yet is told, all pages may go.
  void finish() const;

 private:
  // Rows of the panel that are consecutive rows of one weight; null: zeros.
  struct Segment {
    int64_t begin, count;
    const StoredWeight* weight;
    int64_t file_row;
  };
  // Where the parts of a panel lie in its scratch.
  struct Places {
    int64_t scales, zeros, end;
  };

  void append_segments(const Band& band);
  WeightFormat common_format() const;
  int64_t bytes_of_row(const StoredWeight& weight) const;  // of this rank's columns, as stored
  void prefetch_start(const Band& band) const;
  void prefetch_matrix(int64_t index) const;
  size_t segment_at(int64_t row) const;
  Places places_of(int64_t rows) const;
  const std::byte* read_values(int64_t first_row, int64_t rows, std::byte* scratch) const;
  void read_groups(int64_t first_row, int64_t rows, const Places& places, std::byte* scratch) const;
  // This rank's columns of a row, in the panel's format. They return the end of what they wrote.
  std::byte* read_row(const Segment& segment, int64_t file_row, std::byte* out) const;
  std::byte* copy_row(const Segment& segment, int64_t file_row, std::byte* out) const;
  std::byte* widen_row(const StoredWeight& weight, int64_t file_row, std::byte* out) const;
  void gather_groups(const StoredTensor& tensor, int64_t file_row, std::byte* out) const;
  // f(segment, first row in it, rows) over [first_row, first_row + rows).
  template <class F>
  void for_segments(int64_t first_row, int64_t rows, F&& f) const;

  const std::vector<Band> bands_;
  const BandForm form_;
  LoadProgress* const progress_;
  std::vector<Segment> segments_;
  int64_t rows_ = 0;  // of all matrices
  WeightFormat format_;
  std::vector<int32_t> group_sources_;        // of each group, which one of the file; -1: padding
  std::vector<std::vector<int32_t>> orders_;  // one a matrix, or none
  mutable std::atomic<int64_t> untold_bytes_ = 0;  // that done() has not told progress yet
};

// out[i] = in[i] in float.  in: `count` floats, aligned to their size.
void to_floats(float* out, const std::byte* in, int64_t count, Encoding encoding);

}  // namespace pagoda
