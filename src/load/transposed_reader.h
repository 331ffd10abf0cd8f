// Matrices read with rows and columns exchanged, as products with the transpose of a stored weight
// want them.
//
// Thread rule: as PanelReader.
#pragma once

#include "load/band_reader.h"

namespace pagoda {

class TransposedReader final : public PanelReader {
 public:
  // `stored` gives floats: scales of groups along its rows mean nothing across them.
  explicit TransposedReader(const BandReader& stored) : stored_(stored) {}

  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& scratch) const override;
  void done(int64_t expert, int64_t first_row, int64_t rows) const override;

 private:
  const BandReader& stored_;
};

}  // namespace pagoda
