#include "load/transposed_reader.h"

#include <cstring>

namespace pagoda {

// Whole rows are a view of the file where they lie together, so only the columns are touched.
Panel TransposedReader::read(int64_t expert, int64_t first_row, int64_t rows,
                             std::vector<std::byte>& scratch) const {
  std::vector<std::byte> copied;
  const Panel stored = stored_.read(expert, 0, stored_.rows(), copied);
  const int64_t element = bytes_of(stored_.format().values, 1), in = stored_.rows();
  const auto bytes = static_cast<size_t>(rows * in * element);
  if (scratch.size() < bytes) scratch.resize(bytes);
  for (int64_t i = 0; i < in; ++i) {
    const std::byte* from = stored.values.data() + (i * stored_.columns() + first_row) * element;
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(scratch.data() + (r * in + i) * element, from + r * element,
                  static_cast<size_t>(element));
    }
  }
  return {{scratch.data(), bytes}};
}

// Every panel needs all stored rows; they go with the last one.
void TransposedReader::done(int64_t expert, int64_t first_row, int64_t rows) const {
  if (first_row + rows == stored_.columns()) stored_.done(expert, 0, stored_.rows());
}

}  // namespace pagoda
