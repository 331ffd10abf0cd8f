// Positions on three axes (time, row, column) of the tokens of a prompt that shows pictures: M-RoPE
// (arXiv:2409.12191, section 2.1; transformers v4.51, Qwen2_5_VLModel.get_rope_index).
//
// Text has the same number on all axes. In a picture, time stands still and rows and columns are
// counted from where the picture begins; text goes on behind the largest of them.
//
// Thread rule: none; a value.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace pagoda {

class RotaryPositions {
 public:
  // Image tokens [first_token, first_token + rows * columns), one a merged patch. Pictures are
  // added in order.
  void add_picture(int64_t first_token, int64_t rows, int64_t columns);

  bool is_bent() const { return !pictures_.empty(); }

  // Time, row and column of token `token`, in the prompt or behind it.
  std::array<int32_t, 3> at(int64_t token) const;

 private:
  struct Span {
    int64_t first, rows, columns;
    int64_t position;  // of the first token, on all axes
    int64_t end() const { return first + rows * columns; }
  };
  std::vector<Span> pictures_;
};

}  // namespace pagoda
